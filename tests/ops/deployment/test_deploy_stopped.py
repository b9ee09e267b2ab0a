"""Whatever a run was stopped at, the next one ends where an undisturbed one would have."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ops.deployment.apply import Connection
from ops.deployment.bucket_rules import Rule
from ops.deployment.model import Desired
from ops.deployment.plan import Plan, buckets_of, deploy_plan, removal_plan
from ops.deployment.render import Progress
from ops.deployment.serverless_yml.service import Function, ScheduleEvent, Service, TosEvent
from shared.errors import MaybeExecuted
from tests.fakes import FakeClock
from tests.ops.deployment.fake_platform import (
    FakeBuckets,
    FakePlatform,
    Fate,
    digest,
    lies,
    others,
    picture_of,
)
from tests.ops.deployment.packing import service

RUNTIME = "python3.12/v1"


def project(*, timeout: int = 120, prefix: str = "uploads/", cron: str = "*/1 * * * *") -> Service:
    """Return a service of two functions, one called by a bucket and one by a timer."""
    whole = service(Path(), RUNTIME)
    upload, _, sweep = whole.functions
    events = (TosEvent("photos", ("tos:ObjectCreated:*",), prefix, ".png"),)
    return replace(
        whole,
        functions=(
            replace(upload, timeout_seconds=timeout, events=events, environment={"A": "1"}),
            replace(sweep, events=(ScheduleEvent(cron),)),
        ),
    )


@dataclass
class World:
    """A platform and its buckets, and one who deploys to them."""

    platform: FakePlatform
    buckets: FakeBuckets

    def connection(self, of: Service) -> Connection:
        return Connection(of, self.platform, self.buckets, FakeClock(), Progress(quiet=True))

    def plan(self, of: Service, code: bytes) -> Plan:
        """Return what there is to do still."""
        current = self.connection(of).current(names(of), buckets_of(of.functions), settle=False)
        return deploy_plan(of, desired(of, code), current)

    def deploy(self, of: Service, code: bytes) -> None:
        connection = self.connection(of)
        current = connection.current(names(of), buckets_of(of.functions), settle=True)
        plan = deploy_plan(of, desired(of, code), current)
        assert not plan.problems
        connection.apply(plan, current)

    def remove(self, of: Service) -> None:
        connection = self.connection(of)
        current = connection.current(names(of), buckets_of(of.functions), settle=True)
        connection.apply(removal_plan(of, names(of), current), current)


def names(of: Service) -> list[str]:
    return [function.deployed_name for function in of.functions]


def desired(of: Service, code: bytes) -> list[Desired]:
    def zipped(function: Function) -> bytes:
        return code + function.name.encode()

    return [Desired(f, digest(zipped(f)), zipped(f)) for f in of.functions]


def empty() -> World:
    platform = FakePlatform()
    return World(platform, FakeBuckets(platform, photos=[others()]))


def older() -> World:
    """Return a world where something else was deployed before."""
    world = empty()
    world.deploy(project(timeout=60, prefix="old/", cron="0 * * * *"), b"old")
    return world


def rolled_back() -> World:
    """Return a world where the newest was deployed, and is not what runs."""
    world = older()
    world.deploy(project(), b"new")
    function = world.platform.named("repaint-dev-upload")
    function.stable = 1
    return world


def deploy(world: World) -> None:
    world.deploy(project(), b"new")


def remove(world: World) -> None:
    world.remove(project())


def calls_into_nowhere(world: World) -> list[str]:
    """Return the rules that call what is not there."""
    rules = [Rule.read(rule) for found in world.buckets.there.values() for rule in found]
    there = {"of-others", *world.platform.stored}
    return [rule.rule_id for rule in rules if not there.issuperset(rule.functions)]


@pytest.mark.parametrize(
    ("start", "run"),
    [
        (empty, deploy),
        (older, deploy),
        (rolled_back, deploy),
        (older, remove),
        (rolled_back, remove),
    ],
)
def test_a_run_that_was_stopped_anywhere_is_made_up_for_by_the_next(
    start: Callable[[], World], run: Callable[[World], None]
) -> None:
    undisturbed = start()
    run(undisturbed)
    end = picture_of(undisturbed.platform, undisturbed.buckets)
    stops = 0
    while True:
        world = start()
        world.platform.fate = Fate(dies_at=stops + 1)
        try:
            run(world)
        except MaybeExecuted:
            stops += 1
        else:
            break
        assert [] == lies(world.platform), f"stopped at {stops}"
        assert [] == calls_into_nowhere(world), f"stopped at {stops}"
        world.platform.fate = Fate()
        run(world)
        assert end == picture_of(world.platform, world.buckets), f"stopped at {stops}"

    assert stops > 5


@pytest.mark.parametrize("start", [empty, older, rolled_back])
def test_a_second_run_has_nothing_to_do(start: Callable[[], World]) -> None:
    world = start()
    deploy(world)

    assert () == world.plan(project(), b"new").steps


@pytest.mark.parametrize("start", [empty, older, rolled_back])
def test_rules_of_others_stay_letter_for_letter(start: Callable[[], World]) -> None:
    world = start()
    deploy(world)
    remove(world)

    assert {"photos": [others()]} == world.buckets.there
