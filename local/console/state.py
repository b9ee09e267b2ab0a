"""The state of the cloud as the page gets it."""

import threading
import time
from dataclasses import asdict
from typing import Any

from local.console import faults
from local.console.backend import Backend
from local.console.card import UploadCard
from local.console.ledger import LedgerReader
from local.console.logs import Line, LogReader, moment_of
from local.console.uploads import Uploads
from local.samples import SAMPLE_PROMPTS
from local.vefaas.runtime import QueuedEvent
from shared.ledger import Record
from shared.runtime import Runtime
from shared.uploads.events import Upload, parse_uploads

# More than the uploads that are shown: one may be delivered twice.
_NEWEST_EVENTS = 300

State = dict[str, Any]


class StateReader:
    """Reads the cloud when it is called, and never in between. Thread-safe."""

    def __init__(self, backend: Backend, runtime: Runtime) -> None:
        self._backend = backend
        self._lock = threading.Lock()
        self._uploads = Uploads(runtime.storage(None))
        self._ledger = LedgerReader(runtime)
        self._logs = LogReader(backend.logs)
        self._queue_changes = -1
        self._last_sweep: dict[str, Any] | None = None

    def read(self) -> State:
        """Return the state now."""
        backend, now = self._backend, time.time()
        with self._lock:
            self._refresh()
            return {
                "uploads": self._uploads.views(now),
                "queue": self._queue(),
                "records": {
                    "pending": [_pending(record) for record in self._ledger.pending()],
                    "sweep": self._sweep(),
                },
                "charges": dict(zip(("charges", "images"), backend.billing.totals(), strict=True)),
                "faults": faults.read(backend).model_dump(),
                "functions": [asdict(state) for state in backend.platform.states],
                "cloud": {"bucket": backend.bucket, "prefix": backend.prefix, **backend.addresses},
                "samples": [{"name": n, "prompt": p} for n, p in SAMPLE_PROMPTS.items()],
            }

    def find(self, upload_id: str) -> UploadCard | None:
        """Return an upload by its id, if there is one."""
        with self._lock:
            known = self._uploads.find(upload_id)
            if known is None:
                self._refresh()
            return known or self._uploads.find(upload_id)

    def _refresh(self) -> None:
        # Logs before the queue: an event is queued before the function that it starts logs a line.
        lines = self._logs.read()
        queue = self._backend.platform.queue
        changes = queue.changes()
        if changes != self._queue_changes:
            self._uploads.add_events(queue.newest(_NEWEST_EVENTS), lines)
            self._queue_changes = changes
        self._uploads.add_lines(lines)
        for line in lines:
            if line["event"] == "sweep.finished":
                self._last_sweep = _sweep_counts(line)
        self._uploads.add_records(self._ledger.refresh(self._uploads.take_touched()))

    def _queue(self) -> dict[str, Any]:
        queue = self._backend.platform.queue
        found, settings = queue.snapshot(), queue.settings
        names = {key: spec.name for key, spec in self._backend.platform.functions.items()}
        kinds = ("waiting", "in_flight", "delayed", "dropped")
        return {
            **{kind: [_event(each, names) for each in getattr(found, kind)] for kind in kinds},
            "done": found.done,
            "max_retries": settings.max_retries,
            "max_age_seconds": settings.max_age_seconds,
        }

    def _sweep(self) -> dict[str, Any] | None:
        timer = self._backend.sweep_timer()
        if timer is None:
            return None
        return {
            "function": self._backend.platform.functions[timer.function_id].name,
            "every_seconds": timer.schedule.next_after(0.0),
            "next_at": timer.next_due,
            "running": timer.running.locked(),
            "last": self._last_sweep,
        }


def _event(event: QueuedEvent, names: dict[str, str]) -> dict[str, Any]:
    uploads = (u for u in parse_uploads(event.event) if isinstance(u, Upload))
    return {
        "id": event.id,
        "function": names.get(event.function_id, event.function_id),
        "key": next((upload.key for upload in uploads), None),
        "attempt": event.attempt,
        "enqueued_at": event.enqueued_at,
        "due_at": event.due_at,
        "last_error": event.last_error,
        "dropped_because": event.dropped_because,
        "is_copy": event.copy_of is not None,
    }


def _pending(record: Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "bucket": record.source.bucket or "",
        "key": record.source.key or "",
        "parked": record.park.status if record.park else None,
        "cause": record.park.cause if record.park else "",
        "reason": record.reason or "",
        "due_at": record.park.due_at if record.park else 0.0,
        "lease_until": record.lease.until if record.lease else 0.0,
        "attempts": len(record.attempts),
    }


def _sweep_counts(line: Line) -> dict[str, Any]:
    counts = {name: value for name, value in line.items() if isinstance(value, int)}
    return {"at": moment_of(line) or 0.0, "counts": counts}
