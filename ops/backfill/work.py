"""Go through a plan: several uploads at once, each taken as far as it goes."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ops.backfill.memory import Memory
from ops.backfill.plan import Plan, Planned
from ops.interrupt import Interrupt
from ops.pool import side_by_side
from ops.progress import Meter, span
from shared.clock import Clock
from shared.events import Upload
from shared.results import Result

_EXAMPLES = 3
_LOOK_SECONDS = 0.2
# After so many in a row that could not be worked on, none can. More than a run that was killed
# leaves leased, which is one for each of its threads.
_PATIENCE = 300


@dataclass(slots=True)
class Tally:
    """What came of a run: how many ended how, with a few reasons of each.

    `stopped` says why nothing more was begun, empty where the plan was gone through.
    """

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    stopped: str = ""
    interrupted: bool = False

    @property
    def begun(self) -> int:
        """Return how many objects were begun."""
        return self.counts.total()

    @property
    def waiting(self) -> int:
        """Return how many are left unfinished, for the sweep or another run."""
        return sum(self.counts[status] for status in ("incomplete", "deferred", "in_doubt"))


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
    `on_result` is told each result in this thread.
    """

    def __init__(
        self,
        *,
        bucket: str,
        plan: Plan,
        memory: Memory,
        repaint: Callable[[Upload], Result],
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
        def repaint(planned: Planned) -> Result:
            upload = Upload(self._bucket, planned.key, etag=planned.etag or None, size=planned.size)
            return self._repaint(upload)

        def goes_on(running: int) -> bool:
            meter.tell(self.tally.begun - self.tally.waiting, self.tally.counts["generated"])
            self._look(interrupt, running, meter)
            return not self.tally.stopped

        at_once = self._pool.concurrency
        for planned, result in side_by_side(repaint, objects, at_once, goes_on=goes_on):
            self._take(planned, result)

    def _take(self, planned: Planned, result: Result) -> None:
        tally, status = self.tally, result.status
        if planned.left:
            tally.counts[planned.left] -= 1
        tally.counts[status] += 1
        examples = tally.examples.setdefault(status, [])
        if result.reason and len(examples) < _EXAMPLES:
            examples.append(f"{planned.key}: {result.reason}")
        if status == "skipped":
            self._memory.add((planned.id, planned.last_modified))
        # What waits for time or its turn can go on at once; the rest has its own time.
        again = status == "incomplete" or result.cause in ("time", "pace")
        self._plan.leave(planned, status if again else "")
        self._on_result(result)
        self._stop_if_useless(planned, result)

    def _stop_if_useless(self, planned: Planned, result: Result) -> None:
        """Begin nothing more where what stopped this one would stop all the others."""
        self._failed_in_a_row = self._failed_in_a_row + 1 if result.status == "incomplete" else 0
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
