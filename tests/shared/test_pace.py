"""The pace of calls adapts: few are refused, and little of what is allowed is left unused."""

import pytest

from shared.pace import Pace
from tests.fakes import FakeClock


def test_turns_are_spaced_evenly_and_never_above_the_limit_that_is_set() -> None:
    clock = FakeClock()
    pace = Pace(clock, max_qps=2.0)
    waits = [pace.take(60) for _ in range(4)]
    for _ in range(100):
        pace.accepted()

    assert waits == [0.0, 0.5, 1.0, 1.5]
    assert pace.rate == 2.0


def test_a_turn_that_comes_too_late_is_not_taken() -> None:
    clock = FakeClock()
    pace = Pace(clock, max_qps=1.0)

    assert [pace.take(0.5), pace.take(0.5), pace.wait()] == [0.0, None, 1.0]
    clock.advance(1.0)
    assert pace.take(0.5) == 0.0


def test_a_burst_of_refusals_slows_down_once() -> None:
    clock = FakeClock()
    pace, before = Pace(clock), Pace(clock).rate
    for _ in range(20):
        pace.refused()
    once = pace.rate
    clock.advance(1.1)
    pace.refused()

    assert once < before
    assert pace.rate < once


def test_it_recovers_fast_to_where_it_was_refused_and_slowly_beyond() -> None:
    clock = FakeClock()
    pace = Pace(clock)
    pace.refused()
    slow = pace.rate
    for _ in range(10):
        clock.advance(0.2)
        pace.accepted()
    back = pace.rate
    for _ in range(10):
        clock.advance(0.2)
        pace.accepted()

    assert slow < 4.5 < back < 5.0
    assert back < pace.rate < 5.0


def test_idle_time_does_not_count_as_recovery() -> None:
    clock = FakeClock()
    pace = Pace(clock)
    clock.advance(86400)
    pace.accepted()

    assert pace.rate < 6


@pytest.mark.parametrize(("allowed", "seconds"), [(5.0, 300), (2.0, 900), (40.0, 300)])
def test_against_a_limit_few_are_refused_and_most_of_it_is_used(
    allowed: float, seconds: float
) -> None:
    # A provider that counts calls within the last second.
    clock = FakeClock()
    pace, sent, refused, accepted = Pace(clock), list[float](), 0, 0
    end = clock.now() + seconds
    while clock.now() < end:
        wait = pace.take(60)
        assert wait is not None
        clock.advance(wait)
        sent = [at for at in sent if at > clock.now() - 1.0]
        if len(sent) < allowed:
            sent.append(clock.now())
            accepted += 1
            pace.accepted()
        else:
            refused += 1
            pace.refused()

    assert refused < 0.1 * (refused + accepted)
    assert accepted > 0.85 * allowed * seconds
