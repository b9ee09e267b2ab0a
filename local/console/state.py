"""The state of the cloud as the page gets it, put together anew with every look."""

import threading
import time
from dataclasses import asdict
from typing import Any

from local.console import faults
from local.console.gallery import Gallery
from local.console.ledger import LedgerView
from local.console.lines import Line, Lines, moment_of
from local.console.parts import Parts
from local.console.uploads import Upload
from local.samples import SAMPLE_PROMPTS
from local.vefaas.runtime import QueuedEvent
from shared.ledger import Record
from shared.runtime import Runtime
from shared.uploads.events import Upload as Event
from shared.uploads.events import parse_uploads

# More than the uploads that are shown: one may be delivered twice.
_NEWEST_DELIVERIES = 300

State = dict[str, Any]


class Watch:
    """Looks at the cloud when asked to, and at nothing in between; safe to use from threads."""

    def __init__(self, parts: Parts, runtime: Runtime) -> None:
        self._parts = parts
        self._lock = threading.Lock()
        self._gallery = Gallery(runtime.storage(None))
        self._ledger = LedgerView(runtime)
        self._lines = Lines(parts.logs)
        self._queue_seen = -1
        self._swept: dict[str, Any] | None = None

    def look(self) -> State:
        """Return the state now. A part that is as it was may be the same object as before."""
        with self._lock:
            return self._look()

    def find(self, upload_id: str) -> Upload | None:
        """Return an upload by its id; None where there is none."""
        with self._lock:
            known = self._gallery.find(upload_id)
            if known is None:
                self._follow()
            return known or self._gallery.find(upload_id)

    def _look(self) -> State:
        parts, now = self._parts, time.time()
        self._follow()
        return {
            "uploads": self._gallery.views(now),
            "queue": self._queue(),
            "records": {
                "pending": [_record(record) for record in self._ledger.waiting()],
                "sweep": self._sweep(),
            },
            "charges": dict(zip(("charges", "images"), parts.book.totals(), strict=True)),
            "faults": faults.read(parts.faults, parts.platform).model_dump(),
            "functions": [asdict(state) for state in parts.platform.states],
            "cloud": {"bucket": parts.bucket, "prefix": parts.prefix, **parts.addresses},
            "samples": [{"name": n, "prompt": p} for n, p in SAMPLE_PROMPTS.items()],
        }

    def _follow(self) -> None:
        # Before the queue: an event is queued before the function that it starts writes a line.
        lines = self._lines.new()
        changes = self._parts.platform.queue.changes()
        if changes != self._queue_seen:
            newest = self._parts.platform.queue.newest(_NEWEST_DELIVERIES)
            self._gallery.take_deliveries(newest, lines)
            self._queue_seen = changes
        self._gallery.take_lines(lines)
        for line in lines:
            if line["event"] == "sweep.finished":
                self._swept = _swept(line)
        self._gallery.take_records(self._ledger.refresh(self._gallery.touched()))

    def _queue(self) -> dict[str, Any]:
        events = self._parts.platform.queue
        found, settings = events.snapshot(), events.settings
        names = {key: spec.name for key, spec in self._parts.platform.functions.items()}
        kinds = ("waiting", "in_flight", "delayed", "dropped")
        return {
            **{kind: [_item(each, names) for each in getattr(found, kind)] for kind in kinds},
            "done": found.done,
            "max_retries": settings.max_retries,
            "max_age_seconds": settings.max_age_seconds,
        }

    def _sweep(self) -> dict[str, Any] | None:
        platform = self._parts.platform
        timer = self._parts.sweep_timer()
        if timer is None:
            return None
        return {
            "function": platform.functions[timer.function_id].name,
            "every_seconds": timer.schedule.next_after(0.0),
            "next_at": timer.next_due,
            "running": timer.running.locked(),
            "last": self._swept,
        }


def _item(delivery: QueuedEvent, names: dict[str, str]) -> dict[str, Any]:
    uploads = (e for e in parse_uploads(delivery.event) if isinstance(e, Event))
    return {
        "id": delivery.id,
        "function": names.get(delivery.function_id, delivery.function_id),
        "key": next((upload.key for upload in uploads), None),
        "attempt": delivery.attempt,
        "enqueued_at": delivery.enqueued_at,
        "due_at": delivery.due_at,
        "last_error": delivery.last_error,
        "dropped_because": delivery.dropped_because,
        "is_copy": delivery.copy_of is not None,
    }


def _record(record: Record) -> dict[str, Any]:
    shown = ("id", "bucket", "key", "parked", "cause", "reason", "due_at", "lease_until")
    return {**record.model_dump(include=set(shown)), "attempts": len(record.attempts)}


def _swept(line: Line) -> dict[str, Any]:
    counts = {name: value for name, value in line.items() if isinstance(value, int)}
    return {"at": moment_of(line) or 0.0, "counts": counts}
