"""The pace of paid calls: one adaptive limit for all threads of an instance.

How many calls a second the provider takes is not documented (veImageX's add-ons take 5 by
default), and other instances share it. So the pace begins there, or at the limit that is set,
falls when a call is refused for its pace, climbs back fast to just below where that happened, and
from there on slowly. It climbs with the time and not with the calls: more calls in a second would
let it outrun every refusal.
"""

import threading

from shared.clock import Clock

_FIRST = 5.0
_SLOWEST = 0.1
_FALL, _BELOW = 0.7, 0.97
_CLIMB, _CREEP = 1.12, 1.003  # in a second


class Pace:
    """Hands out turns; safe to use from several threads. `max_qps` is never exceeded."""

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

    def wait(self) -> float:
        """Return how many seconds the next turn is away, without taking it."""
        with self._lock:
            return max(0.0, self._next - self._clock.now())

    def take(self) -> float:
        """Take a turn now and return 0, or return how many seconds the next one is away.

        Turns are not handed out ahead: those would go out at a pace that has fallen since.
        """
        with self._lock:
            now = self._clock.now()
            if now < self._next:
                return self._next - now
            self._next = now + 1.0 / self._rate
            return 0.0

    def refused(self) -> None:
        """Slow down. Calls that were on their way at the old pace count once."""
        with self._lock:
            now = self._clock.now()
            if now - self._fell_at < 1.0:
                return
            self._fell_at = now
            self._ceiling = self._rate * _BELOW
            self._rate = max(min(_SLOWEST, self._rate), self._rate * _FALL)

    def accepted(self) -> None:
        """Recover: fast up to where it was refused, slowly beyond. Idle time does not count."""
        with self._lock:
            now = self._clock.now()
            seconds, self._climbed_at = min(1.0, now - self._climbed_at), now
            if self._rate < self._ceiling:
                self._rate = min(self._ceiling, self._rate * _CLIMB**seconds)
            else:
                self._rate = self._ceiling = self._rate * _CREEP**seconds
            if self._max is not None:
                self._rate = min(self._rate, self._max)
