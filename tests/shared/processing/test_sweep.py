"""The sweep finishes what was parked: all of it, in its order, and within the limits."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from shared.ledger import Lease
from tests import fakes
from tests.fakes import World


def park(world: World, count: int, **options: Any) -> list[str]:
    """Deliver uploads that end parked; return their records."""
    records = []
    for number in range(count):
        event = world.cloud.upload(f"uploads/{number}.png", prompt=f"a cat {number}")
        result = world.deliver(event, **options)
        assert result.status in {"deferred", "in_doubt"}, result
        records.append(result.record or "")
    return records


def states(world: World, records: list[str]) -> Counter[str]:
    ended = [world.ledger.finished(record) for record in records]
    return Counter(record.state if record else "pending" for record in ended)


def test_parked_for_time(world: World) -> None:
    """Records parked for time are generated; finished ones are not read."""
    records = park(world, 20, seconds=20)
    done = world.deliver(world.cloud.upload("uploads/done.png", prompt="a cat"))
    world.cloud.requests.clear()
    counts = world.sweep(seconds=900)

    assert {"generated": 20} == states(world, records)
    assert (20, 20) == (counts["pending"], counts["generated"])
    assert not [name for name in world.cloud.requests if f"{done.record}" in name]


def test_log_lines(world: World) -> None:
    """Each record gets one `delivery.finished` line."""
    records = park(world, 3, seconds=20)
    world.lines.clear()
    world.sweep(seconds=900)

    finished = world.lines.named("delivery.finished")
    assert sorted(records) == sorted(line["record"] for line in finished)
    assert {("generated", "photos")} == {(line["status"], line["bucket"]) for line in finished}


def test_out_of_time(world: World) -> None:
    """A tick that runs out of time leaves the rest to the next ones, which finish all."""
    records = park(world, 12, seconds=20)
    world.environment["REPAINT_MAX_QPS"] = "0.2"
    for _ in range(30):
        world.sweep(seconds=50)
        world.clock.advance(60)

    assert {"generated": 12} == states(world, records)


def test_leased_and_not_due(world: World) -> None:
    """A record that is leased, or not due yet, is left alone."""
    world.cloud.reactions = [fakes.model_refuses(50400)]
    (waiting,) = park(world, 1)
    held = world.ledger.pending(waiting)
    assert held is not None
    lease = Lease(owner="another", until=world.clock.now() + 40)
    leased = held.record.changed(id="a" * 32, park=None, lease=lease)
    assert world.ledger.create(leased) is not None
    calls = len(world.cloud.bodies)
    counts = world.sweep()

    assert counts == {"pending": 2}
    assert calls == len(world.cloud.bodies)


def test_canary(world: World) -> None:
    """After a configuration error one record goes first, and the rest once it passes."""
    broken = True

    def refuse(cloud: fakes.FakeCloud, request: Any) -> Any:
        # One of them is refused every time: it must not hold the others.
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


def test_canary_without_call(world: World) -> None:
    """A canary that ends without a call lets no other record pass."""
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
def test_daily_cap(world: World, cap: int) -> None:
    """As many uploads are paid as the daily cap allows."""
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


def test_daily_cap_concurrent(world: World) -> None:
    """The cap is exact for many deliveries at once."""
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


def test_refused_not_counted(world: World) -> None:
    """A refused call does not count against the cap."""
    world.environment["REPAINT_DAILY_CAP"] = "2"
    world.cloud.reactions = [fakes.model_refuses(50412), fakes.model_refuses(50400)]
    for number in range(4):
        world.deliver(world.cloud.upload(f"{number}.png", prompt="a cat"))

    assert len(world.cloud.charges) == 2


def test_adaptive_rate() -> None:
    """With a slow provider all uploads are generated, and few calls are refused."""
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


def test_two_sweeps(world: World) -> None:
    """Two sweeps at once pay once for each record."""
    records = park(world, 8, seconds=20)
    world.cloud.latency = 0.0
    runtimes = [world.runtime(), world.runtime()]
    side_by_side(lambda number: world.sweep(runtimes[number], seconds=900), 2)
    world.finish()

    assert {"generated": 8} == states(world, records)
    assert len(world.cloud.charges) == 8


def test_damaged_record() -> None:
    """A damaged record is logged, and the others are finished."""
    world = World()
    records = park(world, 3, seconds=20)
    broken = fakes.StoredObject(json.dumps({"id": 7}).encode(), {}, 8)
    world.cloud.objects["photos", ".repaint/pending/0.json"] = broken
    counts = world.sweep(seconds=900)

    assert {"generated": 3} == states(world, records)
    assert (4, 1) == (counts["pending"], counts["unreadable"])
    (line,) = world.lines.named("record.unreadable")
    assert "move it away" in line["reason"]


def test_probe_without_time(world: World) -> None:
    """A paid image is probed for even if no time is left for a call."""
    world.cloud.reactions = [fakes.answer_lost]
    event = world.cloud.upload(prompt="a cat")
    assert world.deliver(event, seconds=40).status == "incomplete"
    world.clock.advance(60)

    assert world.sweep(seconds=10)["generated"] == 1
    assert len(world.cloud.charges) == 1


def test_throttled_not_counted(world: World) -> None:
    """A throttled call of an upload that goes away does not count against the cap."""
    world.environment["REPAINT_DAILY_CAP"] = "1"

    def throttled_and_gone(cloud: fakes.FakeCloud, request: Any) -> Any:
        cloud.objects.pop(("photos", "gone.png"))
        return fakes.model_refuses(50429)(cloud, request)

    world.cloud.reactions = [throttled_and_gone]
    first = world.deliver(world.cloud.upload("gone.png", prompt="a cat"))
    second = world.deliver(world.cloud.upload("here.png", prompt="a cat"))

    assert ("skipped", "generated") == (first.status, second.status)


def test_damaged_daily_cap() -> None:
    """A damaged count of the daily cap does not count as zero."""
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
