"""A record that is run again as another one: never do both pay."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.ledger import Record
from shared.uploads.metadata import object_id, redrive_id
from tests import fakes
from tests.fakes import World


@pytest.fixture(params=["tos", "sqlite"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with World() as world:
        if request.param == "sqlite":
            world.environment["REPAINT_LEDGER"] = f"sqlite://{tmp_path}/ledger.db"
        yield world


def parked(world: World) -> Record:
    """Have a record parked that names the one that runs it again."""
    world.cloud.reactions = [fakes.model_refuses(50400)]
    result = world.deliver(world.cloud.upload(prompt="a cat"))
    entry = world.ledger.pending(result.record or "")
    assert entry is not None
    named = entry.record.changed(redriven_as=redrive_id(entry.record.id))
    return world.ledger.replace(entry, named).record


def test_the_one_that_is_run_again_ends_and_pays_nothing_once_the_other_is_there(
    world: World,
) -> None:
    old = parked(world)
    assert old.redriven_as is not None
    assert old.park is not None
    due = old.park.model_copy(update={"due_at": 0.0})
    new = old.changed(id=old.redriven_as, redrive_of=old.id, redriven_as=None, park=due)
    assert world.ledger.create(new) is not None
    world.clock.advance(3601)
    world.sweep()

    ended = world.ledger.finished(old.id)
    assert ended is not None
    assert ("superseded", f"Run again as {new.id}.") == (ended.state, ended.reason)
    made = world.ledger.finished(new.id)
    assert made is not None
    assert "generated" == made.state
    assert [f"repaint/{new.id}-1"] == world.cloud.charges


def test_one_whose_other_was_never_written_goes_on_as_it_was(world: World) -> None:
    old = parked(world)
    world.clock.advance(3601)
    world.sweep()

    ended = world.ledger.finished(old.id)
    assert ended is not None
    assert ("generated", None) == (ended.state, ended.redriven_as)
    assert [f"repaint/{old.id}-1"] == world.cloud.charges


def test_the_id_of_the_other_follows_from_the_old_one_and_is_the_objects() -> None:
    first = object_id("photos", "a.png") + "0" * 12
    second = redrive_id(first)

    assert (32, first[:20]) == (len(second), second[:20])
    assert second == redrive_id(first)
    assert 3 == len({first, second, redrive_id(second)})
