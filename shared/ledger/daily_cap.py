"""The daily cap: the day that an attempt counts on, and the count in object storage.

The count is one document a day, changed by compare-and-swap. It lists the attempts that count, so
that counting one twice changes nothing: an answer that was lost, or an owner that died before it
wrote the attempt down, costs no second place.
"""

import json
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

from shared.clients.tos import Tos
from shared.errors import ConditionFailed, ObjectMissing, RecordUnreadable
from shared.json_utils import as_object

_TRIES = 50
_BEIJING = timezone(timedelta(hours=8))


def billing_day(now: float) -> str:
    """Return the day that a moment counts on, as the provider's bills do: Beijing's."""
    return datetime.fromtimestamp(now, _BEIJING).date().isoformat()


class CapDocument:
    """The attempts of each day, below a prefix of a bucket; exact for several processes."""

    def __init__(self, tos: Tos, bucket: str, prefix: str) -> None:
        self._tos = tos
        self._bucket = bucket
        self._prefix = prefix
        # The threads of one process need not race each other.
        self._lock = threading.Lock()

    def reserve(self, day: str, attempt: str, cap: int) -> bool:
        """Count an attempt, unless the cap is reached; return whether it counts."""

        def add(attempts: list[str]) -> list[str]:
            return [*attempts, attempt] if len(attempts) < cap else attempts

        with self._lock:
            return attempt in self._change(day, lambda a: a if attempt in a else add(a))

    def release(self, day: str, attempt: str) -> None:
        """Take back the count of an attempt, if it counts."""
        with self._lock:
            self._change(day, lambda attempts: [a for a in attempts if a != attempt])

    def reserved(self, day: str) -> int:
        """Return how many attempts count."""
        return len(self._read(day)[0])

    def _change(self, day: str, change: Callable[[list[str]], list[str]]) -> list[str]:
        """Change the day's attempts, and return them as they are then.

        Raises ConditionFailed if others were faster too many times: then nothing is known and
        nothing may be paid.
        """
        for tries_left in range(_TRIES, 0, -1):
            attempts, etag = self._read(day)
            changed = change(attempts)
            if changed == attempts:
                return attempts
            body = json.dumps({"attempts": changed}).encode()
            try:
                self._tos.put(
                    self._bucket, self._key(day), body, create_only=etag is None, if_match=etag
                )
            except ConditionFailed:
                if tries_left == 1:
                    raise
                continue
            return changed
        raise AssertionError("no try, no change")

    def _read(self, day: str) -> tuple[list[str], str | None]:
        try:
            body, etag = self._tos.get(self._bucket, self._key(day))
        except ObjectMissing:
            return [], None
        attempts = (as_object(body) or {}).get("attempts")
        if not isinstance(attempts, list):
            # Taken for empty, it would be written over, and the cap with it.
            raise RecordUnreadable(f"The daily cap of {day} in the ledger cannot be read.")
        return [str(attempt) for attempt in attempts], etag

    def _key(self, day: str) -> str:
        return f"{self._prefix}{day}.json"
