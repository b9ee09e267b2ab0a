"""The ledger in one SQLite file: for a laptop, a single machine, and tests.

Pending and finished records are rows of one table, so that each step is one transaction and there
is nothing to die between. A row's version counts its changes.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.errors import LeaseLost
from shared.ledger import Entry
from shared.ledger.record import Record

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    id TEXT PRIMARY KEY,
    finished INTEGER NOT NULL,
    version INTEGER NOT NULL,
    json TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS unfinished ON records (id) WHERE NOT finished;
"""
_BUSY_SECONDS = 10.0
_PAGE = 100


class SqliteLedger:
    """Records in the file `path`; safe to use from several threads and processes."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        # One connection for all threads, used by one at a time. A claim must survive a power cut,
        # or it would be paid for again: the default of full synchronisation stays.
        self._connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.executescript(_SCHEMA)

    def create(self, record: Record) -> Entry | None:
        """Write a claim where there is no pending record of that id; see `Ledger`."""
        with self._transaction() as connection:
            written = connection.execute(
                "INSERT INTO records VALUES (?, 0, 1, ?) ON CONFLICT DO NOTHING",
                (record.id, record.to_json().decode()),
            ).rowcount
        if written:
            return Entry(record, "1")
        return None

    def pending(self, record_id: str) -> Entry | None:
        """Return the pending record, if there is one."""
        row = self._row(
            "SELECT json, version FROM records WHERE id = ? AND NOT finished", record_id
        )
        return Entry(Record.from_json(row[0]), str(row[1])) if row else None

    def finished(self, record_id: str) -> Record | None:
        """Return the end record, if there is one."""
        row = self._row("SELECT json FROM records WHERE id = ? AND finished", record_id)
        return Record.from_json(row[0]) if row else None

    def replace(self, entry: Entry, record: Record) -> Entry:
        """Put `record` in the place of `entry`; see `Ledger`."""
        if not self._update(entry, record, finished=False):
            raise LeaseLost(f"The record {record.id} was changed by somebody else.")
        return Entry(record, str(int(entry.version) + 1))

    def finish(self, entry: Entry, record: Record) -> Record:
        """Turn the pending record into the end record; see `Ledger`."""
        if self._update(entry, record, finished=True):
            return record
        stands = self.finished(record.id)
        if stands is None:
            raise LeaseLost(f"The record {record.id} was changed by somebody else.")
        return stands

    def drop(self, entry: Entry) -> None:
        """Do nothing: a finished record leaves no pending one behind."""

    def all_pending(self) -> Iterator[Entry]:
        """Go through what is unfinished, a page at a time."""
        after = ""
        while True:
            with self._transaction() as connection:
                rows = connection.execute(
                    "SELECT id, json, version FROM records WHERE NOT finished AND id > ? "
                    "ORDER BY id LIMIT ?",
                    (after, _PAGE),
                ).fetchall()  # fmt: skip
            for record_id, text, version in rows:
                yield Entry(Record.from_json(text), str(version))
                after = record_id
            if len(rows) < _PAGE:
                return

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _update(self, entry: Entry, record: Record, *, finished: bool) -> bool:
        with self._transaction() as connection:
            return (
                connection.execute(
                    "UPDATE records SET json = ?, finished = ?, version = version + 1 "
                    "WHERE id = ? AND version = ? AND NOT finished",
                    (record.to_json().decode(), int(finished), record.id, int(entry.version)),
                ).rowcount
                == 1
            )

    def _row(self, query: str, record_id: str) -> tuple[str, ...] | None:
        with self._transaction() as connection:
            row: tuple[str, ...] | None = connection.execute(query, (record_id,)).fetchone()
        return row

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection; commit at the end, roll back on an error."""
        with self._lock, self._connection:
            yield self._connection
