"""The outbox entry: an event for the webhook's endpoint that has not been delivered yet."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import RecordUnreadable

EventType = Literal["repaint.image.generated", "repaint.image.rejected", "repaint.image.parked"]


class OutboxEntry(BaseModel):
    """That a record reached a state; the event's content is read from the record when it is sent.

    `due_at` is when it is sent again unless it was delivered, `tries` how often it was to be sent
    before that. Times are seconds since the epoch.
    """

    # An entry that a newer version wrote stays readable.
    # Built when it is first used: few deployments have a webhook.
    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    id: str
    record: str
    type: EventType
    created_at: float
    due_at: float
    tries: int

    def log_fields(self) -> dict[str, Any]:
        """Return the entry's fields of a log line."""
        return {"notice": self.id, "type": self.type, "tries": self.tries}

    def to_json(self) -> bytes:
        """Return the entry as it is stored."""
        return self.model_dump_json().encode()

    @classmethod
    def from_json(cls, text: bytes | str) -> "OutboxEntry":
        """Read a stored entry. Raises RecordUnreadable."""
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            raise RecordUnreadable(
                "An outbox entry in the ledger cannot be read: remove it."
            ) from None
