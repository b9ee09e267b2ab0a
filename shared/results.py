"""What became of one upload in one delivery."""

from typing import Literal, NamedTuple

from shared.ledger import Cause, Record

Status = Literal[
    "generated", "duplicate", "skipped", "rejected", "superseded", "deferred", "in_doubt",
    "incomplete",  # not an end: this delivery failed and has to come again
]  # fmt: skip


class Result(NamedTuple):
    """What became of one upload in one delivery; `record` is the id of its ledger entry.

    `variant` tells which of several variants of the upload it is, None where there is one.
    """

    status: Status
    bucket: str | None
    key: str | None
    record: str | None = None
    reason: str = ""
    image_urls: tuple[str, ...] = ()
    store_uris: tuple[str, ...] = ()
    attempts: int = 0
    cause: Cause = ""
    variant: int | None = None

    def to_dict(self) -> dict[str, object]:
        """Return the result as the handler's body shows it; what is empty is left out."""
        shown: dict[str, object] = {"bucket": self.bucket, "key": self.key, "status": self.status}
        if self.reason:
            shown["reason"] = self.reason
        which = {} if self.variant is None else {"variant": self.variant}
        return {**shown, **which, **self.addresses(), "record": self.record}

    def addresses(self) -> dict[str, list[str]]:
        """Return the repainted image's addresses, if there are any, by their names."""
        if not (self.image_urls or self.store_uris):
            return {}
        return {"image_urls": list(self.image_urls), "store_uris": list(self.store_uris)}


def result_of(record: Record) -> Result:
    """Tell a record's state as a delivery's result."""
    status: Status = record.parked or "incomplete" if record.state == "pending" else record.state
    reason = record.reason
    if status == "incomplete":
        reason = "The outcome of a call is not known yet; it is looked for once it has settled."
    return Result(
        status,
        record.bucket,
        record.key,
        record.id,
        reason,
        record.image_urls,
        record.store_uris,
        len(record.attempts),
        record.cause,
        _variant_of(record),
    )


def duplicate_of(finished: Record) -> Result:
    """Tell that an upload had ended before this delivery came."""
    reason = f"It is {finished.state} already. {finished.reason}".rstrip()
    return Result(
        "duplicate", finished.bucket, finished.key, finished.id, reason,
        finished.image_urls, finished.store_uris, variant=_variant_of(finished),
    )  # fmt: skip


def incomplete(record: Record, reason: str) -> Result:
    """Tell that this delivery failed and has to come again."""
    return Result(
        "incomplete", record.bucket, record.key, record.id, reason, variant=_variant_of(record)
    )


def _variant_of(record: Record) -> int | None:
    instructions = record.instructions
    return instructions.variant if instructions and instructions.variants > 1 else None
