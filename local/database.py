"""A SQLite file: one connection under one lock, closed when it is no longer referenced."""

import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Database:
    """The tables of `schema` in the file `path`; safe to use from several threads.

    If it is `exclusive`, no other process can open the file meanwhile. Raises
    sqlite3.OperationalError if one has it open.
    """

    def __init__(self, path: Path, schema: str, *, exclusive: bool = False) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(
            path, timeout=1 if exclusive else 30, isolation_level=None, check_same_thread=False
        )
        self.close = weakref.finalize(self, self._connection.close)
        self._connection.row_factory = sqlite3.Row
        if exclusive:
            self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._connection.execute("PRAGMA journal_mode=WAL")
        # A commit survives the death of the process; a power failure may lose the last ones.
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(schema)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection for queries."""
        with self._lock:
            yield self._connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection for changes that are all made or, on an exception, none of them."""
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
