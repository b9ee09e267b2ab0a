"""Whether the ledger's bucket honours the writes that the ledger stands on, by trying them.

A claim is a create-only write, every change of a record a compare-and-swap. A store that lets a
second one through looks as if all were well, until two deliveries both pay for one upload.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ops.checks.checks import Told, ok, warning, wrong
from ops.checks.refusals import said
from ops.checks.scratch import Scratch, entries
from shared.clients.http import Response

ROUNDS = 5
WRITERS = 4
_ONE_WON = (
    f"of {WRITERS} at once exactly one won, {ROUNDS} times over, and was what was read right after"
)
_ELSEWHERE = (
    "Do not run Repaint on this bucket: one upload could be paid for twice. Keep the ledger in a "
    "bucket of TOS itself, without anything in between that rewrites requests."
)
_AGAIN = "Run the doctor again; nothing is known about these writes yet."
_ALREADY_EXISTS = "0017-00000004"  # document 6349/1189259


class Decided(Exception):
    """What there is to tell was decided in the middle of a trial."""

    def __init__(self, told: Told) -> None:
        super().__init__(told.found)
        self.told = told


class Conditions:
    """Tries conditional writes, what is read after them, listing and removing."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch

    def create_only(self) -> Told:
        """Create one key twice, then several at once."""
        return _tried(self._create_only)

    def compare_and_swap(self) -> Told:
        """Swap with the right ETag, with a stale one, where nothing is, and several at once."""
        return _tried(self._compare_and_swap)

    def listing(self) -> Told:
        """List what was just written, remove it, and see that it is gone."""
        return _tried(self._listing)

    def _create_only(self) -> Told:
        with self._scratch.key() as key:
            self._written(key, b"first", forbid_overwrite="true")
            again = self._scratch.put(key, b"second", forbid_overwrite="true")
            if again.status < 300:
                return wrong(
                    "A create-only write replaced an object that was there already.", _ELSEWHERE
                )
            self._must_be_refusal(again, "A second create-only write")
            if (told := self._holds(key, b"first")) is not None:
                return told

        def create(key: str) -> Callable[[bytes], Response]:
            return lambda body: self._scratch.put(key, body, forbid_overwrite="true")

        for _ in range(ROUNDS):
            with self._scratch.key() as key:
                if (told := self._race(key, create(key), "create-only writes")) is not None:
                    return told
        return ok(f"A second one is refused; {_ONE_WON}.")

    def _compare_and_swap(self) -> Told:
        with self._scratch.key() as key:
            stale = self._written(key, b"first")
            fresh = self._written(key, b"second", if_match=stale)
            late = self._scratch.put(key, b"third", if_match=stale)
            if late.status < 300:
                return wrong(
                    "A compare-and-swap with an ETag that no longer held replaced the object.",
                    _ELSEWHERE,
                )
            self._must_be_refusal(late, "A compare-and-swap with a stale ETag")
            if (told := self._holds(key, b"second")) is not None:
                return told
        with self._scratch.key() as key:
            absent = self._scratch.put(key, b"fourth", if_match=fresh)
            if absent.status < 300:
                return wrong(
                    "A compare-and-swap of an object that is not there created it.", _ELSEWHERE
                )
        for _ in range(ROUNDS):
            with self._scratch.key() as key:
                etag = self._written(key, b"before")

                def swap(body: bytes, key: str = key, etag: str = etag) -> Response:
                    return self._scratch.put(key, body, if_match=etag)

                if (told := self._race(key, swap, "compare-and-swaps")) is not None:
                    return told
        return ok(f"A stale ETag is refused; {_ONE_WON}.")

    def _listing(self) -> Told:
        with self._scratch.key() as key:
            self._written(key, b"listed")
            listed = self._scratch.listed(key)
            if key not in [found for found, _ in entries(listed)]:
                return wrong(
                    f"A listing right after a write does not show the object: {said(listed)}",
                    "The sweep finds what is unfinished by listing: keep the ledger in a bucket "
                    "of TOS itself.",
                )
            removed = self._scratch.delete(key)
            if removed.status >= 300:
                return wrong(
                    f"An object could not be removed: {said(removed)}",
                    "Give the function's role, and this key, tos:DeleteObject below the ledger's "
                    "prefix: what has ended would stay among what is unfinished.",
                )
            if self._scratch.get(key).status == 200:
                return wrong(
                    "An object can be read after it was removed.",
                    "Keep the ledger in a bucket of TOS itself, without a cache in between.",
                )
        return ok("What is written is listed at once, and gone once it is removed.")

    def _race(self, key: str, write: Callable[[bytes], Response], what: str) -> Told | None:
        """Write several times at the same moment; None where exactly one of them won."""
        start = threading.Barrier(WRITERS)

        def take_part(number: int) -> Response:
            start.wait()
            return write(b"writer %d" % number)

        with ThreadPoolExecutor(WRITERS) as pool:
            answers = list(pool.map(take_part, range(WRITERS)))
        winners = [number for number, answer in enumerate(answers) if answer.status < 300]
        for answer in answers:
            if answer.status >= 300:
                self._must_be_refusal(answer, f"One of {WRITERS} {what} at once")
        if not winners:
            return warning(
                f"Of {WRITERS} {what} at the same moment none was accepted.",
                "Nothing is paid for twice, but uploads that are delivered twice at once wait for "
                "their next delivery. Run the doctor again; report it to the store's support.",
            )
        if len(winners) != 1:
            return wrong(
                f"Of {WRITERS} {what} at the same moment {len(winners)} were accepted, where "
                "exactly one may be.",
                _ELSEWHERE,
            )
        return self._holds(key, b"writer %d" % winners[0])

    def _holds(self, key: str, body: bytes) -> Told | None:
        """See that a read shows what the accepted write wrote; None where it does."""
        answer = self._scratch.get(key)
        if answer.status == 200 and answer.body == body:
            return None
        if answer.status == 200:
            return wrong(
                "A read right after a write shows another content than the accepted write's.",
                _ELSEWHERE,
            )
        raise Decided(
            wrong(
                f"What was written cannot be read: {said(answer)}",
                "Give the function's role, and this key, tos:GetObject below the ledger's prefix.",
            )
        )

    def _written(self, key: str, body: bytes, **conditions: str) -> str:
        """Write where it has to succeed; return the ETag."""
        answer = self._scratch.put(key, body, **conditions)
        etag = answer.headers.get("etag", "").strip('"')
        if answer.status < 300 and "x-tos-version-id" in answer.headers:
            raise Decided(
                wrong(
                    "The bucket keeps versions: the answer to a write names one.",
                    "Keep the ledger in a bucket whose versioning was never switched on.",
                )
            )
        if answer.status < 300 and etag:
            return etag
        if answer.status < 300:
            raise Decided(wrong("A write was answered without an ETag.", _ELSEWHERE))
        if is_refusal(answer):
            raise Decided(
                wrong(f"A write whose condition holds was refused: {said(answer)}", _ELSEWHERE)
            )
        found = f"A scratch key could not be written: {said(answer)}"
        if answer.status >= 500:
            raise Decided(warning(found, _AGAIN))
        raise Decided(
            wrong(
                found,
                "Give the function's role, and this key, tos:PutObject below the ledger's prefix.",
            )
        )

    def _must_be_refusal(self, answer: Response, what: str) -> None:
        if not is_refusal(answer):
            raise Decided(
                warning(
                    f"{what} was neither accepted nor refused as it should be: {said(answer)}",
                    _AGAIN,
                )
            )


def is_refusal(answer: Response) -> bool:
    """Tell whether a write was refused because its condition does not hold."""
    return answer.status in (409, 412) or _ALREADY_EXISTS in answer.body.decode("utf-8", "replace")


def _tried(look: Callable[[], Told]) -> Told:
    try:
        return look()
    except Decided as decided:
        return decided.told
