"""Go through a plan: several uploads at once, each taken as far as it goes."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from ops.backfill.interrupt import Interrupt
from ops.backfill.memory import Memory
from ops.backfill.plan import Plan, Planned
from ops.backfill.progress import Meter, span
from shared.clock import Clock
from shared.events import Upload
from shared.results import Result

_UNFINISHED = ("incomplete", "deferred", "in_doubt")
_EXAMPLES = 3
_LOOK_SECONDS = 0.2
# After so many in a row that could not be worked on, none can. More than a run that was killed
# leaves leased, which is one for each of its threads.
_PATIENCE = 300


@dataclass(slots=True)
class Tally:
    """What came of a run: how many ended how, with a few reasons of each.

    An object has one result, or one for each of its variants: `counts` are of these, `begun` is
    of objects, and so is `waiting`: those with something left for the sweep or another run.
    `stopped` says why nothing more was begun, empty where the plan was gone through.
    """

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    begun: int = 0
    waiting: int = 0
    stopped: str = ""
    interrupted: bool = False


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
        self._failed_in_a_row = 0
        self.tally = Tally()

    def go(self, meter: Meter) -> Tally:
        """Repaint everything; what stays unfinished is tried again after each pause."""
        with (
            Interrupt() as interrupt,
            ThreadPoolExecutor(self._pool.concurrency) as threads,
        ):
            self._go_through(self._plan.objects(), threads, interrupt, meter)
            for pause in self._pool.pauses:
                left = self._plan.unfinished()
                if self.tally.stopped or not left:
                    break
                self._pause(pause, left, interrupt, meter)
                again = self._plan.objects(only_unfinished=True)
                self._go_through(again, threads, interrupt, meter)
        return self.tally

    def _go_through(
        self,
        objects: Iterator[Planned],
        threads: ThreadPoolExecutor,
        interrupt: Interrupt,
        meter: Meter,
    ) -> None:
        """Work on as many at once as there are threads; never more are read from the plan."""
        running: dict[Future[list[Result]], Planned] = {}
        while True:
            self._look(interrupt, len(running), meter)
            while not self.tally.stopped and len(running) < self._pool.concurrency:
                planned = next(objects, None)
                if planned is None:
                    break
                upload = Upload(
                    self._bucket, planned.key, etag=planned.etag or None, size=planned.size
                )
                running[threads.submit(self._repaint, upload)] = planned
            if not running:
                return
            # Not for ever: a thread that waits does not see ctrl-C.
            done, _ = wait(running, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                self._take(running.pop(future), future.result())
            counts = self.tally.counts
            meter.tell(self.tally.begun - self.tally.waiting, counts["generated"])

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
            self._count(planned, result)
            # What waits for time or its turn can go on at once; the rest has its own time.
            if result.status == "incomplete" or result.cause in ("time", "pace"):
                left[record] = result.status
        self._plan.leave(planned, left if any(left.values()) else {})
        failed = any(result.status == "incomplete" for result in results)
        self._failed_in_a_row = self._failed_in_a_row + 1 if failed else 0
        for result in results:
            self._stop_if_useless(planned, result)

    def _count(self, planned: Planned, result: Result) -> None:
        self.tally.counts[result.status] += 1
        examples = self.tally.examples.setdefault(result.status, [])
        if result.reason and len(examples) < _EXAMPLES:
            examples.append(f"{planned.key}: {result.reason}")
        if result.status == "skipped":
            self._memory.add((planned.id, planned.last_modified))
        self._on_result(result)

    def _stop_if_useless(self, planned: Planned, result: Result) -> None:
        """Begin nothing more where what stopped this one would stop all the others."""
        if self.tally.stopped:
            return
        if result.cause == "cap":
            self.tally.stopped = (
                f"{result.reason} What was begun is parked, and the sweep finishes it when there "
                "is room again: on the next day, Beijing's. Run the same command then."
            )
        elif result.cause == "configuration" and not planned.pending:
            # One that was parked for that before tells nothing about now.
            self.tally.stopped = f"{result.reason} Mend it, and run the same command again."
        elif self._failed_in_a_row >= _PATIENCE:
            self.tally.stopped = (
                f"{self._failed_in_a_row} uploads in a row could not be worked on, the last one "
                f"because: {result.reason} Mend it, and run the same command again."
            )

    def _look(self, interrupt: Interrupt, running: int, meter: Meter) -> None:
        """Stop beginning more once ctrl-C came."""
        if not interrupt.came or self.tally.interrupted:
            return
        self.tally.interrupted = True
        self.tally.stopped = "Interrupted. Run the same command again to go on."
        if running:
            limit = span(self._pool.longest)
            meter.say(
                f"Interrupted: nothing more is begun; waiting for {running} in progress, at most "
                f"{limit}. Ctrl-C again stops at once, which is harmless too."
            )

    def _pause(self, seconds: float, left: int, interrupt: Interrupt, meter: Meter) -> None:
        meter.say(
            f"{left} unfinished, worked on elsewhere or without an answer: trying again in "
            f"{span(seconds)}."
        )
        until = self._clock.now() + seconds
        while self._clock.now() < until and not interrupt.came:
            self._clock.sleep(_LOOK_SECONDS)
