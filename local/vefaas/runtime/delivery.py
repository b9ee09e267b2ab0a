"""What a delivery is, and the rules of delivery, with what the platform leaves open settable."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

_ID_DIGITS = 16

RetryDelays = Sequence[float] | Callable[[int], float]


def doubling(retry: int) -> float:
    """Return 1, 2, 4 … seconds before the 1st, 2nd, 3rd … retry, and never more than 60."""
    return float(min(60, 2 ** min(retry - 1, 6)))


@dataclass(frozen=True)
class DeliverySettings:
    """The rules of delivery; the defaults are the platform's where those are documented.

    The platform retries at most `max_retries` times after the first attempt, and keeps an event
    for `max_age_seconds`. The spacing of its retries is not documented: `retry_delays` is a list
    of seconds, whose last one repeats, or a function of the retry's number (from 1).

    `duplicate_probability` (0 to 1) of the events are delivered once more, either at the same
    time or once the first attempt has ended; `seed` makes the choice repeatable.

    `time_scale` says how many of the platform's seconds pass in a real one: it shortens delays,
    the maximum age and the periods of timers, but neither a function's timeout nor a crontab.
    """

    duplicate_probability: float = 0.0
    seed: int | None = None
    max_retries: int = 10
    max_age_seconds: float = 6 * 3600
    retry_delays: RetryDelays = doubling
    time_scale: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.duplicate_probability <= 1:
            raise ValueError("duplicate_probability must lie between 0 and 1.")
        if self.max_retries < 0:
            raise ValueError("max_retries must be 0 or more.")
        if self.time_scale <= 0:
            raise ValueError("time_scale must be above 0; 60 makes a minute pass in a second.")
        if not callable(self.retry_delays) and not self.retry_delays:
            raise ValueError("retry_delays must hold at least one number of seconds.")

    def delay(self, retry: int) -> float:
        """Return the real seconds to wait before the `retry`-th retry, counted from 1."""
        if callable(self.retry_delays):
            seconds = self.retry_delays(retry)
        else:
            seconds = self.retry_delays[min(retry, len(self.retry_delays)) - 1]
        return seconds / self.time_scale

    @property
    def age_limit(self) -> float:
        """How many real seconds an event is kept."""
        return self.max_age_seconds / self.time_scale


@dataclass(frozen=True)
class Delivery:
    """One queued event on its way to one function; moments are seconds since the epoch.

    `attempt` is the one in flight, or else the next: 1 is the first, 2 the first retry.
    """

    id: str
    function_id: str
    event: dict[str, Any]
    attempt: int
    enqueued_at: float
    due_at: float
    last_error: str | None
    dropped_because: str | None
    copy_of: str | None

    def new_request_id(self) -> str:
        """Return an id for one attempt at this delivery: the log's lines tell whose they are."""
        return self.id + secrets.token_hex(4)


def delivery_of(request_id: str) -> str:
    """Return the id of the delivery that a request belongs to, if it belongs to one."""
    return request_id[:_ID_DIGITS]


def new_delivery_id() -> str:
    """Return an id for a new delivery."""
    return secrets.token_hex(_ID_DIGITS // 2)


@dataclass(frozen=True)
class QueueSnapshot:
    """What the queue holds at one moment.

    `waiting` are due, `delayed` come later (a retry at its `due_at`; a copy held until the
    original's first attempt ends). `dropped` is what the real platform loses without a trace.
    """

    waiting: tuple[Delivery, ...]
    in_flight: tuple[Delivery, ...]
    delayed: tuple[Delivery, ...]
    done: int
    dropped: tuple[Delivery, ...]
