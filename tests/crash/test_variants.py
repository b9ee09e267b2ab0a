"""An upload of three variants, interrupted at every operation: three ends, three charges.

As in `test_every_operation`, each run is interrupted at its n-th operation until a run has fewer.
Several threads process the variants, so the n-th operation differs from run to run.
"""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from shared.ledger import Record
from shared.uploads.metadata import identity, variant_id
from tests import fakes
from tests.crash.interruption import (
    FAULTS,
    KILLS,
    Operation,
    Plan,
    deliver_interrupted,
    on_requests_only,
    process,
)
from tests.fakes import LEASE_SECONDS, World

PRESETS = json.dumps([{"prefix": "", "variants": 3}])
# More than the writes before the first claim, and those of all variants at their quickest.
FEWEST = 20


@pytest.fixture
def worlds(worlds: Callable[[], World]) -> Callable[[], World]:
    """Return a function that makes deployments with a preset of three variants."""

    def make() -> World:
        world = worlds()
        world.environment["REPAINT_PRESETS"] = PRESETS
        return world

    return make


def check(world: World, event: dict[str, Any], where: str) -> None:
    """Check the promises for the one upload of this world."""
    again = world.deliver_all(event)
    assert ["duplicate"] * 3 == [result.status for result in again], (where, again)
    assert [1, 2, 3] == [result.variant for result in again], (where, again)
    ends = [ended(world, result.record or "", where) for result in again]
    assert 3 == len({end.store_uris for end in ends}), (where, ends)
    paid: Counter[str] = Counter()
    for what, name in world.cloud.history:
        record = name.removeprefix("repaint/")[:32]
        if what == "probe":
            paid[record] = 0
        else:
            paid[record] += 1
            assert 1 == paid[record], (where, world.cloud.history)
    assert 3 == len(world.cloud.charges), (where, world.cloud.history)
    seeds = {body["ReqJson"]["seed"] for body in world.cloud.bodies}
    assert len({body["Outputs"][0] for body in world.cloud.bodies}) == len(seeds), where
    world.sweep()
    assert list(world.ledger.pending_ids()) == [], where


def is_known(world: World, record_id: str) -> bool:
    ledger = world.ledger
    return bool(ledger.finished(record_id) or ledger.pending(record_id))


def ended(world: World, record_id: str, where: str) -> Record:
    record = world.ledger.finished(record_id)
    assert record is not None, where
    assert "generated" == record.state, (where, record)
    return record


@pytest.mark.parametrize("finisher", ["delivery", "sweep"])
@pytest.mark.parametrize("kill", KILLS)
def test_process_killed(worlds: Callable[[], World], kill: str, finisher: str) -> None:
    """A process killed at any operation leaves three variants, finished and paid once."""
    for n in range(1, 199):
        world, plan = worlds(), Plan(n, KILLS[kill])
        event = world.cloud.upload(prompt="a cat")
        deliver_interrupted(world, event, plan)
        if not plan.met:
            assert n > FEWEST
            return
        world.clock.advance(LEASE_SECONDS)
        if finisher == "sweep":
            world.finish()
        world.deliver_all(event)
        world.finish()
        check(world, event, f"killed {kill} {n}, finished by {finisher}")
    raise AssertionError("an upload never takes so many operations")


@pytest.mark.parametrize("kill", KILLS)
def test_siblings_written_first(worlds: Callable[[], World], kill: str) -> None:
    """If variant 1 has a record, its siblings have one."""
    seen = set()
    for n in range(1, 199):
        world, plan = worlds(), Plan(n, KILLS[kill])
        event = world.cloud.upload(prompt="a cat")
        deliver_interrupted(world, event, plan)
        if not plan.met:
            break
        etag = world.cloud.objects["photos", "uploads/cat.png"].etag
        first = identity("photos", "uploads/cat.png", etag, {"prompt": "a cat"})
        ids = [variant_id(first, number) for number in (1, 2, 3)]
        seen.add(tuple(is_known(world, record_id) for record_id in ids))

    assert {
        (False, False, False),
        (False, False, True),
        (False, True, True),
        (True, True, True),
    } == (seen)


@pytest.mark.parametrize("second", KILLS)
@pytest.mark.parametrize("first", KILLS)
def test_two_processes_killed(worlds: Callable[[], World], first: str, second: str) -> None:
    """Two processes, killed one after the other, cost no further charge."""
    for n in range(1, 199):
        # Every pair of operations would be some thousand runs: the second one varies.
        world, plan, other = worlds(), Plan(n, KILLS[first]), Plan(1 + n * 7 % 23, KILLS[second])
        event = world.cloud.upload(prompt="a cat")
        deliver_interrupted(world, event, plan)
        world.clock.advance(LEASE_SECONDS)
        deliver_interrupted(world, event, other)
        world.clock.advance(LEASE_SECONDS)
        world.deliver_all(event)
        world.finish()
        check(world, event, f"killed {first} {n}, then {second} {other.at}")
        if not plan.met:
            return


@pytest.mark.parametrize("fault", FAULTS)
def test_request_fails(worlds: Callable[[], World], fault: str) -> None:
    """A fault at any request leaves three variants that are paid once."""
    for n in range(1, 199):
        world, plan = worlds(), Plan(n, on_requests_only(FAULTS[fault]))
        event = world.cloud.upload(prompt="a cat")
        world.deliver_all(event, process(world, plan))
        world.clock.advance(LEASE_SECONDS)
        world.deliver_all(event)
        world.finish()
        check(world, event, f"{fault} at {n}")
        if not plan.met:
            assert n > FEWEST
            return


def test_delivery_stopped(worlds: Callable[[], World]) -> None:
    """A delivery that stops while another one finishes revives no sibling."""
    for n in range(1, 12):
        world = worlds()
        event = world.cloud.upload(prompt="a cat")

        def another_comes(
            operation: Operation, world: World = world, event: dict[str, Any] = event
        ) -> Any:
            assert 3 == len(world.deliver_all(event))
            return operation()

        plan = Plan(n, another_comes)
        world.deliver_all(event, process(world, plan))
        assert plan.met
        world.clock.advance(LEASE_SECONDS)
        world.deliver_all(event)
        world.finish()
        check(world, event, f"another one at {n}")


def test_answers_lost(worlds: Callable[[], World]) -> None:
    """After lost answers, the image of each variant is probed for."""
    world = worlds()
    world.cloud.reactions = [fakes.answer_lost] * 3
    event = world.cloud.upload(prompt="a cat")
    world.deliver_all(event, seconds=600)
    world.clock.advance(LEASE_SECONDS)
    world.deliver_all(event)

    check(world, event, "answers lost")
