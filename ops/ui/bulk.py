"""Bulk runs: one operation on many items, several at a time, until all are done or it is stopped.

A run stops beginning items on ctrl-C, and if the next items would only fail like the last ones. All
of a run but the operations themselves is in one thread.
"""

import os
import signal
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Self, TypeVar

import typer

from ops.ui.output import Exit, aside, opened, people, plain, print_json_line
from ops.ui.progress import Meter, span
from shared.clock import Clock
from shared.ledger import Cause
from shared.logs import Log, build_log
from shared.results import Result

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_POLL_SECONDS = 0.2
_EXAMPLES = 3
# After so many failures in a row every item fails. A run that was killed leaves fewer leases: one
# for each of its threads.
_MAX_FAILURES = 300
_NAMES = {"incomplete": "unfinished", "in_doubt": "in doubt", "deferred": "parked"}
_SHOW_CURSOR = "\x1b[?25h"


def map_unordered(
    do: Callable[[Item], Answer],
    items: Iterable[Item],
    concurrency: int,
    *,
    goes_on: Callable[[int], bool] = lambda _running: True,
) -> Iterator[tuple[Item, Answer]]:
    """Yield each item with its answer as soon as it is there; never hold more than `concurrency`.

    `goes_on` is called again and again with the number of running items; once it returns False, no
    more are begun. An exception out of `do` is raised here.
    """
    left = iter(items)
    running: dict[Future[Answer], Item] = {}
    with ThreadPoolExecutor(concurrency) as threads:
        while True:
            while goes_on(len(running)) and len(running) < concurrency:
                try:
                    item = next(left)
                except StopIteration:
                    break
                running[threads.submit(do, item)] = item
            if not running:
                return
            # With a timeout: a thread that waits without one does not see ctrl-C.
            done, _ = wait(running, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                yield running.pop(future), future.result()


def map_ordered(
    do: Callable[[Item], Answer], items: Iterable[Item], concurrency: int
) -> Iterator[Answer]:
    """Yield the answers in the order of their items; never hold more than `concurrency`.

    An exception out of `do` is raised here.
    """
    running: deque[Future[Answer]] = deque()
    with ThreadPoolExecutor(concurrency) as threads:
        for item in items:
            running.append(threads.submit(do, item))
            if len(running) == concurrency:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


class Interrupt:
    """Notes the first ctrl-C (SIGINT) while it is entered; the second ends the process.

    Ending it there is harmless: to the ledger it is an owner that died.
    """

    came = False

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        # More than this could wait for a lock that the interrupted code holds.
        if self.came:
            sentence = "\nStopped at once. Run the same command again to go on.\n"
            cursor = _SHOW_CURSOR if sys.stderr.isatty() else ""
            os.write(2, f"{cursor}{sentence}".encode())
            os._exit(130)
        self.came = True


@dataclass
class BulkRun:
    """A run over `planned` items, `concurrency` at a time; entered while it goes on.

    An item may take `longest` seconds. `items` and `price` are for the progress: what the items
    are called, and the price of a generated one.

    An item has one result, or one for each variant of its upload: `counts` are of results, with a
    few `examples` of each status. `begun` counts items, and so does `waiting`: those with something
    left for the sweep or for another run. `stopped` is the reason why no more items were begun,
    empty if all were.
    """

    clock: Clock
    planned: int
    items: str
    concurrency: int
    longest: float
    price: float | None = None
    counts: Counter[str] = field(default_factory=Counter, init=False)
    examples: dict[str, list[str]] = field(default_factory=dict, init=False)
    begun: int = field(default=0, init=False)
    waiting: int = field(default=0, init=False)
    stopped: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self._started = self.clock.now()
        self._meter = Meter(self.clock, self.items, self.planned, self.price)
        self._interrupt = Interrupt()
        self._is_interrupted = False
        self._failures = 0

    def __enter__(self) -> Self:
        self._interrupt.__enter__()
        self._meter.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._meter.__exit__()
        self._interrupt.__exit__()

    def map(
        self, do: Callable[[Item], Answer], items: Iterable[Item]
    ) -> Iterator[tuple[Item, Answer]]:
        """Yield each item with its answer, until the run is stopped; see `map_unordered`."""
        return map_unordered(do, items, self.concurrency, goes_on=self._goes_on)

    def pause(self, seconds: float, reason: str) -> None:
        """Wait before the items that are left unfinished are tried again."""
        self._meter.print(f"{reason}: trying again in {span(seconds)}.")
        until = self.clock.now() + seconds
        while self.clock.now() < until and not self._interrupt.came:
            self.clock.sleep(_POLL_SECONDS)

    def count(self, status: str, what: str, reason: str | None) -> None:
        """Count a result."""
        self.counts[status] += 1
        examples = self.examples.setdefault(status, [])
        if reason and len(examples) < _EXAMPLES:
            examples.append(f"{what}: {reason}")

    def stop_if_useless(self, results: Sequence[Result], *, was_parked: bool = False) -> None:
        """Stop if the reason why this item was not processed holds for all others too."""
        failed = any(result.status == "incomplete" for result in results)
        self._failures = self._failures + 1 if failed else 0
        for result in results:
            if self.stopped:
                return
            if result.cause is Cause.CAP:
                self.stopped = (
                    f"{result.reason} What was begun is parked, and the sweep finishes it when "
                    "there is room again: on the next day, Beijing time. Run the same command then."
                )
            elif result.cause is Cause.CONFIGURATION and not was_parked:
                # One that was parked for that before shows nothing about the present.
                self.stopped = f"{result.reason} Fix it, and run the same command again."
            elif self._failures >= _MAX_FAILURES:
                self.stopped = (
                    f"{self._failures} uploads in a row could not be processed, the last one "
                    f"because: {result.reason} Fix it, and run the same command again."
                )

    def finish(
        self,
        *,
        plan: Mapping[str, Any],
        as_json: bool,
        is_complete: bool,
        meanings: Mapping[str, str],
        nothing: str,
        cost: str = "",
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """Print the summary; raise typer.Exit unless everything is done.

        `meanings` explains statuses, `nothing` says that there was nothing to do; `plan` and
        `more` are for programs.
        """
        seconds, left = self.clock.now() - self._started, self.planned - self.begun
        if as_json:
            summary = {
                "counts": {status: number for status, number in self.counts.items() if number},
                "not_begun": left,
                **(more or {}),
                "seconds": round(seconds, 1),
                "stopped": self.stopped,
            }
            print_json_line({"summary": summary, "plan": plan})
        elif self.planned:
            self._print_counts(meanings)
            people().print(f"in {span(seconds)}{cost}")
        else:
            people().print(nothing)
        if self.stopped:
            aside().print(f"{self.stopped} {left:,} not begun.", markup=False)
        if self._is_interrupted:
            raise typer.Exit(Exit.INTERRUPTED)
        if self.stopped or not is_complete:
            raise typer.Exit(Exit.NEEDS_YOU)

    def _print_counts(self, meanings: Mapping[str, str]) -> None:
        for status, number in ranked(+self.counts):
            meaning = f" ({meanings[status]})" if status in meanings else ""
            people().print(f"{number:>11,}  {_NAMES.get(status, status)}{meaning}")
            for example in self.examples.get(status, []) if status != "duplicate" else ():
                people().print(f"             {plain(example)}")

    def _goes_on(self, running: int) -> bool:
        self._meter.update(self.begun - self.waiting, self.counts["generated"])
        if self._interrupt.came and not self._is_interrupted:
            self._is_interrupted = True
            self.stopped = "Interrupted. Run the same command again to go on."
            if running:
                self._meter.print(
                    f"Interrupted: nothing more is begun; waiting for {running} in progress, at "
                    f"most {span(self.longest)}. Ctrl-C again stops at once, which is harmless."
                )
        return not self.stopped


@contextmanager
def run_log(path: Path, level: str, *, verbose: bool) -> Iterator[Log]:
    """Yield a log that is appended to a file, or with `verbose` goes to stderr. Raises Refused."""
    if verbose:
        yield build_log(sys.stderr, level)
        return
    with opened(path, "a") as file:
        yield build_log(file, level)


def print_result(result: dict[str, Any]) -> None:
    """Print one result as a line of JSON, at once: a reader sees it even if the run is killed."""
    print_json_line(result)
    sys.stdout.flush()


def ranked(counts: Counter[str]) -> list[tuple[str, int]]:
    """Return the counts, the highest first, equal ones by name."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
