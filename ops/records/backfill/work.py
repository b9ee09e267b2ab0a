"""Go through a plan: several uploads at once, each taken as far as it goes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ops.records.backfill.memory import Memory
from ops.records.backfill.plan import Plan, Planned
from ops.ui.interruption import Interrupt
from ops.ui.pool import side_by_side
from ops.ui.progress import Meter, span
from ops.ui.tally import Tally
from shared.clock import Clock
from shared.results import Result
from shared.uploads.events import Upload

_UNFINISHED = ("incomplete", "deferred", "in_doubt")
_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Pool:
    """How many at once, how long each may take, and the pauses before what is left comes again.

    Times are in seconds.
    """

    concurrency: int
    longest: float
    pauses: tuple[float, ...]


class Run:
    """Goes through a plan once.

    `repaint` takes one upload to its end, as `Pipeline.handle` does, in a thread of its own;
    `on_result` is told each result in this thread, one that was left unfinished each time.
    """

    def __init__(
        self,
        *,
        bucket: str,
        plan: Plan,
        memory: Memory,
        repaint: Callable[[Upload], list[Result]],
        clock: Clock,
        pool: Pool,
        on_result: Callable[[Result], None],
    ) -> None:
        self._bucket = bucket
        self._plan = plan
        self._memory = memory
        self._repaint = repaint
        self._clock = clock
        self._pool = pool
        self._on_result = on_result
        self.tally = Tally()

    def go(self, meter: Meter) -> Tally:
        """Repaint everything; what stays unfinished is tried again after each pause."""
        with Interrupt() as interrupt:
            self._go_through(self._plan.objects(), interrupt, meter)
            for pause in self._pool.pauses:
                left = self._plan.unfinished()
                if self.tally.stopped or not left:
                    break
                self._pause(pause, left, interrupt, meter)
                self._go_through(self._plan.objects(only_unfinished=True), interrupt, meter)
        return self.tally

    def _go_through(self, objects: Iterator[Planned], interrupt: Interrupt, meter: Meter) -> None:
        def repaint(planned: Planned) -> list[Result]:
            upload = Upload(self._bucket, planned.key, etag=planned.etag or None, size=planned.size)
            return self._repaint(upload)

        def goes_on(running: int) -> bool:
            meter.tell(self.tally.begun - self.tally.waiting, self.tally.counts["generated"])
            self.tally.look(interrupt, running, self._pool.longest, meter)
            return not self.tally.stopped

        at_once = self._pool.concurrency
        for planned, results in side_by_side(repaint, objects, at_once, goes_on=goes_on):
            self._take(planned, results)

    def _take(self, planned: Planned, results: list[Result]) -> None:
        tally, before = self.tally, planned.left
        tally.begun += not before
        tally.waiting += any(r.status in _UNFINISHED for r in results) - bool(before)
        tally.counts.subtract(status for status in before.values() if status)
        left = {}
        for result in results:
            record = result.record or ""
            left[record] = ""
            # What ended in an earlier try is a duplicate by now, and was counted then.
            if before.get(record) == "":
                continue
            tally.count(result.status, planned.key, result.reason)
            if result.status == "skipped":
                self._memory.add((planned.id, planned.last_modified))
            self._on_result(result)
            # What waits for time or its turn can go on at once; the rest has its own time.
            if result.status == "incomplete" or result.cause in ("time", "pace"):
                left[record] = result.status
        self._plan.leave(planned, left if any(left.values()) else {})
        tally.stop_if_useless(results, was_parked=planned.pending)

    def _pause(self, seconds: float, left: int, interrupt: Interrupt, meter: Meter) -> None:
        meter.say(
            f"{left} unfinished, worked on elsewhere or without an answer: trying again in "
            f"{span(seconds)}."
        )
        until = self._clock.now() + seconds
        while self._clock.now() < until and not interrupt.came:
            self._clock.sleep(_LOOK_SECONDS)
