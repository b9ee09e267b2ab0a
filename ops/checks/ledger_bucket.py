"""Check the ledger's bucket: it exists, keeps no versions, and honours conditional writes.

A claim is a create-only write, every change of a record a compare-and-swap. A store that lets a
second one through seems to work, until two deliveries both pay for one upload. So these writes are
tried, on scratch keys below the ledger's prefix, of which nothing is left.
"""

import math
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from ops.checks.check import CheckFailed, Finding, ok, refused, warning, wrong
from ops.checks.client import CheckClient
from ops.service_errors import code_of, describe, is_denied
from shared.clients.http import Response
from shared.errors import NoAnswer
from shared.json_utils import as_object

ROUNDS = 5
WRITERS = 4
_ONE_WON = (
    f"of {WRITERS} at once exactly one won, {ROUNDS} times in a row, and a read right after "
    "returned its content"
)
_USE_ANOTHER_BUCKET = (
    "Do not run Repaint on this bucket: one upload could be paid for twice. Keep the ledger in a "
    "bucket of TOS itself, with nothing in between that rewrites requests."
)
_RUN_AGAIN = "Run the doctor again; nothing is known about these writes yet."
_PERMISSION = "Give the function's role, and this key, tos:{} below the ledger's prefix."
_ALREADY_EXISTS = "0017-00000004"  # document 6349/1189259
# Younger scratch keys may be another doctor's that is running.
_OLD_SECONDS = 600.0
_SCRATCH_NAME = re.compile(r"[0-9a-f]{16}-[0-9]+")


@dataclass(frozen=True, slots=True)
class LedgerBucket:
    """The place of a ledger, `bucket`/`prefix`."""

    client: CheckClient
    bucket: str
    prefix: str

    def exists(self) -> Finding:
        """List the ledger's prefix."""
        query = {"list-type": "2", "prefix": self.prefix, "max-keys": "1"}
        answer = self.client.storage("GET", self.bucket, query=query)
        place = f"tos://{self.bucket}/{self.prefix}"
        if answer.status == 200:
            return ok(f"{place} exists and can be listed.")
        if code_of(answer) == "NoSuchBucket":
            return wrong(
                f"There is no bucket {self.bucket} in {self.client.tos_region}.",
                "Create it there, or correct REPAINT_LEDGER or TOS_REGION.",
            )
        raise refused(
            answer,
            f"Listing {place}",
            f"tos:ListBucket on {self.bucket} and tos:GetObject, tos:PutObject and "
            f"tos:DeleteObject on {self.bucket}/{self.prefix}*",
        )

    def versioning(self) -> Finding:
        """Read the bucket's versioning; the ledger needs that it was never enabled."""
        answer = self.client.storage("GET", self.bucket, query={"versioning": ""})
        if answer.status != 200:
            fix = f"Check in the console that {self.bucket} is not versioned."
            if is_denied(answer):
                fix = f"{fix} Or give this key tos:GetBucketVersioning."
            return warning(f"It cannot be read: {describe(answer)}", fix)
        document = as_object(answer.body)
        status = document.get("Status") if document is not None else "an answer that is no JSON"
        if status in (None, "", "Disabled"):
            return ok(f"{self.bucket} keeps no versions.")
        return wrong(
            f"Versioning of {self.bucket} is {str(status)[:40]}. Whether conditional writes hold "
            "there is not documented, and every change of a record is kept forever.",
            "Keep the ledger in another bucket whose versioning was never enabled: once enabled, "
            "it can only be suspended. Name it in REPAINT_LEDGER for every function.",
        )


class Scratch:
    """Keys of this run below `<prefix>doctor/`."""

    def __init__(self, client: CheckClient, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self.folder = f"{prefix}doctor/"
        self._run = secrets.token_hex(8)
        self._lock = threading.Lock()
        self._written: set[tuple[str, str]] = set()
        self._number = 0

    @contextmanager
    def key(self) -> Iterator[str]:
        """Yield a key that does not exist; remove what is written there, whatever happens."""
        with self._lock:
            self._number += 1
            key = f"{self.folder}{self._run}-{self._number}"
        try:
            yield key
        finally:
            self._remove(key)

    def put(self, key: str, body: bytes, **conditions: str) -> Response:
        """Write once; `conditions` are headers without `x-tos-`, `_` for `-`."""
        headers = {f"x-tos-{name.replace('_', '-')}": value for name, value in conditions.items()}
        with self._lock:
            # Before the write: an answer that is lost may hide an object.
            self._written.add((key, ""))
        answer = self._client.storage(
            "PUT", self._bucket, key, headers={"content-type": "text/plain", **headers}, body=body
        )
        with self._lock:
            self._written.add((key, answer.headers.get("x-tos-version-id", "")))
        return answer

    def get(self, key: str) -> Response:
        """Read an object."""
        return self._client.storage("GET", self._bucket, key)

    def delete(self, key: str) -> Response:
        """Remove an object."""
        return self._client.storage("DELETE", self._bucket, key)

    def listing(self, prefix: str) -> Response:
        """List the keys that begin with `prefix`."""
        query = {"list-type": "2", "prefix": prefix, "max-keys": "100"}
        return self._client.storage("GET", self._bucket, query=query)

    def leftovers(self) -> Finding:
        """Check that nothing of this run is left; remove what an earlier, killed run left."""
        answer = self.listing(self.folder)
        if answer.status != 200:
            return warning(
                f"Scratch keys cannot be listed: {describe(answer)}",
                f"Remove what is below {self._bucket}/{self.folder}.",
            )
        left, young, removed = [], 0, 0
        for key, modified in entries(answer):
            name = key.removeprefix(self.folder)
            if not _SCRATCH_NAME.fullmatch(name):
                continue
            if name.startswith(self._run):
                left.append(key)
            elif self._client.server_now() - _moment(modified) < _OLD_SECONDS:
                young += 1
            elif self._client.storage("DELETE", self._bucket, key, cleanup=True).status < 300:
                removed += 1
            else:
                left.append(key)
        if left:
            return warning(
                f"{len(left)} scratch keys could not be removed, such as {left[0]}.",
                f"Give this key tos:DeleteObject, and remove what is below "
                f"{self._bucket}/{self.folder}: it holds nothing but scratch keys.",
            )
        found = "Nothing of this run is left."
        if removed:
            found += f" {removed} of an earlier doctor {_were(removed)} removed."
        if young:
            found += f" {young} {_were(young)} written just now, perhaps by another doctor."
        return ok(found)

    def _remove(self, key: str) -> None:
        with self._lock:
            versions = {version for written, version in self._written if written == key}
            self._written -= {(key, version) for version in versions}
        # In a versioned bucket a removal without a version only hides; that of each one is final.
        for version in versions - {""} or versions:
            query = {"versionId": version} if version else None
            # If this fails, `leftovers` finds and reports the key.
            with suppress(NoAnswer):
                self._client.storage("DELETE", self._bucket, key, query=query, cleanup=True)


@dataclass(frozen=True, slots=True)
class ConditionalWrites:
    """Tries conditional writes, reads after them, listing and removal."""

    scratch: Scratch

    def create_only(self) -> Finding:
        """Create one key twice, then several times at once."""
        with self.scratch.key() as key:
            self._write(key, b"first", forbid_overwrite="true")
            second = self.scratch.put(key, b"second", forbid_overwrite="true")
            _expect_refusal(
                second, "A create-only write", "replaced an object that was there already"
            )
            self._expect_content(key, b"first")
        for _ in range(ROUNDS):
            with self.scratch.key() as key:
                create = partial(self.scratch.put, key, forbid_overwrite="true")
                self._race(key, create, "create-only writes")
        return ok(f"A second one is refused; {_ONE_WON}.")

    def compare_and_swap(self) -> Finding:
        """Swap with the right ETag, a stale one, on a missing object, and several at once."""
        swap = "A compare-and-swap"
        with self.scratch.key() as key:
            stale = self._write(key, b"first")
            fresh = self._write(key, b"second", if_match=stale)
            late = self.scratch.put(key, b"third", if_match=stale)
            _expect_refusal(late, swap, "with an ETag that no longer held replaced the object")
            self._expect_content(key, b"second")
        with self.scratch.key() as key:
            absent = self.scratch.put(key, b"fourth", if_match=fresh)
            if absent.status < 300:
                raise _dangerous(f"{swap} of an object that does not exist created it.")
        for _ in range(ROUNDS):
            with self.scratch.key() as key:
                etag = self._write(key, b"before")
                replace = partial(self.scratch.put, key, if_match=etag)
                self._race(key, replace, "compare-and-swaps")
        return ok(f"A stale ETag is refused; {_ONE_WON}.")

    def listing(self) -> Finding:
        """List what was just written, remove it, and check that it is gone."""
        with self.scratch.key() as key:
            self._write(key, b"listed")
            listing = self.scratch.listing(key)
            if key not in [found for found, _ in entries(listing)]:
                return wrong(
                    f"A listing right after a write lacks the object: {describe(listing)}",
                    "The sweep finds unfinished uploads by listing: keep the ledger in a bucket "
                    "of TOS itself.",
                )
            removed = self.scratch.delete(key)
            if removed.status >= 300:
                return wrong(
                    f"An object could not be removed: {describe(removed)}",
                    f"{_PERMISSION.format('DeleteObject')[:-1]}: else finished uploads stay among "
                    "the unfinished ones.",
                )
            if self.scratch.get(key).status == 200:
                return wrong(
                    "An object can be read after it was removed.",
                    "Keep the ledger in a bucket of TOS itself, without a cache in between.",
                )
        return ok("A new object is listed at once, and gone once it is removed.")

    def _race(self, key: str, write: Callable[[bytes], Response], what: str) -> None:
        """Write several times at the same moment. Raises CheckFailed unless one write won."""
        start = threading.Barrier(WRITERS)

        def take_part(number: int) -> Response:
            start.wait()
            return write(b"writer %d" % number)

        with ThreadPoolExecutor(WRITERS) as pool:
            answers = list(pool.map(take_part, range(WRITERS)))
        winners = [number for number, answer in enumerate(answers) if answer.status < 300]
        for answer in answers:
            if answer.status >= 300:
                _expect_refusal(answer, f"One of {WRITERS} {what} at once")
        if not winners:
            raise CheckFailed(
                warning(
                    f"Of {WRITERS} {what} at the same moment none was accepted.",
                    "Nothing is paid for twice, but uploads that are delivered twice at once wait "
                    "for their next delivery. Run the doctor again; report it to the store's "
                    "support.",
                )
            )
        if len(winners) != 1:
            raise _dangerous(
                f"Of {WRITERS} {what} at the same moment {len(winners)} were accepted; exactly one "
                "may be."
            )
        self._expect_content(key, b"writer %d" % winners[0])

    def _expect_content(self, key: str, body: bytes) -> None:
        """Raise CheckFailed unless a read returns what the accepted write wrote."""
        answer = self.scratch.get(key)
        if answer.status != 200:
            found = f"A new object cannot be read: {describe(answer)}"
            raise CheckFailed(wrong(found, _PERMISSION.format("GetObject")))
        if answer.body != body:
            raise _dangerous("A read right after a write returns another content than it wrote.")

    def _write(self, key: str, body: bytes, **conditions: str) -> str:
        """Write if it has to succeed; return the ETag. Raises CheckFailed."""
        answer = self.scratch.put(key, body, **conditions)
        etag = answer.headers.get("etag", "").strip('"')
        if answer.status >= 300:
            if _is_refusal(answer):
                raise _dangerous(f"A write whose condition holds was refused: {describe(answer)}")
            found = f"A scratch key could not be written: {describe(answer)}"
            if answer.status >= 500:
                raise CheckFailed(warning(found, _RUN_AGAIN))
            raise CheckFailed(wrong(found, _PERMISSION.format("PutObject")))
        if "x-tos-version-id" in answer.headers:
            raise CheckFailed(
                wrong(
                    "The bucket keeps versions: the answer to a write names one.",
                    "Keep the ledger in a bucket whose versioning was never enabled.",
                )
            )
        if not etag:
            raise _dangerous("A write was answered without an ETag.")
        return etag


def entries(listing: Response) -> list[tuple[str, str]]:
    """Return the keys of a listing, each with its `LastModified`."""
    contents = (as_object(listing.body) or {}).get("Contents")
    if not isinstance(contents, list):
        return []
    return [
        (str(entry.get("Key")), str(entry.get("LastModified") or ""))
        for entry in contents
        if isinstance(entry, dict)
    ]


def _expect_refusal(answer: Response, what: str, did: str = "was accepted") -> None:
    """Raise CheckFailed unless a write was refused because its condition does not hold."""
    if answer.status < 300:
        raise _dangerous(f"{what} {did}.")
    if not _is_refusal(answer):
        found = f"{what} was neither accepted nor refused as it should be: {describe(answer)}"
        raise CheckFailed(warning(found, _RUN_AGAIN))


def _is_refusal(answer: Response) -> bool:
    return answer.status in (409, 412) or _ALREADY_EXISTS in answer.body.decode("utf-8", "replace")


def _dangerous(found: str) -> CheckFailed:
    return CheckFailed(wrong(found, _USE_ANOTHER_BUCKET))


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _moment(written: str) -> float:
    try:
        return datetime.fromisoformat(written).timestamp()
    except ValueError:
        return math.inf  # not known to be old
