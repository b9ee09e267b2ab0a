"""The index of all objects: one SQLite file, one connection under one lock.

Writes are serialised, so the condition of a conditional write is evaluated in the transaction
that carries it out, and of any number of writers racing for a key exactly one wins.
"""

from pathlib import Path

from local.database import Database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS buckets (
    name TEXT PRIMARY KEY,
    created REAL NOT NULL,
    versioning TEXT NOT NULL DEFAULT '',
    rules TEXT NOT NULL DEFAULT '[]',
    rules_version TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
-- One row a version. `current` marks the one that is read without naming a version.
CREATE TABLE IF NOT EXISTS objects (
    id INTEGER PRIMARY KEY,
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    version TEXT NOT NULL,
    current INTEGER NOT NULL,
    etag TEXT NOT NULL,
    size INTEGER NOT NULL,
    crc TEXT NOT NULL,
    modified REAL NOT NULL,
    blob TEXT NOT NULL,
    headers TEXT NOT NULL
);
-- Two current versions of one key are impossible, whatever the code does.
CREATE UNIQUE INDEX IF NOT EXISTS current_objects ON objects (bucket, key) WHERE current = 1;
CREATE UNIQUE INDEX IF NOT EXISTS versions ON objects (bucket, key, version);
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY,
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    headers TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parts (
    upload TEXT NOT NULL,
    number INTEGER NOT NULL,
    etag TEXT NOT NULL,
    size INTEGER NOT NULL,
    modified REAL NOT NULL,
    blob TEXT NOT NULL,
    PRIMARY KEY (upload, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY,
    function TEXT NOT NULL,
    event TEXT NOT NULL
);
"""


def open_index(path: Path) -> Database:
    """Open the index in the file `path`; create it if it does not exist."""
    return Database(path, _SCHEMA)
