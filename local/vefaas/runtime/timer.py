"""Timer triggers: when they fire, and the event that they send."""

import datetime as dt
import re
import secrets
import threading
from dataclasses import dataclass, field
from typing import Any, Protocol

from cronsim import CronSim, CronSimError

_SUPPORTED = (
    "give a number of seconds, or a crontab of five fields (minute hour day month weekday) "
    "made of *, */n, numbers, ranges such as 1-5 or 1-30/5, and lists of these"
)
# Other forms that the library reads, such as names of days, are not documented by the platform;
# `5/10` is read differently by different crons.
_ITEM = r"(?:\d+|(?:\*|\d+-\d+)(?:/0*[1-9]\d*)?)"
_FIELD = rf"{_ITEM}(?:,{_ITEM})*"
_CRONTAB = re.compile(rf"\s*{_FIELD}(?:\s+{_FIELD}){{4}}\s*", re.ASCII)
_RANGE_OF_ONE = re.compile(r"\b(\d+)-\1/\d+")


class Schedule(Protocol):
    """When a timer fires; moments are seconds since the epoch."""

    def next_after(self, moment: float) -> float:
        """Return the first moment after `moment`."""
        ...


@dataclass(frozen=True)
class Every:
    """A fixed number of seconds apart."""

    seconds: float

    def next_after(self, moment: float) -> float:
        """Return the first moment after `moment`."""
        return moment + self.seconds


@dataclass(frozen=True)
class Crontab:
    """Five crontab fields, read in UTC: the platform's time zone is not documented.

    As in cron, a day fires if it matches either day field, if both are restricted. Raises
    ValueError with the supported forms.
    """

    text: str

    def __post_init__(self) -> None:
        try:
            if not _CRONTAB.fullmatch(self.text):
                raise CronSimError("Not five fields of numbers")  # noqa: TRY301 - one message for all
            self.next_after(0)
        except CronSimError as error:
            raise ValueError(f"{self.text!r} is not a schedule ({error}): {_SUPPORTED}.") from None

    def next_after(self, moment: float) -> float:
        """Return the first moment after `moment`."""
        # The library takes `5-5/10` for `5/10`.
        line = _RANGE_OF_ONE.sub(r"\1", self.text)
        return next(CronSim(line, dt.datetime.fromtimestamp(moment, dt.UTC))).timestamp()


def schedule(every: float | str, time_scale: float = 1.0) -> Schedule:
    """Read a period in seconds, as a number or its text, or a crontab.

    `time_scale` shortens a period and does not affect a crontab. Raises ValueError.
    """
    try:
        seconds = float(every)
    except ValueError:
        return Crontab(str(every))
    if not 0 < seconds < float("inf"):
        raise ValueError(f"A timer cannot fire every {every} seconds: {_SUPPORTED}.")
    return Every(seconds / time_scale)


@dataclass
class Timer:
    """One timer of one function; `running` is held while a tick of it runs."""

    function_id: str
    name: str
    schedule: Schedule
    payload: str
    next_due: float
    skipped: int = 0
    id: str = field(default_factory=lambda: secrets.token_hex(5))
    running: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def event(self, now: float) -> dict[str, Any]:
        """Return the event of a tick at `now`."""
        time = dt.datetime.fromtimestamp(now, dt.UTC)
        return {
            "id": secrets.token_hex(16),
            "source": f"/faas/event/timer/{self.id}",
            "specversion": "1.0",
            "type": "faas.timer.event",
            "time": time.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "datacontenttype": "application/octet-stream",
            "data": self.payload,
        }

    def claim_tick(self, now: float) -> bool:
        """Return whether a tick is to start now, with `running` held for it.

        Missed ticks are not made up for, and a tick that comes due while the one before still runs
        is skipped.
        """
        if now < self.next_due:
            return False
        self.next_due = self.schedule.next_after(now)
        if self.running.acquire(blocking=False):
            return True
        self.skipped += 1
        return False
