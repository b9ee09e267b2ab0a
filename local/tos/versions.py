"""The versions of an object, as rows of the index."""

import json
import sqlite3
from dataclasses import dataclass, fields

# The version id, in a versioned bucket, of an object from before versioning.
NULL_VERSION = "null"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One version of an object.

    `version` is empty if the bucket is not versioned; `etag` is without quotes; `modified` in
    seconds since the epoch; `headers` the stored headers, values as the bytes that were sent,
    read as latin-1.
    """

    bucket: str
    key: str
    version: str
    etag: str
    size: int
    crc: int
    modified: float
    blob: str
    headers: dict[str, str]

    @classmethod
    def of(cls, row: sqlite3.Row) -> "StoredObject":
        """Read a row of `objects`."""
        values = {field.name: row[field.name] for field in fields(cls)}
        # SQLite's integers are signed; the CRC is not, so it is stored as text.
        values |= {"crc": int(row["crc"]), "headers": json.loads(row["headers"])}
        return cls(**values)


def current(connection: sqlite3.Connection, bucket: str, key: str) -> StoredObject | None:
    """Return the version that is read without naming one."""
    row = connection.execute(
        "SELECT * FROM objects WHERE bucket = ? AND key = ? AND current = 1", (bucket, key)
    ).fetchone()
    return row and StoredObject.of(row)


def find(
    connection: sqlite3.Connection, bucket: str, key: str, version: str | None
) -> StoredObject | None:
    """Return one version; None for `version` means the current one."""
    if version is None:
        return current(connection, bucket, key)
    row = connection.execute(
        "SELECT * FROM objects WHERE bucket = ? AND key = ? AND version = ?",
        (bucket, key, "" if version == NULL_VERSION else version),
    ).fetchone()
    return row and StoredObject.of(row)


def make_current(
    connection: sqlite3.Connection, stored: StoredObject, *, versioned: bool
) -> list[str]:
    """Add a version and make it the current one; return the blobs of those that it replaces."""
    which = (stored.bucket, stored.key)
    replaced = []
    if not versioned:
        replaced = [
            row["blob"]
            for row in connection.execute(
                "DELETE FROM objects WHERE bucket = ? AND key = ? AND version = '' RETURNING blob",
                which,
            ).fetchall()
        ]
    hide(connection, *which)
    connection.execute(
        "INSERT INTO objects (bucket, key, version, current, etag, size, crc, modified, blob,"
        " headers) VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?, ?)",
        (
            *which,
            stored.version,
            stored.etag,
            stored.size,
            str(stored.crc),
            stored.modified,
            stored.blob,
            json.dumps(stored.headers),
        ),
    )
    return replaced


def hide(connection: sqlite3.Connection, bucket: str, key: str) -> None:
    """Leave the key without a current version, and keep every version."""
    connection.execute(
        "UPDATE objects SET current = 0 WHERE bucket = ? AND key = ? AND current = 1", (bucket, key)
    )


def remove(connection: sqlite3.Connection, stored: StoredObject) -> None:
    """Remove one version; if it was the current one, the newest one left takes its place."""
    which = (stored.bucket, stored.key)
    was = connection.execute(
        "DELETE FROM objects WHERE bucket = ? AND key = ? AND version = ? RETURNING current",
        (*which, stored.version),
    ).fetchall()
    if any(row["current"] for row in was):
        connection.execute(
            "UPDATE objects SET current = 1 WHERE id ="
            " (SELECT max(id) FROM objects WHERE bucket = ? AND key = ?)",
            which,
        )
