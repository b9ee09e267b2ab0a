"""The webhook, interrupted at every operation: every end is reported, and nothing untrue."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from shared.ledger import Record
from tests import fakes
from tests.crash.interruption import (
    FAULTS,
    KILLS,
    Killed,
    Plan,
    deliver_interrupted,
    on_requests_only,
    process,
)
from tests.crash.witness import Witness
from tests.fakes import LEASE_SECONDS, World

MOST_OPERATIONS = 99


def generated(world: World) -> dict[str, Any]:
    return world.cloud.upload(prompt="a cat")


def rejected(world: World) -> dict[str, Any]:
    return world.cloud.upload(prompt="a cat", seed="abc")


def refused(world: World) -> dict[str, Any]:
    world.cloud.reactions = [fakes.model_refuses(50411)]
    return world.cloud.upload(prompt="a cat")


def parked(world: World) -> dict[str, Any]:
    world.cloud.reactions = [fakes.model_refuses(50400)]
    return world.cloud.upload(prompt="a cat")


def recover(world: World, event: dict[str, Any]) -> Record:
    """Deliver and sweep until everything is done; return the upload's end record."""
    world.clock.advance(LEASE_SECONDS)
    world.deliver(event)
    world.finish()
    for _ in range(2):
        world.clock.advance(3601)
        world.sweep()
    again = world.deliver(event)
    ended = world.ledger.finished(again.record or "")
    assert ended is not None
    return ended


def check(world: World, witness: Witness, event: dict[str, Any], where: str) -> None:
    ended = recover(world, event)
    assert [] == witness.untrue, where
    reported = Counter(event.get_id().partition("-")[2] for event in witness.events)
    assert reported[ended.state], where
    # One process was killed, or one request failed.
    assert set(reported.values()) <= {1, 2}, where
    assert [] == list(world.ledger.entry_ids()), where


@pytest.mark.parametrize("upload", [generated, rejected, refused, parked])
@pytest.mark.parametrize("kill", KILLS)
def test_process_killed(
    worlds: Callable[[], World], kill: str, upload: Callable[[World], dict[str, Any]]
) -> None:
    """A process killed at any operation leaves no end unreported, and reports nothing untrue."""
    for n in range(1, MOST_OPERATIONS):
        world, plan = worlds(), Plan(n, KILLS[kill])
        witness, event = Witness(world), upload(world)
        deliver_interrupted(world, event, plan)
        check(world, witness, event, f"killed {kill} {n}")
        if not plan.met:
            assert n > 5
            return
    pytest.fail("the operations never end")


@pytest.mark.parametrize("kill", KILLS)
def test_sweep_killed(worlds: Callable[[], World], kill: str) -> None:
    """A sweep killed at any operation leaves no end unreported, and reports nothing untrue."""
    for n in range(1, MOST_OPERATIONS):
        world, plan = worlds(), Plan(n, KILLS[kill])
        witness = Witness(world)
        witness.statuses = [503]
        event = parked(world)
        assert "deferred" == world.deliver(event).status
        world.clock.advance(61)
        runtime = process(world, plan)
        try:
            runtime.sweep.run(world.delivery(runtime))
        except Killed:
            assert plan.met
        check(world, witness, event, f"sweep killed {kill} {n}")
        if not plan.met:
            assert n > 5
            return
    pytest.fail("the operations never end")


@pytest.mark.parametrize("fault", FAULTS)
def test_request_fails(worlds: Callable[[], World], fault: str) -> None:
    """A fault at any request leaves no end unreported."""
    for n in range(1, MOST_OPERATIONS):
        world, plan = worlds(), Plan(n, on_requests_only(FAULTS[fault]))
        witness, event = Witness(world), generated(world)
        world.deliver(event, process(world, plan))
        check(world, witness, event, f"{fault} at {n}")
        if not plan.met:
            return
    pytest.fail("the operations never end")
