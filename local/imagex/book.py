"""The provider's own book: what was charged, what was asked, and the files that are stored.

It is the truth that tests judge by, so an entry and what it says happen together: a charge and
the file it paid for are one transaction, and the picture lies on the disk before either.
"""

import hashlib
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import TracebackType
from typing import Self

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
    free; `source` an address without its query, which may be a secret; `stored` whether the
    output was kept.
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
class Call:
    """One request to the API: `outcome` is `OK`, an error's code, or the name of a fault."""

    number: int
    action: str
    at: float
    outcome: str
    request_id: str


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of the service; `last_modified` in seconds since the epoch."""

    name: str
    store_uri: str
    digest: str
    size: int
    content_type: str
    last_modified: float


class NameTakenError(Exception):
    """A file of that name exists, and the call did not ask to overwrite it."""


class Book:
    """The book and the pictures, in one folder; safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self._pictures = folder / "pictures"
        self._pictures.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(
            folder / "book.sqlite", check_same_thread=False, isolation_level=None
        )
        self._database.execute("PRAGMA journal_mode=WAL")
        # An entry survives the end of the process; the power may fail.
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.executescript(_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the files back; nothing works afterwards."""
        with self._lock:
            self._database.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def charges(self) -> list[Charge]:
        """Return every charge, oldest first."""
        with self._lock:
            rows = self._database.execute("SELECT * FROM charges ORDER BY number").fetchall()
        charges = [Charge(*row) for row in rows]
        return [replace(c, seed=int(c.seed), stored=bool(c.stored)) for c in charges]

    def totals(self) -> tuple[int, int]:
        """Return how many charges there are, and how many outputs are stored."""
        with self._lock:
            (charges,) = self._database.execute("SELECT COUNT(*) FROM charges").fetchone()
            (stored,) = self._database.execute("SELECT COUNT(*) FROM files").fetchone()
        return charges, stored

    def calls(self) -> list[Call]:
        """Return every call, in the order in which their outcomes were settled."""
        with self._lock:
            rows = self._database.execute("SELECT * FROM calls ORDER BY number").fetchall()
        return [Call(*row) for row in rows]

    def note(self, action: str, at: float, outcome: str, request_id: str) -> None:
        """Write down a call and how it ended."""
        with self._transaction() as database:
            database.execute(
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
        """Enter a charge (its `number` and `stored` are the book's to fill in), store the picture.

        None for `picture` charges and stores nothing. Raises NameTakenError, after charging or
        instead of it.
        """
        digest = "" if picture is None else self._keep(picture)
        with self._transaction() as database:
            taken = not overwrite and self._find(charge.output) is not None
            stored = picture is not None and not taken
            if stored or picture is None or clash_is_charged:
                entry = [*astuple(charge)[1:-1], stored]
                entry[4] = str(charge.seed)  # may be larger than SQLite's integers
                database.execute(
                    "INSERT INTO charges (output, store_uri, at, prompt, seed, request_id, source,"
                    " stored) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    entry,
                )
            if stored and picture is not None:
                database.execute(
                    "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        charge.output,
                        charge.store_uri,
                        digest,
                        len(picture),
                        content_type,
                        charge.at,
                    ),
                )
        if picture is not None and taken:
            raise NameTakenError(charge.output)

    def find(self, name: str) -> StoredFile | None:
        """Return the file called `name`, or None."""
        with self._lock:
            return self._find(name)

    def _find(self, name: str) -> StoredFile | None:
        row = self._database.execute("SELECT * FROM files WHERE name = ?", (name,)).fetchone()
        return None if row is None else StoredFile(*row)

    def files(self, prefix: str, after: str, limit: int) -> list[StoredFile]:
        """Return at most `limit` files whose name begins with `prefix`, in order, past `after`."""
        with self._lock:
            rows = self._database.execute(
                "SELECT * FROM files WHERE name > ? AND substr(name, 1, ?) = ?"
                " ORDER BY name LIMIT ?",
                (after, len(prefix), prefix, limit),
            ).fetchall()
        return [StoredFile(*row) for row in rows]

    def picture(self, file: StoredFile) -> bytes:
        """Return a stored file's bytes."""
        return (self._pictures / file.digest).read_bytes()

    def is_first_review(self, source: str) -> bool:
        """Say whether nothing made of `source` was reviewed before; from now on something was."""
        with self._transaction() as database:
            cursor = database.execute("INSERT OR IGNORE INTO reviewed VALUES (?)", (source,))
            return cursor.rowcount == 1

    def _keep(self, picture: bytes) -> str:
        """Write the picture under the hash of its bytes, all of it or nothing."""
        digest = hashlib.sha256(picture).hexdigest()
        target = self._pictures / digest
        if not target.exists():
            with NamedTemporaryFile(dir=self._pictures, delete=False) as file:
                file.write(picture)
            # Two threads may bring the same picture at once: the second replaces like by like.
            Path(file.name).replace(target)
        return digest
