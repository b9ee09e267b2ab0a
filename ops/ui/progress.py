"""Progress on stderr: a bar on a terminal, a line every few seconds elsewhere."""

from collections import deque
from typing import Self

from rich.progress import BarColumn, Progress, TextColumn

from ops.ui.output import aside
from shared.clock import Clock

_LINE_SECONDS = 5.0
_RATE_SECONDS = 30.0
_UPDATE_SECONDS = 0.2


def span(seconds: float) -> str:
    """Return a duration in at most two units."""
    whole = round(seconds)
    for size, unit, smaller, name in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit} {rest} {name}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def money(amount: float) -> str:
    """Return a sum in the currency of the price that was given."""
    return f"{amount:,.2f}"


class Meter:
    """Shows a number that grows, and its rate; used by one thread, while it is entered.

    `total` is None if the end is not known, `price` if the cost is not.
    """

    def __init__(
        self, clock: Clock, what: str, total: int | None = None, price: float | None = None
    ) -> None:
        self._clock = clock
        self._what = what
        self._total = total
        self._price = price
        self._console = aside()
        self._bar = Progress(
            BarColumn(), TextColumn("{task.description}"), console=self._console, transient=True
        )
        self._task = self._bar.add_task("", total=total)
        self._printed_at = clock.now()
        self._recent: deque[tuple[float, int]] = deque([(self._printed_at, 0)])

    def __enter__(self) -> Self:
        if self._console.is_interactive:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_interactive:
            self._bar.stop()

    def update(self, done: int, generated: int = 0) -> None:
        """Show that `done` are through; `generated` of them have a price."""
        now = self._clock.now()
        if now - self._recent[-1][0] < _UPDATE_SECONDS and done != self._total:
            return
        self._recent.append((now, done))
        while now - self._recent[0][0] > _RATE_SECONDS:
            self._recent.popleft()
        if self._console.is_interactive:
            self._bar.update(self._task, completed=done, description=self._text(done, generated))
        elif now - self._printed_at >= _LINE_SECONDS:
            self._printed_at = now
            self._console.print(self._text(done, generated))

    def print(self, sentence: str) -> None:
        """Print a sentence above the bar."""
        self._console.print(sentence, markup=False)

    def _text(self, done: int, generated: int) -> str:
        (since, before), (now, _) = self._recent[0], self._recent[-1]
        rate = (done - before) / (now - since) if now > since else 0.0
        of = "" if self._total is None else f" of {self._total:,}"
        parts = [f"{done:,}{of} {self._what}", f"{rate:,.1f} a second"]
        if self._total is not None and rate > 0:
            parts.append(f"{span((self._total - done) / rate)} left")
        if self._price is not None:
            parts.append(f"{money(generated * self._price)} so far")
        return " · ".join(parts)
