"""Running a record again, on an operator's word: a new record in the place of the old one.

An end state never changes, so what is run again is another record, which tells whose place it
took (`again_of`). Where the old one is pending still, the two must not both pay:

    old: again_as ──▶ new: created ──▶ old: superseded ──▶ new: worked on

* Dying after the first write leaves an old record that names a new one which is not there: who
  goes on with it finds that, and it is as it was.
* Dying after the second leaves both. The old one pays nothing any more: who goes on with it finds
  the new one, and ends it. The other way round, the new one could pay beside it.
* Dying after the third leaves a new record that is due, as any that was parked.
"""

from shared.ledger import Record, find
from shared.processing.endings import Endings
from shared.processing.work import Work


def end_replaced(work: Work, end: Endings) -> Record | None:
    """End a claim that another record runs again; None where that one was never written."""
    record = work.record
    if find(work.ledger, record.again_as) is None:
        work.entry = work.ledger.replace(work.entry, record.changed(again_as=""))
        return None
    return end.finish(work, "superseded", f"Run again as {record.again_as}.")
