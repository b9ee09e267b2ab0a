"""The ledger in one SQLite file: for a laptop, a single machine, and tests.

Pending and finished records are rows of one table, so that each step is one transaction and there
is nothing to die between. A row's version counts its changes.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from typing_extensions import override

from shared.errors import LeaseLost, LedgerFailed
from shared.ledger import Entry, Ledger
from shared.ledger.outbox import OutboxEntry
from shared.ledger.record import Record, Unmade

# Found in what is written anyway, so that a file of any age can tell it; a record that is damaged
# has no state, and does not keep the file from being opened.
_STATE = "CASE WHEN json_valid(json) THEN json_extract(json, '$.state') END"
_UNMADE = f"finished AND {_STATE} IN ('rejected', 'skipped', 'superseded')"
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS records (
    id TEXT PRIMARY KEY,
    finished INTEGER NOT NULL,
    version INTEGER NOT NULL,
    touched REAL NOT NULL,
    json TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS unfinished ON records (touched, id) WHERE NOT finished;
CREATE INDEX IF NOT EXISTS unmade ON records ({_STATE}, id) WHERE {_UNMADE};
CREATE TABLE IF NOT EXISTS names (name TEXT PRIMARY KEY, id TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS daily_cap (
    day TEXT, attempt TEXT, PRIMARY KEY (day, attempt)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (id TEXT PRIMARY KEY, json TEXT NOT NULL) WITHOUT ROWID;
"""
# Whose index is named: going by the ids, SQLite would read all that is finished.
_PENDING_PAGE = (
    "SELECT id FROM records INDEXED BY unfinished WHERE NOT finished AND id > ? ORDER BY id LIMIT ?"
)
_FINISHED_PAGE = (
    "SELECT id, touched FROM records WHERE finished AND id >= :after AND id < :end "
    "ORDER BY id LIMIT :most"
)
_UNMADE_PAGE = (
    f"SELECT id, touched FROM records WHERE {_UNMADE} AND {_STATE} = :state AND id >= :after "  # noqa: S608 - constants
    "ORDER BY id LIMIT :most"
)
_BUSY_SECONDS = 10.0
_PAGE = 1000


class SqliteLedger(Ledger):
    """Records in the file `path`; several processes may use it at the same time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        # One connection for all threads, used by one at a time. A claim must survive a power cut,
        # or it would be paid for again: the default of full synchronisation stays.
        with _as_ledger_failed(path):
            self._connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.executescript(_SCHEMA)

    @override
    def create(self, record: Record) -> Entry | None:
        with self._transaction() as connection:
            written = connection.execute(
                "INSERT INTO records VALUES (?, 0, 1, ?, ?) ON CONFLICT DO NOTHING",
                (record.id, record.updated_at, record.to_json().decode()),
            ).rowcount
        if written:
            return Entry(record, "1")
        return None

    @override
    def pending(self, record_id: str) -> Entry | None:
        row = self._row(
            "SELECT json, version FROM records WHERE id = ? AND NOT finished", record_id
        )
        return Entry(Record.from_json(row[0]), str(row[1])) if row else None

    @override
    def finished(self, record_id: str) -> Record | None:
        row = self._row("SELECT json FROM records WHERE id = ? AND finished", record_id)
        return Record.from_json(row[0]) if row else None

    @override
    def replace(self, entry: Entry, record: Record) -> Entry:
        with self._transaction() as connection:
            written = connection.execute(
                "UPDATE records SET json = ?, touched = ?, version = version + 1 "
                "WHERE id = ? AND version = ? AND NOT finished",
                (record.to_json().decode(), record.updated_at, record.id, int(entry.version)),
            ).rowcount
        if not written:
            raise LeaseLost(f"The record {record.id} was changed by somebody else.")
        return Entry(record, str(int(entry.version) + 1))

    @override
    def finish(self, entry: Entry, record: Record) -> Record:
        # Whatever version is there: who may write an end is decided before (see `attempts`).
        with self._transaction() as connection:
            written = connection.execute(
                "UPDATE records SET json = ?, touched = ?, finished = 1, version = version + 1 "
                "WHERE id = ? AND NOT finished",
                (record.to_json().decode(), record.updated_at, record.id),
            ).rowcount
        stands = record if written else self.finished(record.id)
        if stands is None:
            raise LeaseLost(f"The record {entry.record.id} is gone.")
        return stands

    @override
    def drop(self, entry: Entry) -> None:
        """Do nothing: a finished record leaves no pending one behind."""

    @override
    def pending_ids(self) -> Iterator[str]:
        # Read at once: what is worked on meanwhile moves to the end, and would come twice.
        with self._transaction() as connection:
            rows = connection.execute(
                "SELECT id FROM records WHERE NOT finished ORDER BY touched, id"
            ).fetchall()
        return (row[0] for row in rows)

    @override
    def pending_page(self, after: str, limit: int) -> list[str]:
        with self._transaction() as connection:
            rows = connection.execute(_PENDING_PAGE, (after, limit)).fetchall()
        return [str(row[0]) for row in rows]

    @override
    def finished_ids(self, beginning: str = "") -> Iterator[tuple[str, float]]:
        # Ids are hexadecimal: none is behind g.
        return self._paged(_FINISHED_PAGE, after=beginning, end=f"{beginning}g")

    @override
    def ended_ids(self, state: Unmade) -> Iterator[tuple[str, float]]:
        return self._paged(_UNMADE_PAGE, after="", state=state)

    @override
    def reserve_name(self, name: str, record_id: str) -> str:
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO names VALUES (?, ?) ON CONFLICT DO NOTHING", (name, record_id)
            )
            row = connection.execute("SELECT id FROM names WHERE name = ?", (name,)).fetchone()
        return str(row[0])

    @override
    def move_name(self, name: str, holder: str, record_id: str) -> bool:
        with self._transaction() as connection:
            connection.execute(
                "UPDATE names SET id = ? WHERE name = ? AND id = ?", (record_id, name, holder)
            )
            row = connection.execute("SELECT id FROM names WHERE name = ?", (name,)).fetchone()
        return row is not None and row[0] == record_id

    @override
    def reserve(self, day: str, attempt: str, cap: int) -> bool:
        with self._transaction() as connection:
            connection.execute("BEGIN IMMEDIATE")  # no other process counts in between
            counted = connection.execute(
                "INSERT INTO daily_cap SELECT ?1, ?2 "
                "WHERE (SELECT COUNT(*) FROM daily_cap WHERE day = ?1) < ?3 "
                "ON CONFLICT DO NOTHING",
                (day, attempt, cap),
            ).rowcount
            found = connection.execute(
                "SELECT 1 FROM daily_cap WHERE day = ? AND attempt = ?", (day, attempt)
            ).fetchone()
        return bool(counted or found)

    @override
    def release(self, day: str, attempt: str) -> None:
        with self._transaction() as connection:
            connection.execute(
                "DELETE FROM daily_cap WHERE day = ? AND attempt = ?", (day, attempt)
            )

    @override
    def reserved(self, day: str) -> int:
        with self._transaction() as connection:
            row = connection.execute(
                "SELECT COUNT(*) FROM daily_cap WHERE day = ?", (day,)
            ).fetchone()
        return int(row[0])

    @override
    def put_entry(self, entry: OutboxEntry) -> None:
        with self._transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO outbox VALUES (?, ?)",
                (entry.id, entry.to_json().decode()),
            )

    @override
    def entry(self, entry_id: str) -> OutboxEntry | None:
        row = self._row("SELECT json FROM outbox WHERE id = ?", entry_id)
        return OutboxEntry.from_json(row[0]) if row else None

    @override
    def entry_ids(self) -> Iterator[str]:
        with self._transaction() as connection:
            rows = connection.execute("SELECT id FROM outbox ORDER BY id").fetchall()
        return (row[0] for row in rows)

    @override
    def drop_entry(self, entry_id: str) -> None:
        with self._transaction() as connection:
            connection.execute("DELETE FROM outbox WHERE id = ?", (entry_id,))

    @override
    def close(self) -> None:
        self._connection.close()

    def _paged(self, query: str, *, after: str, **values: str) -> Iterator[tuple[str, float]]:
        while True:
            with self._transaction() as connection:
                rows = connection.execute(
                    query, {**values, "after": after, "most": _PAGE}
                ).fetchall()
            yield from rows
            if len(rows) < _PAGE:
                return
            after = f"{rows[-1][0]}\0"

    def _row(self, query: str, record_id: str) -> tuple[str, ...] | None:
        with self._transaction() as connection:
            row: tuple[str, ...] | None = connection.execute(query, (record_id,)).fetchone()
        return row

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with _as_ledger_failed(self._path), self._lock, self._connection:
            yield self._connection


@contextmanager
def _as_ledger_failed(path: Path) -> Iterator[None]:
    """Raise LedgerFailed for SQLite's errors."""
    try:
        yield
    except sqlite3.Error as error:
        raise LedgerFailed(f"The ledger {path} cannot be used: {error}.") from error
