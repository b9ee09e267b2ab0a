"""What each protection is for: the very moment that it is there to survive.

These are the moments that the other tests meet by chance or not at all: one process is stopped in
the middle of a step, another one acts, the first goes on.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.clients.http import Request, Response, Timeouts
from shared.errors import ConditionFailed, MaybeExecuted
from shared.processing.claims import CONNECT_SECONDS, SEND_GRACE_SECONDS
from shared.settings import Settings
from tests import fakes
from tests.fakes import FakeCloud, World

SETTLE_SECONDS = float(Settings.model_fields["settle_seconds"].default)
# A second more than an attempt's lease.
LEASE_SECONDS = SEND_GRACE_SECONDS + CONNECT_SECONDS + SETTLE_SECONDS + 1.0


class Killed(BaseException):
    """The process is dead: nothing after this line of it happens."""


@pytest.fixture(params=["tos", "sqlite"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with World() as world:
        if request.param == "sqlite":
            world.environment["REPAINT_LEDGER"] = f"sqlite://{tmp_path}/ledger.db"
        yield world


@pytest.fixture
def tos_world() -> Iterator[World]:
    """Make a world whose ledger is requests, so that a process can be stopped between two."""
    with World() as world:
        yield world


def before_next(world: World, name: str, do: Callable[[], object]) -> None:
    """Do something right before the next request whose name begins with `name`."""

    def interfere(requested: str, _request: Any) -> None:
        if requested.startswith(name):
            world.cloud.interfere = lambda _name, _request: None
            do()

    world.cloud.interfere = interfere


def dies() -> None:
    raise Killed


def killed_in_the_call(_cloud: FakeCloud, _request: Any) -> Any:
    raise Killed


def killed_after_the_charge(cloud: FakeCloud, request: Any) -> Any:
    fakes.made(cloud, request)
    raise Killed


def test_who_slept_between_look_and_claim_does_not_pay_for_what_another_finished_meanwhile(
    tos_world: World,
) -> None:
    world = tos_world
    event = world.cloud.upload(prompt="a cat")
    others: list[str] = []
    before_next(world, "PUT /.repaint/pending/", lambda: others.append(world.deliver(event).status))

    assert world.deliver(event).status == "duplicate"
    assert others == ["generated"]
    assert len(world.cloud.charges) == 1
    assert list(world.ledger.pending_ids()) == []


def test_while_an_owner_waits_for_the_answer_nobody_else_pays(world: World) -> None:
    event = world.cloud.upload(prompt="a cat")
    others: list[str] = []

    def meanwhile(cloud: FakeCloud, request: Any) -> Any:
        others.append(world.deliver(event).status)
        return fakes.made(cloud, request)

    world.cloud.reactions = [meanwhile]

    assert world.deliver(event).status == "generated"
    assert others == ["incomplete"]
    assert len(world.cloud.charges) == 1


def test_while_one_who_took_over_looks_nobody_else_takes_over(world: World) -> None:
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
def test_nobody_takes_over_while_a_dead_owners_call_may_still_store_its_image(
    world: World, seconds: float
) -> None:
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


def test_an_image_of_a_call_that_was_long_in_connecting_is_found_and_not_paid_for_again(
    world: World,
) -> None:
    def cut_off_and_stored_late(cloud: FakeCloud, request: Any) -> Any:
        (output,) = json.loads(request.body)["Outputs"]
        cloud.late.append((cloud.clock.now() + CONNECT_SECONDS + SETTLE_SECONDS - 0.1, output))
        raise MaybeExecuted("reset")

    world.cloud.reactions = [cut_off_and_stored_late]

    assert world.deliver(world.cloud.upload(prompt="a cat")).status == "generated"
    assert len(world.cloud.charges) == 1


def test_a_paid_image_whose_end_record_is_refused_is_found_by_the_next_owner(
    tos_world: World,
) -> None:
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


def test_what_was_rejected_by_an_owner_that_died_before_tidying_up_is_not_paid_for_by_the_sweep(
    tos_world: World,
) -> None:
    world = tos_world
    event = world.cloud.upload(prompt="a cat")
    world.cloud.reactions = [fakes.model_refuses(50411)]
    before_next(world, "DELETE /.repaint/pending/", dies)
    with pytest.raises(Killed):
        world.deliver(event)
    world.finish()

    assert world.deliver(event).status == "duplicate"
    assert list(world.ledger.pending_ids()) == []
    assert world.cloud.charges == []


def test_an_owner_frozen_right_before_sending_does_not_pay_after_another_did(
    tos_world: World,
) -> None:
    world = tos_world
    event = world.cloud.upload(prompt="a cat")
    others: list[str] = []

    class Freezing:
        """Freezes its process once it claimed and saw no end record: all that is left is to pay."""

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


def test_a_call_for_which_too_little_time_is_left_by_now_is_not_sent(tos_world: World) -> None:
    world = tos_world
    event = world.cloud.upload(prompt="a cat")
    # The claim's own look for the end record is the last thing before the call.
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


def test_an_owner_frozen_past_its_lease_cannot_end_what_another_is_paying_for(
    world: World,
) -> None:
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
def test_an_upload_that_goes_away_while_it_waits_is_not_paid_for(
    world: World, change: Callable[[World], object], state: str, waits_for: str
) -> None:
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


def test_after_a_configuration_error_one_whose_object_is_gone_lets_nobody_pass(
    world: World,
) -> None:
    world.cloud.reactions = [fakes.model_refuses(50400)] * 9
    for number in range(5):
        result = world.deliver(world.cloud.upload(f"{number}.png", prompt="a cat"))
        assert result.cause == "configuration"
        world.clock.advance(1)
    # The one that is due first, and so goes first.
    del world.cloud.objects["photos", "0.png"]
    world.clock.advance(60)
    counts = world.sweep(seconds=900)

    assert (counts["skipped"], len(world.cloud.bodies)) == (1, 5)


def test_a_longer_name_that_begins_the_same_does_not_pass_for_the_output(world: World) -> None:
    world.cloud.store("repaint/cat.png", charged=False)
    result = world.deliver(world.cloud.upload(prompt="a cat", output="cat"))

    assert result.status == "generated"
    assert world.cloud.charges == ["repaint/cat"]


def test_nothing_is_paid_beyond_the_daily_cap(world: World) -> None:
    world.environment["REPAINT_DAILY_CAP"] = "1"
    events = [world.cloud.upload(f"{n}.png", prompt="a cat") for n in range(3)]

    assert [world.deliver(event).status for event in events] == [
        "generated", "deferred", "deferred",
    ]  # fmt: skip
    assert len(world.cloud.charges) == 1


def test_a_reached_cap_uses_up_none_of_the_attempts(world: World) -> None:
    world.environment["REPAINT_DAILY_CAP"] = "1"
    world.deliver(world.cloud.upload("first.png", prompt="a cat"))
    event = world.cloud.upload("second.png", prompt="a cat")

    assert [world.deliver(event).status for _ in range(5)] == ["deferred"] * 5
    world.clock.advance(86400)
    result = world.deliver(event)
    assert result.status == "generated"
    assert f"repaint/{result.record}-1" == world.cloud.charges[-1]


def test_two_processes_that_count_at_the_same_moment_stay_within_the_cap(
    tos_world: World,
) -> None:
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


def test_a_chosen_name_stays_with_the_upload_that_reserved_it_first(world: World) -> None:
    ledger = world.ledger

    assert [ledger.reserve_name("a/猫.png", upload) for upload in ("1", "2", "1")] == ["1"] * 3


def test_of_two_that_a_name_is_handed_over_to_one_has_it(world: World) -> None:
    ledger = world.ledger
    ledger.reserve_name("a/猫.png", "1")

    assert [ledger.move_name("a/猫.png", "1", upload) for upload in ("2", "3", "2")] == [
        True, False, True,
    ]  # fmt: skip
    assert ledger.reserve_name("a/猫.png", "3") == "2"


def test_of_two_that_a_name_is_handed_over_to_at_the_same_moment_one_has_it(
    tos_world: World,
) -> None:
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


def test_a_name_under_which_an_upload_was_made_is_that_uploads_also_if_no_file_shows(
    world: World,
) -> None:
    world.deliver(world.cloud.upload("1.png", prompt="a cat", output="mine.png"))
    world.cloud.outputs.clear()
    result = world.deliver(world.cloud.upload("2.png", prompt="a cat", output="mine.png"))

    assert result.status == "rejected"
    assert len(world.cloud.charges) == 1


def test_who_overwrites_has_the_name_of_an_upload_that_was_made(world: World) -> None:
    world.deliver(world.cloud.upload("1.png", prompt="a cat", output="mine.png"))
    world.clock.advance(60)
    second = world.cloud.upload("2.png", prompt="x", output="mine.png", overwrite="true")

    assert world.deliver(second).status == "generated"
    assert world.cloud.charges == ["repaint/mine.png"] * 2


def model_says(message: str) -> Response:
    return fakes.answer({"RespJson": {"code": 50411, "message": message}})


def gateway_says(message: str) -> Response:
    return fakes.answer({}, 400, Code="InvalidParameter.ImageUrl", Message=message)


@pytest.mark.parametrize("refusal", [model_says, gateway_says])
def test_no_secret_that_a_refusal_repeats_is_kept_anywhere(
    world: World, refusal: Callable[[str], Response]
) -> None:
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
