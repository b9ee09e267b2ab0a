"""Names that users choose: nothing is paid for one that is taken, no old file passes for a new."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.errors import MaybeExecuted
from tests import fakes
from tests.fakes import FakeCloud, World


@pytest.fixture
def world() -> World:
    return World()


def test_two_uploads_with_one_name_are_paid_once_even_if_neither_finds_a_file(
    world: World,
) -> None:
    first = world.cloud.upload("1.png", prompt="a cat", output="mine.png")
    second = world.cloud.upload("2.png", prompt="a cat", output="mine.png")
    inside: list[str] = []

    def meanwhile(cloud: FakeCloud, request: Any) -> Any:
        inside.append(world.deliver(second).status)
        return fakes.made(cloud, request)

    world.cloud.reactions = [meanwhile]

    assert world.deliver(first).status == "generated"
    assert inside == ["deferred"]
    world.finish()
    assert world.deliver(second).reason.startswith("It is rejected already.")
    assert world.cloud.charges == ["repaint/mine.png"]


@pytest.mark.parametrize("first_ends", ["rejected", "superseded"])
def test_a_name_whose_holder_left_no_file_is_handed_over(world: World, first_ends: str) -> None:
    bad = world.cloud.upload("1.png", prompt="a cat", output="mine.png", body=b"one")
    if first_ends == "rejected":
        world.cloud.reactions = [fakes.model_refuses(50411)]
        world.deliver(bad)
    else:
        assert world.deliver(bad, seconds=20).status == "deferred"
    good = world.cloud.upload("1.png", prompt="a cat", output="mine.png", body=b"two")
    world.deliver(good)
    world.finish()

    assert world.deliver(good).reason == "It is generated already."
    assert world.cloud.charges == ["repaint/mine.png"]


def test_who_overwrites_waits_for_who_is_at_work_on_the_name(world: World) -> None:
    first = world.cloud.upload("1.png", prompt="a cat", output="mine.png")
    second = world.cloud.upload("2.png", prompt="x", output="mine.png", overwrite="true")

    def nothing_while_another_comes(cloud: FakeCloud, request: Any) -> Any:
        assert world.deliver(second).status == "deferred"
        return fakes.nothing_made(cloud, request)

    world.cloud.reactions = [nothing_while_another_comes]
    result = world.deliver(first)

    assert [f"repaint/mine-{result.record}-2.png"] == world.cloud.charges
    world.finish()
    assert "repaint/mine.png" in world.cloud.charges


def test_a_lost_answer_for_a_chosen_name_is_found_by_looking(world: World) -> None:
    world.cloud.reactions = [fakes.answer_lost]
    result = world.deliver(world.cloud.upload(prompt="a cat", output="mine.png"))

    assert result.status == "generated"
    assert world.cloud.charges == ["repaint/mine.png"]


def test_a_later_attempt_of_a_chosen_name_has_one_of_its_own(world: World) -> None:
    world.cloud.reactions = [fakes.nothing_made]
    result = world.deliver(world.cloud.upload(prompt="a cat", output="a/mine.png"))

    assert [f"repaint/a/mine-{result.record}-2.png"] == world.cloud.charges


def test_later_attempts_of_two_uploads_to_one_key_have_names_of_their_own(world: World) -> None:
    for content in (b"one", b"two"):
        world.cloud.reactions = [fakes.nothing_made]
        event = world.cloud.upload(body=content, prompt="x", output="mine.png", overwrite="true")
        assert world.deliver(event).status == "generated"

    assert 2 == len(world.cloud.charges) == len(set(world.cloud.charges))


def test_an_old_file_is_replaced_where_that_is_asked_for(world: World) -> None:
    world.cloud.store("repaint/mine.png", charged=False)
    world.clock.advance(3600)
    result = world.deliver(world.cloud.upload(prompt="x", output="mine.png", overwrite="true"))

    assert result.status == "generated"
    assert world.cloud.bodies[0]["Overwrite"] is True


def test_an_old_file_is_not_taken_for_the_new_one(world: World) -> None:
    world.cloud.store("repaint/mine.png", charged=False)
    world.clock.advance(3600)
    world.cloud.reactions = [fakes.nothing_made]
    result = world.deliver(world.cloud.upload(prompt="x", output="mine.png", overwrite="true"))

    assert result.status == "generated"
    assert [f"repaint/mine-{result.record}-2.png"] == world.cloud.charges


def test_a_file_that_changed_after_sending_is_the_new_one(world: World) -> None:
    world.cloud.store("repaint/mine.png", charged=False)
    world.clock.advance(3600)
    world.cloud.reactions = [fakes.answer_lost]
    result = world.deliver(world.cloud.upload(prompt="x", output="mine.png", overwrite="true"))

    assert result.status == "generated"
    assert world.cloud.charges == ["repaint/mine.png"]


def test_a_file_changed_in_the_same_second_is_in_doubt_and_not_paid_for_again(
    world: World,
) -> None:
    world.cloud.latency = 0.0
    world.cloud.store("repaint/mine.png", charged=False)
    world.cloud.reactions = [fakes.answer_lost]
    result = world.deliver(world.cloud.upload(prompt="x", output="mine.png", overwrite="true"))

    assert result.status == "in_doubt"
    assert world.cloud.charges == ["repaint/mine.png"]


def test_where_it_cannot_be_known_whether_a_name_is_taken_nothing_is_paid(world: World) -> None:
    def blind(name: str, _request: Any) -> None:
        if name == "GetImageStorageFiles":
            raise MaybeExecuted("down")

    world.cloud.interfere = blind
    result = world.deliver(world.cloud.upload(prompt="a cat", output="mine.png"))

    assert result.status == "deferred"
    assert world.cloud.charges == []


@pytest.mark.parametrize("ahead", [20, 1200])
@pytest.mark.parametrize("output", [None, "mine.png"])
def test_a_clock_that_is_ahead_does_not_make_a_new_file_old_and_pay_again(
    world: World, ahead: int, output: str | None
) -> None:
    def answer_lost_elsewhere(cloud: FakeCloud, request: Any) -> Any:
        # The provider's clock is behind ours.
        uri = cloud.store(json.loads(request.body)["Outputs"][0])
        behind = datetime.fromtimestamp(cloud.clock.now() - ahead, UTC).isoformat()
        cloud.outputs[uri.partition("/")[2]] = behind
        raise MaybeExecuted("reset")

    world.cloud.reactions = [answer_lost_elsewhere]
    metadata = {"output": output} if output else {}
    result = world.deliver(world.cloud.upload(prompt="a cat", **metadata))  # type: ignore[arg-type]  # metadata is text

    assert len(world.cloud.charges) == 1
    assert result.status == ("in_doubt" if output else "generated")
