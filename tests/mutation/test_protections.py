"""Each protection at the very moment that it is for.

Other tests meet these moments by chance or not at all: one process stops in the middle of a step,
another one acts, the first goes on.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from shared.clients.http import Request, Response, Timeouts
from shared.errors import ConditionFailed
from shared.processing.claims import MARGIN_SECONDS
from tests import fakes
from tests.crash.interruption import Killed
from tests.fakes import LEASE_SECONDS, SETTLE_SECONDS, FakeCloud, World


def before_next(world: World, name: str, do: Callable[[], object]) -> None:
    """Do something right before the next request whose name begins with `name`."""

    def interfere(requested: str, _request: Any) -> None:
        if requested.startswith(name):
            world.cloud.interfere = lambda _name, _request: None
            do()

    world.cloud.interfere = interfere


def killed() -> None:
    raise Killed


def killed_in_the_call(_cloud: FakeCloud, _request: Any) -> Any:
    raise Killed


def killed_after_the_charge(cloud: FakeCloud, request: Any) -> Any:
    fakes.made(cloud, request)
    raise Killed


def test_finished_before_claim(tos_world: World) -> None:
    """A delivery that claims after another one finished does not pay."""
    world = tos_world
    event = world.cloud.upload(prompt="a cat")
    others: list[str] = []
    before_next(world, "PUT /.repaint/pending/", lambda: others.append(world.deliver(event).status))

    assert world.deliver(event).status == "duplicate"
    assert others == ["generated"]
    assert len(world.cloud.charges) == 1
    assert list(world.ledger.pending_ids()) == []


def test_owner_waits_for_answer(world: World) -> None:
    """While an owner waits for its answer, no other delivery pays."""
    event = world.cloud.upload(prompt="a cat")
    others: list[str] = []

    def meanwhile(cloud: FakeCloud, request: Any) -> Any:
        others.append(world.deliver(event).status)
        return fakes.made(cloud, request)

    world.cloud.reactions = [meanwhile]

    assert world.deliver(event).status == "generated"
    assert others == ["incomplete"]
    assert len(world.cloud.charges) == 1


def test_take_over_is_exclusive(world: World) -> None:
    """While a new owner probes, no other delivery takes over."""
    event = world.cloud.upload(prompt="a cat")
    world.cloud.reactions = [killed_after_the_charge]
    with pytest.raises(Killed):
        world.deliver(event)
    world.clock.advance(LEASE_SECONDS)
    others: list[str] = []
    before_next(world, "GetImageStorageFiles", lambda: others.append(world.deliver(event).status))

    assert world.deliver(event).status == "generated"
    assert others == ["incomplete"]


@pytest.mark.parametrize("seconds", [6.0, 20.0, 34.0, 45.0])
def test_call_of_killed_owner(world: World, seconds: float) -> None:
    """No delivery takes over while a killed owner's call may still store its image."""

    def killed_and_stored_late(cloud: FakeCloud, request: Any) -> Any:
        # As late as can be: sent at the end of the grace, over a connection that took its time.
        (output,) = json.loads(request.body)["Outputs"]
        cloud.late.append((cloud.clock.now() + LEASE_SECONDS - 1.1, output))
        raise Killed

    event = world.cloud.upload(prompt="a cat")
    world.cloud.reactions = [killed_and_stored_late]
    with pytest.raises(Killed):
        world.deliver(event)
    world.clock.advance(seconds)

    assert world.deliver(event).status == "incomplete"
    world.clock.advance(LEASE_SECONDS)
    assert world.deliver(event).status == "generated"
    assert len(world.cloud.charges) == 1


def test_slow_connection(world: World) -> None:
    """The image of a call that connected slowly is found, and not paid for again."""
    world.cloud.reactions = [fakes.late(MARGIN_SECONDS + SETTLE_SECONDS - 0.1)]

    assert world.deliver(world.cloud.upload(prompt="a cat")).status == "generated"
    assert len(world.cloud.charges) == 1


def test_end_record_refused(tos_world: World) -> None:
    """The next owner finds a paid image whose end record was refused."""
    world = tos_world
    event = world.cloud.upload(prompt="a cat")

    def refused(name: str, _request: Any) -> None:
        if name.startswith("PUT /.repaint/done/"):
            raise ConditionFailed("no", status=412)

    world.cloud.interfere = refused
    assert world.deliver(event).status == "incomplete"
    assert len(list(world.ledger.pending_ids())) == 1
    world.cloud.interfere = lambda _name, _request: None
    world.clock.advance(LEASE_SECONDS)

    assert world.deliver(event).status == "generated"
    assert len(world.cloud.charges) == 1


def test_rejected_but_pending(tos_world: World) -> None:
    """The sweep does not pay for a rejected upload that is still pending."""
    world = tos_world
    event = world.cloud.upload(prompt="a cat")
    world.cloud.reactions = [fakes.model_refuses(50411)]
    before_next(world, "DELETE /.repaint/pending/", killed)
    with pytest.raises(Killed):
        world.deliver(event)
    world.finish()

    assert world.deliver(event).status == "duplicate"
    assert list(world.ledger.pending_ids()) == []
    assert world.cloud.charges == []


def test_frozen_before_send(tos_world: World) -> None:
    """An owner frozen before its call does not pay after another one did."""
    world = tos_world
    event = world.cloud.upload(prompt="a cat")
    others: list[str] = []

    class Freezing:
        """Freezes its process after its claim has read no end record, right before the call."""

        def send(self, request: Request, timeouts: Timeouts) -> Response:
            answer = world.cloud.send(request, timeouts)
            claimed = list(world.ledger.pending_ids())
            if "/done/" in request.url and claimed and not others:
                others.append("asleep")
                world.clock.advance(LEASE_SECONDS)
                others[:] = [world.deliver(event).status]
            return answer

    assert world.deliver(event, world.runtime(transport=Freezing())).status == "incomplete"
    assert others == ["generated"]
    assert len(world.cloud.charges) == 1


def test_deadline_before_send(tos_world: World) -> None:
    """A call is not sent if too little time is left right before it."""
    world = tos_world
    event = world.cloud.upload(prompt="a cat")
    # The claim's own read of the end record is the last request before the call.
    before_next(
        world,
        "PUT /.repaint/pending/",
        lambda: before_next(world, "GET /.repaint/done/", lambda: world.clock.advance(4.0)),
    )

    result = world.deliver(event, seconds=40)
    assert (result.status, result.cause) == ("deferred", "time")
    assert world.cloud.bodies == []
    world.finish()
    assert len(world.cloud.charges) == 1


def test_stale_owner_cannot_end(world: World) -> None:
    """An owner frozen past its lease cannot end what another one pays for."""
    event = world.cloud.upload(prompt="a cat")

    def frozen(cloud: FakeCloud, request: Any) -> Any:
        world.clock.advance(LEASE_SECONDS)
        with pytest.raises(Killed):
            world.deliver(event)
        return fakes.model_refuses(50411)(cloud, request)

    world.cloud.reactions = [frozen, killed_after_the_charge]

    assert world.deliver(event).status == "incomplete"
    world.clock.advance(LEASE_SECONDS)
    assert world.deliver(event).status == "generated"
    assert len(world.cloud.charges) == 1


@pytest.mark.parametrize(
    ("change", "state"),
    [
        (lambda world: world.cloud.objects.pop(("photos", "uploads/cat.png")), "skipped"),
        (lambda world: world.cloud.upload(prompt="a cat", body=b"other"), "superseded"),
    ],
)
@pytest.mark.parametrize("waits_for", ["configuration", "time", "cap"])
def test_object_changes_while_parked(
    world: World, change: Callable[[World], object], state: str, waits_for: str
) -> None:
    """An upload that goes away while it is parked is not paid for."""
    world.environment["REPAINT_DAILY_CAP"] = "0" if waits_for == "cap" else "9"
    if waits_for == "configuration":
        world.cloud.reactions = [fakes.model_refuses(50400)]
    seconds = 20 if waits_for == "time" else 120
    result = world.deliver(world.cloud.upload(prompt="a cat"), seconds=seconds)
    assert (result.status, result.cause) == ("deferred", waits_for)
    change(world)
    world.environment["REPAINT_DAILY_CAP"] = "9"
    world.finish()

    ended = world.ledger.finished(result.record or "")
    assert ended is not None
    assert state == ended.state
    assert world.cloud.charges == []


def test_canary_gone(world: World) -> None:
    """After a configuration error, a canary whose object is gone lets no other record pass."""
    world.cloud.reactions = [fakes.model_refuses(50400)] * 9
    for number in range(5):
        result = world.deliver(world.cloud.upload(f"{number}.png", prompt="a cat"))
        assert result.cause == "configuration"
        world.clock.advance(1)
    # It is due first, so it is the canary.
    del world.cloud.objects["photos", "0.png"]
    world.clock.advance(60)
    counts = world.sweep(seconds=900)

    assert (counts["skipped"], len(world.cloud.bodies)) == (1, 5)


def test_longer_name(world: World) -> None:
    """A longer name with the same beginning does not count as the output."""
    world.cloud.store("repaint/cat.png", charged=False)
    result = world.deliver(world.cloud.upload(prompt="a cat", output="cat"))

    assert result.status == "generated"
    assert world.cloud.charges == ["repaint/cat"]


def test_daily_cap(world: World) -> None:
    """Nothing is paid beyond the daily cap."""
    world.environment["REPAINT_DAILY_CAP"] = "1"
    events = [world.cloud.upload(f"{n}.png", prompt="a cat") for n in range(3)]

    assert [world.deliver(event).status for event in events] == [
        "generated", "deferred", "deferred",
    ]  # fmt: skip
    assert len(world.cloud.charges) == 1


def test_cap_uses_no_attempt(world: World) -> None:
    """A reached cap uses up none of the attempts."""
    world.environment["REPAINT_DAILY_CAP"] = "1"
    world.deliver(world.cloud.upload("first.png", prompt="a cat"))
    event = world.cloud.upload("second.png", prompt="a cat")

    assert [world.deliver(event).status for _ in range(5)] == ["deferred"] * 5
    world.clock.advance(86400)
    result = world.deliver(event)
    assert result.status == "generated"
    assert f"repaint/{result.record}-1" == world.cloud.charges[-1]


def test_cap_race(tos_world: World) -> None:
    """Two processes that count at the same moment stay within the cap."""
    world = tos_world
    world.environment["REPAINT_DAILY_CAP"] = "1"
    first, second = (world.cloud.upload(f"{n}.png", prompt="a cat") for n in range(2))
    others: list[str] = []
    before_next(
        world, "PUT /.repaint/daily-cap/", lambda: others.append(world.deliver(second).status)
    )

    assert world.deliver(first).status == "deferred"
    assert others == ["generated"]
    assert len(world.cloud.charges) == 1


def test_reserve_name(world: World) -> None:
    """A chosen name stays with the upload that reserved it first."""
    ledger = world.ledger

    assert [ledger.reserve_name("a/猫.png", upload) for upload in ("1", "2", "1")] == ["1"] * 3


def test_move_name(world: World) -> None:
    """A name moves to one of two uploads."""
    ledger = world.ledger
    ledger.reserve_name("a/猫.png", "1")

    assert [ledger.move_name("a/猫.png", "1", upload) for upload in ("2", "3", "2")] == [
        True, False, True,
    ]  # fmt: skip
    assert ledger.reserve_name("a/猫.png", "3") == "2"


def test_move_name_race(tos_world: World) -> None:
    """A name moves to one of two uploads at the same moment."""
    world, ledger = tos_world, tos_world.ledger
    ledger.reserve_name("a/猫.png", "1")
    others: list[bool] = []
    before_next(
        world,
        "PUT /.repaint/names/",
        lambda: others.append(ledger.move_name("a/猫.png", "1", "2")),
    )

    assert not ledger.move_name("a/猫.png", "1", "3")
    assert others == [True]


def test_name_of_generated(world: World) -> None:
    """A name stays with the upload that was generated under it, even if no file shows."""
    world.deliver(world.cloud.upload("1.png", prompt="a cat", output="mine.png"))
    world.cloud.outputs.clear()
    result = world.deliver(world.cloud.upload("2.png", prompt="a cat", output="mine.png"))

    assert result.status == "rejected"
    assert len(world.cloud.charges) == 1


def test_overwrite_generated(world: World) -> None:
    """An upload that overwrites gets the name of one that was generated."""
    world.deliver(world.cloud.upload("1.png", prompt="a cat", output="mine.png"))
    world.clock.advance(60)
    second = world.cloud.upload("2.png", prompt="x", output="mine.png", overwrite="true")

    assert world.deliver(second).status == "generated"
    assert world.cloud.charges == ["repaint/mine.png"] * 2


def model_message(message: str) -> Response:
    return fakes.answer({"RespJson": {"code": 50411, "message": message}})


def gateway_message(message: str) -> Response:
    return fakes.answer({}, 400, Code="InvalidParameter.ImageUrl", Message=message)


@pytest.mark.parametrize("refusal", [model_message, gateway_message])
def test_refusal_repeats_secret(world: World, refusal: Callable[[str], Response]) -> None:
    """A secret that a refusal repeats is kept nowhere."""

    def echo(_cloud: FakeCloud, request: Any) -> Any:
        url = json.loads(request.body)["ImageUrl"]
        value = url.rpartition("=")[2]
        return refusal(f"cannot read {url}: {value} is stale (Credential=hush)")

    world.cloud.reactions = [echo]
    result = world.deliver(world.cloud.upload(prompt="a cat"))

    kept = world.ledger.finished(result.record or "")
    assert kept is not None
    assert "cannot read https://photos.tos.example.com/uploads/cat.png" in result.reason
    signature = world.cloud.bodies[0]["ImageUrl"].rpartition("=")[2]
    for text in (result.reason, kept.to_json().decode(), world.lines.text):
        assert signature not in text
        assert "hush" not in text
