"""One claim being worked on."""

from dataclasses import dataclass, field

from shared.clients.tos import Tos
from shared.ledger import Attempt, Entry, Ledger, Notice, Record
from shared.logs import Log


@dataclass(slots=True)
class Work:
    """One claim being worked on. `entry` is the record as this owner last wrote it.

    `news` is what is to be told of it, and the record that stands, once both are written.
    """

    ledger: Ledger
    entry: Entry
    source: Tos
    deadline: float
    log: Log
    taken_over: bool = False
    has_turn: bool = False
    pauses: int = field(default=0, init=False)
    sent_at: float = field(default=0.0, init=False)
    news: tuple[Notice, Record] | None = field(default=None, init=False)

    @property
    def record(self) -> Record:
        """Return the record as this owner last wrote it."""
        return self.entry.record

    @property
    def attempt(self) -> Attempt:
        """Return the attempt that was begun last; there is one."""
        attempt = self.record.last_attempt
        if attempt is None:
            raise AssertionError("an attempt was begun")
        return attempt
