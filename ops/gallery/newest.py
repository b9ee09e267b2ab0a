"""The newest records that were generated, found without reading all that ever ended."""

import heapq
from collections.abc import Callable, Iterator

from ops.pool import in_order
from ops.records.finding import AT_ONCE
from shared.errors import RecordUnreadable
from shared.ledger import Ledger, Record

# Most of what ended was generated: with so many more read, one pass does as a rule.
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
        batch = heapq.nlargest(most - len(found) + _MORE, _ended(ledger, since, before, tell))
        if not batch:
            break
        found += [record for record in in_order(read, batch, AT_ONCE) if record is not None]
        before = batch[-1]
    return found[:most]


def _ended(
    ledger: Ledger, since: float, before: Moment, tell: Callable[[int], None]
) -> Iterator[Moment]:
    for number, (record_id, at) in enumerate(ledger.finished_ids(), 1):
        tell(number)
        if at >= since and (at, record_id) < before:
            yield at, record_id
