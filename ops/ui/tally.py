"""What a run over many uploads came to, and when it is to begin no more of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console

from ops.ui.interruption import Interrupt
from ops.ui.output import plain
from ops.ui.progress import Meter, span
from shared.results import Result

_EXAMPLES = 3
# After so many in a row that could not be worked on, none can. More than a run that was killed
# leaves leased, which is one for each of its threads.
_PATIENCE = 300
_NAMES = {"incomplete": "unfinished", "in_doubt": "in doubt", "deferred": "parked"}


@dataclass(slots=True)
class Tally:
    """What came of a run: how many ended how, with a few reasons of each.

    An object has one result, or one for each of its variants: `counts` are of these, `begun` is of
    what was gone through, and so is `waiting`: what has something left for the sweep or another
    run. `stopped` says why nothing more was begun, empty where all was gone through.
    """

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    begun: int = 0
    waiting: int = 0
    stopped: str = ""
    interrupted: bool = False
    _failed_in_a_row: int = 0

    def count(self, status: str, what: str, reason: str) -> None:
        """Count one more result, with its reason if there is one."""
        self.counts[status] += 1
        examples = self.examples.setdefault(status, [])
        if reason and len(examples) < _EXAMPLES:
            examples.append(f"{what}: {reason}")

    def stop_if_useless(self, results: Sequence[Result], *, was_parked: bool) -> None:
        """Begin nothing more where what stopped this one would stop all the others."""
        failed = any(result.status == "incomplete" for result in results)
        self._failed_in_a_row = self._failed_in_a_row + 1 if failed else 0
        for result in results:
            self._stop_if_useless(result, was_parked=was_parked)

    def _stop_if_useless(self, result: Result, *, was_parked: bool) -> None:
        if self.stopped:
            return
        if result.cause == "cap":
            self.stopped = (
                f"{result.reason} What was begun is parked, and the sweep finishes it when there "
                "is room again: on the next day, Beijing's. Run the same command then."
            )
        elif result.cause == "configuration" and not was_parked:
            # One that was parked for that before tells nothing about now.
            self.stopped = f"{result.reason} Mend it, and run the same command again."
        elif self._failed_in_a_row >= _PATIENCE:
            self.stopped = (
                f"{self._failed_in_a_row} uploads in a row could not be worked on, the last one "
                f"because: {result.reason} Mend it, and run the same command again."
            )

    def look(self, interrupt: Interrupt, running: int, longest: float, meter: Meter) -> None:
        """Stop beginning more once ctrl-C came; one in progress may take `longest` seconds."""
        if not interrupt.came or self.interrupted:
            return
        self.interrupted = True
        self.stopped = "Interrupted. Run the same command again to go on."
        if running:
            meter.say(
                f"Interrupted: nothing more is begun; waiting for {running} in progress, at most "
                f"{span(longest)}. Ctrl-C again stops at once, which is harmless too."
            )


def ranked(counts: Counter[str]) -> list[tuple[str, int]]:
    """Return the counts, the highest first; which of equal ones comes first does not vary."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def tell_counts(console: Console, tally: Tally, meanings: Mapping[str, str]) -> None:
    """Print how many ended how, what that means for some, and why a few of them did."""
    for status, number in ranked(tally.counts):
        if not number:
            continue
        told = f"{number:>11,}  {_NAMES.get(status, status)}"
        console.print(f"{told} ({meanings[status]})" if status in meanings else told)
        for example in tally.examples.get(status, []):
            if status != "duplicate":
                console.print(f"             {plain(example)}")
