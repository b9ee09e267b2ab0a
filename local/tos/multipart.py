"""Multipart uploads: parts that become one object when the upload is completed.

Each part is a blob of its own. Completing writes their contents into a new blob, and the put that
makes it the object ends the upload in the same transaction: a process that dies before leaves the
upload as it was, to be completed again.
"""

import hashlib
import json
import secrets
import sqlite3
from dataclasses import dataclass
from typing import Any

from local.database import Database
from local.tos.blobs import PIECE, Blobs, Incoming
from local.tos.buckets import bucket_row
from local.tos.errors import invalid, no_such_upload
from shared.clock import Clock

MAX_PART = 10_000


@dataclass(frozen=True, slots=True)
class Part:
    """An uploaded part; `etag` is without quotes, `modified` in epoch seconds."""

    number: int
    etag: str
    size: int
    modified: float
    blob: str


@dataclass(frozen=True, slots=True)
class Assembled:
    """The parts in one body, with the ETag and headers of the object."""

    body: Incoming
    etag: str
    headers: dict[str, str]
    parts: list[Part]


class MultipartUploads:
    """The multipart uploads in progress in one store."""

    def __init__(self, index: Database, blobs: Blobs, clock: Clock) -> None:
        self._index = index
        self._blobs = blobs
        self._clock = clock

    def begin(self, bucket: str, key: str, headers: dict[str, str]) -> str:
        """Begin an upload and return its id."""
        identifier = secrets.token_hex(16)
        with self._index.transaction() as connection:
            bucket_row(connection, bucket)
            connection.execute(
                "INSERT INTO uploads (id, bucket, key, headers) VALUES (?, ?, ?, ?)",
                (identifier, bucket, key, json.dumps(headers)),
            )
        return identifier

    def put_part(self, bucket: str, key: str, upload: str, number: int, body: Incoming) -> Part:
        """Add a part, or replace the one with the same number."""
        if not 1 <= number <= MAX_PART:
            raise invalid(f"A part's number is between 1 and {MAX_PART}, not {number}.")
        blob = self._blobs.keep(body)
        part = Part(number, body.md5.hex(), body.size, self._clock.now(), blob)
        try:
            with self._index.transaction() as connection:
                _headers(connection, bucket, key, upload)
                replaced = connection.execute(
                    "DELETE FROM parts WHERE upload = ? AND number = ? RETURNING blob",
                    (upload, number),
                ).fetchall()
                connection.execute(
                    "INSERT INTO parts (upload, number, etag, size, modified, blob)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (upload, number, part.etag, part.size, part.modified, blob),
                )
        except BaseException:
            self._blobs.remove(blob)
            raise
        for row in replaced:
            self._blobs.remove(row["blob"])
        return part

    def parts(self, bucket: str, key: str, upload: str) -> list[Part]:
        """Return the parts uploaded so far, by number."""
        with self._index.reading() as connection:
            _headers(connection, bucket, key, upload)
            return _parts(connection, upload)

    def assemble(self, bucket: str, key: str, upload: str, wanted: Any) -> Assembled:
        """Write the `wanted` parts, None for all, into one body.

        `wanted` is the request's list of PartNumber and ETag. Raises TosApiError if a part is
        missing or differs.
        """
        with self._index.reading() as connection:
            headers = _headers(connection, bucket, key, upload)
            parts = _parts(connection, upload)
        chosen = parts if wanted is None else _choose(parts, wanted)
        if not chosen:
            raise invalid("A multipart upload needs at least one part; upload one, or abort it.")
        # TOS's ETag of such an object is not the MD5 of its content; this is S3's form.
        digest = hashlib.md5(usedforsecurity=False)
        body = self._blobs.incoming()
        try:
            for part in chosen:
                digest.update(bytes.fromhex(part.etag))
                with self._blobs.path(part.blob).open("rb") as content:
                    while piece := content.read(PIECE):
                        body.add(piece)
                        body.flush()
        except FileNotFoundError:
            body.discard()
            # Another request has completed or aborted the upload, or replaced a part, since.
            raise no_such_upload(upload) from None
        except BaseException:
            body.discard()
            raise
        return Assembled(body, f"{digest.hexdigest()}-{len(chosen)}", headers, chosen)

    def abort(self, bucket: str, key: str, upload: str) -> None:
        """End an upload and remove its parts."""
        with self._index.transaction() as connection:
            obsolete = end(connection, bucket, key, upload)
        for blob in obsolete:
            self._blobs.remove(blob)


def end(connection: sqlite3.Connection, bucket: str, key: str, upload: str) -> list[str]:
    """Remove an upload from the index; return the blobs of its parts."""
    _headers(connection, bucket, key, upload)
    connection.execute("DELETE FROM uploads WHERE id = ?", (upload,))
    rows = connection.execute("DELETE FROM parts WHERE upload = ? RETURNING blob", (upload,))
    return [row["blob"] for row in rows.fetchall()]


def _headers(connection: sqlite3.Connection, bucket: str, key: str, upload: str) -> dict[str, str]:
    bucket_row(connection, bucket)
    row = connection.execute(
        "SELECT headers FROM uploads WHERE id = ? AND bucket = ? AND key = ?",
        (upload, bucket, key),
    ).fetchone()
    if row is None:
        raise no_such_upload(upload)
    headers: dict[str, str] = json.loads(row["headers"])
    return headers


def _parts(connection: sqlite3.Connection, upload: str) -> list[Part]:
    return [
        Part(row["number"], row["etag"], row["size"], row["modified"], row["blob"])
        for row in connection.execute(
            "SELECT * FROM parts WHERE upload = ? ORDER BY number", (upload,)
        )
    ]


def _choose(parts: list[Part], wanted: Any) -> list[Part]:
    if not isinstance(wanted, list) or not all(isinstance(item, dict) for item in wanted):
        raise invalid('The body must be {"Parts": [{"PartNumber": 1, "ETag": "…"}, …]}.')
    there = {part.number: part for part in parts}
    chosen: dict[int, Part] = {}
    for item in wanted:
        part = there.get(item.get("PartNumber"))
        if part is None or str(item.get("ETag")).strip('"') != part.etag:
            raise invalid(
                f"Part {item.get('PartNumber')!r} was not uploaded with that ETag; list the parts."
            )
        chosen[part.number] = part
    # The official SDK names parts in the order in which they were uploaded.
    return [chosen[number] for number in sorted(chosen)]
