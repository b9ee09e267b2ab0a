"""Reading the ledger for `status`: counts of all that is asked for, and the records to show.

Only these are held; of a million records the rest is counted and forgotten.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter, itemgetter
from typing import TypeVar

from ops.records.finding import UNMADE, Unreadable, pending, read_all
from ops.records.words import Charge, charge_of, stage_of
from shared.ledger import EndState, Ledger, Record, Unmade

Item = TypeVar("Item")

_SHOWN_UNREADABLE = 10

Tell = Callable[[int], None]


@dataclass(slots=True)
class Counted:
    """What was read: how many records are how far, by stage and cause, and the ones to show.

    `matching` is how many there are of what is to be shown; `records` are the first of these.
    """

    stages: Counter[tuple[str, str]] = field(default_factory=Counter)
    matching: int = 0
    records: list[Record] = field(default_factory=list)
    oldest: Record | None = None
    unreadable: list[Unreadable] = field(default_factory=list)

    def of(self, stage: str) -> Counter[str]:
        """Return how many are so far, by cause."""
        return Counter({c: number for (s, c), number in self.stages.items() if s == stage})

    @property
    def needs_somebody(self) -> bool:
        """Tell whether anything does not go on by itself."""
        stuck = self.of("in_doubt").total() + self.of("deferred")["configuration"]
        return bool(stuck or self.of("unreadable"))

    def take(self, found: Iterable[Record | Unreadable | None], now: float) -> Iterator[Record]:
        """Count what was read; pass on what can be shown."""
        for record in found:
            if isinstance(record, Unreadable):
                self.stages["unreadable", ""] += 1
                if len(self.unreadable) < _SHOWN_UNREADABLE:
                    self.unreadable.append(record)
            elif record is not None:
                stage = stage_of(record, now)
                self.stages[stage, record.cause if stage in ("deferred", "in_doubt") else ""] += 1
                yield record


@dataclass(slots=True)
class Charges:
    """The attempts that were sent since a moment, by what is known of their being charged."""

    since: float
    _of: dict[str, Counter[Charge]] = field(default_factory=dict)
    _sum: Counter[Charge] = field(default_factory=Counter)

    def keep(self, record: Record) -> None:
        """Count a record that may be met once more, when it has ended."""
        self._of[record.id] = self._count(record)

    def add(self, record: Record) -> None:
        """Count a record for good."""
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
    only: str,
    tell: Tell,
    charges: Charges | None = None,
) -> Counted:
    """Count what is pending; keep the `limit` oldest, where `only` is given of that stage."""
    counted = Counted()

    def shown() -> Iterator[Record]:
        found = read_all(partial(pending, ledger), ledger.pending_ids())
        for record in counted.take(_telling(found, tell), now):
            if counted.oldest is None or record.created_at < counted.oldest.created_at:
                counted.oldest = record
            if charges is not None:
                charges.keep(record)
            if only in ("", stage_of(record, now)):
                counted.matching += 1
                yield record

    counted.records = heapq.nsmallest(limit, shown(), key=attrgetter("created_at"))
    return counted


def count_since(ledger: Ledger, charges: Charges, now: float, *, limit: int, tell: Tell) -> Counted:
    """Count what ended since then, and what was charged for it; keep the `limit` newest.

    Only what is recent is read; to find that, the ids of all that has ended are listed.
    """
    counted = Counted()

    def ended() -> Iterator[Record]:
        listed = _telling(ledger.finished_ids(), tell)
        ids = (record_id for record_id, at in listed if at >= charges.since)
        for record in counted.take(read_all(ledger.finished, ids), now):
            charges.add(record)
            counted.matching += 1
            yield record

    counted.records = heapq.nlargest(limit, ended(), key=attrgetter("updated_at"))
    return counted


def newest_of(
    ledger: Ledger, state: Unmade, since: float, now: float, *, limit: int, tell: Tell
) -> Counted:
    """Count what ended so since then, by its marks; read the `limit` newest of it."""
    counted, number = Counted(), 0

    def recent() -> Iterator[tuple[str, float]]:
        nonlocal number
        for record_id, at in _telling(ledger.ended_ids(state), tell):
            if at >= since:
                number += 1
                yield record_id, at

    newest = heapq.nlargest(limit, recent(), key=itemgetter(1))
    read = counted.take(read_all(ledger.finished, (record_id for record_id, _ in newest)), now)
    shown = [record for record in read if record.state == state]
    counted.records = sorted(shown, key=attrgetter("updated_at"), reverse=True)
    # A mark without such an end, which a process that died may have left, is none.
    counted.matching = number - len(newest) + len(shown)
    counted.stages[state, ""] = counted.matching
    return counted


def count_ended(ledger: Ledger, tell: Tell) -> Counter[EndState]:
    """Count everything that has ended, without reading any of it."""
    counts: Counter[EndState] = Counter()
    for state in UNMADE:
        counts[state] = sum(1 for _ in ledger.ended_ids(state))
    whole = sum(1 for _ in _telling(ledger.finished_ids(), tell))
    counts["generated"] = whole - counts.total()
    return counts


def _telling(items: Iterable[Item], tell: Tell) -> Iterator[Item]:
    for number, item in enumerate(items, 1):
        tell(number)
        yield item
