"""The ledger in one SQLite file: for a laptop, a single machine, and tests.

Pending and finished records are rows of one table, so that each step is one transaction and there
is nothing to die between. A row's version counts its changes.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.errors import LeaseLost, LedgerFailed
from shared.ledger import Entry
from shared.ledger.outbox import Notice
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
CREATE TABLE IF NOT EXISTS spending (
    day TEXT, attempt TEXT, PRIMARY KEY (day, attempt)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notices (id TEXT PRIMARY KEY, json TEXT NOT NULL) WITHOUT ROWID;
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


class SqliteLedger:
    """Records in the file `path`; safe to use from several threads and processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        # One connection for all threads, used by one at a time. A claim must survive a power cut,
        # or it would be paid for again: the default of full synchronisation stays.
        with _told(path):
            self._connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.executescript(_SCHEMA)

    def create(self, record: Record) -> Entry | None:
        """Write a claim where there is no pending record of that id; see `Ledger`."""
        with self._transaction() as connection:
            written = connection.execute(
                "INSERT INTO records VALUES (?, 0, 1, ?, ?) ON CONFLICT DO NOTHING",
                (record.id, record.updated_at, record.to_json().decode()),
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

    def pending_ids(self) -> Iterator[str]:
        """Go through what is unfinished; see `Ledger`."""
        # Read at once: what is worked on meanwhile moves to the end, and would come twice.
        with self._transaction() as connection:
            rows = connection.execute(
                "SELECT id FROM records WHERE NOT finished ORDER BY touched, id"
            ).fetchall()
        return (row[0] for row in rows)

    def pending_page(self, after: str, limit: int) -> list[str]:
        """Return ids of what is unfinished; see `Ledger`."""
        with self._transaction() as connection:
            rows = connection.execute(_PENDING_PAGE, (after, limit)).fetchall()
        return [str(row[0]) for row in rows]

    def finished_ids(self, beginning: str = "") -> Iterator[tuple[str, float]]:
        """Go through the ids of end records; see `Ledger`."""
        # Ids are hexadecimal: none is behind g.
        return self._paged(_FINISHED_PAGE, after=beginning, end=f"{beginning}g")

    def ended_ids(self, state: Unmade) -> Iterator[tuple[str, float]]:
        """Go through the ids of what ended so; see `Ledger`."""
        return self._paged(_UNMADE_PAGE, after="", state=state)

    def reserve_name(self, name: str, record_id: str) -> str:
        """Reserve an output name; see `Ledger`."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO names VALUES (?, ?) ON CONFLICT DO NOTHING", (name, record_id)
            )
            row = connection.execute("SELECT id FROM names WHERE name = ?", (name,)).fetchone()
        return str(row[0])

    def move_name(self, name: str, holder: str, record_id: str) -> bool:
        """Hand a reserved name over; see `Ledger`."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE names SET id = ? WHERE name = ? AND id = ?", (record_id, name, holder)
            )
            row = connection.execute("SELECT id FROM names WHERE name = ?", (name,)).fetchone()
        return row is not None and row[0] == record_id

    def spend(self, day: str, attempt: str, cap: int) -> bool:
        """Count an attempt against the day's cap; see `Ledger`."""
        with self._transaction() as connection:
            connection.execute("BEGIN IMMEDIATE")  # no other process counts in between
            counted = connection.execute(
                "INSERT INTO spending SELECT ?1, ?2 "
                "WHERE (SELECT COUNT(*) FROM spending WHERE day = ?1) < ?3 "
                "ON CONFLICT DO NOTHING",
                (day, attempt, cap),
            ).rowcount
            found = connection.execute(
                "SELECT 1 FROM spending WHERE day = ? AND attempt = ?", (day, attempt)
            ).fetchone()
        return bool(counted or found)

    def unspend(self, day: str, attempt: str) -> None:
        """Take back the count of an attempt."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM spending WHERE day = ? AND attempt = ?", (day, attempt))

    def spent(self, day: str) -> int:
        """Return how many attempts count on a day."""
        with self._transaction() as connection:
            row = connection.execute(
                "SELECT COUNT(*) FROM spending WHERE day = ?", (day,)
            ).fetchone()
        return int(row[0])

    def put_notice(self, notice: Notice) -> None:
        """Write a notice; see `Ledger`."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO notices VALUES (?, ?)",
                (notice.id, notice.to_json().decode()),
            )

    def notice(self, notice_id: str) -> Notice | None:
        """Return a notice that is not delivered, if there is one of that id."""
        row = self._row("SELECT json FROM notices WHERE id = ?", notice_id)
        return Notice.from_json(row[0]) if row else None

    def notice_ids(self) -> Iterator[str]:
        """Go through what is not delivered; see `Ledger`."""
        with self._transaction() as connection:
            rows = connection.execute("SELECT id FROM notices ORDER BY id").fetchall()
        return (row[0] for row in rows)

    def drop_notice(self, notice_id: str) -> None:
        """Remove a notice; see `Ledger`."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM notices WHERE id = ?", (notice_id,))

    def close(self) -> None:
        """Close the file."""
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

    def _update(self, entry: Entry, record: Record, *, finished: bool) -> bool:
        with self._transaction() as connection:
            return (
                connection.execute(
                    "UPDATE records SET json = ?, touched = ?, finished = ?, version = version + 1 "
                    "WHERE id = ? AND version = ? AND NOT finished",
                    (
                        record.to_json().decode(),
                        record.updated_at,
                        int(finished),
                        record.id,
                        int(entry.version),
                    ),
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
        with _told(self._path), self._lock, self._connection:
            yield self._connection


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Raise LedgerFailed for what SQLite raises."""
    try:
        yield
    except sqlite3.Error as error:
        raise LedgerFailed(f"The ledger {path} cannot be used: {error}.") from error
