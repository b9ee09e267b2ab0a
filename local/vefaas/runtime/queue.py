"""The platform's event queue: durable, at least once, at most 10 retries and 6 hours.

    enqueue ──> waiting ──claim──> in_flight ──finish──> done
                   ^                  │
                   └──fail, delayed───┴──fail, retries used up──> dropped
                   └──claim, too old────────────────────────────> dropped

A copy (the same event delivered twice) is a delivery of its own: it waits from the start, or is
held until the original's first attempt has ended.
"""

import json
import random
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from local.vefaas.runtime.delivery import Delivery, DeliverySettings, QueueSnapshot, new_delivery_id
from shared.clock import Clock

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


class EventQueue:
    """A queue in one SQLite file; safe to use from several threads, owned by one process.

    Raises RuntimeError where another process has the file open.
    """

    def __init__(self, path: Path, settings: DeliverySettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._random = random.Random(settings.seed)  # noqa: S311 - chance, not a secret
        self._lock = threading.Lock()
        self._database = sqlite3.connect(
            path, timeout=1, isolation_level=None, check_same_thread=False
        )
        self._database.row_factory = sqlite3.Row
        try:
            # Two local clouds on one file would each take the other's deliveries for interrupted.
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript(_SCHEMA)
            # Whoever owned these died, or stopped, before it knew how they ended: at least once
            # means again. Not the function's fault, so the interrupted attempt does not count.
            self._database.execute(
                "UPDATE delivery SET state = 'waiting' WHERE state = 'in_flight'"
            )
        except sqlite3.OperationalError as error:
            self._database.close()
            raise RuntimeError(
                f"The event queue {path} cannot be opened ({error}): "
                "stop the other local cloud that runs on this folder, or choose another folder."
            ) from error

    @property
    def settings(self) -> DeliverySettings:
        """The rules of delivery in place."""
        return self._settings

    def duplicate(self, probability: float) -> None:
        """Deliver that share (0 to 1) of the events to come twice. Raises ValueError."""
        self._settings = replace(self._settings, duplicate_probability=probability)

    def enqueue(self, function_id: str, event: Mapping[str, Any]) -> str:
        """Store an event and return its delivery's id; it is committed by then."""
        delivery_id = new_delivery_id()
        text = json.dumps(event, ensure_ascii=False)
        now = self._clock.now()
        with self._transaction() as database:
            rows: list[tuple[str, str, str | None]] = [(delivery_id, "waiting", None)]
            if self._random.random() < self._settings.duplicate_probability:
                # In the same transaction: a process that dies here leaves both or neither.
                state = self._random.choice(["waiting", "held"])
                rows.append((new_delivery_id(), state, delivery_id))
            database.executemany(
                "INSERT INTO delivery (id, state, copy_of, function_id, event, enqueued_at, due_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(*row, function_id, text, now, now) for row in rows],
            )
        return delivery_id

    def claim(self, function_id: str) -> Delivery | None:
        """Take the function's next due delivery into flight; drop those that are too old."""
        now = self._clock.now()
        limit = self._settings.age_limit
        with self._transaction() as database:
            database.execute(
                "UPDATE delivery SET state = 'dropped', dropped_because = ?"
                " WHERE state = 'waiting' AND function_id = ? AND enqueued_at < ?",
                (f"older than {limit:g} seconds", function_id, now - limit),
            )
            row = database.execute(
                "SELECT * FROM delivery WHERE state = 'waiting' AND function_id = ?"
                " AND due_at <= ? ORDER BY due_at, sequence LIMIT 1",
                (function_id, now),
            ).fetchone()
            if row is None:
                return None
            # If the process dies from here on, the next start finds it in flight and waiting again.
            database.execute("UPDATE delivery SET state = 'in_flight' WHERE id = ?", (row["id"],))
        return _delivery(row)

    def finish(self, delivery: Delivery) -> None:
        """Record that the function succeeded.

        If the process dies between that success and this write, the event is delivered again.
        """
        with self._transaction() as database:
            database.execute("UPDATE delivery SET state = 'done' WHERE id = ?", (delivery.id,))
            self._release_copy(database, delivery)

    def fail(self, delivery: Delivery, error: str) -> None:
        """Record that the attempt was an error: delay its retry, or drop it for good."""
        retry = delivery.attempt
        dropped = retry > self._settings.max_retries
        due_at = delivery.due_at if dropped else self._clock.now() + self._settings.delay(retry)
        with self._transaction() as database:
            # The count and the new state in one write: no interleaving gives a free attempt.
            database.execute(
                "UPDATE delivery SET errors = errors + 1, last_error = ?, state = ?, due_at = ?,"
                " dropped_because = ? WHERE id = ?",
                (
                    error,
                    "dropped" if dropped else "waiting",
                    due_at,
                    f"{self._settings.max_retries} retries used up" if dropped else None,
                    delivery.id,
                ),
            )
            self._release_copy(database, delivery)

    def abandon(self, function_id: str, why: str) -> None:
        """Drop what waits for a function that is there no more."""
        with self._transaction() as database:
            database.execute(
                "UPDATE delivery SET state = 'dropped', dropped_because = ?"
                " WHERE function_id = ? AND state IN ('waiting', 'held')",
                (why, function_id),
            )

    def next_due(self) -> float | None:
        """Return when the next delayed delivery comes due, or None where none is delayed."""
        with self._transaction() as database:
            moment: float | None = database.execute(
                "SELECT MIN(due_at) FROM delivery WHERE state = 'waiting' AND due_at > ?",
                (self._clock.now(),),
            ).fetchone()[0]
        return moment

    def idle(self) -> bool:
        """Say whether every event so far is done or dropped."""
        with self._transaction() as database:
            row = database.execute(
                "SELECT 1 FROM delivery WHERE state IN ('waiting', 'in_flight', 'held') LIMIT 1"
            ).fetchone()
        return row is None

    def snapshot(self) -> QueueSnapshot:
        """Return what the queue holds now, oldest first."""
        now = self._clock.now()
        with self._transaction() as database:
            rows = database.execute(
                "SELECT * FROM delivery WHERE state != 'done' ORDER BY sequence"
            ).fetchall()
            done = database.execute("SELECT COUNT(*) FROM delivery WHERE state = 'done'").fetchone()
        found: dict[str, list[Delivery]] = defaultdict(list)
        for row in rows:
            later = row["state"] == "held" or (row["state"] == "waiting" and row["due_at"] > now)
            found["delayed" if later else row["state"]].append(_delivery(row))
        return QueueSnapshot(
            waiting=tuple(found["waiting"]),
            in_flight=tuple(found["in_flight"]),
            delayed=tuple(found["delayed"]),
            done=done[0],
            dropped=tuple(found["dropped"]),
        )

    def changes(self) -> int:
        """Return a number that grows with every change."""
        with self._lock:
            return self._database.total_changes

    def newest(self, limit: int) -> list[tuple[str, Delivery]]:
        """Return the `limit` newest deliveries, oldest first, each behind its state.

        That is `waiting`, `held`, `in_flight`, `done` or `dropped`.
        """
        with self._transaction() as database:
            rows = database.execute(
                "SELECT * FROM delivery ORDER BY sequence DESC LIMIT ?", (limit,)
            ).fetchall()
        return [(row["state"], _delivery(row)) for row in reversed(rows)]

    def close(self) -> None:
        """Close the file; what is in flight is delivered again by the next that opens it."""
        with self._lock:
            self._database.close()

    def _release_copy(self, database: sqlite3.Connection, delivery: Delivery) -> None:
        # In the transaction that ends the original's attempt: dying between the two would hold
        # the copy for ever.
        database.execute(
            "UPDATE delivery SET state = 'waiting', due_at = ?"
            " WHERE copy_of = ? AND state = 'held'",
            (self._clock.now(), delivery.id),
        )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")


def _delivery(row: sqlite3.Row) -> Delivery:
    return Delivery(
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
