"""Redrive: an old record and its new one never both pay."""

from shared.ledger import Record
from shared.uploads.metadata import object_id, redrive_id
from tests import fakes
from tests.fakes import World


def parked(world: World) -> Record:
    """Park a record that names the one that takes its place."""
    world.cloud.reactions = [fakes.model_refuses(50400)]
    result = world.deliver(world.cloud.upload(prompt="a cat"))
    entry = world.ledger.pending(result.record or "")
    assert entry is not None
    named = entry.record.changed(redriven_as=redrive_id(entry.record.id))
    return world.ledger.replace(entry, named).record


def test_old_record_ends(world: World) -> None:
    """The old record ends, and pays nothing, once the new one exists."""
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


def test_new_record_missing(world: World) -> None:
    """An old record goes on as before if its new one was never written."""
    old = parked(world)
    world.clock.advance(3601)
    world.sweep()

    ended = world.ledger.finished(old.id)
    assert ended is not None
    assert ("generated", None) == (ended.state, ended.redriven_as)
    assert [f"repaint/{old.id}-1"] == world.cloud.charges


def test_redrive_id() -> None:
    """The new id follows from the old one, and begins with the object's id."""
    first = object_id("photos", "a.png") + "0" * 12
    second = redrive_id(first)

    assert (32, first[:20]) == (len(second), second[:20])
    assert second == redrive_id(first)
    assert 3 == len({first, second, redrive_id(second)})
