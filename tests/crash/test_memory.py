"""Whatever dies or breaks, wherever: one charge, one end, and it is the right one.

Nobody labels the places where it may die: each run is broken at its n-th operation, for n = 1, 2,
3 … until a run has fewer. The judge is the provider's own book.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from shared.errors import MaybeExecuted, NotExecuted
from shared.ledger import State
from tests import fakes
from tests.crash import interruption
from tests.crash.interruption import (
    FAULTS,
    KILLS,
    LEASE_SECONDS,
    Killed,
    Plan,
    dies,
    on_requests_only,
    process,
)
from tests.fakes import FakeCloud, World


def check(world: World, event: dict[str, Any], where: str, *, charges: int = 1) -> None:
    """Check the promises for the one upload of this world."""
    book = world.cloud
    again = world.deliver(event)
    assert again.status == "duplicate", (where, again)
    ended = world.ledger.finished(again.record or "")
    assert ended is not None
    assert ended.state == "generated", (where, ended)
    for uri in ended.store_uris:
        assert uri.removeprefix(f"tos-cn-i-{fakes.SERVICE}/") in book.outputs, where
    assert charges == len(book.charges), (where, book.history)
    probed = True
    for what, _name in book.history:
        if what == "charge":
            assert probed, (where, book.history)
        probed = what == "probe"
    world.sweep()
    assert list(world.ledger.pending_ids()) == [], where
    assert ended == world.ledger.finished(ended.id), where


@pytest.mark.parametrize("kill", KILLS)
def test_a_process_killed_anywhere_leaves_an_upload_that_is_finished_and_paid_once(
    worlds: Callable[[], World], kill: str
) -> None:
    for n in range(1, 99):
        world, plan = worlds(), Plan(n, KILLS[kill])
        event = world.cloud.upload(prompt="a cat")
        dies(world, event, plan)
        if not plan.met:
            assert n > 5
            return
        world.clock.advance(LEASE_SECONDS)
        world.deliver(event)
        world.finish()
        check(world, event, f"killed {kill} {n}")
    raise AssertionError("an upload never takes so many operations")


@pytest.mark.parametrize("kill", KILLS)
def test_the_sweep_alone_finishes_what_a_killed_process_left(
    worlds: Callable[[], World], kill: str
) -> None:
    for n in range(1, 99):
        world, plan = worlds(), Plan(n, KILLS[kill])
        event = world.cloud.upload(prompt="a cat")
        dies(world, event, plan)
        if not plan.met:
            return
        if not list(world.ledger.pending_ids()):
            # Nothing was written: this is the platform's to deliver again.
            world.deliver(event)
        world.finish()
        check(world, event, f"killed {kill} {n}")


@pytest.mark.parametrize("second", KILLS)
@pytest.mark.parametrize("first", KILLS)
def test_two_processes_killed_one_after_the_other_anywhere_cost_no_second_charge(
    worlds: Callable[[], World], first: str, second: str
) -> None:
    for n in range(1, 99):
        met = False
        for m in range(1, 99):
            world, plan, other = worlds(), Plan(n, KILLS[first]), Plan(m, KILLS[second])
            event = world.cloud.upload(prompt="a cat")
            dies(world, event, plan)
            met = plan.met
            if not met:
                break
            world.clock.advance(LEASE_SECONDS)
            dies(world, event, other)
            world.clock.advance(LEASE_SECONDS)
            world.deliver(event)
            world.finish()
            check(world, event, f"killed {first} {n}, then {second} {m}")
            if not other.met:
                break
        if not met:
            return


@pytest.mark.parametrize("kill", KILLS)
def test_a_sweep_killed_anywhere_loses_nothing(worlds: Callable[[], World], kill: str) -> None:
    for n in range(1, 99):
        world, plan = worlds(), Plan(n, KILLS[kill])
        event = world.cloud.upload(prompt="a cat")
        world.cloud.reactions = [fakes.nothing_made]
        assert world.deliver(event, seconds=60).status in {"incomplete", "deferred"}
        world.clock.advance(LEASE_SECONDS)
        runtime = process(world, plan)
        try:
            runtime.sweep.run(world.delivery(runtime))
        except Killed:
            assert plan.met
        world.finish()
        check(world, event, f"sweep killed {kill} {n}")
        if not plan.met:
            return


@pytest.mark.parametrize("fault", FAULTS)
def test_a_request_that_breaks_anywhere_costs_no_second_charge(
    worlds: Callable[[], World], fault: str
) -> None:
    for n in range(1, 99):
        world, plan = worlds(), Plan(n, on_requests_only(FAULTS[fault]))
        event = world.cloud.upload(prompt="a cat")
        first = world.deliver(event, process(world, plan))
        assert first.status in {"generated", "deferred", "in_doubt", "incomplete"}, first
        world.clock.advance(LEASE_SECONDS)
        if first.status != "generated":
            world.deliver(event)
        world.finish()
        check(world, event, f"{fault} at {n}")
        if not plan.met:
            return


def late(seconds: float) -> fakes.Reaction:
    """Cut the call off, and let the provider store the image so long after it was sent."""

    def react(cloud: FakeCloud, request: Any) -> Any:
        output = json.loads(request.body)["Outputs"][0]
        cloud.late.append((cloud.clock.now() + seconds, output))
        raise MaybeExecuted("reset")

    return react


@pytest.mark.parametrize("seconds", [0.0, 1.0, 12.0, 29.9, 34.9])
def test_an_image_that_is_stored_late_is_found_and_not_paid_for_again(
    worlds: Callable[[], World], seconds: float
) -> None:
    world = worlds()
    world.cloud.reactions = [late(seconds)]
    event = world.cloud.upload(prompt="a cat")

    assert world.deliver(event).status == "generated"
    check(world, event, f"late by {seconds}")


@pytest.mark.parametrize("seconds", [12.0, 29.9])
def test_an_answer_within_the_time_limit_is_waited_for(
    worlds: Callable[[], World], seconds: float
) -> None:
    world = worlds()
    world.cloud.latency = seconds
    event = world.cloud.upload(prompt="a cat")

    assert world.deliver(event).status == "generated"
    assert [what for what, _ in world.cloud.history] == ["charge"]
    check(world, event, f"answered after {seconds}")


@pytest.mark.parametrize("spacing", [1, 2, 3, 10, 60, 600])
def test_ten_redeliveries_however_fast_and_then_the_sweep_lose_nothing(
    worlds: Callable[[], World], spacing: int
) -> None:
    world, plan = worlds(), Plan(4, interruption.killed_after)
    event = world.cloud.upload(prompt="a cat")
    dies(world, event, plan)
    assert plan.met
    statuses = set()
    for _ in range(10):
        world.clock.advance(spacing)
        statuses.add(world.deliver(event).status)
    world.finish()

    assert statuses <= {"incomplete", "generated", "duplicate"}
    check(world, event, f"every {spacing} s")


@pytest.mark.parametrize("seconds", [60, 61 * 60, 6 * 3600, 30 * 86400])
def test_a_duplicate_is_paid_for_never_however_late_it_comes(
    worlds: Callable[[], World], seconds: int
) -> None:
    world = worlds()
    event = world.cloud.upload(prompt="a cat")
    assert world.deliver(event).status == "generated"
    world.clock.advance(seconds)

    check(world, event, f"after {seconds} s")


def test_three_calls_that_leave_nothing_end_in_doubt_and_are_never_paid_for_again(
    worlds: Callable[[], World],
) -> None:
    world = worlds()
    world.cloud.reactions = [fakes.nothing_made] * 3
    event = world.cloud.upload(prompt="a cat")
    results = [world.deliver(event, seconds=900)]
    world.finish()

    assert [r.status for r in results] == ["in_doubt"]
    assert len(world.cloud.bodies) == 3
    assert len({body["Outputs"][0] for body in world.cloud.bodies}) == 3
    assert len(list(world.ledger.pending_ids())) == 1


def test_an_image_that_turns_up_after_all_ends_the_doubt(worlds: Callable[[], World]) -> None:
    world = worlds()
    world.cloud.reactions = [fakes.nothing_made] * 3
    event = world.cloud.upload(prompt="a cat")
    assert world.deliver(event, seconds=900).status == "in_doubt"
    world.cloud.store(world.cloud.bodies[1]["Outputs"][0])
    world.finish()

    check(world, event, "turned up", charges=1)


def test_a_probe_that_cannot_tell_pays_nothing_until_one_can(worlds: Callable[[], World]) -> None:
    world = worlds()
    blind = True

    def cannot_see(name: str, _request: Any) -> None:
        if blind and name == "GetImageStorageFiles":
            raise NotExecuted("down")

    world.cloud.interfere = cannot_see
    world.cloud.reactions = [fakes.answer_lost]
    event = world.cloud.upload(prompt="a cat")

    assert world.deliver(event).status == "in_doubt"
    world.clock.advance(3601)
    world.sweep()
    assert len(world.cloud.charges) == 1
    blind = False
    world.finish()
    check(world, event, "could not see")


def test_a_charge_for_which_nothing_was_stored_is_paid_again_only_after_looking(
    worlds: Callable[[], World],
) -> None:
    def charged_for_nothing(cloud: FakeCloud, _request: Any) -> Any:
        cloud.charges.append("nothing")
        cloud.history.append(("charge", "nothing"))
        raise MaybeExecuted("reset")

    world = worlds()
    world.cloud.reactions = [charged_for_nothing]
    event = world.cloud.upload(prompt="a cat")

    assert world.deliver(event).status == "generated"
    check(world, event, "charged for nothing", charges=2)


@pytest.mark.parametrize("kill", KILLS)
def test_an_upload_that_is_rejected_is_found_among_the_others_wherever_it_was_killed(
    worlds: Callable[[], World], kill: str
) -> None:
    for n in range(1, 99):
        world, plan = worlds(), Plan(n, KILLS[kill])
        event = world.cloud.upload(prompt="a cat", seed="abc")
        dies(world, event, plan)
        world.clock.advance(LEASE_SECONDS)
        again = world.deliver(event)
        assert again.status in {"rejected", "duplicate"}, again
        assert [again.record] == [found for found, _ in world.ledger.ended_ids(State.REJECTED)], n
        if not plan.met:
            assert n > 3
            return
    raise AssertionError("an upload never takes so many operations")
