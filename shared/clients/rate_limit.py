"""The rate of paid calls: one adaptive limiter for all threads of an instance.

How many calls a second the provider accepts is not documented (veImageX's add-ons accept 5 by
default), and other instances share it. So the rate begins there, or at the configured limit, falls
when a call is throttled, recovers fast to just below where that happened, and from there on slowly.
It recovers with time and not with calls: more calls in a second would let it outrun every refusal.
"""

import threading

from shared.clock import Clock

_FIRST = 5.0
_SLOWEST = 0.1
_FALL, _BELOW = 0.7, 0.97
_CLIMB, _CREEP = 1.12, 1.003  # in a second


class RateLimiter:
    """Hands out call slots, at most `max_qps` a second."""

    def __init__(self, clock: Clock, max_qps: float | None = None) -> None:
        self._clock = clock
        self._max = max_qps
        self._lock = threading.Lock()
        self._rate = max_qps or _FIRST
        # Not to climb fast before the first refusal: of several instances each would, at once.
        self._ceiling = self._rate
        self._next = 0.0
        self._fell_at = 0.0
        self._climbed_at = clock.now()

    @property
    def rate(self) -> float:
        """The calls a second that are allowed now."""
        return self._rate

    def wait_seconds(self) -> float:
        """Return the seconds until the next slot, without taking it."""
        with self._lock:
            return max(0.0, self._next - self._clock.now())

    def try_acquire(self) -> float:
        """Take a slot now and return 0, or return the seconds until the next one.

        Slots are not handed out ahead: those would go out at a rate that has fallen since.
        """
        with self._lock:
            now = self._clock.now()
            if now < self._next:
                return self._next - now
            self._next = now + 1.0 / self._rate
            return 0.0

    def acquire(self, *, until: float) -> bool:
        """Wait for a slot; return False if none comes by `until` (seconds since the epoch).

        The rate is read again after each wait: it may have changed, and others wait as well.
        """
        while (wait := self.try_acquire()) > 0:
            if self._clock.now() + wait > until:
                return False
            self._clock.sleep(wait)
        return True

    def on_throttled(self) -> None:
        """Slow down. Calls that were under way at the old rate count once."""
        with self._lock:
            now = self._clock.now()
            if now - self._fell_at < 1.0:
                return
            self._fell_at = now
            self._ceiling = self._rate * _BELOW
            self._rate = max(min(_SLOWEST, self._rate), self._rate * _FALL)

    def on_accepted(self) -> None:
        """Recover: fast up to the refused rate, slowly beyond. Idle time is not counted."""
        with self._lock:
            now = self._clock.now()
            seconds, self._climbed_at = min(1.0, now - self._climbed_at), now
            if self._rate < self._ceiling:
                self._rate = min(self._ceiling, self._rate * _CLIMB**seconds)
            else:
                self._rate = self._ceiling = self._rate * _CREEP**seconds
            if self._max is not None:
                self._rate = min(self._rate, self._max)
