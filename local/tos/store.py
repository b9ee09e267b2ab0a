"""Objects: contents on the disk, and an index of the objects that they belong to.

The steps of a put, and the state that a process leaves which dies after each:

```
1. the body goes to a new file in incoming/       an old object is untouched; a file to sweep
2. the file is moved to blobs/                    the same
3. one transaction: the condition is evaluated,   before its commit: the same; after it: the new
   the row swapped, the event put in the outbox   object, whole; the old blob is a file to sweep
4. the old blob is removed                        the event is delivered at the next start
5. the event is delivered, and leaves the outbox  in between: it is delivered once more
```

So there is always the whole old or the whole new object, and an event for every new one. After a
power failure the last transactions may be missing, as if the puts had never happened.
"""

import secrets
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

from local.tos import events, listing, multipart, versions
from local.tos.blobs import PIECE, Blobs, Incoming
from local.tos.buckets import BucketStore, bucket_row
from local.tos.errors import TosApiError, no_such_key, precondition_failed
from local.tos.events import EventOrigin, PendingEvent
from local.tos.index import open_index
from local.tos.multipart import MultipartUploads
from local.tos.versions import StoredObject
from shared.clock import Clock, SystemClock


class ObjectStore:
    """The objects in one folder."""

    def __init__(self, folder: Path, clock: Clock = SystemClock()) -> None:  # noqa: B008 (stateless)
        folder.mkdir(parents=True, exist_ok=True)
        self._clock = clock
        self.index = open_index(folder / "index.sqlite")
        self.blobs = Blobs(folder)
        self.buckets = BucketStore(self.index, clock)
        self.multipart = MultipartUploads(self.index, self.blobs, clock)
        with self.index.reading() as connection:
            rows = connection.execute("SELECT blob FROM objects UNION SELECT blob FROM parts")
            self.blobs.sweep({row["blob"] for row in rows})

    def close(self) -> None:
        """Close the index; the store cannot be used afterwards."""
        self.index.close()

    def create_bucket(self, name: str) -> None:
        """Create a bucket unless it exists. Raises TosApiError for an invalid name."""
        self.buckets.create(name)

    def put(
        self,
        bucket: str,
        key: str,
        body: Incoming | bytes,
        headers: dict[str, str] | None = None,
        *,
        forbid_overwrite: bool = False,
        if_match: str | None = None,
        etag: str | None = None,
        event: str = "tos:ObjectCreated:Put",
        origin: EventOrigin | None = None,
        upload: str | None = None,
    ) -> tuple[StoredObject, list[PendingEvent]]:
        """Make `body` the object's content; return it and the events to deliver.

        `forbid_overwrite` refuses an existing key; `if_match` refuses any ETag but that one.
        Without an `origin` there are no events. `upload` is the multipart upload that ends with
        this put. Raises TosApiError, and then nothing has changed.
        """
        if isinstance(body, bytes):
            data, body = body, self.blobs.incoming()
            body.add(data)
        blob = self.blobs.keep(body)
        try:
            with self.index.transaction() as connection:
                versioned = bucket_row(connection, bucket)["versioning"] == "Enabled"
                _check(versions.current(connection, bucket, key), key, forbid_overwrite, if_match)
                stored = StoredObject(
                    bucket=bucket,
                    key=key,
                    version=secrets.token_hex(16) if versioned else "",
                    etag=etag or body.md5.hex(),
                    size=body.size,
                    crc=body.crc,
                    modified=self._clock.now(),
                    blob=blob,
                    headers=headers or {},
                )
                obsolete = versions.make_current(connection, stored, versioned=versioned)
                if upload is not None:
                    obsolete += multipart.end(connection, bucket, key, upload)
                pending = events.record(connection, event, stored, origin)
        except BaseException:
            self.blobs.remove(blob)
            raise
        for name in obsolete:
            self.blobs.remove(name)
        return stored, pending

    def head(self, bucket: str, key: str, version: str | None = None) -> StoredObject:
        """Return an object's description. Raises TosApiError if there is none."""
        with self.index.reading() as connection:
            bucket_row(connection, bucket)
            stored = versions.find(connection, bucket, key, version)
        if stored is None:
            raise no_such_key(key)
        return stored

    def get(
        self, bucket: str, key: str, version: str | None = None
    ) -> tuple[StoredObject, BinaryIO]:
        """Return an object's description and its content, opened; the caller closes it."""
        while True:
            stored = self.head(bucket, key, version)
            # If the object was replaced after the index was read, read the index again.
            with suppress(FileNotFoundError):
                return stored, self.blobs.path(stored.blob).open("rb")
            if self.head(bucket, key, version).blob == stored.blob:
                raise TosApiError(
                    HTTPStatus.INTERNAL_SERVER_ERROR,
                    "InternalError",
                    f"The content of {key!r} is missing from the store's folder: somebody removed "
                    "it. Upload the object again.",
                )

    def copy(
        self, source: tuple[str, str, str | None], if_match: str | None = None
    ) -> tuple[StoredObject, Incoming]:
        """Copy an object's content; return its description and the body to `put` elsewhere."""
        stored, content = self.get(*source)
        body = self.blobs.incoming()
        with content:
            if if_match is not None and if_match != stored.etag:
                raise precondition_failed(stored.key)
            try:
                while chunk := content.read(PIECE):
                    body.add(chunk)
                    body.flush()
            except BaseException:
                body.discard()
                raise
        return stored, body

    def delete(
        self,
        bucket: str,
        key: str,
        version: str | None = None,
        *,
        origin: EventOrigin | None = None,
    ) -> tuple[StoredObject | None, list[PendingEvent]]:
        """Delete an object; return its description, None if there was none, and the events.

        In a versioned bucket its versions remain readable; a named version is removed, and the
        newest one left takes the place of a current one.
        """
        with self.index.transaction() as connection:
            versioned = bool(bucket_row(connection, bucket)["versioning"])
            stored = versions.find(connection, bucket, key, version)
            if stored is None:
                return None, []
            hidden = versioned and version is None
            if hidden:
                versions.hide(connection, bucket, key)
            else:
                versions.remove(connection, stored)
            pending = events.record(connection, "tos:ObjectRemoved:Delete", stored, origin)
        if not hidden:
            self.blobs.remove(stored.blob)
        return stored, pending

    def list(
        self,
        bucket: str,
        *,
        prefix: str = "",
        delimiter: str = "",
        start: str = "",
        limit: int = listing.MAX_KEYS,
    ) -> listing.ListingPage:
        """Return a page of a bucket's keys, beginning with `start`."""
        with self.index.reading() as connection:
            bucket_row(connection, bucket)
            return listing.page(
                connection, bucket, prefix=prefix, delimiter=delimiter, start=start, limit=limit
            )


def _check(
    old: StoredObject | None, key: str, forbid_overwrite: bool, if_match: str | None
) -> None:
    if forbid_overwrite and old is not None:
        raise TosApiError(
            HTTPStatus.CONFLICT,
            "ObjectAlreadyExists",
            f"There is an object {key!r} already and the request forbids overwriting it; "
            "choose another key, or leave x-tos-forbid-overwrite out.",
            ec="0017-00000004",
        )
    if if_match is not None and (old is None or old.etag != if_match):
        raise precondition_failed(key)
