"""The plan of a backfill: the objects to repaint, in a temporary file.

The file disappears with the command, however that ends. A plan takes the same memory for any number
of objects.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from shared.clients.tos import ListedObject

_SCHEMA = """
CREATE TABLE ended (id TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE pending (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE planned (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    key TEXT NOT NULL,
    etag TEXT NOT NULL,
    size INTEGER NOT NULL,
    last_modified TEXT NOT NULL,
    pending INTEGER NOT NULL,
    left TEXT NOT NULL DEFAULT ''
);
CREATE INDEX unfinished ON planned (number) WHERE left != '';
"""
_COLUMNS = "number, id, key, etag, size, last_modified, pending, left"
_PLANNED = f"SELECT {_COLUMNS} FROM planned WHERE number > ? ORDER BY number LIMIT 1000"  # noqa: S608 - a constant
_UNFINISHED = _PLANNED.replace("WHERE", "WHERE left != '' AND")


@dataclass(frozen=True, slots=True)
class Planned:
    """An object to repaint.

    `id` is its upload's identity, as far as the listing shows it. `pending` means that the ledger
    has a pending record of this object. `left` is empty if the object ended or was not begun; else
    it maps the ids of its records to the statuses in which this run left them, an empty one for a
    record that need not be tried again.
    """

    number: int
    id: str
    key: str
    etag: str
    size: int
    last_modified: str
    pending: bool
    left: dict[str, str]


class BackfillPlan:
    """The objects to repaint, in the order of their keys; used by one thread.

    `counts` has the number of objects that are `listed`; of these, of those `outside` the filters,
    of Repaint's `outputs`, `older` ones, `done` ones, those `skipped` by an earlier run, and
    `planned` ones. Of the planned ones it has what to expect: to `repaint`, `unsuitable`,
    `promptless`, `maybe_done`. Besides, it has how many of them are `pending`; how many
    `generations` those to repaint are, how many more may be `payable`, and how many `hidden` ones
    there may be if the listing hides metadata. `is_cut` means that the limit was reached and the
    rest was not listed; `shows_metadata` that the listing shows metadata, so that an object without
    any has none.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        # The content need not survive anything.
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.executescript(_SCHEMA)
        self.counts: Counter[str] = Counter()
        self.is_cut = False
        self.shows_metadata = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    @contextmanager
    def filling(self) -> Iterator[None]:
        """Make many changes in one transaction."""
        self._database.execute("BEGIN")
        yield
        self._database.execute("COMMIT")

    def add_ended(self, record_id: str, at: float) -> None:
        """Add the id of an end record, and when it was written."""
        self._database.execute("INSERT OR IGNORE INTO ended VALUES (?, ?)", (record_id, at))

    def add_pending(self, record_ids: Iterable[str]) -> None:
        """Add the ids of pending records."""
        rows = ((record_id,) for record_id in record_ids)
        self._database.executemany("INSERT OR IGNORE INTO pending VALUES (?)", rows)

    def has_ended(self, record_id: str) -> bool:
        """Return whether an upload has ended."""
        return self._exists("SELECT 1 FROM ended WHERE id = ?", record_id)

    def has_ended_since(self, object_id: str, moment: float) -> bool:
        """Return whether an end record of any content of the object is younger than `moment`."""
        query = "SELECT 1 FROM ended WHERE id BETWEEN ? AND ? AND at > ?"
        return self._exists(query, *_ids_of(object_id), moment)

    def pending_of(self, object_id: str) -> set[str]:
        """Return the ids of the object's pending records."""
        query = "SELECT id FROM pending WHERE id BETWEEN ? AND ?"
        return {row[0] for row in self._database.execute(query, _ids_of(object_id))}

    def add(self, record_id: str, listed: ListedObject, *, pending: bool) -> None:
        """Plan an object."""
        self._database.execute(
            "INSERT INTO planned (id, key, etag, size, last_modified, pending)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (record_id, listed.key, listed.etag, listed.size, listed.last_modified, pending),
        )

    def objects(self, *, only_unfinished: bool = False) -> Iterator[Planned]:
        """Yield the planned objects, or those that were left unfinished."""
        # A page at a time: between two, what is left is written to the same table.
        query, after = _UNFINISHED if only_unfinished else _PLANNED, 0
        while rows := self._database.execute(query, (after,)).fetchall():
            for row in rows:
                yield Planned(*(*row[:-1], json.loads(row[-1] or "{}")))
            after = rows[-1][0]

    def leave(self, planned: Planned, left: Mapping[str, str]) -> None:
        """Write down what is left of an object; see `Planned`."""
        if left != planned.left:
            self._database.execute(
                "UPDATE planned SET left = ? WHERE number = ?",
                (json.dumps(left) if left else "", planned.number),
            )

    def unfinished(self) -> int:
        """Return how many objects were begun and left unfinished."""
        row = self._database.execute("SELECT COUNT(*) FROM planned WHERE left != ''").fetchone()
        return int(row[0])

    def _exists(self, query: str, *values: str | float) -> bool:
        return self._database.execute(query, values).fetchone() is not None


def _ids_of(object_id: str) -> tuple[str, str]:
    """Return the first and the last id that a record of the object could have."""
    return object_id, f"{object_id}{'f' * 12}"
