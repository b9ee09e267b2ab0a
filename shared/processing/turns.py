"""When a call may go out: within its invocation's time, the pace of calls, and its lease."""

from shared.clients.http import Timeouts
from shared.clock import Clock
from shared.ledger import Record
from shared.processing.rate_limit import Pace
from shared.settings import Settings

# From writing an attempt down to sending it. A send later than this is given up: whoever takes
# over counts on the settle time having passed by then.
SEND_GRACE_SECONDS = 5.0
# From sending to the first byte on the wire: names are looked up and a connection is made.
CONNECT_SECONDS = 2 * Timeouts().connect
# What is left of an invocation for writing the end down.
WRITE_SECONDS = 2.0


class Turns:
    """Tells when the next call may go out; safe to use from several threads.

    A deadline is in seconds since the epoch.
    """

    def __init__(self, settings: Settings, pace: Pace, clock: Clock) -> None:
        self._settings = settings
        self._pace = pace
        self._clock = clock

    def lease_until(self, sent_at: float) -> float:
        """Return when an attempt sent at `sent_at` is settled, whatever became of its sender.

        Who takes over after that need not wait: one look tells.
        """
        slowest = max(self._settings.timeout_seconds, self._settings.settle_seconds)
        return sent_at + SEND_GRACE_SECONDS + CONNECT_SECONDS + slowest

    def settled_at(self, sent_at: float) -> float:
        """Return when a call that was sent right at `sent_at` can no longer store its image."""
        return sent_at + CONNECT_SECONDS + self._settings.settle_seconds

    def has_time(self, deadline: float, pause: float = 0.0) -> bool:
        """Tell whether a call that begins after `pause` seconds can be answered in time."""
        return self._spare(deadline) >= pause

    def has_next(self, deadline: float) -> bool:
        """Tell whether the pace of calls leaves a turn that can be answered in time."""
        return self.has_time(deadline, self._pace.wait())

    def wait(self, deadline: float) -> bool:
        """Wait for the next turn to call; False where it comes too late.

        The pace is asked again after each wait: it may have changed, and others wait as well.
        """
        while (wait := self._pace.take()) > 0:
            if not self.has_time(deadline, wait):
                return False
            self._clock.sleep(wait)
        return True

    def _spare(self, deadline: float) -> float:
        return deadline - self._clock.now() - self._settings.timeout_seconds - WRITE_SECONDS

    def leased(self, record: Record, now: float) -> Record:
        """Return the record with a lease for an attempt that is sent now."""
        return record.changed(lease_until=self.lease_until(now), updated_at=now)
