"""The provider's billing records: the charges, the calls, and the files that are stored.

Tests rely on them, so a record and its effect happen together: a charge and the file
it paid for are one transaction, and the picture is on the disk before it.
"""

import hashlib
import sqlite3
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from tempfile import NamedTemporaryFile

from local.database import Database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS charges (
    number INTEGER PRIMARY KEY AUTOINCREMENT, output TEXT NOT NULL, store_uri TEXT NOT NULL,
    at REAL NOT NULL, prompt TEXT NOT NULL, seed TEXT NOT NULL, request_id TEXT NOT NULL,
    source TEXT NOT NULL, stored INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS calls (
    number INTEGER PRIMARY KEY AUTOINCREMENT, action TEXT NOT NULL, at REAL NOT NULL,
    outcome TEXT NOT NULL, request_id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS files (
    name TEXT PRIMARY KEY, store_uri TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL,
    content_type TEXT NOT NULL, last_modified REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reviewed (source TEXT PRIMARY KEY) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Charge:
    """One generation that the model executed and that is billed.

    `at` is in seconds since the epoch; `seed` the one that was used, drawn if the call left it
    free; `source` a URL without its query, which may be a secret; `stored` whether the output was
    kept.
    """

    number: int
    output: str
    store_uri: str
    at: float
    prompt: str
    seed: int
    request_id: str
    source: str
    stored: bool


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One request to the API: `outcome` is `OK`, an error's code, or the name of a fault."""

    number: int
    action: str
    at: float
    outcome: str
    request_id: str


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file of the service; `last_modified` in seconds since the epoch."""

    name: str
    store_uri: str
    digest: str
    size: int
    content_type: str
    last_modified: float


class NameTakenError(Exception):
    """A file of that name exists, and the call did not ask to overwrite it."""


class BillingRecords(Database):
    """The billing records and the pictures in one folder."""

    def __init__(self, folder: Path) -> None:
        self._pictures = folder / "pictures"
        self._pictures.mkdir(parents=True, exist_ok=True)
        super().__init__(folder / "billing.sqlite", _SCHEMA)

    def charges(self) -> list[Charge]:
        """Return every charge, oldest first."""
        with self.reading() as connection:
            rows = connection.execute("SELECT * FROM charges ORDER BY number").fetchall()
        charges = [Charge(*row) for row in rows]
        return [replace(c, seed=int(c.seed), stored=bool(c.stored)) for c in charges]

    def totals(self) -> tuple[int, int]:
        """Return the number of charges and of stored outputs."""
        with self.reading() as connection:
            charges, stored = connection.execute(
                "SELECT (SELECT COUNT(*) FROM charges), (SELECT COUNT(*) FROM files)"
            ).fetchone()
        return charges, stored

    def calls(self) -> list[ApiCall]:
        """Return every call, in the order in which they ended."""
        with self.reading() as connection:
            rows = connection.execute("SELECT * FROM calls ORDER BY number").fetchall()
        return [ApiCall(*row) for row in rows]

    def record_call(self, action: str, at: float, outcome: str, request_id: str) -> None:
        """Record a call and how it ended."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT INTO calls (action, at, outcome, request_id) VALUES (?, ?, ?, ?)",
                (action, at, outcome, request_id),
            )

    def charge(
        self,
        charge: Charge,
        picture: bytes | None,
        content_type: str,
        *,
        overwrite: bool,
        clash_is_charged: bool = True,
    ) -> None:
        """Record a charge, whose `number` and `stored` are filled in here, and store the picture.

        None for `picture` charges and stores nothing. Raises NameTakenError, after charging or
        instead of it.
        """
        digest = "" if picture is None else self._write(picture)
        with self.transaction() as connection:
            taken = not overwrite and _find(connection, charge.output) is not None
            stored = picture is not None and not taken
            if stored or picture is None or clash_is_charged:
                values = [*astuple(charge)[1:-1], stored]
                values[4] = str(charge.seed)  # may be larger than SQLite's integers
                connection.execute(
                    "INSERT INTO charges (output, store_uri, at, prompt, seed, request_id, source,"
                    " stored) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    values,
                )
            if stored and picture is not None:
                file = OutputFile(
                    charge.output, charge.store_uri, digest, len(picture), content_type, charge.at
                )
                connection.execute(
                    "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", astuple(file)
                )
        if picture is not None and taken:
            raise NameTakenError(charge.output)

    def find(self, name: str) -> OutputFile | None:
        """Return the file called `name`, or None."""
        with self.reading() as connection:
            return _find(connection, name)

    def find_uri(self, store_uri: str) -> OutputFile | None:
        """Return the file with a StoreUri, `<bucket>/<name>`, or None."""
        file = self.find(store_uri.partition("/")[2])
        return file if file and file.store_uri == store_uri else None

    def files(self, prefix: str, after: str, limit: int) -> list[OutputFile]:
        """Return at most `limit` files whose name begins with `prefix`, in order, past `after`."""
        with self.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM files WHERE name > ? AND substr(name, 1, ?) = ?"
                " ORDER BY name LIMIT ?",
                (after, len(prefix), prefix, limit),
            ).fetchall()
        return [OutputFile(*row) for row in rows]

    def picture(self, file: OutputFile) -> bytes:
        """Return a stored file's bytes."""
        return (self._pictures / file.digest).read_bytes()

    def is_first_review(self, source: str) -> bool:
        """Check whether no output of `source` was reviewed before, and record this review."""
        with self.transaction() as connection:
            cursor = connection.execute("INSERT OR IGNORE INTO reviewed VALUES (?)", (source,))
            return cursor.rowcount == 1

    def _write(self, picture: bytes) -> str:
        """Write the picture under the hash of its bytes, all of it or nothing."""
        digest = hashlib.sha256(picture).hexdigest()
        target = self._pictures / digest
        if not target.exists():
            with NamedTemporaryFile(dir=self._pictures, delete=False) as file:
                file.write(picture)
            # Two threads may write the same picture at once: the second replaces like by like.
            Path(file.name).replace(target)
        return digest


def _find(connection: sqlite3.Connection, name: str) -> OutputFile | None:
    row = connection.execute("SELECT * FROM files WHERE name = ?", (name,)).fetchone()
    return None if row is None else OutputFile(*row)
