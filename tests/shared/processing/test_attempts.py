"""The attempt protocol: what is sent, when, and who writes the end."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from shared.clients.http import Request
from shared.errors import MaybeExecuted, NotExecuted
from shared.ledger import State
from shared.uploads.metadata import redrive_id
from tests import fakes
from tests.fakes import LEASE_SECONDS, FakeCloud, World


def on_paid_call(world: World, do: Callable[[], object]) -> None:
    """Have something done while the next paid call's connection is being opened."""

    def connecting(name: str) -> None:
        if name == "GetCVImageGenerateResult":
            world.cloud.connecting = lambda _name: None
            do()

    world.cloud.connecting = connecting


@pytest.mark.parametrize("seconds", [6.0, 16.0, LEASE_SECONDS, 3600.0])
def test_slow_connection(world: World, seconds: float) -> None:
    """A name look-up or a handshake that takes too long ends before the call, not behind it."""
    event = world.cloud.upload(prompt="a cat")
    others: list[str] = []

    def waits() -> None:
        world.clock.advance(seconds)
        if seconds >= LEASE_SECONDS:
            others.append(world.deliver(event).status)

    on_paid_call(world, waits)
    world.deliver(event)
    world.finish()

    assert 1 == len(world.cloud.charges)
    assert ["generated"] * len(others) == others


def test_fresh_connection(world: World) -> None:
    """A paid call does not go over an idle connection, which may have died without a word."""
    world.cloud.reactions = [fakes.not_connected]
    world.deliver(world.cloud.upload(prompt="a cat"))

    assert [True, True] == world.cloud.fresh


def test_sent_log_line(world: World) -> None:
    """`attempt.sent` is written for a call that went out, and for no other."""
    on_paid_call(world, lambda: world.clock.advance(6.0))
    world.deliver(world.cloud.upload(prompt="a cat"))

    assert len(world.cloud.charges) == len(world.lines.named("attempt.sent"))


def frozen_after_refusal(world: World, event: dict[str, Any]) -> tuple[str, list[str]]:
    """Deliver an upload whose call is refused; suspend its owner while another one pays.

    Returns the first owner's result and the other's.
    """
    others: list[str] = []

    def refused(cloud: FakeCloud, request: Request) -> Any:
        def other() -> None:
            world.clock.advance(LEASE_SECONDS)
            others.append(world.deliver(event).status)

        # Suspended between the answer and the first write after it.
        before_next_write(world, other)
        return fakes.model_refuses(50412)(cloud, request)

    world.cloud.reactions = [refused]
    return world.deliver(event).status, others


def before_next_write(world: World, do: Callable[[], object]) -> None:
    def interfere(name: str, _request: Request) -> None:
        if name.startswith("PUT "):
            world.cloud.interfere = lambda _name, _request: None
            do()

    world.cloud.interfere = interfere


def test_stale_owner_writes_no_end() -> None:
    """An owner that lost its lease cannot write "rejected" beside another owner's paid image."""
    with World() as world:
        first, others = frozen_after_refusal(world, world.cloud.upload(prompt="a cat"))

        assert ("incomplete", ["generated"]) == (first, others)
        (made,) = world.cloud.charges
        (record,) = [world.ledger.finished(i) for i, _ in world.ledger.finished_ids()]
        assert record is not None
        assert State.GENERATED == record.state
        assert record.store_uris[0].endswith(made)


@pytest.mark.parametrize("crash", ["decided", "ended"])
def test_decision_survives_a_crash(crash: str) -> None:
    """Once "rejected" is decided, the next owner writes that end and does not pay."""
    with World() as world:
        event = world.cloud.upload(prompt="a cat")
        key = {"decided": "PUT /.repaint/ended/", "ended": "PUT /.repaint/done/"}[crash]

        def dies(name: str, _request: Request) -> None:
            if name.startswith(key):
                raise NotExecuted("the process died here")

        world.cloud.reactions = [fakes.model_refuses(50412)]
        world.cloud.interfere = dies
        assert "incomplete" == world.deliver(event).status
        world.cloud.interfere = lambda _name, _request: None
        world.clock.advance(LEASE_SECONDS)

        result = world.deliver(event)
        assert ("rejected", []) == (result.status, world.cloud.charges)
        assert "50412" in result.reason


def test_late_image_wins(world: World) -> None:
    """An image that turns up after its attempt was found absent is not lost to a rejection."""
    world.cloud.reactions = [fakes.nothing_made, late_then_refused]
    result = world.deliver(world.cloud.upload(prompt="a cat"), seconds=600)

    assert "generated" == result.status
    assert 1 == len(world.cloud.charges)


def late_then_refused(cloud: FakeCloud, request: Request) -> Any:
    (first,) = [body["Outputs"][0] for body in cloud.bodies[:1]]
    cloud.store(first)
    return fakes.model_refuses(50412)(cloud, request)


def test_one_picture_under_two_keys(world: World) -> None:
    """Later attempts of two uploads with the same chosen name never share an output name."""
    names = []
    for key in ("uploads/one.png", "uploads/two.png"):
        event = world.cloud.upload(key, prompt="a cat", output="one.png", overwrite="true")
        world.cloud.reactions = [fakes.nothing_made, fakes.nothing_made]
        result = world.deliver(event, seconds=600)
        assert "generated" == result.status
        names.append(world.cloud.charges[-1])

    assert 2 == len(set(names))


def test_taken_derived_name(world: World) -> None:
    """A later attempt whose derived name is taken uses the default one, and is not rejected."""
    event = world.cloud.upload(prompt="a cat", output="one.png")

    def taken(cloud: FakeCloud, _request: Request) -> Any:
        (record,) = world.ledger.pending_ids()
        cloud.store(f"repaint/one-{record}-2.png", charged=False)
        raise MaybeExecuted("reset")

    world.cloud.reactions = [taken]
    result = world.deliver(event, seconds=600)

    assert "generated" == result.status
    assert [f"repaint/{result.record}-2"] == world.cloud.charges


def test_midnight_between_count_and_call(world: World) -> None:
    """A call counts on the day on which it is sent, in Beijing, whatever lay between."""
    world.environment["REPAINT_DAILY_CAP"] = "1"
    midnight = datetime(2026, 11, 28, 16, tzinfo=UTC).timestamp()
    world.clock.advance(midnight - 1 - world.clock.now())
    on_paid_call(world, lambda: world.clock.advance(2.0))
    first = world.deliver(world.cloud.upload("uploads/1.png", prompt="a cat"))
    second = world.deliver(world.cloud.upload("uploads/2.png", prompt="a cat"))

    assert ("generated", "deferred") == (first.status, second.status)
    assert (0, 1) == (world.ledger.reserved("2026-11-28"), world.ledger.reserved("2026-11-29"))


def test_slot_is_used_once(world: World) -> None:
    """The slot of a claim's first attempt is not used again by the next one."""
    world.environment["REPAINT_MAX_QPS"] = "0.1"
    world.cloud.latency = 0.0
    sent_at: list[float] = []

    def throttled(cloud: FakeCloud, request: Request) -> Any:
        sent_at.append(cloud.clock.now())
        return fakes.gateway_refuses("FlowLimitExceeded")(cloud, request)

    world.cloud.reactions = [throttled] * 3
    assert "generated" == world.deliver(world.cloud.upload(prompt="a cat"), seconds=600).status
    assert all(later - earlier >= 10.0 for earlier, later in pairwise(sent_at))


def test_wrong_region_ends_nothing(world: World) -> None:
    """A bucket that is not there does not pass for an object that is gone, also later on."""
    event = world.cloud.upload(prompt="a cat")
    assert "deferred" == world.deliver(event, seconds=20).status
    objects, world.cloud.objects = dict(world.cloud.objects), {}
    for place, stored in objects.items():
        if "/pending/" in place[1]:
            world.cloud.objects[place] = stored
    world.cloud.missing_buckets = {"photos"}
    world.clock.advance(10.0)
    world.sweep()

    assert 1 == len(list(world.ledger.pending_ids()))


def test_redrive_overtaken(world: World) -> None:
    """A redrive that was suspended while its old record went on does not pay beside it."""
    world.cloud.reactions = [fakes.nothing_made] * 3
    result = world.deliver(world.cloud.upload(prompt="a cat"), seconds=600)
    entry = world.ledger.pending(result.record or "")
    assert entry is not None
    old = entry.record
    runtime = world.runtime()
    new = old.changed(
        id=redrive_id(old.id), redrive_of=old.id, replaces_pending=True, attempts=(), park=None
    )
    assert runtime.claims.leave(new, runtime.ledger) is not None
    world.cloud.store(f"repaint/{old.id}-1")
    world.clock.advance(4000.0)
    world.finish()

    ended = world.ledger.finished(old.id)
    redriven = world.ledger.finished(new.id)
    assert ended is not None
    assert redriven is not None
    assert ("generated", "superseded") == (ended.state, redriven.state)
    assert 1 == len(world.cloud.charges)


def test_unrecorded_image_is_logged() -> None:
    """An image whose record had ended otherwise is logged loudly, with its URIs."""
    with World() as world:
        event = world.cloud.upload(prompt="a cat")

        def ends_elsewhere(cloud: FakeCloud, request: Request) -> Any:
            record_id = next(world.ledger.pending_ids())
            entry = world.ledger.pending(record_id)
            assert entry is not None
            world.ledger.finish(entry, entry.record.changed(state=State.REJECTED, reason="x"))
            return fakes.made(cloud, request)

        world.cloud.reactions = [ends_elsewhere]
        world.deliver(event)

        (line,) = world.lines.named("image.unrecorded")
        assert ["error", [f"tos-cn-i-serviceid/{world.cloud.charges[0]}"]] == [
            line["level"],
            line["store_uris"],
        ]


def test_takeover_of_ended_record(tos_world: World) -> None:
    """A record whose owner died before it could remove it is not worked on again."""
    world = tos_world

    def dies(name: str, _request: Request) -> None:
        if name.startswith("DELETE "):
            raise NotExecuted("the process died here")

    world.cloud.interfere = dies
    assert "generated" == world.deliver(world.cloud.upload(prompt="a cat")).status
    assert 1 == len(list(world.ledger.pending_ids()))
    world.cloud.interfere = lambda _name, _request: None
    world.clock.advance(LEASE_SECONDS)
    world.cloud.history.clear()
    world.sweep()

    assert ([], []) == (world.cloud.history, list(world.ledger.pending_ids()))
    assert 1 == len(world.lines.named("image.generated"))
