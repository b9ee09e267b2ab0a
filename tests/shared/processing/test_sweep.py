"""The sweep finishes what was parked: all of it, in its order, and no more than is allowed."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import fakes
from tests.fakes import World


@pytest.fixture(params=["tos", "sqlite"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with World() as world:
        if request.param == "sqlite":
            world.environment["REPAINT_LEDGER"] = f"sqlite://{tmp_path}/ledger.db"
        yield world


def park(world: World, count: int, **how: Any) -> list[str]:
    """Deliver uploads that end parked; return their records."""
    records = []
    for number in range(count):
        event = world.cloud.upload(f"uploads/{number}.png", prompt=f"a cat {number}")
        result = world.deliver(event, **how)
        assert result.status in {"deferred", "in_doubt"}, result
        records.append(result.record or "")
    return records


def states(world: World, records: list[str]) -> Counter[str]:
    ended = [world.ledger.finished(record) for record in records]
    return Counter(record.state if record else "pending" for record in ended)


def test_what_was_parked_for_time_is_generated_and_finished_records_are_not_read(
    world: World,
) -> None:
    records = park(world, 20, seconds=20)
    done = world.deliver(world.cloud.upload("uploads/done.png", prompt="a cat"))
    world.cloud.requests.clear()
    counts = world.sweep(seconds=900)

    assert {"generated": 20} == states(world, records)
    assert (20, 20) == (counts["pending"], counts["generated"])
    assert not [name for name in world.cloud.requests if f"{done.record}" in name]


def test_one_delivery_finished_line_is_written_for_each(world: World) -> None:
    records = park(world, 3, seconds=20)
    world.lines.clear()
    world.sweep(seconds=900)

    finished = world.lines.named("delivery.finished")
    assert sorted(records) == sorted(line["record"] for line in finished)
    assert {("generated", "photos")} == {(line["status"], line["bucket"]) for line in finished}


def test_a_tick_without_time_leaves_the_rest_to_the_next_one_and_all_get_their_turn(
    world: World,
) -> None:
    records = park(world, 12, seconds=20)
    world.environment["REPAINT_MAX_QPS"] = "0.2"
    for _ in range(30):
        world.sweep(seconds=50)
        world.clock.advance(60)

    assert {"generated": 12} == states(world, records)


def test_what_is_being_worked_on_or_not_due_is_left_alone(world: World) -> None:
    world.cloud.reactions = [fakes.model_refuses(50400)]
    (waiting,) = park(world, 1)
    held = world.ledger.pending(waiting)
    assert held is not None
    at_work = held.record.changed(
        id="a" * 32, parked=None, owner="another", lease_until=world.clock.now() + 40
    )
    assert world.ledger.create(at_work) is not None
    calls = len(world.cloud.bodies)
    counts = world.sweep()

    assert counts == {"pending": 2}
    assert calls == len(world.cloud.bodies)


def test_after_a_configuration_error_one_goes_first_and_the_rest_once_it_passes(
    world: World,
) -> None:
    broken = True

    def refuse(cloud: fakes.FakeCloud, request: Any) -> Any:
        # One of them is wrong for good: it must not hold the others.
        wrong = json.loads(request.body)["ReqJson"]["prompt"] == "a cat 3"
        return (
            fakes.model_refuses(50400)(cloud, request)
            if broken or wrong
            else fakes.made(cloud, request)
        )

    world.cloud.reactions = [refuse] * 1000
    records = park(world, 10)
    calls = []
    for _ in range(12):
        before = len(world.cloud.bodies)
        world.clock.advance(61)
        world.sweep(seconds=900)
        calls.append(len(world.cloud.bodies) - before)
    broken = False
    for _ in range(4):
        world.clock.advance(1801)
        world.sweep(seconds=900)

    assert set(calls) <= {0, 1}
    assert sum(calls) > 6
    assert {"generated": 9, "pending": 1} == states(world, records)


def test_a_canary_that_says_nothing_about_the_configuration_lets_nobody_pass(
    world: World,
) -> None:
    world.cloud.reactions = [fakes.model_refuses(50400)] * 100
    records = park(world, 1)
    world.clock.advance(1)
    for number in range(1, 5):
        event = world.cloud.upload(f"uploads/later {number}.png", prompt="a cat")
        records.append(world.deliver(event).record or "")
    del world.cloud.objects["photos", "uploads/0.png"]  # the one that is tried first
    calls = len(world.cloud.bodies)
    world.clock.advance(61)
    world.sweep(seconds=900)

    assert calls == len(world.cloud.bodies)
    assert {"skipped": 1, "pending": 4} == states(world, records)


@pytest.mark.parametrize("cap", [0, 1, 7])
def test_of_more_uploads_than_the_cap_exactly_as_many_are_paid(world: World, cap: int) -> None:
    world.environment["REPAINT_DAILY_CAP"] = str(cap)
    events = [world.cloud.upload(f"{n}.png", prompt="a cat") for n in range(12)]
    results = [world.deliver(event) for event in events]
    world.sweep(seconds=900)

    assert cap == len(world.cloud.charges)
    assert Counter(generated=cap, deferred=12 - cap) == Counter(r.status for r in results)
    world.clock.advance(86400)
    world.sweep(seconds=900)
    assert min(12, 2 * cap) == len(world.cloud.charges)
    world.environment["REPAINT_DAILY_CAP"] = "100"
    world.sweep(seconds=900)
    assert len(world.cloud.charges) == 12


def test_the_cap_is_exact_for_many_at_once(world: World) -> None:
    world.environment["REPAINT_DAILY_CAP"] = "5"
    world.cloud.latency = 0.0
    events = [world.cloud.upload(f"{n}.png", prompt="a cat") for n in range(16)]
    runtimes = [world.runtime() for _ in events]
    barrier = threading.Barrier(len(events))

    def deliver(number: int) -> None:
        barrier.wait()
        world.deliver(events[number], runtimes[number])

    side_by_side(deliver, len(events))
    world.finish(ticks=1)

    assert len(world.cloud.charges) == 5


def test_what_is_refused_takes_no_place_of_the_day(world: World) -> None:
    world.environment["REPAINT_DAILY_CAP"] = "2"
    world.cloud.reactions = [fakes.model_refuses(50412), fakes.model_refuses(50400)]
    for number in range(4):
        world.deliver(world.cloud.upload(f"{number}.png", prompt="a cat"))

    assert len(world.cloud.charges) == 2


def test_many_uploads_against_a_slow_provider_are_all_generated_and_few_calls_refused() -> None:
    world = World()
    allowed: list[float] = []
    refusals = 0

    def limited(cloud: fakes.FakeCloud, request: Any) -> Any:
        nonlocal refusals
        now = cloud.clock.now()
        allowed[:] = [at for at in allowed if at > now - 1.0]
        if len(allowed) >= 5:
            refusals += 1
            return fakes.gateway_refuses("FlowLimitExceeded", 100018, 429)(cloud, request)
        allowed.append(now)
        return fakes.made(cloud, request)

    world.cloud.reactions = [limited] * 2000
    runtime = world.runtime()
    events = [world.cloud.upload(f"{n}.png", prompt=f"{n}") for n in range(500)]
    results = [world.deliver(event, runtime) for event in events]

    assert {"generated"} == {r.status for r in results}
    assert len(world.cloud.charges) == 500
    assert refusals < 0.1 * (500 + refusals)


def test_two_sweeps_at_once_pay_once(world: World) -> None:
    records = park(world, 8, seconds=20)
    world.cloud.latency = 0.0
    runtimes = [world.runtime(), world.runtime()]
    side_by_side(lambda number: world.sweep(runtimes[number], seconds=900), 2)
    world.finish()

    assert {"generated": 8} == states(world, records)
    assert len(world.cloud.charges) == 8


def test_a_damaged_record_does_not_keep_the_others_from_being_finished() -> None:
    world = World()
    records = park(world, 3, seconds=20)
    broken = fakes.StoredObject(json.dumps({"id": 7}).encode(), {}, 8)
    world.cloud.objects["photos", ".repaint/pending/0.json"] = broken
    counts = world.sweep(seconds=900)

    assert {"generated": 3} == states(world, records)
    assert (4, 1) == (counts["pending"], counts["unreadable"])
    (line,) = world.lines.named("record.unreadable")
    assert "move it away" in line["reason"]


def test_a_paid_image_is_looked_for_also_where_there_is_no_time_to_pay(world: World) -> None:
    world.cloud.reactions = [fakes.answer_lost]
    event = world.cloud.upload(prompt="a cat")
    assert world.deliver(event, seconds=40).status == "incomplete"
    world.clock.advance(60)

    assert world.sweep(seconds=10)["generated"] == 1
    assert len(world.cloud.charges) == 1


def test_what_is_throttled_or_gone_keeps_no_place_of_the_day(world: World) -> None:
    world.environment["REPAINT_DAILY_CAP"] = "1"

    def throttled_and_gone(cloud: fakes.FakeCloud, request: Any) -> Any:
        cloud.objects.pop(("photos", "gone.png"))
        return fakes.model_refuses(50429)(cloud, request)

    world.cloud.reactions = [throttled_and_gone]
    first = world.deliver(world.cloud.upload("gone.png", prompt="a cat"))
    second = world.deliver(world.cloud.upload("here.png", prompt="a cat"))

    assert ("skipped", "generated") == (first.status, second.status)


def test_spending_that_cannot_be_read_is_not_taken_for_none() -> None:
    with World() as world:
        world.environment["REPAINT_DAILY_CAP"] = "1"
        world.deliver(world.cloud.upload("1.png", prompt="a cat"))
        (key,) = [k for k in world.cloud.objects if "/daily-cap/" in k[1]]
        world.cloud.objects[key] = fakes.StoredObject(b"<garbage>", {}, 9)
        result = world.deliver(world.cloud.upload("2.png", prompt="a cat"))

        assert result.status == "incomplete"
        assert len(world.cloud.charges) == 1


def side_by_side(do: Callable[[int], object], count: int) -> None:
    threads = [threading.Thread(target=do, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
