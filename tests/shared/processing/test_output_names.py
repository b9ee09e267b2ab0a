"""Output names that users choose: none is paid for twice, no old file counts as a new one."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.errors import MaybeExecuted
from tests import fakes
from tests.fakes import FakeCloud, World


def test_same_name_paid_once(world: World) -> None:
    """Of two uploads with one chosen name one is paid for, even if neither finds a file."""
    first = world.cloud.upload("1.png", prompt="a cat", output="mine.png")
    second = world.cloud.upload("2.png", prompt="a cat", output="mine.png")
    others: list[str] = []

    def meanwhile(cloud: FakeCloud, request: Any) -> Any:
        others.append(world.deliver(second).status)
        return fakes.made(cloud, request)

    world.cloud.reactions = [meanwhile]

    assert world.deliver(first).status == "generated"
    assert others == ["deferred"]
    world.finish()
    assert world.deliver(second).reason.startswith("It is rejected already.")
    assert world.cloud.charges == ["repaint/mine.png"]


@pytest.mark.parametrize("first_ends", ["rejected", "superseded"])
def test_name_handed_over(world: World, first_ends: str) -> None:
    """A name moves to the next upload if its holder ended without a file."""
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


def test_overwrite_waits(world: World) -> None:
    """An upload that overwrites waits while another one works on the name."""
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


def test_lost_answer(world: World) -> None:
    """After a lost answer, a probe finds the image under its chosen name."""
    world.cloud.reactions = [fakes.answer_lost]
    result = world.deliver(world.cloud.upload(prompt="a cat", output="mine.png"))

    assert result.status == "generated"
    assert world.cloud.charges == ["repaint/mine.png"]


def test_later_attempt_name(world: World) -> None:
    """A later attempt stores its image under a name of its own."""
    world.cloud.reactions = [fakes.nothing_made]
    result = world.deliver(world.cloud.upload(prompt="a cat", output="a/mine.png"))

    assert [f"repaint/a/mine-{result.record}-2.png"] == world.cloud.charges


def test_later_attempt_names_differ(world: World) -> None:
    """Later attempts of two uploads to one key have different names."""
    for content in (b"one", b"two"):
        world.cloud.reactions = [fakes.nothing_made]
        event = world.cloud.upload(body=content, prompt="x", output="mine.png", overwrite="true")
        assert world.deliver(event).status == "generated"

    assert 2 == len(world.cloud.charges) == len(set(world.cloud.charges))


def test_overwrite(world: World) -> None:
    """An old file is replaced if the upload sets overwrite."""
    world.cloud.store("repaint/mine.png", charged=False)
    world.clock.advance(3600)
    result = world.deliver(world.cloud.upload(prompt="x", output="mine.png", overwrite="true"))

    assert result.status == "generated"
    assert world.cloud.bodies[0]["Overwrite"] is True


def test_old_file_not_mistaken(world: World) -> None:
    """A file from before the call does not count as its image."""
    world.cloud.store("repaint/mine.png", charged=False)
    world.clock.advance(3600)
    world.cloud.reactions = [fakes.nothing_made]
    result = world.deliver(world.cloud.upload(prompt="x", output="mine.png", overwrite="true"))

    assert result.status == "generated"
    assert [f"repaint/mine-{result.record}-2.png"] == world.cloud.charges


def test_changed_file(world: World) -> None:
    """A file that changed after the call was sent is its image."""
    world.cloud.store("repaint/mine.png", charged=False)
    world.clock.advance(3600)
    world.cloud.reactions = [fakes.answer_lost]
    result = world.deliver(world.cloud.upload(prompt="x", output="mine.png", overwrite="true"))

    assert result.status == "generated"
    assert world.cloud.charges == ["repaint/mine.png"]


def test_file_changed_same_second(world: World) -> None:
    """A file changed within the second of the call is in doubt; nothing is paid again."""
    world.cloud.latency = 0.0
    world.cloud.store("repaint/mine.png", charged=False)
    world.cloud.reactions = [fakes.answer_lost]
    result = world.deliver(world.cloud.upload(prompt="x", output="mine.png", overwrite="true"))

    assert result.status == "in_doubt"
    assert world.cloud.charges == ["repaint/mine.png"]


def test_probe_fails(world: World) -> None:
    """Nothing is paid while a probe cannot show if the name is taken."""

    def probe_fails(name: str, _request: Any) -> None:
        if name == "GetImageStorageFiles":
            raise MaybeExecuted("down")

    world.cloud.interfere = probe_fails
    result = world.deliver(world.cloud.upload(prompt="a cat", output="mine.png"))

    assert result.status == "deferred"
    assert world.cloud.charges == []


@pytest.mark.parametrize("ahead", [20, 1200])
@pytest.mark.parametrize("output", [None, "mine.png"])
def test_clock_ahead(world: World, ahead: int, output: str | None) -> None:
    """A clock that is ahead does not make a new file look old, and nothing is paid again."""

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
