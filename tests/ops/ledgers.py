"""Records put into a cloud's ledger as if the functions had written them."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from local.cloud import UPLOADS_BUCKET, Cloud, Fixed
from shared.ledger import Attempt, Ledger, Record
from shared.runtime import Runtime


@contextmanager
def ledger_of(cloud: Cloud, settings: Mapping[str, str] | None = None) -> Iterator[Ledger]:
    """Open the ledger of a cloud; `settings` come on top of its own."""
    runtime = Runtime({**cloud.settings, **(settings or {})}, credentials=Fixed(cloud.credentials))
    yield runtime.ledger(UPLOADS_BUCKET, None)
    runtime.close()


def write(ledger: Ledger, *records: Record) -> None:
    """Write records, pending or ended."""
    for record in records:
        entry = ledger.create(record.changed(state="pending"))
        assert entry is not None
        if record.state != "pending":
            ledger.finish(entry, record)


def a_record(number: int, **fields: Any) -> Record:
    """Return a record, begun so many hours ago; its id is that digit, all over."""
    now = time.time()
    begun = now - 3600 * number
    return Record(
        **{
            "id": str(number) * 32,
            "bucket": UPLOADS_BUCKET,
            "key": f"uploads/{number}.png",
            "etag": "e",
            "created_at": begun,
            "updated_at": begun + 60,
            **fields,
        }
    )


def in_doubt(number: int, **fields: Any) -> Record:
    """Return a record for which three calls were sent, and no image was found."""
    begun = time.time() - 3600 * number
    attempts = tuple(
        Attempt(number=n, output=f"repaint/{number}-{n}", sent_at=begun + n, outcome="absent")
        for n in (1, 2, 3)
    )
    given = {"attempts": attempts, "due_at": time.time() + 3600, **fields}
    reason = "3 attempts were sent and none made an image."
    return a_record(number, parked="in_doubt", cause="exhausted", reason=reason, **given)
