"""The plan: what there is to repaint, in a temporary file.

The file is gone when the command is, however it ends; so a plan takes the same memory for any
number of objects, and nothing has to be tidied up.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
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

    `id` is its upload's identity, as far as the listing tells. `pending` says that the ledger has
    something unfinished of this object. `left` is empty where it ended or was not begun; else it
    has, by the ids of their records, in which status this run left each of its results, an empty
    one for what need not come again.
    """

    number: int
    id: str
    key: str
    etag: str
    size: int
    last_modified: str
    pending: bool
    left: dict[str, str]


class Plan:
    """The objects to repaint, in the order of their keys; used by one thread.

    `counts` tells how many objects were `listed`; how many of these are `outside` the filters,
    `outputs` of ours, `older` than asked for, `done`, `skipped` by an earlier run, and `planned`;
    and of the planned ones, what is to be expected of them: to `repaint`, `unsuitable`,
    `promptless`, `maybe_done`. Besides, how many of them are `pending`; and how many
    `generations` those to repaint are, how many `payable` may be besides these, and how many
    `hidden` ones more where the listing keeps metadata to itself. `is_cut` tells that a
    limit was reached, and that the rest was not listed; `tells_metadata` that the listing showed
    some, so that an object for which it shows none has none.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        # Nothing in it has to survive anything.
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.executescript(_SCHEMA)
        self.counts: Counter[str] = Counter()
        self.is_cut = False
        self.tells_metadata = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.close()

    @contextmanager
    def filling(self) -> Iterator[None]:
        """Make many changes at once."""
        self._database.execute("BEGIN")
        yield
        self._database.execute("COMMIT")

    def add_ended(self, record_id: str, at: float) -> None:
        """Take over an end record."""
        self._database.execute("INSERT OR IGNORE INTO ended VALUES (?, ?)", (record_id, at))

    def add_pending(self, record_ids: Iterable[str]) -> None:
        """Take over what is unfinished."""
        rows = ((record_id,) for record_id in record_ids)
        self._database.executemany("INSERT OR IGNORE INTO pending VALUES (?)", rows)

    def has_ended(self, record_id: str) -> bool:
        """Tell whether an upload has ended."""
        return self._is_there("SELECT 1 FROM ended WHERE id = ?", record_id)

    def has_ended_since(self, object_id: str, moment: float) -> bool:
        """Tell whether an end record of any content of the object was written after `moment`."""
        return self._is_there(
            "SELECT 1 FROM ended WHERE id BETWEEN ? AND ? AND at > ?",
            object_id,
            _last_of(object_id),
            moment,
        )

    def pending_of(self, object_id: str) -> set[str]:
        """Return the ids of what is unfinished of the object."""
        rows = self._database.execute(
            "SELECT id FROM pending WHERE id BETWEEN ? AND ?", (object_id, _last_of(object_id))
        )
        return {row[0] for row in rows}

    def add(self, record_id: str, listed: ListedObject, *, pending: bool) -> None:
        """Plan an object."""
        self._database.execute(
            "INSERT INTO planned (id, key, etag, size, last_modified, pending)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (record_id, listed.key, listed.etag, listed.size, listed.last_modified, pending),
        )

    def objects(self, *, only_unfinished: bool = False) -> Iterator[Planned]:
        """Go through what is planned, or only what was left unfinished."""
        # A page at a time: between two, what was left how is written into the same table.
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

    def _is_there(self, query: str, *values: str | float) -> bool:
        return self._database.execute(query, values).fetchone() is not None


def _last_of(object_id: str) -> str:
    """Return the last id that a record of the object could have."""
    return f"{object_id}{'f' * 12}"
