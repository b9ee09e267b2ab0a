"""Timer triggers: when they fire, and the event that they send."""

import datetime as dt
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from shared.clock import Clock

_SUPPORTED = (
    "give a number of seconds, or a crontab of five fields (minute hour day month weekday) "
    "made of *, */n, numbers, ranges such as 1-5 or 1-30/5, and lists of these"
)
_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_SEARCHED_DAYS = 8 * 366  # the 29th of February can be eight years away


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
    """Five crontab fields, read in UTC (the platform's zone is not documented).

    As in cron, a day fires if it matches either day field where both are restricted.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool

    def next_after(self, moment: float) -> float:
        """Return the first moment after `moment`; raise ValueError if there never is one."""
        began = dt.datetime.fromtimestamp(moment, dt.UTC).replace(second=0)
        first = began.replace(microsecond=0) + dt.timedelta(minutes=1)
        for distance in range(_SEARCHED_DAYS):
            day = first.date() + dt.timedelta(days=distance)
            if not self._fires_on(day):
                continue
            for hour in sorted(self.hours):
                for minute in sorted(self.minutes):
                    found = dt.datetime.combine(day, dt.time(hour, minute), dt.UTC)
                    if found >= first:
                        return found.timestamp()
        raise ValueError("This crontab names a date that never comes.")

    def _fires_on(self, day: dt.date) -> bool:
        by_date = day.day in self.days
        by_weekday = day.isoweekday() % 7 in self.weekdays
        matches = by_date or by_weekday if self.either_day else by_date and by_weekday
        return matches and day.month in self.months


def schedule(every: float | str, time_scale: float = 1.0) -> Schedule:
    """Read a period in seconds, as a number or its text, or a crontab.

    `time_scale` shortens a period and leaves a crontab alone. Raises ValueError.
    """
    try:
        seconds = float(every)
    except ValueError:
        return crontab(str(every))
    if not 0 < seconds < float("inf"):
        raise ValueError(f"A timer cannot fire every {every} seconds: {_SUPPORTED}.")
    return Every(seconds / time_scale)


def crontab(text: str) -> Crontab:
    """Read a crontab; raise ValueError with what is supported where it is another."""
    parts = text.split()
    try:
        if len(parts) != len(_FIELDS):
            raise ValueError(f"it has {len(parts)} fields")  # noqa: TRY301 - one sentence for all
        values = [
            _field(part, name, low, high)
            for part, (name, low, high) in zip(parts, _FIELDS, strict=True)
        ]
        found = Crontab(
            minutes=values[0],
            hours=values[1],
            days=values[2],
            months=values[3],
            weekdays=frozenset(day % 7 for day in values[4]),
            either_day="*" not in (parts[2][0], parts[4][0]),
        )
        found.next_after(0)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a schedule ({error}): {_SUPPORTED}.") from None
    return found


def _field(text: str, name: str, low: int, high: int) -> frozenset[int]:
    values: set[int] = set()
    for item in text.split(","):
        span, _, step = item.partition("/")
        first, dash, last = span.partition("-")
        try:
            start = low if span == "*" else int(first)
            end = high if span == "*" else int(last) if dash else start
            found = range(start, end + 1, int(step) if step else 1)
        except ValueError:
            raise ValueError(f"{item!r} is no {name}") from None
        # `5/10` is read differently by different crons: refused.
        if not found or start < low or end > high or (step and span != "*" and not dash):
            raise ValueError(f"{item!r} is no {name} between {low} and {high}")
        values.update(found)
    return frozenset(values)


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

    def take_due(self, now: float) -> bool:
        """Say whether a tick is to start now, with `running` held for it.

        Ticks that were missed are not made up for, and one that comes due while the one before
        still runs is skipped.
        """
        if now < self.next_due:
            return False
        self.next_due = self.schedule.next_after(now)
        if self.running.acquire(blocking=False):
            return True
        self.skipped += 1
        return False


class Timers:
    """The timers that there are, in the order in which they were added; thread-safe."""

    def __init__(self, clock: Clock, time_scale: float) -> None:
        self._clock = clock
        self._time_scale = time_scale
        self._lock = threading.Lock()
        self._timers: dict[tuple[str, str], Timer] = {}  # by function and name

    def add(
        self, function_id: str, name: str, every: float | str, payload: str, given_id: str = ""
    ) -> None:
        """Set a timer, instead of the function's one that has its name if there is one."""
        when = schedule(every, self._time_scale)
        timer = Timer(function_id, name, when, payload, when.next_after(self._clock.now()))
        timer.id = given_id or timer.id
        with self._lock:
            self._timers[function_id, name] = timer

    def find(self, name: str) -> Timer:
        """Return a timer by its name or id; raise LookupError where there is none."""
        found = next((timer for timer in self.all() if name in {timer.name, timer.id}), None)
        if found is None:
            raise LookupError(f"There is no timer {name!r}.")
        return found

    def remove(self, name: str) -> None:
        """Remove a timer, given by its name or id, if there is one."""
        self._keep(lambda timer: name not in {timer.name, timer.id})

    def remove_of(self, function_id: str) -> None:
        """Remove the timers of a function."""
        self._keep(lambda timer: timer.function_id != function_id)

    def _keep(self, wanted: Callable[[Timer], bool]) -> None:
        with self._lock:
            self._timers = {key: t for key, t in self._timers.items() if wanted(t)}

    def all(self) -> tuple[Timer, ...]:
        """Return every timer, in the order in which they were added."""
        with self._lock:
            return tuple(self._timers.values())

    def __iter__(self) -> Iterator[Timer]:
        return iter(self.all())

    def take_due(self) -> list[Timer]:
        """Return the timers that are to fire now, each with `running` held."""
        now = self._clock.now()
        return [timer for timer in self.all() if timer.take_due(now)]
