"""The index: which objects there are. One SQLite file, one connection under one lock.

Writes are serialised, so the condition of a conditional write is evaluated in the transaction
that carries it out, and of any number of writers racing for a key exactly one wins.
"""

import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
-- Two current versions of one key are impossible whatever the code does.
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


class Index:
    """The index in the file `path`; safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(
            path, timeout=30, isolation_level=None, check_same_thread=False
        )
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode=WAL")
        # A commit survives the process's death; one lost with the power is none that mattered.
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(_SCHEMA)
        self.close = weakref.finalize(self, self._connection.close)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection for queries."""
        with self._lock:
            yield self._connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection for changes that happen together or, on an exception, not at all."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # On some errors, a full disk among them, SQLite has rolled back already.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
