"""The objects that earlier runs skipped: they have no record in the ledger, so a file has them.

There is one for each bucket and the settings that decide about skipping: with a default prompt, an
object without one is repainted. Several runs may use it at once.
"""

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Self

from ops.ui.output import Refused
from shared.settings import Settings

FOLDER = Path(".repaint") / "backfill"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS skipped (
    id TEXT, last_modified TEXT, PRIMARY KEY (id, last_modified)
) WITHOUT ROWID;
"""
_BUSY_SECONDS = 10.0


def name_for(settings: Settings, bucket: str) -> str:
    """Return the name of the files of a bucket's backfills, without suffix."""
    deciding = [
        settings.tos_endpoint,
        settings.tos_region,
        bucket,
        settings.ledger,
        settings.default_prompt,
        [preset.model_dump(mode="json") for preset in settings.presets],
    ]
    return f"{bucket}-{hashlib.sha256(json.dumps(deciding).encode()).hexdigest()[:12]}"


class SkippedObjects:
    """The skipped objects in the file `path`; used by one thread.

    The file is created with its first object. With `fresh` its content is ignored. Raises Refused
    if it cannot be used.
    """

    def __init__(self, path: Path, *, fresh: bool = False) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._fresh = fresh
        if path.exists():
            self._connection = self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()

    def __contains__(self, skipped: tuple[str, str]) -> bool:
        """Return whether the object of this identity and `LastModified` was skipped."""
        if self._connection is None or self._fresh:
            return False
        query = "SELECT 1 FROM skipped WHERE id = ? AND last_modified = ?"
        return self._connection.execute(query, skipped).fetchone() is not None

    def add(self, skipped: tuple[str, str]) -> None:
        """Add an object that was skipped."""
        if self._connection is None:
            self._connection = self._open()
        self._connection.execute("INSERT OR IGNORE INTO skipped VALUES (?, ?)", skipped)

    def _open(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            # An object that a power cut takes out is only checked once more.
            connection.execute("PRAGMA synchronous = OFF")
            connection.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise Refused(
                f"{self._path} cannot be used ({error}): remove it, or run this in a folder that "
                "can be written."
            ) from None
        return connection
