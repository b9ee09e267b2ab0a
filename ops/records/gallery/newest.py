"""Find the newest generated records without reading all end records."""

import heapq
from collections.abc import Callable, Iterator
from operator import attrgetter

from ops.records.lookup import AT_ONCE
from ops.ui.bulk import map_ordered
from shared.errors import RecordUnreadable
from shared.ledger import UNMADE, Ledger, Record, State

# With so many more read than are wanted, an unreadable one costs no other pass.
_MORE = 20

Moment = tuple[float, str]


def newest(ledger: Ledger, most: int, since: float, report: Callable[[int], None]) -> list[Record]:
    """Return up to `most` records that were generated since, the newest first.

    All ids are listed, and no more of them held than are read. Unreadable records are left out.
    """

    def read(moment: Moment) -> Record | None:
        try:
            record = ledger.finished(moment[1])
        except RecordUnreadable:
            return None
        return record if record is not None and record.state == State.GENERATED else None

    def earlier(than: Moment) -> Iterator[Moment]:
        for number, (record_id, at) in enumerate(_generated(ledger), 1):
            report(number)
            if at >= since and (at, record_id) < than:
                yield at, record_id

    found: list[Record] = []
    before: Moment = (float("inf"), "")
    while len(found) < most:
        batch = heapq.nlargest(most - len(found) + _MORE, earlier(before))
        if not batch:
            break
        found += [record for record in map_ordered(read, batch, AT_ONCE) if record is not None]
        before = batch[-1]
    # A listing may show whole seconds; the records order those within one.
    found.sort(key=attrgetter("updated_at"), reverse=True)
    return found[:most]


def _generated(ledger: Ledger) -> Iterator[tuple[str, float]]:
    """Yield the end records' ids and times, except those with a mark of an end without an image.

    Both are sorted by id, so that none need be held.
    """
    marks = heapq.merge(*(ledger.ended_ids(state) for state in UNMADE))
    mark = next(marks, None)
    for record_id, at in ledger.finished_ids():
        while mark is not None and mark[0] < record_id:
            mark = next(marks, None)
        if mark is None or mark[0] != record_id:
            yield record_id, at
