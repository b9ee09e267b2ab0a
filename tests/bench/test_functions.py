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
def test_upload(folder_of: FolderOf, tmp_path: Path, kind: Kind, round_trips: int) -> None:
    """An upload is repainted and paid for once."""
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
def test_duplicate(
    folder_of: FolderOf, tmp_path: Path, kind: Kind, charges: int, round_trips: int
) -> None:
    """A duplicate costs us nothing, and the alternative another generation."""
    with (
        Services(tmp_path / "services") as services,
        FunctionProcess(folder_of(kind), services.environment(kind)) as process,
    ):
        event = services.upload("one")
        process.handle(event)
        requests = services.requests()
        process.handle(event)

        assert services.billing.totals()[0] == 1 + charges
        assert services.requests() == requests + round_trips


def without_prompt(services: Services) -> dict[str, Any]:
    event = services.upload("plain")
    bucket, key = "photos", "uploads/plain.jpg"
    services.store.put(bucket, key, b"\xff\xd8\xff", {"content-type": "image/jpeg"})
    return event


@pytest.mark.parametrize("kind", BOTH)
def test_skipped(folder_of: FolderOf, tmp_path: Path, kind: Kind) -> None:
    """Both skip an upload without a prompt, and a file that is no image."""
    with (
        Services(tmp_path / "services") as services,
        FunctionProcess(folder_of(kind), services.environment(kind)) as process,
    ):
        other = services.upload("other")
        other["data"]["events"][0]["tos"]["object"]["key"] = "uploads/other.txt"
        process.handle(without_prompt(services), other)

        assert services.billing.totals() == (0, 0)


def test_alternative_refused(folder_of: FolderOf, tmp_path: Path) -> None:
    """The alternative fails a refused delivery, so that it comes again."""
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


def test_hold_paid_calls(folder_of: FolderOf, tmp_path: Path) -> None:
    """Paid calls are held back until they are released."""
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


def test_function_ends(tmp_path: Path) -> None:
    """A function that ends raises an error."""
    (tmp_path / "index.py").write_text("raise SystemExit(3)", "utf-8")

    with FunctionProcess(tmp_path, {}) as process, pytest.raises(RuntimeError, match="ended"):
        process.answer()
