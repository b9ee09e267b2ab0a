"""The platform's event queue: durable, at least once, at most 10 retries and 6 hours.

    enqueue ──> waiting ──claim──> in_flight ──finish──> done
                   ^                  │
                   └──fail, delayed───┴──fail, retries used up──> dropped
                   └──claim, too old────────────────────────────> dropped

A copy (the same event delivered twice) is an entry of its own: it waits from the start, or is held
until the original's first attempt has ended.
"""

import json
import random
import secrets
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from local.database import Database
from shared.clock import Clock

RetryDelays = Sequence[float] | Callable[[int], float]

_ID_DIGITS = 16
_SCHEMA = """
CREATE TABLE IF NOT EXISTS delivery (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    function_id TEXT NOT NULL,
    event TEXT NOT NULL,
    state TEXT NOT NULL,
    errors INTEGER NOT NULL DEFAULT 0,
    enqueued_at REAL NOT NULL,
    due_at REAL NOT NULL,
    last_error TEXT,
    dropped_because TEXT,
    copy_of TEXT
);
CREATE INDEX IF NOT EXISTS delivery_by_state ON delivery (state, function_id, due_at);
"""


def doubling(retry: int) -> float:
    """Return 1, 2, 4 … seconds before the 1st, 2nd, 3rd … retry, and never more than 60."""
    return float(min(60, 2 ** min(retry - 1, 6)))


@dataclass(frozen=True)
class DeliverySettings:
    """The rules of delivery; the defaults are the platform's if those are documented.

    The platform retries at most `max_retries` times after the first attempt, and keeps an event
    for `max_age_seconds`. The spacing of its retries is not documented: `retry_delays` is a list
    of seconds, whose last one repeats, or a function of the retry's number (from 1).

    A share of `duplicate_probability` (0 to 1) of the events is delivered once more, either at the
    same time or after the first attempt; `seed` makes the choice repeatable.

    `time_scale` is the number of the platform's seconds in a real one: it shortens delays, the
    maximum age and the periods of timers, but neither a function's timeout nor a crontab.
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
        """The real seconds for which an event is kept."""
        return self.max_age_seconds / self.time_scale


@dataclass(frozen=True)
class QueuedEvent:
    """An event on its way to one function; moments are seconds since the epoch.

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
        """Return an id for one attempt; `queued_event_id` finds this event by it."""
        return self.id + secrets.token_hex(4)


def queued_event_id(request_id: str) -> str:
    """Return the id of the queued event that a request belongs to, if it belongs to one."""
    return request_id[:_ID_DIGITS]


@dataclass(frozen=True)
class QueueSnapshot:
    """The queue's content at one moment.

    `waiting` are due, `delayed` come later (a retry at its `due_at`; a copy held until the
    original's first attempt ends). `dropped` are those that the real platform loses without a
    trace.
    """

    waiting: tuple[QueuedEvent, ...]
    in_flight: tuple[QueuedEvent, ...]
    delayed: tuple[QueuedEvent, ...]
    done: int
    dropped: tuple[QueuedEvent, ...]


class EventQueue(Database):
    """A queue in one SQLite file, owned by one process.

    Raises RuntimeError if another process has the file open.
    """

    def __init__(self, path: Path, settings: DeliverySettings, clock: Clock) -> None:
        self.settings = settings
        self._clock = clock
        self._random = random.Random(settings.seed)  # noqa: S311 - chance, not a secret
        try:
            # Two local clouds on one file would each take the other's events for interrupted.
            super().__init__(path, _SCHEMA, exclusive=True)
            with self.transaction() as connection:
                # Their owner died, or stopped, before it knew how they ended: at least once means
                # again. It is not the function's fault, so the interrupted attempt does not count.
                connection.execute("UPDATE delivery SET state='waiting' WHERE state='in_flight'")
        except sqlite3.OperationalError as error:
            raise RuntimeError(
                f"The event queue {path} cannot be opened ({error}): "
                "stop the other local cloud that runs on this folder, or choose another folder."
            ) from error

    def duplicate(self, probability: float) -> None:
        """Deliver that share (0 to 1) of the events to come twice. Raises ValueError."""
        self.settings = replace(self.settings, duplicate_probability=probability)

    def enqueue(self, function_id: str, event: Mapping[str, Any]) -> str:
        """Store an event and return its id in the queue; it is committed by then."""
        event_id = _new_id()
        text = json.dumps(event, ensure_ascii=False)
        now = self._clock.now()
        with self.transaction() as connection:
            rows: list[tuple[str, str, str | None]] = [(event_id, "waiting", None)]
            if self._random.random() < self.settings.duplicate_probability:
                # In the same transaction: a process that dies here leaves both or neither.
                state = self._random.choice(["waiting", "held"])
                rows.append((_new_id(), state, event_id))
            connection.executemany(
                "INSERT INTO delivery (id, state, copy_of, function_id, event, enqueued_at, due_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(*row, function_id, text, now, now) for row in rows],
            )
        return event_id

    def claim(self, function_id: str) -> QueuedEvent | None:
        """Take the function's next due event into flight; drop those that are too old."""
        now = self._clock.now()
        limit = self.settings.age_limit
        with self.transaction() as connection:
            connection.execute(
                "UPDATE delivery SET state = 'dropped', dropped_because = ?"
                " WHERE state = 'waiting' AND function_id = ? AND enqueued_at < ?",
                (f"older than {limit:g} seconds", function_id, now - limit),
            )
            row = connection.execute(
                "SELECT * FROM delivery WHERE state = 'waiting' AND function_id = ?"
                " AND due_at <= ? ORDER BY due_at, sequence LIMIT 1",
                (function_id, now),
            ).fetchone()
            if row is None:
                return None
            # If the process dies from here on, the next start finds it in flight and waiting again.
            connection.execute("UPDATE delivery SET state = 'in_flight' WHERE id = ?", (row["id"],))
        return _queued(row)

    def finish(self, event: QueuedEvent) -> None:
        """Record that the function succeeded.

        If the process dies between that success and this write, the event is delivered again.
        """
        with self.transaction() as connection:
            connection.execute("UPDATE delivery SET state = 'done' WHERE id = ?", (event.id,))
            self._release_copy(connection, event)

    def fail(self, event: QueuedEvent, error: str) -> None:
        """Record that the attempt was an error: delay its retry, or drop the event for good."""
        retry = event.attempt
        dropped = retry > self.settings.max_retries
        due_at = event.due_at if dropped else self._clock.now() + self.settings.delay(retry)
        with self.transaction() as connection:
            # The count and the new state in one write: no interleaving gives a free attempt.
            connection.execute(
                "UPDATE delivery SET errors = errors + 1, last_error = ?, state = ?, due_at = ?,"
                " dropped_because = ? WHERE id = ?",
                (
                    error,
                    "dropped" if dropped else "waiting",
                    due_at,
                    f"{self.settings.max_retries} retries used up" if dropped else None,
                    event.id,
                ),
            )
            self._release_copy(connection, event)

    def abandon(self, function_id: str, reason: str) -> None:
        """Drop the events of a function that no longer exists."""
        with self.transaction() as connection:
            connection.execute(
                "UPDATE delivery SET state = 'dropped', dropped_because = ?"
                " WHERE function_id = ? AND state IN ('waiting', 'held')",
                (reason, function_id),
            )

    def next_due(self) -> float | None:
        """Return when the next delayed event comes due, or None if none is delayed."""
        with self.reading() as connection:
            moment: float | None = connection.execute(
                "SELECT MIN(due_at) FROM delivery WHERE state = 'waiting' AND due_at > ?",
                (self._clock.now(),),
            ).fetchone()[0]
        return moment

    def idle(self) -> bool:
        """Return whether every event so far is done or dropped."""
        with self.reading() as connection:
            row = connection.execute(
                "SELECT 1 FROM delivery WHERE state IN ('waiting', 'in_flight', 'held') LIMIT 1"
            ).fetchone()
        return row is None

    def snapshot(self) -> QueueSnapshot:
        """Return the queue's content now, oldest first."""
        now = self._clock.now()
        with self.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM delivery WHERE state != 'done' ORDER BY sequence"
            ).fetchall()
            query = "SELECT COUNT(*) FROM delivery WHERE state = 'done'"
            done: int = connection.execute(query).fetchone()[0]
        found: dict[str, list[QueuedEvent]] = defaultdict(list)
        for row in rows:
            later = row["state"] == "held" or (row["state"] == "waiting" and row["due_at"] > now)
            found["delayed" if later else row["state"]].append(_queued(row))
        return QueueSnapshot(
            waiting=tuple(found["waiting"]),
            in_flight=tuple(found["in_flight"]),
            delayed=tuple(found["delayed"]),
            done=done,
            dropped=tuple(found["dropped"]),
        )

    def changes(self) -> int:
        """Return a number that grows with every change."""
        with self.reading() as connection:
            return connection.total_changes

    def newest(self, limit: int) -> list[tuple[str, QueuedEvent]]:
        """Return the `limit` newest events, oldest first, each behind its state.

        A state is `waiting`, `held`, `in_flight`, `done` or `dropped`.
        """
        with self.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM delivery ORDER BY sequence DESC LIMIT ?", (limit,)
            ).fetchall()
        return [(row["state"], _queued(row)) for row in reversed(rows)]

    def _release_copy(self, connection: sqlite3.Connection, event: QueuedEvent) -> None:
        # In the transaction that ends the original's attempt: dying between the two would hold
        # the copy for ever.
        connection.execute(
            "UPDATE delivery SET state = 'waiting', due_at = ?"
            " WHERE copy_of = ? AND state = 'held'",
            (self._clock.now(), event.id),
        )


def _new_id() -> str:
    return secrets.token_hex(_ID_DIGITS // 2)


def _queued(row: sqlite3.Row) -> QueuedEvent:
    return QueuedEvent(
        id=row["id"],
        function_id=row["function_id"],
        event=json.loads(row["event"]),
        # A dropped one has no next attempt: its last is shown.
        attempt=max(1, row["errors"] + (row["state"] != "dropped")),
        enqueued_at=row["enqueued_at"],
        due_at=row["due_at"],
        last_error=row["last_error"],
        dropped_because=row["dropped_because"],
        copy_of=row["copy_of"],
    )
