"""The ledger's records, read again only if they may have changed."""

import time
from collections.abc import Collection, Iterable
from itertools import islice

from shared.errors import RepaintError
from shared.ledger import Record, State, find
from shared.runtime import Runtime

# How often it is read without a hint of a change: another process may write to the ledger too.
_LIST_SECONDS = 2.0
_READ_SECONDS = 15.0
_MAX_PENDING = 500
_MAX_READ = 100
_NEWEST_FINISHED = 60


class LedgerReader:
    """The records that were read so far; used by one thread at a time."""

    def __init__(self, runtime: Runtime) -> None:
        self._ledger = runtime.ledger
        self.records: dict[str, Record] = {}
        self._pending: list[str] = []
        self._read_at: dict[str, float] = {}
        self._listed_at = 0.0
        self._wanted: dict[str, None] = dict.fromkeys(_newest_finished(runtime))

    def refresh(self, touched: Collection[str]) -> list[Record]:
        """Read what may have changed, the records `touched` first; return those that were read.

        A call reads a limited number; the rest is read in the next ones. If the ledger cannot be
        read, everything stays as it was.
        """
        now = time.monotonic()
        self._wanted = dict.fromkeys(touched) | self._wanted
        if touched or now - self._listed_at > _LIST_SECONDS:
            try:
                listed = list(islice(self._ledger.pending_ids(), _MAX_PENDING))
            except RepaintError:
                return []
            gone = set(self._pending) - set(listed)
            old = (i for i in listed if now - self._read_at.get(i, 0.0) > _READ_SECONDS)
            self._wanted |= dict.fromkeys([*gone, *islice(old, _MAX_READ)])
            self._pending, self._listed_at = listed, now
        return list(self._read(now))

    def pending(self) -> list[Record]:
        """Return the unfinished records that were read, the least recently written first."""
        found = [self.records[i] for i in self._pending if i in self.records]
        return [record for record in found if record.state == State.PENDING]

    def _read(self, now: float) -> Iterable[Record]:
        for record_id in list(islice(self._wanted, _MAX_READ)):
            del self._wanted[record_id]
            found = self.records.get(record_id)
            # An end record never changes.
            if found is None or found.state == State.PENDING:
                self._read_at[record_id] = now
                try:
                    found = find(self._ledger, record_id)
                except RepaintError:
                    continue
            if found is not None:
                self.records[record_id] = found
                yield found


def _newest_finished(runtime: Runtime) -> list[str]:
    """Return the ids of the newest end records, if the ledger is in object storage."""
    scheme, _, place = runtime.settings.ledger.partition("://")
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
