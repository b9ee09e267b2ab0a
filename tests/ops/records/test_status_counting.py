"""What `status` reads, and what it does not."""

from ops.records.status.counting import Charges, count_pending, count_since
from shared.ledger import Attempt, Record
from tests.fakes import World


def test_what_has_ended_is_neither_listed_nor_read() -> None:
    with World() as world:
        for number in range(3):
            world.deliver(world.cloud.upload(f"{number}.png", prompt="a cat"))
        world.deliver(world.cloud.upload("parked.png", prompt="a cat"), seconds=20)
        ledger, now = world.ledger, world.clock.now()
        world.cloud.requests.clear()

        counted = count_pending(ledger, now, limit=50, only="", tell=lambda _: None)

        assert ["parked.png"] == [record.key for record in counted.records]
        assert ["GET /", f"GET /.repaint/pending/{counted.records[0].id}.json"] == (
            world.cloud.requests
        )


def test_of_what_has_ended_only_what_is_recent_is_read() -> None:
    with World() as world:
        world.deliver(world.cloud.upload("old.png", prompt="a cat"))
        world.clock.advance(3600)
        since = world.clock.now()
        world.deliver(world.cloud.upload("new.png", prompt="a cat"))
        ledger, now = world.ledger, world.clock.now()
        world.cloud.requests.clear()

        counted = count_since(ledger, Charges(since), now, limit=50, tell=lambda _: None)

        assert ["new.png"] == [record.key for record in counted.records]
        assert 2 == len(world.cloud.requests)


def test_a_record_that_is_met_pending_and_then_ended_is_charged_once() -> None:
    attempt = Attempt(number=1, output="o", sent_at=100.0)
    record = Record(id="a", bucket="b", key="k", etag="e", attempts=(attempt,))
    told = record.with_attempt(attempt.model_copy(update={"outcome": "found"}))
    charges = Charges(since=50.0)

    charges.keep(record)
    charges.keep(record.changed(id="b"))
    charges.add(told)

    assert {"charged": 1, "maybe": 1} == charges.counts()
