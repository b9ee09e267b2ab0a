"""One upload: what the queue, the ledger and the log tell of it, and how far it has come by that.

What it is known by, and in which order that is believed:

    its record in the ledger   generated · rejected · skipped · superseded     an end: it stands
    a delivery in flight       working
    its record, parked         deferred · in_doubt
    its last log line          skipped · superseded · …    what ended without a record
    a delivery to come         waiting, or retrying once one has failed
    a delivery dropped         dropped
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local.console.lines import Line, moment_of, text_in
from local.vefaas.runtime import QueuedEvent
from shared.ledger import Record

_MOST_LINES = 300
_ENDS = ("generated", "rejected", "skipped", "superseded")
# The metadata that is shown, and that another run takes over.
_TYPES = {"prompt": str, "seed": int, "steps": int, "scale": float}


@dataclass(slots=True)
class Upload:
    """What is known of an upload. `uploaded_at` in seconds since the epoch.

    `version` is the object's version id or ETag, empty where nothing tells it; `asked` the
    metadata that was found on it. `record` is the ledger's, once there is one.
    """

    id: str
    bucket: str
    key: str
    uploaded_at: float
    version: str = ""
    size: int = 0
    asked: Mapping[str, str] = field(default_factory=dict)
    again_of: str | None = None
    record_id: str | None = None
    record: Record | None = None
    lines: list[Line] = field(default_factory=list)
    deliveries: dict[str, tuple[str, QueuedEvent]] = field(default_factory=dict)
    duplicates: int = 0
    # The last line that told how a delivery ended, and the one that told the image's addresses.
    finished: Line = field(default_factory=dict)
    made: Line = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What people call it: the end of its key or of its source's address."""
        source = self.record.source if self.record else None
        return (self.key or source or self.id).rstrip("/").rpartition("/")[2] or self.id

    @property
    def store_uris(self) -> list[str]:
        """Where its image is stored, as far as it is known."""
        return list(self.record.store_uris if self.record else ()) or _texts(
            self.made, "store_uris"
        )

    def add(self, line: Line) -> None:
        """Take in a log line."""
        self.lines.append(line)
        del self.lines[:-_MOST_LINES]
        if line["event"] == "image.generated":
            self.made = line
        if line["event"] == "delivery.finished":
            if line.get("status") == "duplicate":
                self.duplicates += 1
            else:
                self.finished = line

    def stage(self, now: float) -> str:
        """Tell how far it has come; see the module's docstring."""
        record, states = self.record, [state for state, _ in self.deliveries.values()]
        told = text_in(self.finished, "status")
        if record is not None and record.state != "pending":
            return record.state
        # Its owner's lease: the sweep's, or the HTTP door's. One that unparked is dead or alive.
        held = record is not None and bool(record.owner) and record.lease_until > now
        if "in_flight" in states or (held and record is not None and record.parked):
            return "working"
        if record is not None and record.parked:
            return record.parked
        if told in (*_ENDS, "deferred", "in_doubt") and record is None:
            return told
        to_come = [each for state, each in self.deliveries.values() if state in ("waiting", "held")]
        if to_come:
            return "retrying" if any(each.attempt > 1 for each in to_come) else "waiting"
        if "dropped" in states:
            # The lease may be a dead worker's: once it is over, the sweep takes the record.
            return "dropped" if record is None else "retrying"
        return "working" if held else "waiting"

    def reason(self, stage: str) -> str:
        """Say in words why it has come no further; empty where there is nothing to say."""
        if stage in ("waiting", "working", "generated"):
            return ""
        if stage in ("retrying", "dropped"):
            return self._failure()
        if self.record is not None:
            return self.record.reason
        return text_in(self.finished, "reason")

    def _failure(self) -> str:
        each = max(
            (delivery for _, delivery in self.deliveries.values()), key=lambda each: each.due_at
        )
        # What a worker that ended wrote last follows on lines of its own: it is in the log.
        error = (each.last_error or "").partition("\n")[0].partition(" Its last lines:")[0]
        # What the function says of this upload; which one that is, is known here.
        error = error.partition(f"{self.bucket}/{self.key}: ")[2] or error
        if each.dropped_because is None:
            return error
        left = (
            "Its record stays: the sweep goes on with it."
            if self.record
            else "No record of it is left: run it again."
        )
        return f"The platform dropped the event ({each.dropped_because}). {left} {error}".rstrip()

    def _ended_at(self, stage: str) -> float | None:
        if stage == "dropped":
            return max(delivery.due_at for _, delivery in self.deliveries.values())
        if stage not in _ENDS:
            return None
        if self.record is not None:
            return self.record.updated_at
        return moment_of(self.finished)

    def view(self, now: float) -> dict[str, Any]:
        """Return the upload as the page gets it."""
        stage, record = self.stage(now), self.record
        ended_at = self._ended_at(stage)
        return {
            "id": self.id,
            "bucket": self.bucket,
            "key": self.key,
            "name": self.name,
            **self.shown(),
            "size": self.size,
            "uploaded_at": self.uploaded_at,
            "again_of": self.again_of,
            "stage": stage,
            "reason": self.reason(stage),
            "cause": record.cause if record else "",
            "record": record.id if record else None,
            "ended_at": ended_at,
            "seconds": None if ended_at is None else max(0.0, ended_at - self.uploaded_at),
            "attempts": [attempt.model_dump(include=set(_ATTEMPT)) for attempt in record.attempts]
            if record
            else [],
            "deliveries": sum(_begun(*each) for each in self.deliveries.values()),
            "duplicates": self.duplicates,
            "image_urls": list(record.image_urls if record else ())
            or _texts(self.made, "image_urls"),
            "store_uris": self.store_uris,
            "has_after": bool(self.store_uris),
            "lines": list(self.lines),
        }

    def shown(self) -> dict[str, Any]:
        """Return prompt, seed, steps and scale, each as it was asked for; None where it was not."""
        given: dict[str, Any] = {name: _read(self.asked.get(name), name) for name in _TYPES}
        instructions = self.record.instructions if self.record else None
        if instructions is not None and not self.asked:
            given = instructions.model_dump(include=set(_TYPES))
        if given["seed"] == -1:
            given["seed"] = None
        return given


_ATTEMPT = ("number", "output", "sent_at", "outcome", "code", "message")


def _begun(state: str, delivery: QueuedEvent) -> int:
    """Return how many times the function was called for a delivery.

    `attempt` counts the one to come where one is to come, and else the last one.
    """
    return delivery.attempt - (state in ("waiting", "held"))


def _texts(line: Line, name: str) -> list[str]:
    value = line.get(name)
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _read(value: str | None, name: str) -> Any:
    try:
        return None if value is None else _TYPES[name](value)
    except ValueError:
        return None  # the upload is rejected, with that reason
