"""The newest of what was generated, without reading the rest."""

from ops.records.gallery.newest import newest
from tests.fakes import StoredObject, World


def generate(world: World, count: int) -> None:
    for number in range(count):
        world.deliver(world.cloud.upload(f"{number}.png", prompt="a cat"))


def test_what_ended_otherwise_is_not_read() -> None:
    with World() as world:
        generate(world, 3)
        for number in range(40):
            world.deliver(world.cloud.upload(f"bad {number}.png", prompt="x", seed="abc"))
        ledger = world.ledger
        world.cloud.requests.clear()

        found = newest(ledger, 2, 0.0, lambda _: None)

        assert ["2.png", "1.png"] == [record.key for record in found]
        assert 3 == len([name for name in world.cloud.requests if "/done/" in name])


def test_where_many_cannot_be_read_it_looks_on() -> None:
    with World() as world:
        generate(world, 3)
        for number in range(60):
            damaged = StoredObject(b"{", {}, 1, written_at=world.clock.now() + number)
            world.cloud.objects["photos", f".repaint/done/{number:032x}.json"] = damaged

        found = newest(world.ledger, 2, 0.0, lambda _: None)

        assert ["2.png", "1.png"] == [record.key for record in found]
