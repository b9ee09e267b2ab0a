"""The ledger in object storage: `pending/<id>.json` while unfinished, `done/<id>.json` afterwards.

What was not told yet is in `outbox/<id>.json`; see `shared.webhook`.

Two orders of writing keep the promises, whatever dies between them:

* A claim is made *before* the end record is read. The other way round, a delivery could read
  (nothing yet), sleep while another finishes and removes its claim, and then claim and pay.
* The end record is written *before* the pending one is removed. Dying in between leaves a pending
  record whose end record exists: the next reader sees the end record and removes the rest. The
  other way round, dying in between would forget a paid generation.

A third one keeps what ended without an image from being lost among a million others: its mark,
the empty `ended/<state>/<id>`, is written *before* the end record. Dying in between leaves a mark
without such an end record, which readers pass over. The other way round, nobody would find it.

Removing a pending record is not conditional, and need not be: it happens only if the end record
exists, and nobody pays without having read that after claiming.

The state bucket must not be versioned: conditional writes there are not documented.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from itertools import islice

from typing_extensions import override

from shared.clients.tos import ListedObject, Tos
from shared.errors import (
    ConditionFailed,
    LeaseLost,
    NoAnswer,
    ObjectMissing,
    RecordUnreadable,
    TosError,
)
from shared.json_utils import as_object, as_text
from shared.ledger import Entry, Ledger
from shared.ledger.daily_cap import CapDocument
from shared.ledger.outbox import OutboxEntry
from shared.ledger.record import Record, Unmade


class TosLedger(Ledger):
    """Records below a prefix of a bucket."""

    def __init__(self, tos: Tos, bucket: str, prefix: str) -> None:
        self._tos = tos
        self._bucket = bucket
        self._prefix = prefix
        self._cap = CapDocument(tos, bucket, f"{prefix}daily-cap/")

    @override
    def create(self, record: Record) -> Entry | None:
        try:
            return Entry(record, self._put(self._pending(record.id), record, create_only=True))
        except ConditionFailed:
            return self._own(record)

    @override
    def pending(self, record_id: str) -> Entry | None:
        try:
            body, etag = self._tos.get(self._bucket, self._pending(record_id))
        except ObjectMissing:
            return None
        return Entry(Record.from_json(body), etag)

    @override
    def finished(self, record_id: str) -> Record | None:
        try:
            body, _ = self._tos.get(self._bucket, self._done(record_id))
        except ObjectMissing:
            return None
        return Record.from_json(body)

    @override
    def replace(self, entry: Entry, record: Record) -> Entry:
        try:
            return Entry(
                record, self._put(self._pending(record.id), record, if_match=entry.version)
            )
        except (ConditionFailed, ObjectMissing):
            # A lost answer, sent again: the second one meets what the first one wrote.
            own = self._own(record)
            if own is None:
                raise LeaseLost(f"The record {record.id} was changed by somebody else.") from None
            return own

    @override
    def finish(self, entry: Entry, record: Record) -> Record:
        if record.state != "generated":
            self._tos.put(self._bucket, f"{self._ended(record.state)}{record.id}", b"")
        stands = record
        try:
            self._put(self._done(record.id), record, create_only=True)
        except ConditionFailed:
            # Somebody else's end record, or our own whose answer was lost: it stands. Where there
            # is none, the refusal meant something else: the pending record must stay.
            found = self.finished(record.id)
            if found is None:
                raise
            stands = found
        # What is left where this fails is removed by whoever meets it.
        with suppress(TosError, NoAnswer):
            self.drop(entry)
        return stands

    @override
    def drop(self, entry: Entry) -> None:
        self._tos.delete(self._bucket, self._pending(entry.record.id))

    @override
    def pending_ids(self) -> Iterator[str]:
        prefix = f"{self._prefix}pending/"
        found = sorted((listed.last_modified, listed.key) for listed in self._listed(prefix))
        return (_id_of(key) for _, key in found)

    @override
    def pending_page(self, after: str, limit: int) -> list[str]:
        prefix = f"{self._prefix}pending/"
        last = self._pending(after) if after else None
        found = islice(self._listed(prefix, start_after=last, limit=limit), limit)
        return [_id_of(listed.key) for listed in found]

    @override
    def finished_ids(self, beginning: str = "") -> Iterator[tuple[str, float]]:
        return self._timed(f"{self._prefix}done/{beginning}")

    @override
    def ended_ids(self, state: Unmade) -> Iterator[tuple[str, float]]:
        return self._timed(self._ended(state))

    @override
    def reserve_name(self, name: str, record_id: str) -> str:
        key = self._name(name)
        document = json.dumps({"name": name, "id": record_id}).encode()
        try:
            self._tos.put(self._bucket, key, document, create_only=True)
        except ConditionFailed:
            # Ours, from an earlier attempt or a lost answer, or another upload's.
            return self._holder(key)[0]
        return record_id

    @override
    def move_name(self, name: str, holder: str, record_id: str) -> bool:
        key = self._name(name)
        found, etag = self._holder(key)
        if found != holder:
            return found == record_id
        document = json.dumps({"name": name, "id": record_id}).encode()
        try:
            self._tos.put(self._bucket, key, document, if_match=etag)
        except ConditionFailed:
            # Another's, or our own whose answer was lost.
            return self._holder(key)[0] == record_id
        return True

    @override
    def reserve(self, day: str, attempt: str, cap: int) -> bool:
        return self._cap.reserve(day, attempt, cap)

    @override
    def release(self, day: str, attempt: str) -> None:
        self._cap.release(day, attempt)

    @override
    def reserved(self, day: str) -> int:
        return self._cap.reserved(day)

    @override
    def put_entry(self, entry: OutboxEntry) -> None:
        self._tos.put(self._bucket, self._entry(entry.id), entry.to_json())

    @override
    def entry(self, entry_id: str) -> OutboxEntry | None:
        try:
            body, _ = self._tos.get(self._bucket, self._entry(entry_id))
        except ObjectMissing:
            return None
        return OutboxEntry.from_json(body)

    @override
    def entry_ids(self) -> Iterator[str]:
        return (_id_of(listed.key) for listed in self._listed(f"{self._prefix}outbox/"))

    @override
    def drop_entry(self, entry_id: str) -> None:
        self._tos.delete(self._bucket, self._entry(entry_id))

    @override
    def close(self) -> None:
        """Do nothing: the connections are the transport's."""

    def _listed(
        self, prefix: str, *, start_after: str | None = None, limit: int = 1000
    ) -> Iterator[ListedObject]:
        while True:
            page = self._tos.list_page(self._bucket, prefix, start_after=start_after, limit=limit)
            yield from page.objects
            if page.next_token is None or not page.objects:
                return
            start_after = page.objects[-1].key

    def _timed(self, prefix: str) -> Iterator[tuple[str, float]]:
        for listed in self._listed(prefix):
            yield _id_of(listed.key), datetime.fromisoformat(listed.last_modified).timestamp()

    def _own(self, record: Record) -> Entry | None:
        """Return the stored record where it is exactly the one that was to be written."""
        stored = self.pending(record.id)
        return stored if stored is not None and stored.record == record else None

    def _name(self, name: str) -> str:
        return f"{self._prefix}names/{hashlib.sha256(name.encode()).hexdigest()[:32]}.json"

    def _holder(self, key: str) -> tuple[str, str]:
        body, etag = self._tos.get(self._bucket, key)
        holder = as_text((as_object(body) or {}).get("id"))
        if holder is None:
            raise RecordUnreadable(f"The reserved name {key} in the ledger cannot be read.")
        return holder, etag

    def _put(
        self,
        key: str,
        record: Record,
        *,
        create_only: bool = False,
        if_match: str | None = None,
    ) -> str:
        return self._tos.put(
            self._bucket, key, record.to_json(), create_only=create_only, if_match=if_match
        )

    def _pending(self, record_id: str) -> str:
        return f"{self._prefix}pending/{record_id}.json"

    def _entry(self, entry_id: str) -> str:
        return f"{self._prefix}outbox/{entry_id}.json"

    def _done(self, record_id: str) -> str:
        return f"{self._prefix}done/{record_id}.json"

    def _ended(self, state: str) -> str:
        return f"{self._prefix}ended/{state}/"


def _id_of(key: str) -> str:
    return key.rpartition("/")[2].removesuffix(".json")
