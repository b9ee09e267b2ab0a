"""Time, passed in: what waits or compares moments takes a `Clock`."""

import time
from typing import Protocol


class Clock(Protocol):
    """Where the code gets the time from, and how it waits."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait, not at all if `seconds` is not above 0."""
        time.sleep(max(0.0, seconds))
