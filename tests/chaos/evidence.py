"""The evidence of a run: the provider's billing records, and the ledger as it is on the disk."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from local.cloud import STATE_BUCKET
from local.imagex import BillingRecords, OutputFile
from local.tos import ObjectStore
from shared.ledger import Record


class ProbedBilling(BillingRecords):
    """The provider's billing records, which also record the time of each probe by its name."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.probes: dict[str, list[float]] = {}

    def files(self, prefix: str, after: str, limit: int) -> list[OutputFile]:
        found = super().files(prefix, after, limit)
        # Also if a file is found: a name that is overwritten has an older one.
        self.probes.setdefault(prefix, []).append(time.time())
        return found


class StoredLedger:
    """The ledger as it is on the disk, read without the code that is being judged.

    It is in the objects, or in the file `path`.
    """

    def __init__(self, objects: ObjectStore, path: Path | None = None) -> None:
        self._objects = objects
        self._path = path

    def ended(self) -> int:
        """Return the number of end records."""
        ((count,),) = self._rows("COUNT(*)", finished=True) or ((0,),)
        return int(count)

    def documents(self, *, finished: bool) -> Iterator[tuple[str, bytes]]:
        """Yield the id and JSON of each record that ended, or of each that did not."""
        for (name,) in self._rows("id" if self._path else "key", finished=finished):
            record_id = name.rpartition("/")[2].removesuffix(".json")
            document = self._read(record_id, finished=finished)
            if document is not None:  # it may have ended meanwhile
                yield record_id, document

    def pending(self) -> dict[str, Record]:
        """Return the pending records by id."""
        return {i: Record.from_json(text) for i, text in self.documents(finished=False)}

    def end(self, record_id: str) -> Record | None:
        """Return an end record, if there is one."""
        document = self._read(record_id, finished=True)
        return Record.from_json(document) if document is not None else None

    def _read(self, record_id: str, *, finished: bool) -> bytes | None:
        while True:
            rows = self._rows("json" if self._path else "blob", record_id, finished=finished)
            if self._path or not rows:
                return rows[0][0].encode() if rows else None
            with suppress(FileNotFoundError):  # replaced since the index was read
                return self._objects.blobs.path(rows[0][0]).read_bytes()

    def _rows(self, columns: str, record_id: str = "", *, finished: bool) -> list[Any]:
        """Select from the records that are, or are not, finished: all of them, or one."""
        if self._path:
            query = f"SELECT {columns} FROM records WHERE finished = ? AND id BETWEEN ? AND ?"
            values: tuple[object, ...] = (int(finished), record_id, record_id or "~")
            if not self._path.exists():
                return []
            with closing(sqlite3.connect(self._path, timeout=30)) as connection:
                begun = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'records'")
                return connection.execute(query, values).fetchall() if begun.fetchone() else []
        folder = f"ledger/{'done' if finished else 'pending'}/"
        key = f"{folder}{record_id}.json"
        query = f"SELECT {columns} FROM objects WHERE bucket = ? AND current = 1"
        values = (STATE_BUCKET, key if record_id else folder, key if record_id else f"{folder}~")
        with self._objects.index.reading() as connection:
            rows = connection.execute(f"{query} AND key BETWEEN ? AND ?", values).fetchall()
        return [tuple(row) for row in rows]
