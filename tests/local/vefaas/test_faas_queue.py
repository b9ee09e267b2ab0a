"""The local veFaaS's event queue and timers' schedules, without any process."""

import datetime as dt
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.vefaas.runtime.queue import DeliverySettings, EventQueue, QueuedEvent
from local.vefaas.runtime.timer import Crontab, Every, schedule

HOUR = 3600.0


class HeldClock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.moment = 1_750_000_000.0

    def now(self) -> float:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += seconds


@contextmanager
def opened(
    folder: Path, clock: HeldClock | None = None, settings: DeliverySettings | None = None
) -> Iterator[EventQueue]:
    queue = EventQueue(
        folder / "queue.sqlite", settings or DeliverySettings(), clock or HeldClock()
    )
    try:
        yield queue
    finally:
        queue.close()


def claimed(queue: EventQueue, function_id: str = "fn") -> QueuedEvent:
    delivery = queue.claim(function_id)
    assert delivery is not None
    return delivery


def test_an_event_is_claimed_once_and_then_done(tmp_path: Path) -> None:
    with opened(tmp_path) as queue:
        delivery_id = queue.enqueue("fn", {"n": 1})

        delivery = claimed(queue)

        assert (delivery_id, {"n": 1}, 1) == (delivery.id, delivery.event, delivery.attempt)
        assert queue.claim("fn") is None
        assert (delivery,) == queue.snapshot().in_flight
        assert not queue.idle()

        queue.finish(delivery)

        assert queue.idle()
        assert 1 == queue.snapshot().done


def test_a_function_gets_its_own_events_only_and_the_oldest_first(tmp_path: Path) -> None:
    with opened(tmp_path) as queue:
        for n in range(3):
            queue.enqueue("fn", {"n": n})
        queue.enqueue("other", {"n": 9})

        assert [0, 1, 2] == [claimed(queue).event["n"] for _ in range(3)]
        assert 9 == claimed(queue, "other").event["n"]


def test_an_error_delays_the_retry_and_names_itself(tmp_path: Path) -> None:
    clock = HeldClock()
    with opened(tmp_path, clock, DeliverySettings(retry_delays=[7, 70])) as queue:
        queue.enqueue("fn", {})
        queue.fail(claimed(queue), "ValueError: no")

        (delayed,) = queue.snapshot().delayed
        assert (2, clock.now() + 7, "ValueError: no") == (
            delayed.attempt,
            delayed.due_at,
            delayed.last_error,
        )
        assert queue.claim("fn") is None
        assert clock.now() + 7 == queue.next_due()

        clock.sleep(7)

        assert 2 == claimed(queue).attempt


def test_after_the_first_attempt_and_ten_retries_an_event_is_dropped(tmp_path: Path) -> None:
    with opened(tmp_path, settings=DeliverySettings(retry_delays=[0])) as queue:
        queue.enqueue("fn", {"n": 1})
        attempts = 0
        while (delivery := queue.claim("fn")) is not None:
            attempts += 1
            assert attempts == delivery.attempt
            queue.fail(delivery, f"error {attempts}")

        assert 11 == attempts
        assert queue.idle()
        (dropped,) = queue.snapshot().dropped
        assert ({"n": 1}, 11, "error 11", "10 retries used up") == (
            dropped.event,
            dropped.attempt,
            dropped.last_error,
            dropped.dropped_because,
        )


def test_an_event_older_than_six_hours_is_dropped_and_one_just_as_old_is_not(
    tmp_path: Path,
) -> None:
    clock = HeldClock()
    with opened(tmp_path, clock, DeliverySettings(retry_delays=[0])) as queue:
        queue.enqueue("fn", {})
        clock.sleep(6 * HOUR)
        queue.fail(claimed(queue), "still failing")
        clock.sleep(1)

        assert queue.claim("fn") is None
        (dropped,) = queue.snapshot().dropped
        assert ("still failing", "older than 21600 seconds") == (
            dropped.last_error,
            dropped.dropped_because,
        )


def test_what_was_in_flight_waits_again_when_the_file_is_opened_anew(tmp_path: Path) -> None:
    with opened(tmp_path) as queue:
        queue.enqueue("fn", {"n": 1})
        interrupted = claimed(queue)
    with opened(tmp_path) as queue:
        assert interrupted == claimed(queue)


def test_what_enqueue_returned_for_outlives_the_death_of_its_process(tmp_path: Path) -> None:
    program = f"""
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from local.vefaas.runtime.queue import DeliverySettings, EventQueue
from shared.clock import SystemClock
queue = EventQueue(Path({str(tmp_path / "queue.sqlite")!r}), DeliverySettings(), SystemClock())
for n in range(2):
    queue.enqueue("fn", {{"n": n}})
queue.claim("fn")
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", program], check=False)
    assert -9 == ended.returncode
    clock = HeldClock()
    clock.moment = dt.datetime.now(dt.UTC).timestamp() + 1
    with opened(tmp_path, clock) as queue:
        assert [0, 1] == [claimed(queue).event["n"] for _ in range(2)]


def test_a_second_cloud_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with (
        opened(tmp_path),
        pytest.raises(RuntimeError, match="stop the other local cloud"),
        opened(tmp_path),
    ):
        pass


def test_a_copy_comes_at_once_or_when_the_first_attempt_has_ended(tmp_path: Path) -> None:
    settings = DeliverySettings(duplicate_probability=1.0, seed=1)
    with opened(tmp_path, settings=settings) as queue:
        at_once = later = 0
        for n in range(20):
            original = queue.enqueue("fn", {"n": n})
            first = claimed(queue)
            copy = queue.claim("fn")
            if copy is not None:
                at_once += 1
                queue.finish(first)
            else:
                later += 1
                queue.finish(first)
                copy = claimed(queue)
            assert ({"n": n}, original, 1) == (copy.event, copy.copy_of, copy.attempt)
            queue.finish(copy)

        assert queue.idle()
        assert 40 == queue.snapshot().done
        assert at_once
        assert later


def test_a_held_copy_comes_even_if_the_first_attempt_was_an_error(tmp_path: Path) -> None:
    settings = DeliverySettings(duplicate_probability=1.0, seed=1, retry_delays=[60])
    with opened(tmp_path, settings=settings) as queue:
        while not queue.snapshot().delayed:
            queue.enqueue("fn", {})
            first = claimed(queue)
            while (at_once := queue.claim("fn")) is not None:
                queue.finish(at_once)
        queue.fail(first, "no")

        assert first.id == claimed(queue).copy_of


def test_the_same_seed_makes_the_same_copies(tmp_path: Path) -> None:
    runs = []
    for run in ("a", "b"):
        (tmp_path / run).mkdir()
        with opened(
            tmp_path / run, settings=DeliverySettings(duplicate_probability=0.5, seed=7)
        ) as queue:
            for n in range(30):
                queue.enqueue("fn", {"n": n})
            snapshot = queue.snapshot()
            runs.append(
                [
                    [(each.event["n"], each.copy_of is None) for each in part]
                    for part in (snapshot.waiting, snapshot.delayed)
                ]
            )
    assert runs[0] == runs[1]
    assert 30 < len(runs[0][0]) + len(runs[0][1]) < 60


def test_delays_double_up_to_a_minute_unless_they_are_set_and_scaled() -> None:
    assert [1, 2, 4, 8, 16, 32, 60, 60] == [DeliverySettings().delay(n) for n in range(1, 9)]
    listed = DeliverySettings(retry_delays=[3, 600], time_scale=60)
    assert [0.05, 10, 10] == [listed.delay(n) for n in range(1, 4)]
    assert 360 == listed.age_limit
    assert 6 == DeliverySettings(retry_delays=lambda retry: retry * 2.0).delay(3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"duplicate_probability": 1.1},
        {"max_retries": -1},
        {"time_scale": 0},
        {"retry_delays": []},
    ],
    ids=str,
)
def test_settings_that_cannot_be_kept_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DeliverySettings(**wrong)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("*/5 * * * *", "2025-06-15T15:06:40", "2025-06-15T15:10"),
        ("*/5 * * * *", "2025-06-15T15:10:00", "2025-06-15T15:15"),
        ("* * * * *", "2025-12-31T23:59:59", "2026-01-01T00:00"),
        ("0 3 * * *", "2025-06-15T03:00:00", "2025-06-16T03:00"),
        ("10,40 8-18/5 * * *", "2025-06-15T08:40:00", "2025-06-15T13:10"),
        ("0 0 1 * 1", "2025-06-15T00:00:00", "2025-06-16T00:00"),  # a Monday, not the 1st
        ("0 0 * * 7", "2025-06-15T00:00:00", "2025-06-22T00:00"),  # 7 is Sunday, as 0 is
        ("0 0 29 2 *", "2097-01-01T00:00:00", "2104-02-29T00:00"),  # 2100 is no leap year
    ],
)
def test_a_crontab_fires_at_the_next_minute_that_matches(
    text: str, after: str, expected: str
) -> None:
    moment = dt.datetime.fromisoformat(after + "+00:00").timestamp()
    fired = dt.datetime.fromtimestamp(Crontab(text).next_after(moment), dt.UTC)
    assert expected == fired.strftime("%Y-%m-%dT%H:%M")


@pytest.mark.parametrize(
    "text", ["", "* * * *", "60 * * * *", "5/10 * * * *", "a * * * *", "*/0 * * * *", "0 0 31 2 *"]
)
def test_a_crontab_that_is_not_supported_is_refused_with_what_is(text: str) -> None:
    with pytest.raises(ValueError, match="give a number of seconds, or a crontab"):
        schedule(text)


def test_a_period_is_a_number_of_seconds_or_its_text_and_is_scaled() -> None:
    assert Every(30) == schedule(30)
    assert Every(0.5) == schedule("30", time_scale=60)
    with pytest.raises(ValueError, match="cannot fire every 0 seconds"):
        schedule(0)


def test_the_share_of_duplicates_can_be_changed_while_the_queue_runs(tmp_path: Path) -> None:
    rules = DeliverySettings(seed=1, retry_delays=[60])
    with opened(tmp_path, settings=rules) as queue:
        queue.enqueue("fn", {"n": 1})
        queue.duplicate(1.0)
        queue.enqueue("fn", {"n": 2})

        assert [1, 2, 2] == [delivery.event["n"] for _, delivery in queue.newest(9)]
        assert ([60], 10) == (queue.settings.retry_delays, queue.settings.max_retries)
        with pytest.raises(ValueError, match="between 0 and 1"):
            queue.duplicate(1.5)


def test_the_newest_deliveries_are_told_with_their_states_also_those_that_are_done(
    tmp_path: Path,
) -> None:
    with opened(tmp_path) as queue:
        for number in range(5):
            queue.enqueue("fn", {"n": number})
        for _ in range(2):
            queue.finish(claimed(queue))
        claimed(queue)

        assert [("done", 1), ("in_flight", 2), ("waiting", 3), ("waiting", 4)] == [
            (state, delivery.event["n"]) for state, delivery in queue.newest(4)
        ]


def test_every_change_of_the_queue_can_be_told_by_a_number(tmp_path: Path) -> None:
    with opened(tmp_path) as queue:
        seen = [queue.changes()]
        queue.enqueue("fn", {})
        seen.append(queue.changes())
        delivery = claimed(queue)
        seen.append(queue.changes())
        queue.fail(delivery, "oh")
        seen.append(queue.changes())
        queue.snapshot()
        assert queue.claim("fn") is None

        assert sorted(set(seen)) == seen
        assert seen[-1] == queue.changes()
