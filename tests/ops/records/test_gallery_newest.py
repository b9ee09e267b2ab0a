"""The newest generated records, without reading the rest."""

from ops.records.gallery.newest import newest
from tests.fakes import StoredObject, World


def generate(world: World, count: int) -> None:
    for number in range(count):
        world.deliver(world.cloud.upload(f"{number}.png", prompt="a cat"))


def test_other_ends() -> None:
    """Records that ended otherwise are not read."""
    with World() as world:
        generate(world, 3)
        for number in range(40):
            world.deliver(world.cloud.upload(f"bad {number}.png", prompt="x", seed="abc"))
        ledger = world.ledger
        world.cloud.requests.clear()

        found = newest(ledger, 2, 0.0, lambda _: None)

        assert ["2.png", "1.png"] == [record.source.key for record in found]
        assert 3 == len([name for name in world.cloud.requests if "/done/" in name])


def test_many_unreadable() -> None:
    """If many cannot be read, more are read."""
    with World() as world:
        generate(world, 3)
        for number in range(60):
            damaged = StoredObject(b"{", {}, 1, written_at=world.clock.now() + number)
            world.cloud.objects["photos", f".repaint/done/{number:032x}.json"] = damaged

        found = newest(world.ledger, 2, 0.0, lambda _: None)

        assert ["2.png", "1.png"] == [record.source.key for record in found]
