"""The uploads, and which queued event, record and log line belongs to which.

Nothing is remembered from run to run: the queue keeps every event, the functions' logs every line
and the ledger every record, so that a restarted cloud shows the uploads of the last one. An upload
is identified by its record's id, which follows from the object alone
(`shared.uploads.metadata.identity`): an unchanged object that is put again is the same upload.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any

from local.console.card import UploadCard
from local.console.logs import Line, moment_of, text_in
from local.vefaas.runtime import QueuedEvent, queued_event_id
from shared.clients.tos import ObjectInfo, Tos
from shared.errors import RepaintError
from shared.ledger import Record
from shared.uploads.events import Upload, parse_uploads
from shared.uploads.metadata import identity, recognised

AGAIN_OF = "console-again-of"  # the metadata that names the upload that was run again
_MAX_UPLOADS = 200


class Uploads:
    """The cards of the newest uploads; used by one thread at a time."""

    def __init__(self, storage: Tos) -> None:
        self._storage = storage
        self._cards: dict[str, UploadCard] = {}
        # None for an event whose upload is too old to be shown.
        self._of_event: dict[str, UploadCard | None] = {}
        self._of_record: dict[str, UploadCard] = {}
        self._touched: set[str] = set()

    def find(self, upload_id: str) -> UploadCard | None:
        """Return an upload by its id."""
        return self._cards.get(upload_id)

    def add_events(self, newest: Iterable[tuple[str, QueuedEvent]], lines: list[Line]) -> None:
        """Add the queue's newest events; new log lines may name their records."""
        # Of an upload's variants the first is claimed first: its line counts, not the last one.
        records = {
            queued_event_id(text_in(line, "request_id")): text_in(line, "record")
            for line in reversed(lines)
            if text_in(line, "record")
        }
        for state, event in newest:
            if event.id not in self._of_event:
                self._of_event[event.id] = self._card_of(event, records)
            card = self._of_event[event.id]
            if card is not None and card.events.get(event.id) != (state, event):
                card.events[event.id] = (state, event)
                self._touch(card)

    def add_lines(self, lines: Iterable[Line]) -> None:
        """Add new log lines; a line that names no upload is passed over."""
        for line in lines:
            card = self._card_of_line(line)
            if card is not None:
                card.add(line)
                self._touch(card)

    def add_records(self, records: Iterable[Record]) -> None:
        """Add records that were read from the ledger."""
        for record in records:
            bucket, key = record.source.bucket or "", record.source.key or ""
            card = self._of_record.get(record.id) or self._add(
                UploadCard(record.id, bucket, key, record.created_at), record.id
            )
            card.record = record
            if not card.version:
                # Known by its record or a line alone, and not every line names the object.
                card.bucket, card.key = bucket, key
                card.version = record.source.version_id or record.source.etag or ""
                self._describe(card, self._head(bucket, key, card.version))
            # The card may come from a late line, or from the event's second delivery.
            card.uploaded_at = min(card.uploaded_at, record.created_at)

    def take_touched(self) -> set[str]:
        """Return the records that may have changed since the last call."""
        touched, self._touched = self._touched, set()
        return touched

    def views(self, now: float) -> list[dict[str, Any]]:
        """Return the cards as the page gets them, newest first."""
        newest = sorted(self._cards.values(), key=lambda each: each.uploaded_at, reverse=True)
        for card in newest[_MAX_UPLOADS:]:
            self._forget(card)
        return [card.view(now) for card in newest[:_MAX_UPLOADS]]

    def _card_of(self, event: QueuedEvent, records: Mapping[str, str]) -> UploadCard | None:
        """Return the card of an event's upload, a new one if it is not known yet."""
        upload = next((u for u in parse_uploads(event.event) if isinstance(u, Upload)), None)
        if upload is None:
            return None
        version = upload.version_id or upload.etag or ""
        info = self._head(upload.bucket, upload.key, version)
        found = record_id_of(upload.bucket, upload.key, info) if info else None
        record_id = records.get(event.id) or found
        known = self._of_record.get(record_id or "") or self._of_event.get(event.copy_of or "")
        if known is not None:
            return known
        card = UploadCard(
            id=record_id or event.id,
            bucket=upload.bucket,
            key=upload.key,
            uploaded_at=event.enqueued_at,
            version=version,
            size=upload.size or 0,
        )
        self._add(card, record_id)
        self._describe(card, info)
        return card

    def _card_of_line(self, line: Line) -> UploadCard | None:
        record_id = text_in(line, "record")
        if record_id in self._of_record:
            return self._of_record[record_id]
        card = self._of_event.get(queued_event_id(text_in(line, "request_id")))
        if card is not None and not record_id:
            return card
        if card is not None and card.record_id is None:
            # The object was overwritten before the console read it; the function had read it.
            card.record_id = record_id
            self._of_record[record_id] = card
            return card
        bucket, key = text_in(line, "bucket"), text_in(line, "key")
        if record_id:
            # Requested over HTTP, or by a program: there was no event.
            began = moment_of(line) or time.time()
            return self._add(UploadCard(record_id, bucket, key, began), record_id)
        same = (c for c in self._cards.values() if key and (c.bucket, c.key) == (bucket, key))
        return max(same, key=lambda each: each.uploaded_at, default=None)

    def _add(self, card: UploadCard, record_id: str | None) -> UploadCard:
        self._cards[card.id] = card
        if record_id is not None:
            card.record_id = record_id
            self._of_record[record_id] = card
        return card

    @staticmethod
    def _describe(card: UploadCard, info: ObjectInfo | None) -> None:
        if info is None:
            return
        card.size = info.size
        # The settings of a request over HTTP are not in the object's metadata.
        if record_id_of(card.bucket, card.key, info) == card.record_id:
            card.metadata = recognised(info.metadata)
            card.again_of = info.metadata.get(AGAIN_OF)

    def _head(self, bucket: str, key: str, version: str) -> ObjectInfo | None:
        """Read the object's properties; None if it is gone, or has another version by now."""
        if not bucket or not key:
            return None
        try:
            info = self._storage.head(bucket, key)
        except RepaintError:
            return None
        return info if version in ("", info.version_id, info.etag) else None

    def _touch(self, card: UploadCard) -> None:
        if card.record_id is not None:
            self._touched.add(card.record_id)

    def _forget(self, card: UploadCard) -> None:
        del self._cards[card.id]
        self._of_record.pop(card.record_id or "", None)
        self._of_event |= dict.fromkeys(card.events)


def record_id_of(bucket: str, key: str, info: ObjectInfo) -> str:
    """Return the id of the record of an object's upload."""
    return identity(bucket, key, info.version_id or info.etag, recognised(info.metadata))
