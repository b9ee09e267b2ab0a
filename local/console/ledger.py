"""What the ledger holds, read again only where something may have changed."""

import time
from collections.abc import Collection, Iterable
from itertools import islice

from shared.errors import RepaintError
from shared.ledger import Ledger, Record
from shared.runtime import Runtime

# Where nothing tells of a change: another process may write to the ledger too.
_LIST_SECONDS = 2.0
_READ_SECONDS = 15.0
_MOST_PENDING = 500
_MOST_READ = 100
_NEWEST_FINISHED = 60


class LedgerView:
    """The records that were seen so far; used by one thread at a time."""

    def __init__(self, runtime: Runtime) -> None:
        self._ledger: Ledger = runtime.shared_ledger("the console")
        self.records: dict[str, Record] = {}
        self.pending: list[str] = []
        self._read_at: dict[str, float] = {}
        self._listed_at = 0.0
        self._wanted: dict[str, None] = dict.fromkeys(_newest_finished(runtime))

    def refresh(self, touched: Collection[str]) -> list[Record]:
        """Read what may have changed, the records `touched` first; return those that were read.

        What does not fit into one look is read in the next. A ledger that cannot be read leaves
        everything as it was.
        """
        now = time.monotonic()
        self._wanted = dict.fromkeys(touched) | self._wanted
        if touched or now - self._listed_at > _LIST_SECONDS:
            try:
                listed = list(islice(self._ledger.pending_ids(), _MOST_PENDING))
            except RepaintError:
                return []
            gone = set(self.pending) - set(listed)
            old = (i for i in listed if now - self._read_at.get(i, 0.0) > _READ_SECONDS)
            self._wanted |= dict.fromkeys([*gone, *islice(old, _MOST_READ)])
            self.pending, self._listed_at = listed, now
        return list(self._read(now))

    def _read(self, now: float) -> Iterable[Record]:
        for record_id in list(islice(self._wanted, _MOST_READ)):
            del self._wanted[record_id]
            known = self.records.get(record_id)
            if known is not None and known.state != "pending":
                yield known  # an end record never changes
                continue
            self._read_at[record_id] = now
            try:
                # In this order: the end record is written before the pending one is removed.
                found = self._ledger.finished(record_id)
                if found is None and (entry := self._ledger.pending(record_id)) is not None:
                    found = entry.record
            except RepaintError:
                continue
            if found is not None:
                self.records[record_id] = found
                yield found

    def waiting(self) -> list[Record]:
        """Return the unfinished records that were read, what waits longest first."""
        found = [self.records[i] for i in self.pending if i in self.records]
        return [record for record in found if record.state == "pending"]


def _newest_finished(runtime: Runtime) -> list[str]:
    """Return the ids of the records that ended last, if the ledger is in object storage."""
    scheme, _, place = (runtime.settings.ledger or "").partition("://")
    if scheme != "tos":
        return []
    bucket, _, prefix = place.partition("/")
    prefix, token, found = f"{prefix}done/", None, []
    while True:
        try:
            page = runtime.storage(None).list_page(bucket, prefix, token=token)
        except RepaintError:
            break
        found += [(listed.last_modified, listed.key) for listed in page.objects]
        token = page.next_token
        if token is None:
            break
    newest = sorted(found, reverse=True)[:_NEWEST_FINISHED]
    return [key.removeprefix(prefix).removesuffix(".json") for _, key in newest]
