"""What was measured: samples of this project and of what stands beside it, and what is aimed at."""

from dataclasses import dataclass
from statistics import median, quantiles
from typing import Literal

Samples = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Aim:
    """The most that a figure's median, or its ratio to the one beside it, is to be."""

    at_most: float
    of: Literal["ratio", "value"] = "value"


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that was measured.

    `ours` has a sample for each round, and so has `theirs`, where there is something beside it:
    the alternative, or what its part says.
    """

    key: str
    what: str
    unit: str
    ours: Samples
    theirs: Samples = ()
    aim: Aim | None = None

    @property
    def value(self) -> float:
        """The median of our own samples."""
        return median(self.ours)

    @property
    def ratio(self) -> float | None:
        """How our median compares to the other one, None where there is no other or it is 0."""
        beside = median(self.theirs) if self.theirs else 0.0
        return self.value / beside if beside else None

    @property
    def is_met(self) -> bool | None:
        """Tell whether what is aimed at is reached; None where nothing is aimed at."""
        if self.aim is None:
            return None
        reached = self.ratio if self.aim.of == "ratio" else self.value
        return reached is not None and reached <= self.aim.at_most


def spread(samples: Samples) -> tuple[float, float]:
    """Return between what the middle half of the samples lies."""
    if len(samples) < 2:
        return samples[0], samples[0]
    low, _, high = quantiles(samples, n=4, method="inclusive")
    return low, high


def number(value: float) -> str:
    """Write a number with three digits that count, and all of a large one."""
    if value == 0 or (value == int(value) and abs(value) < 1e15):
        return f"{int(value):,}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    digits = 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}"


def shown(samples: Samples, unit: str) -> str:
    """Write samples as their median, and the middle half's ends where these differ from it."""
    if not samples:
        return ""
    middle = number(median(samples))
    low, high = map(number, spread(samples))
    around = f" ({low}–{high})" if (low, high) != (middle, middle) else ""
    return f"{middle}{around} {unit}".rstrip()
