"""The control plane's records, kept in a file so that a restarted cloud goes on.

Every record has an `id` and the `function_id` that it belongs to. Moments are in seconds since the
epoch; `config` and `resource` have the platform's names.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from local.database import Database

INITIAL = -1
"""The revision that is live before the first release (document 6662/1327338)."""

PENDING, IN_PROGRESS, DONE, FAILED = "pending", "inprogress", "done", "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionRecord:
    """A function as it is now, which a release of revision 0 would release.

    `code` is the digest of its zip, empty before the first upload; `stable` is the live revision.
    """

    id: str
    function_id: str
    name: str
    runtime: str
    config: dict[str, Any]
    resource: dict[str, int]
    code: str = ""
    code_size: int = 0
    created: float
    updated: float
    stable: int = INITIAL


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionRecord:
    """A function as it was when it was released."""

    id: str
    function_id: str
    number: int
    config: dict[str, Any]
    code: str
    code_size: int
    description: str
    created: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRecord:
    """A release from the revision `source` to `target`; `finished` is 0 while it is under way."""

    id: str
    function_id: str
    source: int
    target: int
    status: str = IN_PROGRESS
    message: str = "Function release is in progress"
    error_code: str = ""
    logs: str = ""
    description: str
    started: float
    finished: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerRecord:
    """A timer trigger."""

    id: str
    function_id: str
    name: str
    config: dict[str, Any]
    created: float
    updated: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRecord:
    """An address where a function's zip can be put until `expires`; then `code` is its digest."""

    id: str
    function_id: str
    token: str
    size: int
    expires: float
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallRecord:
    """A run of the dependencies' installation; `log` is the cause of its failure, if it failed."""

    id: str
    function_id: str
    log: str
    created: float
    finished: float


Record = (
    FunctionRecord | RevisionRecord | ReleaseRecord | TimerRecord | UploadRecord | InstallRecord
)
R = TypeVar("R", bound=Record)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    sequence INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, function_id TEXT NOT NULL,
    document TEXT NOT NULL, UNIQUE (kind, id));
"""


class Store(Database):
    """The records in one file. A caller that reads and then writes holds a lock of its own."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, _SCHEMA)

    def put(self, *records: Record) -> None:
        """Keep records, each instead of the one that has its id; all of them or none."""
        with self.transaction() as connection:
            connection.executemany(
                "INSERT INTO records (kind, id, function_id, document) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (kind, id) DO UPDATE SET document = excluded.document",
                [
                    (_kind(type(each)), each.id, each.function_id, json.dumps(asdict(each)))
                    for each in records
                ],
            )

    def get(self, record_type: type[R], record_id: str) -> R | None:
        """Return a record, or None."""
        return next((each for each in self.all(record_type) if each.id == record_id), None)

    def all(self, record_type: type[R], function_id: str | None = None) -> list[R]:
        """Return the records of a type, in the order of their creation.

        Only those of one function, if `function_id` is given.
        """
        with self.reading() as connection:
            rows = connection.execute(
                "SELECT document FROM records WHERE kind = ? AND ? IN ('', function_id)"
                " ORDER BY sequence",
                (_kind(record_type), function_id or ""),
            ).fetchall()
        return [record_type(**json.loads(row["document"])) for row in rows]

    def remove(self, record: Record) -> None:
        """Remove a record; with a function, all that belongs to it."""
        column = "function_id" if isinstance(record, FunctionRecord) else "id"
        with self.transaction() as connection:
            connection.execute(
                f"DELETE FROM records WHERE {column} = ?",  # noqa: S608 (one of two constants)
                (record.id,),
            )


def _kind(record_type: type[Any]) -> str:
    return record_type.__name__.removesuffix("Record")
