"""Progress: lines where there is no terminal, and durations."""

import pytest

from ops.ui.progress import Meter, span
from tests.fakes import FakeClock


def test_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without a terminal there is a line every few seconds."""
    clock = FakeClock()

    with Meter(clock, "pictures", 1000, price=0.2) as meter:
        for done in range(0, 61, 6):
            meter.update(done, generated=done // 2)
            clock.advance(1)

    assert [
        "30 of 1,000 pictures · 6.0 a second · 2 min 42 s left · 3.00 so far",
        "60 of 1,000 pictures · 6.0 a second · 2 min 37 s left · 6.00 so far",
    ] == capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0 s"), (59.6, "1 min"), (200, "3 min 20 s"), (7200, "2 h"), (100_000, "1 d 3 h")],
)
def test_span(seconds: float, expected: str) -> None:
    """A duration has at most two units."""
    assert expected == span(seconds)
