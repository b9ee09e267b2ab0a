"""The newest records that were generated, found without reading all that ever ended."""

import heapq
from collections.abc import Callable, Iterator
from operator import attrgetter

from ops.records.finding import AT_ONCE, UNMADE
from ops.ui.pool import in_order
from shared.errors import RecordUnreadable
from shared.ledger import Ledger, Record

# With so many more read than are wanted, one that cannot be read costs no other pass.
_MORE = 20

Moment = tuple[float, str]


def newest(ledger: Ledger, most: int, since: float, tell: Callable[[int], None]) -> list[Record]:
    """Return up to `most` records that were generated since then, the newest first.

    All ids are gone through, and no more of them held than are read. A record that cannot be read
    is passed over.
    """

    def read(moment: Moment) -> Record | None:
        try:
            record = ledger.finished(moment[1])
        except RecordUnreadable:
            return None
        return record if record is not None and record.state == "generated" else None

    found: list[Record] = []
    before: Moment = (float("inf"), "")
    while len(found) < most:
        batch = heapq.nlargest(most - len(found) + _MORE, _earlier(ledger, since, before, tell))
        if not batch:
            break
        found += [record for record in in_order(read, batch, AT_ONCE) if record is not None]
        before = batch[-1]
    # A listing may tell seconds only; what ended within one is put in order by its record.
    found.sort(key=attrgetter("updated_at"), reverse=True)
    return found[:most]


def _earlier(
    ledger: Ledger, since: float, before: Moment, tell: Callable[[int], None]
) -> Iterator[Moment]:
    for number, (record_id, at) in enumerate(_made(ledger), 1):
        tell(number)
        if at >= since and (at, record_id) < before:
            yield at, record_id


def _made(ledger: Ledger) -> Iterator[tuple[str, float]]:
    """Go through what ended, and leave out what is marked to have ended without an image.

    All come in the order of their ids, so that none need be held.
    """
    marks = heapq.merge(*(ledger.ended_ids(state) for state in UNMADE))
    mark = next(marks, None)
    for record_id, at in ledger.finished_ids():
        while mark is not None and mark[0] < record_id:
            mark = next(marks, None)
        if mark is None or mark[0] != record_id:
            yield record_id, at
