"""Records put into a cloud's ledger as if the functions had written them."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from local.cloud import UPLOADS_BUCKET, Cloud, FixedCredentials
from shared.ledger import (
    Attempt,
    Cause,
    Ledger,
    Park,
    ParkStatus,
    Record,
    Source,
    State,
    Status,
)
from shared.runtime import Runtime


@contextmanager
def ledger_of(cloud: Cloud, settings: Mapping[str, str] | None = None) -> Iterator[Ledger]:
    """Open the ledger of a cloud; `settings` override its own."""
    runtime = Runtime(
        {**cloud.settings, **(settings or {})}, credentials=FixedCredentials(cloud.credentials)
    )
    yield runtime.ledger
    runtime.close()


def write(ledger: Ledger, *records: Record) -> None:
    """Write records, pending or ended."""
    for record in records:
        entry = ledger.create(record.changed(state=State.PENDING))
        assert entry is not None
        if record.state != State.PENDING:
            ledger.finish(entry, record)


def a_record(
    number: int, *, key: str | None = None, etag: str = "e", address: str = "", **fields: Any
) -> Record:
    """Return a record that was begun `number` hours ago; its id is that digit, repeated."""
    now = time.time()
    begun = now - 3600 * number
    source = Source(bucket=UPLOADS_BUCKET, key=key or f"uploads/{number}.png", etag=etag)
    given = {"id": str(number) * 32, "created_at": begun, "updated_at": begun + 60, **fields}
    return Record(source=Source(address=address) if address else source, **given)


def parked(
    cause: Cause = Cause.TIME, *, status: ParkStatus = Status.DEFERRED, seconds: float = 0.0
) -> Park:
    """Return a park that is due in so many seconds."""
    return Park(status=status, cause=cause, due_at=time.time() + seconds)


def in_doubt(number: int, **fields: Any) -> Record:
    """Return a record for which three calls were sent, and no image was found."""
    begun = time.time() - 3600 * number
    attempts = tuple(
        Attempt(number=n, output=f"repaint/{number}-{n}", sent_at=begun + n, outcome="absent")
        for n in (1, 2, 3)
    )
    given = {
        "attempts": attempts,
        "park": parked(Cause.EXHAUSTED, status=Status.IN_DOUBT, seconds=3600),
        "reason": "3 attempts were sent and none made an image.",
        **fields,
    }
    return a_record(number, **given)
