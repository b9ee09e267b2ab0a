"""What a redrive may cost, told before it is begun."""

from functools import partial
from io import StringIO

from rich.console import Console

from ops.records.redrive.plan import Plan, make_plan
from ops.records.redrive.telling import tell_plan
from shared.clients.http import Request
from shared.errors import MaybeExecuted
from shared.ledger import find
from shared.processing.outputs import Outputs
from shared.uploads.metadata import again_id
from tests import fakes
from tests.fakes import ENVIRONMENT, World


def plan(world: World, *ids: str) -> Plan:
    runtime = world.runtime()
    return make_plan(
        ids,
        partial(find, world.ledger),
        lambda _: True,
        ledger=world.ledger,
        outputs=Outputs(runtime.imagex, ENVIRONMENT["VEIMAGEX_DOMAIN"]),
        presets=runtime.settings.presets,
        tell=lambda _: None,
    )


def told(world: World, planned: Plan, cap: int | None = None) -> str:
    text = StringIO()
    tell_plan(Console(file=text, soft_wrap=True), planned, cap, world.clock.now())
    return text.getvalue()


def in_doubt(world: World) -> str:
    world.cloud.reactions = [fakes.nothing_made] * 3
    result = world.deliver(world.cloud.upload(prompt="a cat"), seconds=600)
    assert "in_doubt" == result.status
    return result.record or ""


def test_an_image_that_cannot_be_looked_for_is_told_as_a_second_payment() -> None:
    with World() as world:
        record = in_doubt(world)

        def blind(name: str, _request: Request) -> None:
            if name == "GetImageStorageFiles":
                raise MaybeExecuted("timed out")

        world.cloud.interfere = blind
        planned = plan(world, record)

        assert (1, 0, 1) == (planned.unclear, planned.with_image, planned.generations)
        text = told(world, planned)
        assert "1 record may have made an image that cannot be looked for now" in text
        assert "whether its image is there cannot be told: timed out" in text


def test_what_never_came_to_have_its_variants_is_told_with_all_of_them() -> None:
    with World() as world:
        world.environment["REPAINT_PRESETS"] = '[{"prefix": "uploads/", "variants": 3}]'
        mistaken = world.deliver(world.cloud.upload(prompt="a cat", seed="abc"))
        world.cloud.reactions = [fakes.model_refuses(50412)] * 3
        refused = world.deliver_all(world.cloud.upload(prompt="a dog"))
        planned = plan(world, mistaken.record or "", refused[0].record or "")

        assert 3 + 1 == planned.generations
        assert "May be paid for again: 4 generations" in told(world, planned)


def test_what_can_be_looked_for_is_no_second_payment() -> None:
    with World() as world:
        planned = plan(world, in_doubt(world))

        assert (0, 0, {"maybe": 3}) == (planned.unclear, planned.with_image, planned.attempts)
        assert "no image is there" in told(world, planned)


def test_one_attempt_is_told_as_one() -> None:
    with World() as world:
        world.cloud.reactions = [fakes.model_refuses(50412)]
        planned = plan(world, world.deliver(world.cloud.upload(prompt="a cat")).record or "")

        assert "\n1 attempt was sent for 1 record: 0 charged" in told(world, planned)


def test_the_daily_cap_and_what_was_run_again_before_are_told() -> None:
    with World() as world:
        world.cloud.reactions = [fakes.model_refuses(50412)]
        old = world.deliver(world.cloud.upload(prompt="a cat")).record or ""
        record = world.ledger.finished(old)
        assert record is not None
        new = record.changed(id=again_id(old), state="pending", parked="deferred")
        assert world.ledger.create(new) is not None
        planned = plan(world, old, new.id)

        text = told(world, planned, cap=7)
        assert ([new.id], 1) == (planned.ids, planned.already_count)
        assert f"was run again already, as {new.id} (deferred): redrive that one" in text
        assert "At most 7 are paid a day (REPAINT_DAILY_CAP)." in text
