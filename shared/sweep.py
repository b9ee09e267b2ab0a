"""Finish what was parked: what no delivery will come for any more."""

from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from shared.attempts import billing_day
from shared.clock import Clock
from shared.config import Settings
from shared.errors import NoAnswer, RecordUnreadable, TosError
from shared.ledger import Cause, Ledger, Record
from shared.logs import Log
from shared.pipeline import Pipeline
from shared.results import Result
from shared.turns import Turns

Item = TypeVar("Item")
Answer = TypeVar("Answer")

AT_ONCE = 32
# How much of its time a tick may spend on reading what is pending.
READING_SHARE = 0.25
_PAGE = 256


@dataclass(frozen=True, slots=True, order=True)
class _Due:
    """A pending record, as much of it as the order of work needs."""

    due_at: float
    record_id: str
    cause: Cause
    parks: int
    ready: bool


class Sweep:
    """Goes through what is pending and due; one tick is one call of `run`."""

    def __init__(
        self, *, settings: Settings, pipeline: Pipeline, turns: Turns, clock: Clock
    ) -> None:
        self._settings = settings
        self._pipeline = pipeline
        self._turns = turns
        self._clock = clock

    def run(self, ledger: Ledger, *, deadline: float, log: Log) -> dict[str, int]:
        """Take every due record as far as it goes before `deadline`; count how they ended.

        Records are read from the one that was written longest ago, so that a tick that runs out
        of time leaves off where the next one begins. Finished records are not read. What waits
        for the same thing goes together: after a configuration error one upload goes first, and
        the rest once it passes; for the daily cap as many as there is room for.
        """
        found = self._read(ledger, deadline)
        now = self._clock.now()
        counts: Counter[str] = Counter(pending=len(found))

        def resume(due: _Due) -> Result | None:
            if not self._turns.has_next(deadline):
                # Left as it is: to claim it only to park it again would cost two writes.
                return None
            return self._pipeline.resume(ledger, due.record_id, deadline=deadline, log=log)

        ready = sorted(due for due in found if due.ready)
        held = [due for due in found if due.cause == "configuration"]
        queue = [due for due in ready if due.cause not in ("configuration", "cap")]
        queue += self._within_cap(ledger, [due for due in ready if due.cause == "cap"], now)
        # All of them wait as long as the one that was tried last does.
        if held and all(due.ready for due in held):
            canary = max(held, key=lambda due: due.parks)
            result = resume(canary)
            counts[result.status if result else "left"] += 1
            if result is not None and result.cause != "configuration":
                queue += [due for due in held if due is not canary]
        for result in _side_by_side(resume, sorted(queue)):
            counts[result.status if result else "left"] += 1
        log.info("sweep.finished", **counts)
        return dict(counts)

    def _read(self, ledger: Ledger, deadline: float) -> list[_Due]:
        """Read what is pending, for as long as the tick has time for that."""
        until = self._clock.now() + (deadline - self._clock.now()) * READING_SHARE
        now = self._clock.now()

        def read(record_id: str) -> _Due | None:
            try:
                entry = ledger.pending(record_id)
            except (TosError, NoAnswer, RecordUnreadable):
                return None  # the next tick meets it again
            return _due(entry.record, now) if entry else None

        ids, found = ledger.pending_ids(), list[_Due]()
        while page := list(islice(ids, _PAGE)):
            found += [due for due in _side_by_side(read, page) if due is not None]
            if self._clock.now() > until:
                break
        return found

    def _within_cap(self, ledger: Ledger, capped: list[_Due], now: float) -> list[_Due]:
        if not capped or self._settings.daily_cap is None:
            return capped
        room = self._settings.daily_cap - ledger.spent(billing_day(now))
        return capped[: max(0, room)]


def _due(record: Record, now: float) -> _Due:
    due_at = record.due_at if record.parked else record.lease_until
    return _Due(due_at, record.id, record.cause, record.parks, ready=due_at <= now)


def _side_by_side(do: Callable[[Item], Answer], items: Iterable[Item]) -> Iterable[Answer]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(do, items)
