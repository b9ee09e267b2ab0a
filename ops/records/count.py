"""Count the records of a ledger, and keep the few to show.

Of a million records the rest is counted and forgotten.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter, itemgetter
from typing import TypeVar

from ops.records.lookup import UnreadableRecord, pending, read_all
from ops.records.render import Charge, charge_of
from shared.ledger import UNMADE, Cause, EndState, Ledger, Record, State, Status, Unmade

Item = TypeVar("Item")

_SHOWN_UNREADABLE = 10

Report = Callable[[int], None]


@dataclass(slots=True)
class Counted:
    """The counts of records by status and cause, and the records to show.

    `matching` is the number of those that are asked for; `records` are the first of these.
    """

    statuses: Counter[tuple[str, str]] = field(default_factory=Counter)
    matching: int = 0
    records: list[Record] = field(default_factory=list)
    oldest: Record | None = None
    unreadable: list[UnreadableRecord] = field(default_factory=list)

    def of(self, status: str) -> Counter[str]:
        """Return the counts of a status by cause."""
        return Counter({c: number for (s, c), number in self.statuses.items() if s == status})

    @property
    def needs_you(self) -> bool:
        """Whether a record does not go on by itself."""
        stuck = self.of(Status.IN_DOUBT).total() + self.of(Status.DEFERRED)[Cause.CONFIGURATION]
        return bool(stuck or self.of("unreadable"))

    def add(
        self, found: Iterable[Record | UnreadableRecord | None], now: float
    ) -> Iterator[Record]:
        """Count what was read; yield the readable records."""
        for record in found:
            if isinstance(record, UnreadableRecord):
                self.statuses["unreadable", ""] += 1
                if len(self.unreadable) < _SHOWN_UNREADABLE:
                    self.unreadable.append(record)
            elif record is not None:
                status = record.status_at(now)
                parked = status in (Status.DEFERRED, Status.IN_DOUBT)
                self.statuses[status, record.park.cause if record.park and parked else ""] += 1
                yield record


@dataclass(slots=True)
class Charges:
    """The attempts that were sent since a moment, by what is known of their being charged."""

    since: float
    _of: dict[str, Counter[Charge]] = field(default_factory=dict)
    _sum: Counter[Charge] = field(default_factory=Counter)

    def keep(self, record: Record) -> None:
        """Count a pending record, which may be read once more when it has ended."""
        self._of[record.id] = self._count(record)

    def add(self, record: Record) -> None:
        """Count a record that has ended."""
        self._of.pop(record.id, None)
        self._sum += self._count(record)

    def counts(self) -> Counter[Charge]:
        """Return how many attempts were charged, may have been, and were not."""
        return sum(self._of.values(), self._sum)

    def _count(self, record: Record) -> Counter[Charge]:
        sent = (attempt for attempt in record.attempts if attempt.sent_at >= self.since)
        return Counter(charge_of(attempt) for attempt in sent)


def count_pending(
    ledger: Ledger,
    now: float,
    *,
    limit: int,
    only: Status | None,
    report: Report,
    charges: Charges | None = None,
) -> Counted:
    """Count pending records; keep the `limit` oldest, or those of them with status `only`."""
    counted = Counted()

    def shown() -> Iterator[Record]:
        found = read_all(partial(pending, ledger), ledger.pending_ids())
        for record in counted.add(_reporting(found, report), now):
            if counted.oldest is None or record.created_at < counted.oldest.created_at:
                counted.oldest = record
            if charges is not None:
                charges.keep(record)
            if only in (None, record.status_at(now)):
                counted.matching += 1
                yield record

    counted.records = heapq.nsmallest(limit, shown(), key=attrgetter("created_at"))
    return counted


def count_since(
    ledger: Ledger, charges: Charges, now: float, *, limit: int, report: Report
) -> Counted:
    """Count the records that ended since, and their charges; keep the `limit` newest.

    Only recent records are read; to find them, the ids of all end records are listed.
    """
    counted = Counted()

    def ended() -> Iterator[Record]:
        listed = _reporting(ledger.finished_ids(), report)
        ids = (record_id for record_id, at in listed if at >= charges.since)
        for record in counted.add(read_all(ledger.finished, ids), now):
            charges.add(record)
            counted.matching += 1
            yield record

    counted.records = heapq.nlargest(limit, ended(), key=attrgetter("updated_at"))
    return counted


def newest_of(
    ledger: Ledger, state: Unmade, since: float, now: float, *, limit: int, report: Report
) -> Counted:
    """Count the records that ended in a state since, by their marks; read the `limit` newest."""
    counted, number = Counted(), 0

    def recent() -> Iterator[tuple[str, float]]:
        nonlocal number
        for record_id, at in _reporting(ledger.ended_ids(state), report):
            if at >= since:
                number += 1
                yield record_id, at

    newest = heapq.nlargest(limit, recent(), key=itemgetter(1))
    read = counted.add(read_all(ledger.finished, (record_id for record_id, _ in newest)), now)
    shown = [record for record in read if record.state == state]
    counted.records = sorted(shown, key=attrgetter("updated_at"), reverse=True)
    # A mark without such an end, which a process that died may have left, does not count.
    counted.matching = number - len(newest) + len(shown)
    counted.statuses[state, ""] = counted.matching
    return counted


def count_ended(ledger: Ledger, report: Report) -> Counter[EndState]:
    """Count all end records by state, without reading any."""
    counts = Counter[EndState]({state: sum(1 for _ in ledger.ended_ids(state)) for state in UNMADE})
    total = sum(1 for _ in _reporting(ledger.finished_ids(), report))
    counts[State.GENERATED] = total - counts.total()
    return counts


def _reporting(items: Iterable[Item], report: Report) -> Iterator[Item]:
    for number, item in enumerate(items, 1):
        report(number)
        yield item
