"""Counting records: which of them are read."""

from ops.records.count import Charges, count_pending, count_since
from shared.ledger import Attempt, Record, Source
from tests.fakes import World


def test_pending_only() -> None:
    """End records are neither listed nor read."""
    with World() as world:
        for number in range(3):
            world.deliver(world.cloud.upload(f"{number}.png", prompt="a cat"))
        world.deliver(world.cloud.upload("parked.png", prompt="a cat"), seconds=20)
        ledger, now = world.ledger, world.clock.now()
        world.cloud.requests.clear()

        counted = count_pending(ledger, now, limit=50, only=None, report=lambda _: None)

        assert ["parked.png"] == [record.source.key for record in counted.records]
        assert ["GET /", f"GET /.repaint/pending/{counted.records[0].id}.json"] == (
            world.cloud.requests
        )


def test_recent_only() -> None:
    """Of the end records only recent ones are read."""
    with World() as world:
        world.deliver(world.cloud.upload("old.png", prompt="a cat"))
        world.clock.advance(3600)
        since = world.clock.now()
        world.deliver(world.cloud.upload("new.png", prompt="a cat"))
        ledger, now = world.ledger, world.clock.now()
        world.cloud.requests.clear()

        counted = count_since(ledger, Charges(since), now, limit=50, report=lambda _: None)

        assert ["new.png"] == [record.source.key for record in counted.records]
        assert 2 == len(world.cloud.requests)


def test_charged_once() -> None:
    """A record that is read while pending and again after its end is charged once."""
    attempt = Attempt(number=1, output="o", sent_at=100.0)
    record = Record(id="a", source=Source(bucket="b", key="k"), attempts=(attempt,))
    ended = record.with_attempt(attempt.model_copy(update={"outcome": "found"}))
    charges = Charges(since=50.0)

    charges.keep(record)
    charges.keep(record.changed(id="b"))
    charges.add(ended)

    assert {"charged": 1, "maybe": 1} == charges.counts()
