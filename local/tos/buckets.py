"""Buckets: their names, versioning and notification rules."""

import json
import re
import secrets
import sqlite3
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from local.database import Database
from local.tos import notification_rules
from local.tos.errors import TosApiError, invalid, no_such_bucket
from shared.clock import Clock

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{1,61})[a-z0-9]")


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket; `versioning` is empty, `Enabled` or `Suspended`, `created` in epoch seconds."""

    name: str
    created: float
    versioning: str
    rules: list[dict[str, Any]]
    rules_version: str


def bucket_row(connection: sqlite3.Connection, name: str) -> sqlite3.Row:
    """Return a bucket's row; raise TosApiError if there is none."""
    row: sqlite3.Row | None = connection.execute(
        "SELECT * FROM buckets WHERE name = ?", (name,)
    ).fetchone()
    if row is None:
        raise no_such_bucket(name)
    return row


class BucketStore:
    """The buckets in one index."""

    def __init__(self, index: Database, clock: Clock) -> None:
        self._index = index
        self._clock = clock

    def create(self, name: str) -> bool:
        """Create a bucket; return whether it is new. Raises TosApiError for an invalid name."""
        if not _NAME.fullmatch(name):
            raise TosApiError(
                HTTPStatus.BAD_REQUEST,
                "InvalidBucketName",
                f"{name!r} cannot name a bucket: use 3 to 63 of a-z, 0-9 and -, and begin and "
                "end with a letter or digit.",
            )
        with self._index.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO buckets (name, created) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (name, self._clock.now()),
            )
            return cursor.rowcount == 1

    def get(self, name: str) -> Bucket:
        """Return a bucket; raise TosApiError if there is none."""
        with self._index.reading() as connection:
            return _bucket(bucket_row(connection, name))

    def all(self) -> list[Bucket]:
        """Return every bucket, by name."""
        with self._index.reading() as connection:
            return [_bucket(row) for row in connection.execute("SELECT * FROM buckets ORDER BY 1")]

    def rules(self) -> list[tuple[str, dict[str, Any]]]:
        """Return every notification rule with its bucket: (bucket, rule)."""
        return [(bucket.name, rule) for bucket in self.all() for rule in bucket.rules]

    def delete(self, name: str) -> None:
        """Delete an empty bucket. Raises TosApiError if it is not empty."""
        with self._index.transaction() as connection:
            bucket_row(connection, name)
            for table in ("objects", "uploads"):
                query = f"SELECT 1 FROM {table} WHERE bucket = ? LIMIT 1"  # noqa: S608 (a constant)
                if connection.execute(query, (name,)).fetchone():
                    raise TosApiError(
                        HTTPStatus.CONFLICT,
                        "BucketNotEmpty",
                        f"The bucket {name!r} still holds {table}; delete them (every version) "
                        "first.",
                    )
            connection.execute("DELETE FROM buckets WHERE name = ?", (name,))

    def set_versioning(self, name: str, status: Any) -> None:
        """Switch versioning to `Enabled` or `Suspended`."""
        if status not in ("Enabled", "Suspended"):
            raise invalid('The body must be {"Status": "Enabled"} or {"Status": "Suspended"}.')
        with self._index.transaction() as connection:
            bucket_row(connection, name)
            connection.execute("UPDATE buckets SET versioning = ? WHERE name = ?", (status, name))

    def set_rules(self, name: str, rules: Any, version: Any) -> str:
        """Replace every notification rule; return the rules' new version.

        `version` must be the current one if there is one: of two clients that read, merge and
        write back at once, the second is refused and cannot undo the first one's change.
        """
        stored = notification_rules.validated(rules)
        with self._index.transaction() as connection:
            current = bucket_row(connection, name)["rules_version"]
            if current and version != current:
                raise TosApiError(
                    HTTPStatus.CONFLICT,
                    "VersionConflict",
                    "The notification rules have changed, or the body has no Version: GET "
                    "?notification_v2, merge your rules into the response, and PUT it with its "
                    "Version.",
                )
            following = secrets.token_hex(8)
            connection.execute(
                "UPDATE buckets SET rules = ?, rules_version = ? WHERE name = ?",
                (json.dumps(stored), following, name),
            )
        return following


def _bucket(row: sqlite3.Row) -> Bucket:
    name, created, versioning, rules, rules_version = row
    return Bucket(name, created, versioning, json.loads(rules), rules_version)
