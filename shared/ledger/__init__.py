"""The ledger: the record of every upload, and the rules that let one owner act at a time.

A record is `pending` until its end record is written; the end record never changes. There are two
stores, in object storage (`ledger.tos`) and in an SQLite file (`ledger.sqlite`), with the same
concerns, one Protocol each. Stores are thread-safe.

Every method raises TosError, NoAnswer or LedgerFailed if the store cannot be reached: then nothing
is known and nothing may be paid.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from shared.ledger.outbox import OutboxEntry
from shared.ledger.record import (
    UNMADE,
    Attempt,
    Cause,
    Ending,
    EndState,
    Lease,
    Park,
    ParkStatus,
    Record,
    Source,
    State,
    Status,
    Unmade,
)

__all__ = [
    "UNMADE", "Attempt", "Cause", "DailyCap", "EndState", "Ending", "Entry", "Lease", "Ledger",
    "Outbox", "OutboxEntry", "OutputNames", "Park", "ParkStatus", "Record", "Records", "Source",
    "State", "Status", "Unmade", "find",
]  # fmt: skip


class Entry(NamedTuple):
    """A pending record as it was read or written, with the version a compare-and-swap needs."""

    record: Record
    version: str


class Records(Protocol):
    """Where records are kept."""

    def create(self, record: Record) -> Entry | None:
        """Write a claim if there is no pending record of that id; return None if there is one.

        One that equals `record` counts as written: its answer was lost the first time.
        """
        ...

    def pending(self, record_id: str) -> Entry | None:
        """Return the pending record, if there is one."""
        ...

    def finished(self, record_id: str) -> Record | None:
        """Return the end record, if there is one."""
        ...

    def replace(self, entry: Entry, record: Record) -> Entry:
        """Put `record` in the place of `entry`.

        Raises LeaseLost if somebody else changed it meanwhile.
        """
        ...

    def finish(self, entry: Entry, record: Record) -> Record:
        """Write the end record, then remove the pending one; return the end record that stands.

        That is an earlier one if there is one: end states never change.
        """
        ...

    def drop(self, entry: Entry) -> None:
        """Remove a pending record whose end record exists."""
        ...

    def pending_ids(self) -> Iterator[str]:
        """Yield the ids of what is unfinished, the least recently written first.

        The cost grows with what is unfinished only.
        """
        ...

    def pending_page(self, after: str, limit: int) -> list[str]:
        """Return up to `limit` ids of what is unfinished, sorted, after the id `after`."""
        ...

    def finished_ids(self, beginning: str = "") -> Iterator[tuple[str, float]]:
        """Yield the ids of end records and when each was written (seconds since the epoch).

        Sorted by id, only those with this beginning; the cost grows with these only.
        """
        ...

    def ended_ids(self, state: Unmade) -> Iterator[tuple[str, float]]:
        """Yield the ids of what ended in `state`, and when; the cost grows with these only.

        Sorted by id. An id may come whose record did not end so after all, or has not yet: the
        reader passes it over.
        """
        ...


class OutputNames(Protocol):
    """Which record has which of the output names that users chose."""

    def reserve_name(self, name: str, record_id: str) -> str:
        """Reserve an output name; return the id of the record that has it."""
        ...

    def move_name(self, name: str, holder: str, record_id: str) -> bool:
        """Hand a name that `holder` reserved to another record; return whether it has it now."""
        ...


class DailyCap(Protocol):
    """How many attempts a day were paid. Exact for any number of processes."""

    def reserve(self, day: str, attempt: str, cap: int) -> bool:
        """Count an attempt against the day's cap; return False, uncounted, if it is reached.

        Counting the same attempt again changes nothing.
        """
        ...

    def release(self, day: str, attempt: str) -> None:
        """Take back the count of an attempt that was not charged."""
        ...

    def reserved(self, day: str) -> int:
        """Return how many attempts count on a day."""
        ...


class Outbox(Protocol):
    """The events that the webhook's endpoint has not received yet."""

    def put_entry(self, entry: OutboxEntry) -> None:
        """Write an entry, in place of the one with its id if there is one."""
        ...

    def entry(self, entry_id: str) -> OutboxEntry | None:
        """Return an undelivered entry, if there is one of that id."""
        ...

    def entry_ids(self) -> Iterator[str]:
        """Yield the ids of undelivered entries; the cost grows with these only."""
        ...

    def drop_entry(self, entry_id: str) -> None:
        """Remove an entry; removing one that is not there changes nothing."""
        ...


class Ledger(Records, OutputNames, DailyCap, Outbox, Protocol):
    """All of it, as both stores have it."""

    def close(self) -> None:
        """Close open files."""
        ...


def find(ledger: Records, record_id: str) -> Record | None:
    """Return the end record, else the pending one, else None. Raises what the ledger raises."""
    entry = ledger.pending(record_id)
    # Read in this order: a record moves from pending to finished, and never back.
    return ledger.finished(record_id) or (entry.record if entry else None)
