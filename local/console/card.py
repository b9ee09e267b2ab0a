"""One upload's card: what the queue, the ledger and the log know of it, and its stage by that.

The sources of its stage, the first that knows it wins:

    its record in the ledger   generated · rejected · skipped · superseded     an end is final
    an attempt in flight       working
    its record, parked         deferred · in_doubt
    its last log line          skipped · superseded · …    for an end without a record
    an attempt to come         waiting, or retrying after a failed one
    a dropped event            dropped
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local.console.logs import Line, moment_of, text_in
from local.vefaas.runtime import QueuedEvent
from shared.ledger import Record, Status

_MAX_LINES = 300
_ENDS = (Status.GENERATED, Status.REJECTED, Status.SKIPPED, Status.SUPERSEDED)
_PARKED = (Status.DEFERRED, Status.IN_DOUBT)
# The metadata that is shown, and copied when the upload is run again.
_TYPES = {"prompt": str, "seed": int, "steps": int, "scale": float}
_ATTEMPT = {"number", "output", "sent_at", "outcome"}


@dataclass(slots=True)
class UploadCard:
    """All that is known of an upload. `uploaded_at` is in seconds since the epoch.

    `version` is the object's version id or ETag, empty if unknown; `metadata` is what was found
    on the object. `record` is the ledger's, once there is one.
    """

    id: str
    bucket: str
    key: str
    uploaded_at: float
    version: str = ""
    size: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)
    again_of: str | None = None
    record_id: str | None = None
    record: Record | None = None
    lines: list[Line] = field(default_factory=list)
    # By their ids, each with its state in the queue.
    events: dict[str, tuple[str, QueuedEvent]] = field(default_factory=dict)
    duplicates: int = 0
    # The last line of `delivery.finished`, and of `image.generated`.
    finished: Line = field(default_factory=dict)
    generated: Line = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The end of its key or of its source's address."""
        address = self.record.source.address if self.record else None
        return (self.key or address or self.id).rstrip("/").rpartition("/")[2] or self.id

    @property
    def store_uris(self) -> list[str]:
        """The StoreUris of its image, as far as they are known."""
        uris = self.record.store_uris if self.record else ()
        return list(uris) or _texts(self.generated, "store_uris")

    def add(self, line: Line) -> None:
        """Add a log line."""
        self.lines.append(line)
        del self.lines[:-_MAX_LINES]
        if line["event"] == "image.generated":
            self.generated = line
        if line["event"] == "delivery.finished":
            if line.get("status") == "duplicate":
                self.duplicates += 1
            else:
                self.finished = line

    def stage(self, now: float) -> str:
        """Return the upload's stage; see the module's docstring."""
        record, states = self.record, [state for state, _ in self.events.values()]
        status = record.status_at(now) if record else None
        logged = text_in(self.finished, "status")
        if status in _ENDS:
            return status.value
        # The owner of a parked record is the sweep or the HTTP API; another may be dead or alive.
        is_retried = status is Status.RUNNING and record is not None and record.park is not None
        if "in_flight" in states or is_retried:
            return "working"
        if status in _PARKED:
            return status.value
        if record is None and logged in (*_ENDS, *_PARKED):
            return logged
        to_come = [each for state, each in self.events.values() if state in ("waiting", "held")]
        if to_come:
            return "retrying" if any(each.attempt > 1 for each in to_come) else "waiting"
        if "dropped" in states:
            # The lease may be a dead worker's: when it has ended, the sweep takes the record.
            return "dropped" if record is None else "retrying"
        return "working" if status is Status.RUNNING else "waiting"

    def reason(self, stage: str) -> str:
        """Return the reason why it is at its stage; empty if there is nothing to explain."""
        if stage in ("waiting", "working", "generated"):
            return ""
        if stage in ("retrying", "dropped"):
            return self._failure()
        if self.record is not None:
            return self.record.reason or ""
        return text_in(self.finished, "reason")

    def view(self, now: float) -> dict[str, Any]:
        """Return the card as the page gets it."""
        stage, record = self.stage(now), self.record
        ended_at = self._ended_at(stage)
        urls = record.image_urls if record else ()
        return {
            "id": self.id,
            "bucket": self.bucket,
            "key": self.key,
            "name": self.name,
            **self.settings(),
            "size": self.size,
            "uploaded_at": self.uploaded_at,
            "again_of": self.again_of,
            "stage": stage,
            "reason": self.reason(stage),
            "cause": record.park.cause.value if record and record.park else "",
            "record": record.id if record else None,
            "ended_at": ended_at,
            "seconds": None if ended_at is None else max(0.0, ended_at - self.uploaded_at),
            "attempts": [
                {
                    **attempt.model_dump(include=_ATTEMPT),
                    "code": attempt.code or "",
                    "message": attempt.message or "",
                }
                for attempt in (record.attempts if record else ())
            ],
            # `attempt` counts the one to come, if one is to come, and else the last one.
            "deliveries": sum(
                event.attempt - (state in ("waiting", "held"))
                for state, event in self.events.values()
            ),
            "duplicates": self.duplicates,
            "image_urls": list(urls) or _texts(self.generated, "image_urls"),
            "store_uris": self.store_uris,
            "has_after": bool(self.store_uris),
            "lines": list(self.lines),
        }

    def settings(self) -> dict[str, Any]:
        """Return prompt, seed, steps and scale as they were given; None for the others."""
        given: dict[str, Any] = {name: _value(self.metadata.get(name), name) for name in _TYPES}
        instructions = self.record.instructions if self.record else None
        if instructions is not None and not self.metadata:
            given = instructions.model_dump(include=set(_TYPES))
        if given["seed"] == -1:
            given["seed"] = None
        return given

    def _failure(self) -> str:
        event = max((each for _, each in self.events.values()), key=lambda each: each.due_at)
        # The last lines of a worker that ended follow on lines of their own: they are in the log.
        error = (event.last_error or "").partition("\n")[0].partition(" Its last lines:")[0]
        # The part about this upload, without its key.
        error = error.partition(f"{self.bucket}/{self.key}: ")[2] or error
        if event.dropped_because is None:
            return error
        left = (
            "Its record stays: the sweep goes on with it."
            if self.record
            else "No record of it is left: run it again."
        )
        return f"The platform dropped the event ({event.dropped_because}). {left} {error}".rstrip()

    def _ended_at(self, stage: str) -> float | None:
        if stage == "dropped":
            return max(event.due_at for _, event in self.events.values())
        if stage not in _ENDS:
            return None
        if self.record is not None:
            return self.record.updated_at
        return moment_of(self.finished)


def _texts(line: Line, name: str) -> list[str]:
    value = line.get(name)
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _value(text: str | None, name: str) -> Any:
    try:
        return None if text is None else _TYPES[name](text)
    except ValueError:
        return None  # the upload is rejected, with that reason
