"""Check the ledger's bucket: it exists, keeps no versions, and honours conditional writes.

A claim is a create-only write, every change of a record a compare-and-swap. A store that lets a
second one through seems to work, until two deliveries both pay for one upload. So these writes are
tried, on scratch keys below the ledger's prefix, of which nothing is left.
"""

import itertools
import math
import re
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime

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
class ScratchKey:
    """A key of this run, and the requests for it; `versions` are those that were written."""

    client: CheckClient
    bucket: str
    key: str
    versions: set[str] = field(default_factory=set)

    def put(self, body: bytes, **conditions: str) -> Response:
        """Write once; `conditions` are headers without `x-tos-`, `_` for `-`."""
        headers = {f"x-tos-{name.replace('_', '-')}": value for name, value in conditions.items()}
        headers["content-type"] = "text/plain"
        answer = self.client.storage("PUT", self.bucket, self.key, headers=headers, body=body)
        self.versions.add(answer.headers.get("x-tos-version-id", ""))
        return answer

    def write(self, body: bytes, **conditions: str) -> str:
        """Write if it has to succeed; return the ETag. Raises CheckFailed."""
        answer = self.put(body, **conditions)
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

    def expect(self, body: bytes) -> None:
        """Raise CheckFailed unless a read returns what the accepted write wrote."""
        answer = self.client.storage("GET", self.bucket, self.key)
        if answer.status != 200:
            found = f"A new object cannot be read: {describe(answer)}"
            raise CheckFailed(wrong(found, _PERMISSION.format("GetObject")))
        if answer.body != body:
            raise _dangerous("A read right after a write returns another content than it wrote.")

    def race(self, what: str, **conditions: str) -> None:
        """Write several times at the same moment. Raises CheckFailed unless one write won."""
        start = threading.Barrier(WRITERS)

        def take_part(number: int) -> Response:
            start.wait()
            return self.put(b"writer %d" % number, **conditions)

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
        self.expect(b"writer %d" % winners[0])

    def remove(self) -> None:
        """Remove every version; in a versioned bucket a removal without a version only hides."""
        for version in self.versions - {""} or {""}:
            query = {"versionId": version} if version else None
            # If this fails, `leftovers` finds and reports the key.
            with suppress(NoAnswer):
                self.client.storage("DELETE", self.bucket, self.key, query=query, cleanup=True)


class LedgerBucket:
    """The place of a ledger, `bucket`/`prefix`; writes are tried on keys below `doctor/`."""

    def __init__(self, client: CheckClient, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._folder = f"{prefix}doctor/"
        self._run = secrets.token_hex(8)
        self._numbers = itertools.count(1)

    def exists(self) -> Finding:
        """List the ledger's prefix."""
        query = {"list-type": "2", "prefix": self._prefix, "max-keys": "1"}
        answer = self._client.storage("GET", self._bucket, query=query)
        place = f"tos://{self._bucket}/{self._prefix}"
        if answer.status == 200:
            return ok(f"{place} exists and can be listed.")
        if code_of(answer) == "NoSuchBucket":
            return wrong(
                f"There is no bucket {self._bucket} in {self._client.tos_region}.",
                "Create it there, or correct REPAINT_LEDGER or TOS_REGION.",
            )
        raise refused(
            answer,
            f"Listing {place}",
            f"tos:ListBucket on {self._bucket} and tos:GetObject, tos:PutObject and "
            f"tos:DeleteObject on {self._bucket}/{self._prefix}*",
        )

    def versioning(self) -> Finding:
        """Read the bucket's versioning; the ledger needs that it was never enabled."""
        answer = self._client.storage("GET", self._bucket, query={"versioning": ""})
        if answer.status != 200:
            fix = f"Check in the console that {self._bucket} is not versioned."
            if is_denied(answer):
                fix = f"{fix} Or give this key tos:GetBucketVersioning."
            return warning(f"It cannot be read: {describe(answer)}", fix)
        document = as_object(answer.body)
        status = document.get("Status") if document is not None else "an answer that is no JSON"
        if status in (None, "", "Disabled"):
            return ok(f"{self._bucket} keeps no versions.")
        return wrong(
            f"Versioning of {self._bucket} is {str(status)[:40]}. Whether conditional writes hold "
            "there is not documented, and every change of a record is kept forever.",
            "Keep the ledger in another bucket whose versioning was never enabled: once enabled, "
            "it can only be suspended. Name it in REPAINT_LEDGER for every function.",
        )

    def create_only(self) -> Finding:
        """Create one key twice, then several times at once."""
        with self._scratch_key() as key:
            key.write(b"first", forbid_overwrite="true")
            second = key.put(b"second", forbid_overwrite="true")
            replaced = "replaced an object that was there already"
            _expect_refusal(second, "A create-only write", replaced)
            key.expect(b"first")
        for _ in range(ROUNDS):
            with self._scratch_key() as key:
                key.race("create-only writes", forbid_overwrite="true")
        return ok(f"A second one is refused; {_ONE_WON}.")

    def compare_and_swap(self) -> Finding:
        """Swap with the right ETag, a stale one, on a missing object, and several at once."""
        swap = "A compare-and-swap"
        with self._scratch_key() as key:
            stale = key.write(b"first")
            fresh = key.write(b"second", if_match=stale)
            late = key.put(b"third", if_match=stale)
            _expect_refusal(late, swap, "with an ETag that no longer held replaced the object")
            key.expect(b"second")
        with self._scratch_key() as key:
            if key.put(b"fourth", if_match=fresh).status < 300:
                raise _dangerous(f"{swap} of an object that does not exist created it.")
        for _ in range(ROUNDS):
            with self._scratch_key() as key:
                key.race("compare-and-swaps", if_match=key.write(b"before"))
        return ok(f"A stale ETag is refused; {_ONE_WON}.")

    def listing(self) -> Finding:
        """List what was just written, remove it, and check that it is gone."""
        with self._scratch_key() as key:
            key.write(b"listed")
            listing = self._list(key.key)
            if key.key not in [found for found, _ in _entries(listing)]:
                return wrong(
                    f"A listing right after a write lacks the object: {describe(listing)}",
                    "The sweep finds unfinished uploads by listing: keep the ledger in a bucket "
                    "of TOS itself.",
                )
            removed = self._client.storage("DELETE", self._bucket, key.key)
            if removed.status >= 300:
                return wrong(
                    f"An object could not be removed: {describe(removed)}",
                    f"{_PERMISSION.format('DeleteObject')[:-1]}: else finished uploads stay among "
                    "the unfinished ones.",
                )
            if self._client.storage("GET", self._bucket, key.key).status == 200:
                return wrong(
                    "An object can be read after it was removed.",
                    "Keep the ledger in a bucket of TOS itself, without a cache in between.",
                )
        return ok("A new object is listed at once, and gone once it is removed.")

    def leftovers(self) -> Finding:
        """Check that nothing of this run is left; remove what an earlier, killed run left."""
        answer, place = self._list(self._folder), f"{self._bucket}/{self._folder}"
        if answer.status != 200:
            found = f"Scratch keys cannot be listed: {describe(answer)}"
            return warning(found, f"Remove what is below {place}.")
        left, young, removed = [], 0, 0
        for key, modified in _entries(answer):
            name = key.removeprefix(self._folder)
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
                f"Give this key tos:DeleteObject, and remove what is below {place}: it holds "
                "nothing but scratch keys.",
            )
        found = "Nothing of this run is left."
        if removed:
            found += f" {removed} of an earlier doctor {_were(removed)} removed."
        if young:
            found += f" {young} {_were(young)} written just now, perhaps by another doctor."
        return ok(found)

    @contextmanager
    def _scratch_key(self) -> Iterator[ScratchKey]:
        """Yield a key that does not exist; remove what is written there, whatever happens."""
        name = f"{self._folder}{self._run}-{next(self._numbers)}"
        key = ScratchKey(self._client, self._bucket, name)
        try:
            yield key
        finally:
            key.remove()

    def _list(self, prefix: str) -> Response:
        query = {"list-type": "2", "prefix": prefix, "max-keys": "100"}
        return self._client.storage("GET", self._bucket, query=query)


def _entries(listing: Response) -> list[tuple[str, str]]:
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
