"""Names that users choose: nothing is paid for one that is taken, no old file passes for a new."""

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
    assert inside == ["rejected"]
    assert world.cloud.charges == ["repaint/mine.png"]


def test_a_lost_answer_for_a_chosen_name_is_found_by_looking(world: World) -> None:
    world.cloud.reactions = [fakes.answer_lost]
    result = world.deliver(world.cloud.upload(prompt="a cat", output="mine.png"))

    assert result.status == "generated"
    assert world.cloud.charges == ["repaint/mine.png"]


def test_a_later_attempt_of_a_chosen_name_has_one_of_its_own(world: World) -> None:
    world.cloud.reactions = [fakes.nothing_made]
    result = world.deliver(world.cloud.upload(prompt="a cat", output="a/mine.png"))

    assert [f"repaint/a/mine-{(result.record or '')[:8]}-2.png"] == world.cloud.charges


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
    assert [f"repaint/mine-{(result.record or '')[:8]}-2.png"] == world.cloud.charges


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
