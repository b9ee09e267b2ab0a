"""Fill the ledger and buckets directly in their tables, much faster than through their APIs."""

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from bench.services import PROMPT
from local.cloud import STATE_BUCKET, UPLOAD_PREFIX, UPLOADS_BUCKET
from local.tos import ObjectStore
from shared.ledger import Attempt, Record, Source, State
from shared.uploads.metadata import identity

# Spread over the whole range of ids, so that a new one falls in between. `:stage` keeps the ids of
# a later call apart.
_ID = "printf('%08x%024d', i * (4294967296 / :count), :stage)"
_COPY = (
    "WITH RECURSIVE numbers(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM numbers"
    " WHERE i + 1 < :count) INSERT INTO {table} ({columns}) SELECT {values} FROM numbers, {table}"
    " WHERE {place} = :of"
)
_UPLOAD = (
    "INSERT INTO objects (bucket, key, version, current, etag, size, crc, modified, blob, headers)"
    " VALUES (?, ?, '', 1, ?, 1000, '0', ?, '', ?)"
)


def end_record(record_id: str) -> Record:
    """Return an end record as a repainted upload leaves it."""
    output = f"repaint/{record_id}-1"
    return Record(
        id=record_id,
        source=Source(
            bucket="photos",
            key="uploads/2026/11/20261125-093012-0417.jpg",
            etag="3858f62230ac3c915f300c664312c63f",
            region="cn-beijing",
        ),
        state=State.GENERATED,
        attempts=(Attempt(number=1, output=output, sent_at=1.76e9, outcome="generated"),),
        image_urls=(f"http://img.example.com/tos-cn-i-serviceid/{output}~tplv-serviceid-a.image",),
        store_uris=(f"tos-cn-i-serviceid/{output}",),
        model_request_id="20261125093012F83A86C8BF19CCFE6930",
        created_at=1.76e9,
        updated_at=1.76e9 + 12.5,
    )


def fill_objects(store: ObjectStore, prefix: str, of: Record, count: int, stage: int) -> None:
    """Put `count` copies of an end record, which must exist, into object storage's index."""
    changed = {"id": "NULL", "key": f"'{prefix}done/' || {_ID} || '.json'"}
    with store.index.transaction() as connection:
        _copy(connection, "objects", "key", f"{prefix}done/{of.id}.json", changed, count, stage)


def fill_file(path: Path, of: Record, count: int, stage: int) -> None:
    """Put `count` copies of an end record, which must exist, into a ledger's file."""
    changed = {"id": _ID, "json": f"replace(json, '{of.id}', {_ID})"}
    with closing(sqlite3.connect(path)) as connection:
        with connection:
            _copy(connection, "records", "id", of.id, changed, count, stage)
        # One transaction of a gigabyte leaves a log that ordinary use never leaves.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _copy(
    connection: sqlite3.Connection,
    table: str,
    place: str,
    of: str,
    changed: dict[str, str],
    count: int,
    stage: int,
) -> None:
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    values = [changed.get(column, column) for column in columns]
    statement = _COPY.format(
        table=table, columns=", ".join(columns), values=", ".join(values), place=place
    )
    connection.execute(statement, {"count": count, "stage": stage, "of": of})


def fill_bucket(store: ObjectStore, objects: int, done_prefix: str) -> None:
    """Put uploads into the index, and end records of every other one below a prefix.

    The rows are written one by one: an end record's id follows from its upload's ETag. Nothing
    reads their contents.
    """
    with store.index.transaction() as connection:
        connection.executemany(_UPLOAD, _uploads(objects, done_prefix))


def _uploads(objects: int, done_prefix: str) -> Iterator[tuple[str, str, str, float, str]]:
    now = time.time()
    headers = {"content-type": "image/jpeg", "x-tos-meta-prompt": quote(PROMPT, safe="")}
    for number in range(objects):
        key = f"{UPLOAD_PREFIX}{number // 1000:05}/{number:08}.jpg"
        etag = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()
        yield UPLOADS_BUCKET, key, etag, now - 7200, json.dumps(headers)
        if number % 2:
            record = identity(UPLOADS_BUCKET, key, etag, {"prompt": PROMPT})
            yield STATE_BUCKET, f"{done_prefix}{record}.json", etag, now - 3600, "{}"
