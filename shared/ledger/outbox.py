"""The notice of what became of an upload, for as long as its receiver has not got it."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import RecordUnreadable

NoticeType = Literal["repaint.image.generated", "repaint.image.rejected", "repaint.image.parked"]


class Notice(BaseModel):
    """That a record came to be in a state; what there is to tell of it is in the record.

    `due_at` is when it is to be sent again unless it was delivered, `tries` how often it was to
    be sent before that. Times are seconds since the epoch.
    """

    # A notice that a newer version wrote stays readable.
    # Built when it is first used: few deployments have a receiver.
    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    id: str
    record: str
    type: NoticeType
    created_at: float
    due_at: float
    tries: int

    def shown(self) -> dict[str, Any]:
        """Return what a line of the log tells of it."""
        return {"notice": self.id, "type": self.type, "tries": self.tries}

    def to_json(self) -> bytes:
        """Write the notice as it is stored."""
        return self.model_dump_json().encode()

    @classmethod
    def from_json(cls, text: bytes | str) -> "Notice":
        """Read a stored notice. Raises RecordUnreadable."""
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            raise RecordUnreadable("A notice in the ledger cannot be read: remove it.") from None
