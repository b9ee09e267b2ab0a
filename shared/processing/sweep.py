"""The sweep: finish what was parked, for which no delivery will come any more."""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from shared.clients.rate_limit import RateLimiter
from shared.clock import Clock
from shared.delivery import Delivery
from shared.errors import RepaintError
from shared.ledger import Cause, Record
from shared.ledger.daily_cap import billing_day
from shared.logs import Log
from shared.processing.claims import LeasePolicy
from shared.processing.pipeline import Pipeline
from shared.results import Result

if TYPE_CHECKING:
    from shared.webhook import WebhookOutbox

Item = TypeVar("Item")
Answer = TypeVar("Answer")

AT_ONCE = 32
# The part of its time that a tick may spend on reading what is pending.
READING_SHARE = 0.25
_PAGE = 256


@dataclass(frozen=True, slots=True, order=True)
class _Due:
    """A pending record, as much of it as the order of processing needs."""

    due_at: float
    record_id: str
    cause: Cause | None
    ready: bool
    pays: bool


class Sweep:
    """Goes through what is pending and due; one tick is one call of `run`."""

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        policy: LeasePolicy,
        limiter: RateLimiter,
        webhook: "WebhookOutbox | None",
        clock: Clock,
        rng: random.Random,
        daily_cap: int | None,
    ) -> None:
        self._pipeline = pipeline
        self._policy = policy
        self._limiter = limiter
        self._webhook = webhook
        self._clock = clock
        self._rng = rng
        self._daily_cap = daily_cap

    def run(self, delivery: Delivery) -> dict[str, int]:
        """Finish what is due, and send due webhook events beside it; return counts of the results.

        Beside it, so that neither waits for the other: a dead endpoint holds no upload up, and a
        day's work of uploads no event.
        """
        if self._webhook is None:
            return self._finish_due(delivery)
        with ThreadPoolExecutor(1) as beside:
            sent = beside.submit(self._webhook.send_due, delivery)
            counts = self._finish_due(delivery)
            sent.result()
        return counts

    def _finish_due(self, delivery: Delivery) -> dict[str, int]:
        """Take every due record as far as it goes in time; count the results.

        Finished records are not read. Records that wait for the same thing go together: after a
        configuration error one upload a tick goes first, and the rest once it passes; for the
        daily cap as many as there is room for.
        """
        found, counts = self._read(delivery)
        ready = [due for due in found if due.ready]
        queue = [due for due in ready if due.cause not in (Cause.CONFIGURATION, Cause.CAP)]
        queue += self._within_cap([due for due in ready if due.cause is Cause.CAP], delivery)

        def resume(due: _Due) -> Result | None:
            next_call = self._clock.now() + self._limiter.wait_seconds()
            if due.pays and next_call > self._policy.latest_call(delivery.deadline):
                # Left as it is: to claim it only to park it again would cost two writes.
                return None
            early = due.cause is Cause.CONFIGURATION
            return self._pipeline.resume(due.record_id, delivery, early=early)

        held = sorted(due for due in found if due.cause is Cause.CONFIGURATION)
        canary = next((due for due in held if due.ready), None)
        if canary is not None:
            # Another one each time, so that one that is wrong for good does not hold the others.
            result = resume(canary)
            counts[result.status if result else "left"] += 1
            if result is not None and result.status in ("generated", "rejected"):
                queue += [due for due in held if due is not canary]
        for result in _side_by_side(resume, sorted(queue)):
            counts[result.status if result else "left"] += 1
        delivery.log.info("sweep.finished", **counts)
        return dict(counts)

    def _read(self, delivery: Delivery) -> tuple[list[_Due], Counter[str]]:
        """Read what is pending, for as long as the tick has time for that.

        It begins at another place each time: a record that is left as it is would otherwise stand
        before the rest for ever, if there is more than one tick can read.
        """
        now = self._clock.now()
        until = now + (delivery.deadline - now) * READING_SHARE
        ids = list(delivery.ledger.pending_ids())
        start = self._rng.randrange(len(ids)) if len(ids) > _PAGE else 0
        counts: Counter[str] = Counter(pending=len(ids))

        def read(record_id: str) -> _Due | str:
            if self._clock.now() > until:
                return "unread"
            try:
                entry = delivery.ledger.pending(record_id)
            except RepaintError as error:
                _log_unreadable(delivery.log, record_id, error)
                return "unreadable"
            return _due(entry.record, now) if entry else "ended"

        found = []
        for due in _side_by_side(read, ids[start:] + ids[:start]):
            if isinstance(due, _Due):
                found.append(due)
            else:
                counts[due] += 1
        return found, counts

    def _within_cap(self, capped: list[_Due], delivery: Delivery) -> list[_Due]:
        """Return as many of the records that wait for the daily cap as there is room for."""
        if not capped or self._daily_cap is None:
            return capped
        try:
            reserved = delivery.ledger.reserved(billing_day(self._clock.now()))
        except RepaintError as error:
            _log_unreadable(delivery.log, None, error)
            return []
        return sorted(capped)[: max(0, self._daily_cap - reserved)]


def _log_unreadable(log: Log, record_id: str | None, error: Exception) -> None:
    log.error("record.unreadable", record=record_id, reason=str(error))


def _due(record: Record, now: float) -> _Due:
    return _Due(
        record.due_at,
        record.id,
        record.park.cause if record.park else None,
        ready=record.due_at <= now,
        pays=not record.outcome_is_unknown,
    )


def _side_by_side(do: Callable[[Item], Answer], items: Iterable[Item]) -> Iterable[Answer]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(do, items)
