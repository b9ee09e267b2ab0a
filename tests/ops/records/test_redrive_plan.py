"""The plan of a redrive: what it may cost."""

from functools import partial
from io import StringIO

from rich.console import Console

from ops.records.redrive.plan import RedrivePlan, make_plan
from ops.records.redrive.render import print_plan
from shared.clients.http import Request
from shared.errors import MaybeExecuted
from shared.ledger import Cause, Park, State, Status, find
from shared.uploads.metadata import redrive_id
from tests import fakes
from tests.fakes import World


def plan(world: World, *ids: str) -> RedrivePlan:
    read = partial(find, world.ledger)
    return make_plan(ids, read, lambda _: True, runtime=world.runtime(), report=lambda _: None)


def rendered(world: World, planned: RedrivePlan, cap: int | None = None) -> str:
    text = StringIO()
    print_plan(Console(file=text, soft_wrap=True), planned, cap, world.clock.now())
    return text.getvalue()


def in_doubt(world: World) -> str:
    world.cloud.reactions = [fakes.nothing_made] * 3
    result = world.deliver(world.cloud.upload(prompt="a cat"), seconds=600)
    assert "in_doubt" == result.status
    return result.record or ""


def test_failing_probe() -> None:
    """An image that cannot be probed for counts as a second payment."""
    with World() as world:
        record = in_doubt(world)

        def blind(name: str, _request: Request) -> None:
            if name == "GetImageStorageFiles":
                raise MaybeExecuted("timed out")

        world.cloud.interfere = blind
        planned = plan(world, record)

        assert (1, 0, 1) == (planned.unclear, planned.with_image, planned.generations)
        text = rendered(world, planned)
        assert "1 record may have an image that cannot be probed for now" in text
        assert "whether its image is there is not known: timed out" in text


def test_missing_variants() -> None:
    """A record that never had its variants counts with all of them."""
    with World() as world:
        world.environment["REPAINT_PRESETS"] = '[{"prefix": "uploads/", "variants": 3}]'
        mistaken = world.deliver(world.cloud.upload(prompt="a cat", seed="abc"))
        world.cloud.reactions = [fakes.model_refuses(50412)] * 3
        refused = world.deliver_all(world.cloud.upload(prompt="a dog"))
        planned = plan(world, mistaken.record or "", refused[0].record or "")

        assert 3 + 1 == planned.generations
        assert "May be paid for again: 4 generations" in rendered(world, planned)


def test_probe() -> None:
    """An image that can be probed for is no second payment."""
    with World() as world:
        planned = plan(world, in_doubt(world))

        assert (0, 0, {"maybe": 3}) == (planned.unclear, planned.with_image, planned.attempts)
        assert "no image is there" in rendered(world, planned)


def test_one_attempt() -> None:
    """One attempt is written in the singular."""
    with World() as world:
        world.cloud.reactions = [fakes.model_refuses(50412)]
        planned = plan(world, world.deliver(world.cloud.upload(prompt="a cat")).record or "")

        assert "\n1 attempt was sent for 1 record: 0 charged" in rendered(world, planned)


def test_already_redriven() -> None:
    """The daily cap and the records that were run again before are shown."""
    with World() as world:
        world.cloud.reactions = [fakes.model_refuses(50412)]
        old = world.deliver(world.cloud.upload(prompt="a cat")).record or ""
        record = world.ledger.finished(old)
        assert record is not None
        park = Park(status=Status.DEFERRED, cause=Cause.TIME, due_at=0.0)
        new = record.changed(id=redrive_id(old), state=State.PENDING, park=park)
        assert world.ledger.create(new) is not None
        planned = plan(world, old, new.id)

        text = rendered(world, planned, cap=7)
        assert ([new.id], 1) == (list(planned.records), planned.already_count)
        assert f"was run again already, as {new.id} (deferred): redrive that one" in text
        assert "At most 7 are paid a day (REPAINT_DAILY_CAP)." in text
