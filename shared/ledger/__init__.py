"""The ledger: the record of every upload, and the rule that lets one owner act at a time.

A claim's life, seen along the clock:

    claim ──────────── sent_at ── send_by ──────────────── lease_until
      │ create-only,      │  nothing    │ the call may still     │ from here on anybody may
      │ holds the first   │  is sent    │ store its image        │ take over, by compare-and-swap;
      │ attempt's name    │  after it   │ (settle time)          │ one look then tells for good
                                                                 │ whether the attempt made it

A record is `pending` until its end record is written; the end record never changes.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from shared.ledger.outbox import Notice
from shared.ledger.record import Attempt, Cause, EndState, Parked, Record, Unmade

__all__ = [
    "Attempt", "Cause", "EndState", "Entry", "Ledger", "Notice", "Parked", "Record", "Unmade",
    "find",
]  # fmt: skip


class Entry(NamedTuple):
    """A pending record as it was read or written, with the version a compare-and-swap needs."""

    record: Record
    version: str


class Ledger(Protocol):
    """Where records are kept.

    Every method raises TosError, NoAnswer or LedgerFailed where the store cannot be reached:
    then nothing is known and nothing may be paid.
    """

    def create(self, record: Record) -> Entry | None:
        """Write a claim where there is no pending record of that id; None if there is one.

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

        Raises LeaseLost where somebody else changed it meanwhile.
        """
        ...

    def finish(self, entry: Entry, record: Record) -> Record:
        """Write the end record, then remove the pending one; return the end record that stands.

        That is an earlier one where there is one: end states never change.
        """
        ...

    def drop(self, entry: Entry) -> None:
        """Remove a pending record whose end record exists."""
        ...

    def pending_ids(self) -> Iterator[str]:
        """Go through what is unfinished, what was written longest ago first.

        Its cost grows with what is unfinished only.
        """
        ...

    def pending_page(self, after: str, limit: int) -> list[str]:
        """Return up to `limit` ids of what is unfinished, in their order, behind `after`."""
        ...

    def finished_ids(self, beginning: str = "") -> Iterator[tuple[str, float]]:
        """Go through the ids of end records, with when each was written (seconds since the epoch).

        In the order of the ids, only those that begin so; its cost grows with these only.
        """
        ...

    def ended_ids(self, state: Unmade) -> Iterator[tuple[str, float]]:
        """Go through the ids of what ended so, with when; its cost grows with these only.

        In the order of the ids. An id may come whose record did not end so after all, or has not
        yet: who reads it passes that over.
        """
        ...

    def reserve_name(self, name: str, record_id: str) -> str:
        """Reserve an output name that a user chose; return the id of the record that has it."""
        ...

    def move_name(self, name: str, holder: str, record_id: str) -> bool:
        """Hand a name that `holder` reserved over to another record; tell whether it has it."""
        ...

    def spend(self, day: str, attempt: str, cap: int) -> bool:
        """Count an attempt against the day's cap; False, and not counted, where that is reached.

        Counting the same attempt again changes nothing. Exact for any number of processes.
        """
        ...

    def unspend(self, day: str, attempt: str) -> None:
        """Take back the count of an attempt that was not charged."""
        ...

    def spent(self, day: str) -> int:
        """Return how many attempts count on a day."""
        ...

    def put_notice(self, notice: Notice) -> None:
        """Write a notice, in the place of the one of its id if there is one."""
        ...

    def notice(self, notice_id: str) -> Notice | None:
        """Return a notice that is not delivered, if there is one of that id."""
        ...

    def notice_ids(self) -> Iterator[str]:
        """Go through what is not delivered; its cost grows with that only."""
        ...

    def drop_notice(self, notice_id: str) -> None:
        """Remove a notice; one that is not there already is."""
        ...

    def close(self) -> None:
        """Close what is open."""
        ...


def find(ledger: Ledger, record_id: str) -> Record | None:
    """Return the end record, else the pending one, else None. Raises what the ledger raises."""
    entry = ledger.pending(record_id)
    # Read in this order: it moves from pending to finished, and never back.
    return ledger.finished(record_id) or (entry.record if entry else None)
