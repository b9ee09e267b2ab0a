"""Medians, spread and ratios; when an aim is met; how numbers are written."""

import pytest

from bench.figures import Aim, Figure, Samples, number, shown, spread


def figure(ours: Samples, theirs: Samples = (), aim: Aim | None = None) -> Figure:
    return Figure("part.name", "what it is", "ms", ours, theirs, aim)


def test_value_and_ratio() -> None:
    """A value is the median, a ratio that of the medians."""
    measured = figure((1.0, 100.0, 3.0), (6.0, 4.0, 900.0))

    assert measured.value == 3.0
    assert measured.ratio == 0.5


@pytest.mark.parametrize("theirs", [(), (0.0,)])
def test_no_ratio(theirs: Samples) -> None:
    """There is no ratio to nothing."""
    assert figure((1.0,), theirs).ratio is None


@pytest.mark.parametrize(
    ("aim", "met"),
    [
        (None, None),
        (Aim(8.0), True),
        (Aim(7.9), False),
        (Aim(0.8, "ratio"), True),
        (Aim(0.79, "ratio"), False),
    ],
)
def test_aim(aim: Aim | None, met: bool | None) -> None:
    """An aim is the highest acceptable value or ratio."""
    assert figure((8.0,), (10.0,), aim).is_met is met


def test_aim_without_ratio() -> None:
    """A missing ratio meets no aim."""
    assert figure((0.0,), (0.0,), Aim(1.0, "ratio")).is_met is False


def test_spread() -> None:
    """The spread has the ends of the middle half."""
    assert spread((1.0, 2.0, 3.0, 4.0, 100.0)) == (2.0, 4.0)
    assert spread((5.0,)) == (5.0, 5.0)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0, "0"),
        (3.0, "3"),
        (12345.6, "12,346"),
        (1_000_000.0, "1,000,000"),
        (152.4, "152"),
        (28.04, "28.0"),
        (5.629, "5.63"),
        (0.0721, "0.072"),
        (-12.34, "-12.3"),
    ],
)
def test_number(value: float, written: str) -> None:
    """Numbers have three significant digits."""
    assert number(value) == written


def test_shown() -> None:
    """Samples are shown with their spread, if there is one."""
    assert shown((10.0, 11.0, 12.0), "ms") == "11 (10.5–11.5) ms"
    assert shown((7.0, 7.0), "") == "7"
    assert shown((), "ms") == ""
