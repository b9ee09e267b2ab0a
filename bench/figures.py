"""Results: samples of this project, samples to compare them with, and aims."""

from dataclasses import dataclass
from statistics import median, quantiles
from typing import Literal

Samples = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Aim:
    """The highest acceptable median of a figure, or ratio to the one that it is compared with."""

    at_most: float
    of: Literal["ratio", "value"] = "value"


@dataclass(frozen=True, slots=True)
class Figure:
    """One result.

    `ours` has a sample for each round; so has `theirs` if there is something to compare with, the
    alternative unless the part names another.
    """

    key: str
    what: str
    unit: str
    ours: Samples
    theirs: Samples = ()
    aim: Aim | None = None

    @property
    def value(self) -> float:
        """Return the median of our own samples."""
        return median(self.ours)

    @property
    def ratio(self) -> float | None:
        """Return our median divided by the other one; None if there is no other, or it is 0."""
        beside = median(self.theirs) if self.theirs else 0.0
        return self.value / beside if beside else None

    @property
    def is_met(self) -> bool | None:
        """Return whether the aim is met; None without one."""
        if self.aim is None:
            return None
        reached = self.ratio if self.aim.of == "ratio" else self.value
        return reached is not None and reached <= self.aim.at_most


def spread(samples: Samples) -> tuple[float, float]:
    """Return the ends of the middle half of the samples."""
    if len(samples) < 2:
        return samples[0], samples[0]
    low, _, high = quantiles(samples, n=4, method="inclusive")
    return low, high


def number(value: float) -> str:
    """Format a number with three significant digits, a large one with all."""
    if value == 0 or (value == int(value) and abs(value) < 1e15):
        return f"{int(value):,}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    digits = 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}"


def shown(samples: Samples, unit: str) -> str:
    """Format samples as their median, with the middle half's ends if these differ from it."""
    if not samples:
        return ""
    middle = number(median(samples))
    low, high = map(number, spread(samples))
    around = f" ({low}–{high})" if (low, high) != (middle, middle) else ""
    return f"{middle}{around} {unit}".rstrip()
