"""What the control plane remembers, so that a cloud that is started again goes on."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from local.database import Database
from local.vefaas.api.records import Function, Install, Release, Revision, Timer, Upload

Record = Function | Revision | Release | Timer | Upload | Install
T = TypeVar("T", Function, Revision, Release, Timer, Upload, Install)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    sequence INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, function_id TEXT NOT NULL,
    document TEXT NOT NULL, UNIQUE (kind, id));
"""


class Store(Database):
    """The records in one file. Whoever looks and then writes holds a lock of his own."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, _SCHEMA)

    def put(self, *records: Record) -> None:
        """Keep records, each instead of the one that has its id; all of them or none."""
        with self.transaction() as connection:
            connection.executemany(
                "INSERT INTO records (kind, id, function_id, document) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (kind, id) DO UPDATE SET document = excluded.document",
                [
                    (type(each).__name__, each.id, each.function_id, json.dumps(asdict(each)))
                    for each in records
                ],
            )

    def get(self, kind: type[T], record_id: str) -> T | None:
        """Return a record, or None."""
        return next((each for each in self.all(kind) if each.id == record_id), None)

    def all(self, kind: type[T], function_id: str | None = None) -> list[T]:
        """Return the records of a kind, of one function if it is named, in the order of making."""
        with self.reading() as connection:
            rows = connection.execute(
                "SELECT document FROM records WHERE kind = ? AND ? IN ('', function_id)"
                " ORDER BY sequence",
                (kind.__name__, function_id or ""),
            ).fetchall()
        return [kind(**json.loads(row["document"])) for row in rows]

    def remove(self, record: Record) -> None:
        """Forget a record; with a function, all that belongs to it."""
        column = "function_id" if isinstance(record, Function) else "id"
        with self.transaction() as connection:
            connection.execute(
                f"DELETE FROM records WHERE {column} = ?",  # noqa: S608 (one of two constants)
                (record.id,),
            )
