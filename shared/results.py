"""What became of one upload in one delivery, and the answer that the handler returns."""

import json
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from shared.errors import DeliveryIncomplete
from shared.ledger import Cause, Record, Status

ResultStatus = Literal[
    "generated", "duplicate", "skipped", "rejected", "superseded", "deferred", "in_doubt",
    "incomplete",  # not an end: this delivery failed and has to come again
]  # fmt: skip


class Result(NamedTuple):
    """What became of one upload in one delivery; `record` is the id of its ledger entry.

    `variant` is its number among several variants of the upload, None if there is only one. `held`
    means that another delivery holds its lease.
    """

    status: ResultStatus
    bucket: str | None
    key: str | None
    record: str | None = None
    reason: str = ""
    image_urls: tuple[str, ...] = ()
    store_uris: tuple[str, ...] = ()
    attempts: int = 0
    cause: Cause | None = None
    variant: int | None = None
    held: bool = False

    def to_dict(self) -> dict[str, object]:
        """Return the result as the handler's body shows it; empty fields are left out."""
        shown: dict[str, object] = {"bucket": self.bucket, "key": self.key, "status": self.status}
        if self.reason:
            shown["reason"] = self.reason
        if self.variant is not None:
            shown["variant"] = self.variant
        return {**shown, **self.image_fields(), "record": self.record}

    def image_fields(self) -> dict[str, list[str]]:
        """Return the repainted image's URLs and store URIs by their names, if there are any."""
        if not (self.image_urls or self.store_uris):
            return {}
        return {"image_urls": list(self.image_urls), "store_uris": list(self.store_uris)}


def result_of(record: Record) -> Result:
    """Return a record's state as a delivery's result."""
    is_unsettled = record.status is Status.RUNNING
    reason = record.reason or ""
    if is_unsettled:
        reason = "The outcome of a call is not known yet; it is probed once it has settled."
    return Result(
        "incomplete" if is_unsettled else record.status.value,  # type: ignore[arg-type]
        record.source.bucket,
        record.source.key,
        record.id,
        reason,
        record.image_urls,
        record.store_uris,
        len(record.attempts),
        record.park.cause if record.park else None,
        record.variant,
    )


def duplicate_of(finished: Record) -> Result:
    """Return that an upload had ended before this delivery came."""
    reason = f"It is {finished.state} already. {finished.reason or ''}".rstrip()
    return Result(
        "duplicate", finished.source.bucket, finished.source.key, finished.id, reason,
        finished.image_urls, finished.store_uris, variant=finished.variant,
    )  # fmt: skip


def incomplete(record: Record, reason: str, *, held: bool = False) -> Result:
    """Return that this delivery failed and has to come again."""
    return Result(
        "incomplete", record.source.bucket, record.source.key, record.id, reason,
        variant=record.variant, held=held,
    )  # fmt: skip


def response(of_uploads: Sequence[Sequence[Result]]) -> dict[str, Any]:
    """Return the handler's answer for the uploads of an event, each with its variants' results.

    Raises DeliveryIncomplete if one has to be delivered again, so that the platform counts an
    error and comes back.
    """
    shown = [result.to_dict() for results in of_uploads for result in results]
    left = [[r for r in results if r.status == "incomplete"] for results in of_uploads]
    if any(left):
        raise DeliveryIncomplete(
            f"{sum(map(bool, left))} of {len(left)} uploads must be delivered again: "
            + " ".join(f"{r.bucket}/{r.key}: {r.reason}" for results in left for r in results),
            shown,
        )
    return json_response({"results": shown})


def json_response(body: object) -> dict[str, Any]:
    """Return a handler's answer with a JSON body."""
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json; charset=utf-8"},
        "body": json.dumps(body, ensure_ascii=False),
    }
