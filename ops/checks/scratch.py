"""Objects that the doctor writes below the ledger's prefix, and that it leaves nothing of."""

import math
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

from ops.checks.checks import Told, ok, warning
from ops.checks.refusals import said
from ops.checks.wire import Wire
from shared.clients.http import Response
from shared.errors import NoAnswer
from shared.json_utils import as_object

# Younger ones may be another doctor's that is at work.
_OLD_SECONDS = 600.0
_OURS = re.compile(r"[0-9a-f]{16}-[0-9]+")


class Scratch:
    """Keys of this run below `<prefix>doctor/`; safe to use from several threads."""

    def __init__(self, wire: Wire, bucket: str, prefix: str) -> None:
        self._wire = wire
        self._bucket = bucket
        self.folder = f"{prefix}doctor/"
        self._run = secrets.token_hex(8)
        self._lock = threading.Lock()
        self._written: set[tuple[str, str]] = set()
        self._number = 0

    @contextmanager
    def key(self) -> Iterator[str]:
        """Lend a key where nothing is; what is written there is removed, whatever happens."""
        with self._lock:
            self._number += 1
            key = f"{self.folder}{self._run}-{self._number}"
        try:
            yield key
        finally:
            self._clean(key)

    def put(self, key: str, body: bytes, **conditions: str) -> Response:
        """Write once; `conditions` are headers without `x-tos-`, `_` for `-`."""
        headers = {f"x-tos-{name.replace('_', '-')}": value for name, value in conditions.items()}
        with self._lock:
            # Written down first: an answer that never comes may hide an object.
            self._written.add((key, ""))
        answer = self._wire.storage(
            "PUT", self._bucket, key, headers={"content-type": "text/plain", **headers}, body=body
        )
        version = answer.headers.get("x-tos-version-id", "")
        with self._lock:
            self._written.add((key, version))
        return answer

    def get(self, key: str) -> Response:
        """Read what is there."""
        return self._wire.storage("GET", self._bucket, key)

    def delete(self, key: str) -> Response:
        """Remove what is there."""
        return self._wire.storage("DELETE", self._bucket, key)

    def listed(self, prefix: str) -> Response:
        """List what begins so."""
        query = {"list-type": "2", "prefix": prefix, "max-keys": "100"}
        return self._wire.storage("GET", self._bucket, query=query)

    def look(self) -> Told:
        """See that nothing of this run is left; remove what an earlier, killed one left."""
        answer = self.listed(self.folder)
        if answer.status != 200:
            return warning(
                f"Whether scratch keys are left cannot be told: {said(answer)}",
                f"Look below {self._bucket}/{self.folder} and remove what is there.",
            )
        left, young, removed = [], 0, 0
        for key, modified in entries(answer):
            name = key.removeprefix(self.folder)
            if not _OURS.fullmatch(name):
                continue
            if name.startswith(self._run):
                left.append(key)
            elif self._wire.server_now() - _moment(modified) < _OLD_SECONDS:
                young += 1
            elif self._wire.storage("DELETE", self._bucket, key, cleaning=True).status < 300:
                removed += 1
            else:
                left.append(key)
        if left:
            return warning(
                f"{len(left)} scratch keys could not be removed, such as {left[0]}.",
                f"Give this key tos:DeleteObject, and remove what is below "
                f"{self._bucket}/{self.folder}: nothing but scratch keys is kept there.",
            )
        told = "Nothing of this run is left."
        if removed:
            told += f" {removed} of an earlier doctor {_were(removed)} removed."
        if young:
            told += f" {young} {_were(young)} written just now, perhaps by another doctor at work."
        return ok(told)

    def _clean(self, key: str) -> None:
        with self._lock:
            versions = {version for written, version in self._written if written == key}
            self._written -= {(key, version) for version in versions}
        # In a versioned bucket a removal without a version only hides; that of each one is final.
        for version in versions - {""} or versions:
            query = {"versionId": version} if version else None
            # What is left where this fails is found, and told, in the end.
            with suppress(NoAnswer):
                self._wire.storage("DELETE", self._bucket, key, query=query, cleaning=True)


def entries(listing: Response) -> list[tuple[str, str]]:
    """Return the keys of a listing with when each was last written, as it says it."""
    contents = (as_object(listing.body) or {}).get("Contents")
    if not isinstance(contents, list):
        return []
    return [
        (str(entry.get("Key")), str(entry.get("LastModified") or ""))
        for entry in contents
        if isinstance(entry, dict)
    ]


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _moment(written: str) -> float:
    try:
        return datetime.fromisoformat(written).timestamp()
    except ValueError:
        return math.inf  # not known to be old
