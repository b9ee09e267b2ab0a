"""The pace of calls adapts: few are refused, and little of what is allowed is left unused."""

import pytest

from shared.processing.rate_limit import Pace
from tests.fakes import FakeClock


def test_turns_are_spaced_evenly_and_never_above_the_limit_that_is_set() -> None:
    clock = FakeClock()
    pace = Pace(clock, max_qps=2.0)
    taken = []
    for _ in range(8):
        taken.append(pace.take())
        clock.advance(0.25)
        pace.accepted()

    assert taken == [0.0, 0.25] * 4
    assert pace.rate == 2.0


def test_a_limit_below_the_slowest_pace_is_not_exceeded_either() -> None:
    clock = FakeClock()
    pace = Pace(clock, max_qps=0.05)
    clock.advance(2)
    pace.refused()

    assert pace.rate <= 0.05


def test_turns_are_not_handed_out_ahead_at_a_pace_that_has_fallen_since() -> None:
    clock = FakeClock()
    pace = Pace(clock)
    pace.take()
    waits = [pace.take() for _ in range(10)]

    assert waits == [pytest.approx(0.2)] * 10


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

    assert slow < 4 < back < 5.0
    assert back < pace.rate < 5.0


def test_idle_time_does_not_count_as_recovery() -> None:
    clock = FakeClock()
    pace = Pace(clock)
    clock.advance(86400)
    pace.accepted()

    assert pace.rate < 6


@pytest.mark.parametrize(("allowed", "seconds"), [(5.0, 300), (2.0, 900)])
def test_against_a_limit_few_are_refused_and_most_of_it_is_used(
    allowed: float, seconds: float
) -> None:
    # A provider that counts calls within the last second.
    clock = FakeClock()
    pace, sent, refused, accepted = Pace(clock), list[float](), 0, 0
    end = clock.now() + seconds
    while clock.now() < end:
        while wait := pace.take():
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
    assert accepted > 0.8 * allowed * seconds
