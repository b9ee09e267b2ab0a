"""The limiter of calls adapts: few are refused, and little of what is allowed is left unused."""

import pytest

from shared.clients.rate_limit import RateLimiter
from tests.fakes import FakeClock


def test_turns_are_slimiterd_evenly_and_never_above_the_limit_that_is_set() -> None:
    clock = FakeClock()
    limiter = RateLimiter(clock, max_qps=2.0)
    taken = []
    for _ in range(8):
        taken.append(limiter.try_acquire())
        clock.advance(0.25)
        limiter.on_accepted()

    assert taken == [0.0, 0.25] * 4
    assert limiter.rate == 2.0


def test_a_limit_below_the_slowest_limiter_is_not_exceeded_either() -> None:
    clock = FakeClock()
    limiter = RateLimiter(clock, max_qps=0.05)
    clock.advance(2)
    limiter.on_throttled()

    assert limiter.rate <= 0.05


def test_turns_are_not_handed_out_ahead_at_a_limiter_that_has_fallen_since() -> None:
    clock = FakeClock()
    limiter = RateLimiter(clock)
    limiter.try_acquire()
    waits = [limiter.try_acquire() for _ in range(10)]

    assert waits == [pytest.approx(0.2)] * 10


def test_a_burst_of_refusals_slows_down_once() -> None:
    clock = FakeClock()
    limiter, before = RateLimiter(clock), RateLimiter(clock).rate
    for _ in range(20):
        limiter.on_throttled()
    once = limiter.rate
    clock.advance(1.1)
    limiter.on_throttled()

    assert once < before
    assert limiter.rate < once


def test_it_recovers_fast_to_where_it_was_refused_and_slowly_beyond() -> None:
    clock = FakeClock()
    limiter = RateLimiter(clock)
    limiter.on_throttled()
    slow = limiter.rate
    for _ in range(10):
        clock.advance(0.2)
        limiter.on_accepted()
    back = limiter.rate
    for _ in range(10):
        clock.advance(0.2)
        limiter.on_accepted()

    assert slow < 4 < back < 5.0
    assert back < limiter.rate < 5.0


def test_idle_time_does_not_count_as_recovery() -> None:
    clock = FakeClock()
    limiter = RateLimiter(clock)
    clock.advance(86400)
    limiter.on_accepted()

    assert limiter.rate < 6


@pytest.mark.parametrize(("allowed", "seconds"), [(5.0, 300), (2.0, 900)])
def test_against_a_limit_few_are_refused_and_most_of_it_is_used(
    allowed: float, seconds: float
) -> None:
    # A provider that counts calls within the last second.
    clock = FakeClock()
    limiter, sent, refused, accepted = RateLimiter(clock), list[float](), 0, 0
    end = clock.now() + seconds
    while clock.now() < end:
        while wait := limiter.try_acquire():
            clock.advance(wait)
        sent = [at for at in sent if at > clock.now() - 1.0]
        if len(sent) < allowed:
            sent.append(clock.now())
            accepted += 1
            limiter.on_accepted()
        else:
            refused += 1
            limiter.on_throttled()

    assert refused < 0.1 * (refused + accepted)
    assert accepted > 0.8 * allowed * seconds
