"""Both functions work with the same services, which count requests and charges."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.folders import Kind
from bench.process import FunctionProcess
from bench.services import Services
from local.imagex import FaultSettings

FolderOf = Callable[[Kind], Path]
BOTH: tuple[Kind, ...] = ("ours", "alternative")


@pytest.mark.parametrize(("kind", "round_trips"), [("ours", 7), ("alternative", 2)])
def test_an_upload_is_repainted_and_paid_for_once(
    folder_of: FolderOf, tmp_path: Path, kind: Kind, round_trips: int
) -> None:
    with (
        Services(tmp_path / "services") as services,
        FunctionProcess(folder_of(kind), services.environment(kind)) as process,
    ):
        answer = process.handle(services.upload("one"), services.upload("two"))

        assert ['"generated"' in result["body"] for result in answer["results"]] == [True, True]
        assert services.billing.totals() == (2, 2)
        # The provider's own reads are not counted.
        assert services.requests() == 2 * round_trips


@pytest.mark.parametrize(
    ("kind", "charges", "round_trips"), [("ours", 0, 2), ("alternative", 1, 2)]
)
def test_a_duplicate_delivery_costs_us_nothing_and_the_alternative_another_generation(
    folder_of: FolderOf, tmp_path: Path, kind: Kind, charges: int, round_trips: int
) -> None:
    with (
        Services(tmp_path / "services") as services,
        FunctionProcess(folder_of(kind), services.environment(kind)) as process,
    ):
        event = services.upload("one")
        process.handle(event)
        asked = services.requests()
        process.handle(event)

        assert services.billing.totals()[0] == 1 + charges
        assert services.requests() == asked + round_trips


def without_prompt(services: Services) -> dict[str, Any]:
    event = services.upload("plain")
    bucket, key = "photos", "uploads/plain.jpg"
    services.store.put(bucket, key, b"\xff\xd8\xff", {"content-type": "image/jpeg"})
    return event


@pytest.mark.parametrize("kind", BOTH)
def test_both_leave_alone_what_has_no_prompt_and_what_is_no_image(
    folder_of: FolderOf, tmp_path: Path, kind: Kind
) -> None:
    with (
        Services(tmp_path / "services") as services,
        FunctionProcess(folder_of(kind), services.environment(kind)) as process,
    ):
        other = services.upload("other")
        other["data"]["events"][0]["tos"]["object"]["key"] = "uploads/other.txt"
        process.handle(without_prompt(services), other)

        assert services.billing.totals() == (0, 0)


def test_the_alternative_fails_its_delivery_where_it_is_refused_so_that_it_comes_again(
    folder_of: FolderOf, tmp_path: Path
) -> None:
    faults = FaultSettings(latency_seconds=0.0, script=("FlowLimitExceeded", "50429"))
    with (
        Services(tmp_path / "services", faults) as services,
        FunctionProcess(folder_of("alternative"), services.environment("alternative")) as process,
    ):
        event = services.upload("one")
        process.send([event, event, event])
        answer = process.answer()

    assert 2 == len(answer["errors"])
    assert 1 == len(answer["results"])


def test_paid_calls_are_held_back_until_they_are_released(
    folder_of: FolderOf, tmp_path: Path
) -> None:
    with (
        Services(tmp_path / "services") as services,
        FunctionProcess(folder_of("ours"), services.environment("ours")) as process,
    ):
        services.provider.hold()
        process.send([services.upload("one"), services.upload("two")], 2)
        while services.provider.requests.total() < 2:
            process.check()
        assert services.billing.totals() == (0, 0)
        assert services.is_pending()
        services.provider.release()
        process.answer()

        assert services.billing.totals() == (2, 2)
        assert not services.is_pending()


def test_a_function_that_ends_is_told(tmp_path: Path) -> None:
    (tmp_path / "index.py").write_text("raise SystemExit(3)", "utf-8")

    with FunctionProcess(tmp_path, {}) as process, pytest.raises(RuntimeError, match="ended"):
        process.answer()
