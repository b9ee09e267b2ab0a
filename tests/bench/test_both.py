"""Both functions work against the same world; what each asks and pays is counted there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.folders import Kind
from bench.process import FunctionProcess
from bench.world import World
from local.imagex import FaultSettings

FolderOf = Callable[[Kind], Path]
BOTH: tuple[Kind, ...] = ("ours", "alternative")


@pytest.mark.parametrize(("kind", "round_trips"), [("ours", 7), ("alternative", 2)])
def test_an_upload_is_repainted_and_paid_for_once(
    folder_of: FolderOf, tmp_path: Path, kind: Kind, round_trips: int
) -> None:
    with (
        World(tmp_path / "world") as world,
        FunctionProcess(folder_of(kind), world.environment(kind)) as process,
    ):
        answer = process.handle(world.upload("one"), world.upload("two"))

        assert ['"generated"' in result["body"] for result in answer["results"]] == [True, True]
        assert world.book.totals() == (2, 2)
        # What the provider reads by itself is not among them.
        assert world.requests() == 2 * round_trips


@pytest.mark.parametrize(
    ("kind", "charges", "round_trips"), [("ours", 0, 2), ("alternative", 1, 2)]
)
def test_a_duplicate_delivery_costs_us_nothing_and_the_alternative_another_generation(
    folder_of: FolderOf, tmp_path: Path, kind: Kind, charges: int, round_trips: int
) -> None:
    with (
        World(tmp_path / "world") as world,
        FunctionProcess(folder_of(kind), world.environment(kind)) as process,
    ):
        event = world.upload("one")
        process.handle(event)
        asked = world.requests()
        process.handle(event)

        assert world.book.totals()[0] == 1 + charges
        assert world.requests() == asked + round_trips


def without_prompt(world: World) -> dict[str, Any]:
    event = world.upload("plain")
    bucket, key = "photos", "uploads/plain.jpg"
    world.store.put(bucket, key, b"\xff\xd8\xff", {"content-type": "image/jpeg"})
    return event


@pytest.mark.parametrize("kind", BOTH)
def test_both_leave_alone_what_has_no_prompt_and_what_is_no_image(
    folder_of: FolderOf, tmp_path: Path, kind: Kind
) -> None:
    with (
        World(tmp_path / "world") as world,
        FunctionProcess(folder_of(kind), world.environment(kind)) as process,
    ):
        other = world.upload("other")
        other["data"]["events"][0]["tos"]["object"]["key"] = "uploads/other.txt"
        process.handle(without_prompt(world), other)

        assert world.book.totals() == (0, 0)


def test_the_alternative_fails_its_delivery_where_it_is_refused_so_that_it_comes_again(
    folder_of: FolderOf, tmp_path: Path
) -> None:
    faults = FaultSettings(latency_seconds=0.0, script=("FlowLimitExceeded", "50429"))
    with (
        World(tmp_path / "world", faults) as world,
        FunctionProcess(folder_of("alternative"), world.environment("alternative")) as process,
    ):
        event = world.upload("one")
        process.send([event, event, event])
        answer = process.answer()

    assert 2 == len(answer["errors"])
    assert 1 == len(answer["results"])


def test_paid_calls_are_held_back_until_they_are_released(
    folder_of: FolderOf, tmp_path: Path
) -> None:
    with (
        World(tmp_path / "world") as world,
        FunctionProcess(folder_of("ours"), world.environment("ours")) as process,
    ):
        world.provider.hold()
        process.send([world.upload("one"), world.upload("two")], 2)
        while world.provider.requests.total() < 2:
            process.check()
        assert world.book.totals() == (0, 0)
        assert world.is_pending()
        world.provider.release()
        process.answer()

        assert world.book.totals() == (2, 2)
        assert not world.is_pending()


def test_a_function_that_ends_is_told(tmp_path: Path) -> None:
    (tmp_path / "index.py").write_text("raise SystemExit(3)", "utf-8")

    with FunctionProcess(tmp_path, {}) as process, pytest.raises(RuntimeError, match="ended"):
        process.answer()
