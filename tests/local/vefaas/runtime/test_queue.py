"""The event queue and the rules of delivery, without any process."""

import datetime as dt
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.vefaas.runtime.queue import DeliverySettings, EventQueue, QueuedEvent
from tests.fakes import FakeClock
from tests.local.vefaas.runtime.conftest import NOW

HOUR = 3600.0


@contextmanager
def opened(
    folder: Path, clock: FakeClock | None = None, settings: DeliverySettings | None = None
) -> Iterator[EventQueue]:
    queue = EventQueue(
        folder / "queue.sqlite", settings or DeliverySettings(), clock or FakeClock(NOW)
    )
    try:
        yield queue
    finally:
        queue.close()


def claimed(queue: EventQueue, function_id: str = "fn") -> QueuedEvent:
    delivery = queue.claim(function_id)
    assert delivery is not None
    return delivery


def test_claim(tmp_path: Path) -> None:
    """An event is claimed once, and then done."""
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


def test_order(tmp_path: Path) -> None:
    """A function gets its own events only, the oldest first."""
    with opened(tmp_path) as queue:
        for n in range(3):
            queue.enqueue("fn", {"n": n})
        queue.enqueue("other", {"n": 9})

        assert [0, 1, 2] == [claimed(queue).event["n"] for _ in range(3)]
        assert 9 == claimed(queue, "other").event["n"]


def test_retry_delay(tmp_path: Path) -> None:
    """An error delays the retry, and is kept."""
    clock = FakeClock(NOW)
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


def test_retries_used_up(tmp_path: Path) -> None:
    """After the first attempt and ten retries an event is dropped."""
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


def test_maximum_age(tmp_path: Path) -> None:
    """An event older than six hours is dropped; one of six hours is not."""
    clock = FakeClock(NOW)
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


def test_reopened_file(tmp_path: Path) -> None:
    """Events in flight wait again when the file is opened anew."""
    with opened(tmp_path) as queue:
        queue.enqueue("fn", {"n": 1})
        interrupted = claimed(queue)
    with opened(tmp_path) as queue:
        assert interrupted == claimed(queue)


def test_killed_process(tmp_path: Path) -> None:
    """An enqueued event outlives its process."""
    program = f"""
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[4])!r})
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
    clock = FakeClock(dt.datetime.now(dt.UTC).timestamp() + 1)
    with opened(tmp_path, clock) as queue:
        assert [0, 1] == [claimed(queue).event["n"] for _ in range(2)]


def test_second_owner(tmp_path: Path) -> None:
    """A second cloud on the same folder is refused."""
    with (
        opened(tmp_path),
        pytest.raises(RuntimeError, match="stop the other local cloud"),
        opened(tmp_path),
    ):
        pass


def test_copies(tmp_path: Path) -> None:
    """A copy comes at once, or when the first attempt has ended."""
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


def test_copy_after_error(tmp_path: Path) -> None:
    """A held copy comes even if the first attempt was an error."""
    settings = DeliverySettings(duplicate_probability=1.0, seed=1, retry_delays=[60])
    with opened(tmp_path, settings=settings) as queue:
        while not queue.snapshot().delayed:
            queue.enqueue("fn", {})
            first = claimed(queue)
            while (at_once := queue.claim("fn")) is not None:
                queue.finish(at_once)
        queue.fail(first, "no")

        assert first.id == claimed(queue).copy_of


def test_seed(tmp_path: Path) -> None:
    """The same seed makes the same copies."""
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


def test_delays() -> None:
    """Delays double up to a minute, unless they are set; they are scaled."""
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
def test_invalid_settings(wrong: dict[str, float]) -> None:
    """Invalid rules of delivery are refused."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DeliverySettings(**wrong)  # type: ignore[arg-type]  # wrong on purpose


def test_changed_duplicates(tmp_path: Path) -> None:
    """The share of duplicates can be changed while the queue runs."""
    rules = DeliverySettings(seed=1, retry_delays=[60])
    with opened(tmp_path, settings=rules) as queue:
        queue.enqueue("fn", {"n": 1})
        queue.duplicate(1.0)
        queue.enqueue("fn", {"n": 2})

        assert [1, 2, 2] == [delivery.event["n"] for _, delivery in queue.newest(9)]
        assert ([60], 10) == (queue.settings.retry_delays, queue.settings.max_retries)
        with pytest.raises(ValueError, match="between 0 and 1"):
            queue.duplicate(1.5)


def test_newest(tmp_path: Path) -> None:
    """The newest events are returned with their states, also those that are done."""
    with opened(tmp_path) as queue:
        for number in range(5):
            queue.enqueue("fn", {"n": number})
        for _ in range(2):
            queue.finish(claimed(queue))
        claimed(queue)

        assert [("done", 1), ("in_flight", 2), ("waiting", 3), ("waiting", 4)] == [
            (state, delivery.event["n"]) for state, delivery in queue.newest(4)
        ]


def test_changes(tmp_path: Path) -> None:
    """A number grows with every change of the queue, and only then."""
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
