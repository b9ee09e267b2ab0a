"""The uploads: which there are, and which delivery, record and log line belongs to which.

Nothing is remembered from run to run: the queue keeps every delivery, the functions' logs every
line and the ledger every record, so that a cloud that is started again shows what the last one
left. An upload is known by the id of its record, which follows from the object alone
(`shared.uploads.metadata.identity`): an object put again, just the same, is the same upload.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any

from local.console.lines import Line, moment_of, text_in
from local.console.uploads import Upload
from local.vefaas.runtime import QueuedEvent, queued_event_id
from shared.clients.tos import ObjectInfo, Tos
from shared.errors import RepaintError
from shared.ledger import Record
from shared.uploads.events import Upload as Event
from shared.uploads.events import parse_uploads
from shared.uploads.metadata import identity, recognised

MOST_UPLOADS = 200
AGAIN_OF = "console-again-of"  # the metadata that names the upload that was run again


class Gallery:
    """The newest uploads; used by one thread at a time."""

    def __init__(self, storage: Tos) -> None:
        self._storage = storage
        self._uploads: dict[str, Upload] = {}
        # None for those whose upload is too old to be shown.
        self._of_delivery: dict[str, Upload | None] = {}
        self._of_record: dict[str, Upload] = {}
        self._touched: set[str] = set()
        self._views: dict[str, dict[str, Any]] = {}

    def find(self, upload_id: str) -> Upload | None:
        """Return an upload by its id."""
        return self._uploads.get(upload_id)

    def take_deliveries(self, newest: Iterable[tuple[str, QueuedEvent]], lines: list[Line]) -> None:
        """Take in the queue's newest deliveries, and the lines that may tell their records."""
        # Of an upload's variants the first is claimed first: its line counts, not the last one.
        told = {
            queued_event_id(text_in(line, "request_id")): text_in(line, "record")
            for line in reversed(lines)
            if text_in(line, "record")
        }
        for state, delivery in newest:
            if delivery.id not in self._of_delivery:
                self._of_delivery[delivery.id] = self._begin(delivery, told)
            upload = self._of_delivery[delivery.id]
            if upload is not None and upload.deliveries.get(delivery.id) != (state, delivery):
                upload.deliveries[delivery.id] = (state, delivery)
                self._touch(upload)

    def take_lines(self, lines: Iterable[Line]) -> None:
        """Take in new log lines; those that name no upload belong to none."""
        for line in lines:
            upload = self._owner(line)
            if upload is not None:
                upload.add(line)
                self._touch(upload)

    def take_records(self, records: Iterable[Record]) -> None:
        """Take in records that were read from the ledger."""
        for record in records:
            upload = self._of_record.get(record.id) or self._add(
                Upload(record.id, record.bucket, record.key, record.created_at), record.id
            )
            upload.record = record
            if not upload.version:
                # Known by its record or a line alone, and lines need not tell the object.
                upload.bucket, upload.key = record.bucket, record.key
                upload.version = record.version_id or record.etag
                self._describe(upload, self._look(record.bucket, record.key, upload.version))
            # What tells of it may be a late line, or its event's second coming.
            upload.uploaded_at = min(upload.uploaded_at, record.created_at)

    def touched(self) -> set[str]:
        """Return the records of what changed since the last call."""
        touched, self._touched = self._touched, set()
        return touched

    def views(self, now: float) -> list[dict[str, Any]]:
        """Return the uploads as the page gets them, newest first.

        One that shows what it showed before is the same object as before.
        """
        newest = sorted(self._uploads.values(), key=lambda each: each.uploaded_at, reverse=True)
        for upload in newest[MOST_UPLOADS:]:
            self._forget(upload)
        views = {}
        for upload in newest[:MOST_UPLOADS]:
            view, known = upload.view(now), self._views.get(upload.id)
            views[upload.id] = known if known == view and known is not None else view
        self._views = views
        return list(views.values())

    def _begin(self, delivery: QueuedEvent, told: Mapping[str, str]) -> Upload | None:
        """Return the upload that an event announces, a new one where it is not known yet."""
        event = next((e for e in parse_uploads(delivery.event) if isinstance(e, Event)), None)
        if event is None:
            return None
        version = event.version_id or event.etag or ""
        info = self._look(event.bucket, event.key, version)
        looked = record_of(event.bucket, event.key, info) if info else None
        record_id = told.get(delivery.id) or looked
        known = self._of_record.get(record_id or "") or self._of_delivery.get(
            delivery.copy_of or ""
        )
        if known is not None:
            return known
        upload = Upload(
            id=record_id or delivery.id,
            bucket=event.bucket,
            key=event.key,
            uploaded_at=delivery.enqueued_at,
            version=version,
            size=event.size or 0,
        )
        self._add(upload, record_id)
        self._describe(upload, info)
        return upload

    def _owner(self, line: Line) -> Upload | None:
        record_id = text_in(line, "record")
        if record_id in self._of_record:
            return self._of_record[record_id]
        upload = self._of_delivery.get(queued_event_id(text_in(line, "request_id")))
        if upload is not None and not record_id:
            return upload
        if upload is not None and upload.record_id is None:
            # Overwritten before it was looked at here; the function had seen it.
            upload.record_id = record_id
            self._of_record[record_id] = upload
            return upload
        bucket, key = text_in(line, "bucket"), text_in(line, "key")
        if record_id:
            # Asked for over HTTP, or by a program: no event told of it.
            began = moment_of(line) or time.time()
            return self._add(Upload(record_id, bucket, key, began), record_id)
        same = (u for u in self._uploads.values() if key and (u.bucket, u.key) == (bucket, key))
        return max(same, key=lambda each: each.uploaded_at, default=None)

    def _add(self, upload: Upload, record_id: str | None) -> Upload:
        self._uploads[upload.id] = upload
        if record_id is not None:
            upload.record_id = record_id
            self._of_record[record_id] = upload
        return upload

    @staticmethod
    def _describe(upload: Upload, info: ObjectInfo | None) -> None:
        if info is None:
            return
        upload.size = info.size
        # What is asked for over HTTP is not in the object's metadata.
        if record_of(upload.bucket, upload.key, info) == upload.record_id:
            upload.asked = recognised(info.metadata)
            upload.again_of = info.metadata.get(AGAIN_OF)

    def _look(self, bucket: str, key: str, version: str) -> ObjectInfo | None:
        """Look at the object; None where it is gone, or another one by now."""
        if not bucket or not key:
            return None
        try:
            info = self._storage.head(bucket, key)
        except RepaintError:
            return None
        return info if version in ("", info.version_id, info.etag) else None

    def _touch(self, upload: Upload) -> None:
        if upload.record_id is not None:
            self._touched.add(upload.record_id)

    def _forget(self, upload: Upload) -> None:
        del self._uploads[upload.id]
        self._of_record.pop(upload.record_id or "", None)
        self._of_delivery |= dict.fromkeys(upload.deliveries)


def record_of(bucket: str, key: str, info: ObjectInfo) -> str:
    """Return the id of the record that an object's upload gets."""
    return identity(bucket, key, info.version_id or info.etag, recognised(info.metadata))
