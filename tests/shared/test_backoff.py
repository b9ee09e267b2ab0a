import random

import pytest

from shared.backoff import Backoff


@pytest.mark.parametrize(
    ("tries", "pause"), [(1, 60.0), (2, 120.0), (6, 1920.0), (7, 3600.0), (10_000, 3600.0)]
)
def test_pause_doubles(tries: int, pause: float) -> None:
    """Each pause is twice the one before, up to the ceiling, after however many tries."""
    assert pause == Backoff(base=60.0, ceiling=3600.0).pause(tries)


def test_factor() -> None:
    """The factor decides how fast pauses grow."""
    backoff = Backoff(base=0.2, ceiling=1.0, factor=5.0)

    assert [0.2, 1.0, 1.0] == [backoff.pause(tries) for tries in (1, 2, 3)]


def test_full_jitter() -> None:
    """With a source of randomness, pauses are spread from 0 to the plain pause."""
    backoff, rng = Backoff(base=0.5, ceiling=10.0), random.Random(0)
    pauses = [backoff.pause(3, rng) for _ in range(1000)]

    assert 0.0 <= min(pauses) < 0.1
    assert 1.9 < max(pauses) <= 2.0
