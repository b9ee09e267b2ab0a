"""Finish what was parked: what no delivery will come for any more."""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from shared.clock import Clock
from shared.errors import RepaintError
from shared.ledger import Cause, Ledger, Record
from shared.logs import Log
from shared.processing.attempts import billing_day
from shared.processing.pipeline import Pipeline
from shared.processing.turns import Turns
from shared.results import Result
from shared.settings import Settings
from shared.webhook import Notices

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
    ready: bool
    pays: bool


class Sweep:
    """Goes through what is pending and due; one tick is one call of `run`."""

    def __init__(
        self,
        *,
        settings: Settings,
        pipeline: Pipeline,
        turns: Turns,
        notices: Notices,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._settings = settings
        self._pipeline = pipeline
        self._turns = turns
        self._notices = notices
        self._clock = clock
        self._rng = rng

    def run(self, ledger: Ledger, *, deadline: float, log: Log) -> dict[str, int]:
        """Finish what is due, and beside it send the notices that are; count how records ended.

        Beside it, so that neither waits for the other: a receiver that is dead holds no upload up,
        and a day's work of uploads no notice.
        """
        with ThreadPoolExecutor(1) as beside:
            told = beside.submit(self._notices.deliver_due, ledger, deadline=deadline, log=log)
            counts = self._finish_due(ledger, deadline, log)
            told.result()
        return counts

    def _finish_due(self, ledger: Ledger, deadline: float, log: Log) -> dict[str, int]:
        """Take every due record as far as it goes before `deadline`; count how they ended.

        Finished records are not read. What waits for the same thing goes together: after a
        configuration error one upload a tick goes first, and the rest once it passes; for the
        daily cap as many as there is room for.
        """
        found, counts = self._read(ledger, deadline, log)
        ready = [due for due in found if due.ready]
        queue = [due for due in ready if due.cause not in ("configuration", "cap")]
        queue += self._within_cap(ledger, [due for due in ready if due.cause == "cap"], log)

        def resume(due: _Due) -> Result | None:
            if due.pays and not self._turns.has_next(deadline):
                # Left as it is: to claim it only to park it again would cost two writes.
                return None
            early = due.cause == "configuration"
            return self._pipeline.resume(
                ledger, due.record_id, deadline=deadline, log=log, early=early
            )

        held = sorted(due for due in found if due.cause == "configuration")
        canary = next((due for due in held if due.ready), None)
        if canary is not None:
            # Another one each time, so that one that is wrong for good does not hold the others.
            result = resume(canary)
            counts[result.status if result else "left"] += 1
            if result is not None and result.status in ("generated", "rejected"):
                queue += [due for due in held if due is not canary]
        for result in _side_by_side(resume, sorted(queue)):
            counts[result.status if result else "left"] += 1
        log.info("sweep.finished", **counts)
        return dict(counts)

    def _read(self, ledger: Ledger, deadline: float, log: Log) -> tuple[list[_Due], Counter[str]]:
        """Read what is pending, for as long as the tick has time for that.

        It begins at another place each time: what is left as it is would otherwise stand before
        the rest for ever, where there is more than one tick can read.
        """
        now = self._clock.now()
        until = now + (deadline - now) * READING_SHARE
        ids = list(ledger.pending_ids())
        start = self._rng.randrange(len(ids)) if len(ids) > _PAGE else 0
        counts: Counter[str] = Counter(pending=len(ids))

        def read(record_id: str) -> _Due | str:
            if self._clock.now() > until:
                return "unread"
            try:
                entry = ledger.pending(record_id)
            except RepaintError as error:
                _tell_unreadable(log, record_id, error)
                return "unreadable"
            return _due(entry.record, now) if entry else "ended"

        found = []
        for due in _side_by_side(read, ids[start:] + ids[:start]):
            if isinstance(due, _Due):
                found.append(due)
            else:
                counts[due] += 1
        return found, counts

    def _within_cap(self, ledger: Ledger, capped: list[_Due], log: Log) -> list[_Due]:
        if not capped or self._settings.daily_cap is None:
            return capped
        try:
            spent = ledger.spent(billing_day(self._clock.now()))
        except RepaintError as error:
            _tell_unreadable(log, None, error)
            return []
        return sorted(capped)[: max(0, self._settings.daily_cap - spent)]


def _tell_unreadable(log: Log, record_id: str | None, error: Exception) -> None:
    log.error("record.unreadable", record=record_id, reason=str(error))


def _due(record: Record, now: float) -> _Due:
    due_at = record.due_at if record.parked else record.lease_until
    return _Due(
        due_at, record.id, record.cause, ready=due_at <= now, pays=not record.may_have_been_paid
    )


def _side_by_side(do: Callable[[Item], Answer], items: Iterable[Item]) -> Iterable[Answer]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(do, items)
