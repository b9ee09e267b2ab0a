"""Processing a plan: concurrency, retries, when to stop."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops.records.backfill.plan import BackfillPlan
from ops.records.backfill.run import Repainting
from ops.records.backfill.skipped import SkippedObjects
from ops.ui.bulk import BulkRun
from shared.clients.tos import ListedObject
from shared.results import Result
from shared.uploads.events import Upload
from tests.fakes import START, FakeClock


@pytest.fixture
def plan() -> Iterator[BackfillPlan]:
    with BackfillPlan() as plan:
        yield plan


def fill(plan: BackfillPlan, objects: int) -> None:
    for number in range(objects):
        listed = ListedObject(f"{number:04}.png", "e", 1, "2026-11-01T00:00:00Z")
        plan.add(f"{number:032x}", listed, pending=False)
    plan.counts["planned"] = objects


def go(
    plan: BackfillPlan,
    folder: Path,
    repaint: Callable[[Upload], list[Result]],
    *,
    concurrency: int = 4,
) -> tuple[BulkRun, FakeClock]:
    clock = FakeClock()
    planned = plan.counts["planned"]
    run = BulkRun(clock, planned, "pictures", concurrency, longest=120.0)
    with SkippedObjects(folder / "skipped.sqlite") as skipped, run:
        parts = (run, "photos", plan, skipped, repaint, lambda _: None)
        Repainting(*parts).repaint_all(pauses=(2.0, 46.0))
    return run, clock


def result(upload: Upload, status: str) -> list[Result]:
    return [Result(status, upload.bucket, upload.key, reason="Because.")]  # type: ignore[arg-type]  # one of them


def test_concurrency(plan: BackfillPlan, tmp_path: Path) -> None:
    """No more uploads than asked for are processed at once."""
    fill(plan, 50)
    lock, now, most = threading.Lock(), Counter[str](), Counter[str]()

    def repaint(upload: Upload) -> list[Result]:
        with lock:
            now["running"] += 1
            most["running"] = max(most["running"], now["running"])
        with lock:
            now["running"] -= 1
        return result(upload, "generated")

    run, _ = go(plan, tmp_path, repaint, concurrency=3)

    assert {"generated": 50} == run.counts
    assert most["running"] <= 3


def test_retries(plan: BackfillPlan, tmp_path: Path) -> None:
    """An unfinished upload is tried again after each pause, and reported in the end."""
    fill(plan, 3)
    tries: Counter[str] = Counter()

    def repaint(upload: Upload) -> list[Result]:
        tries[upload.key] += 1
        done = upload.key == "0000.png" or (upload.key == "0001.png" and tries[upload.key] == 2)
        return result(upload, "generated" if done else "incomplete")

    run, clock = go(plan, tmp_path, repaint)

    assert {"0000.png": 1, "0001.png": 2, "0002.png": 3} == tries
    assert (2, 1, 1, 3) == (
        run.counts["generated"],
        run.counts["incomplete"],
        run.waiting,
        run.begun,
    )
    assert clock.now() >= START + 48.0


def test_results_of_variants(plan: BackfillPlan, tmp_path: Path) -> None:
    """Each result of an object with variants counts once, however often it is tried."""
    fill(plan, 2)
    tries: Counter[str] = Counter()
    second = [["incomplete"], ["generated", "incomplete", "in_doubt"], ["duplicate"] * 3]

    def repaint(upload: Upload) -> list[Result]:
        tries[upload.key] += 1
        number = tries[upload.key]
        statuses = ["generated"] * 3 if upload.key == "0000.png" else second[number - 1]
        return [
            Result(status, upload.bucket, upload.key, f"{upload.key} {variant}", variant=variant)  # type: ignore[arg-type]  # one of them
            for variant, status in enumerate(statuses, 1)
        ]

    run, _ = go(plan, tmp_path, repaint)

    assert {"0000.png": 1, "0001.png": 3} == tries
    assert {"generated": 4, "in_doubt": 1, "duplicate": 1} == {
        status: number for status, number in run.counts.items() if number
    }
    assert (2, 0) == (run.begun, run.waiting)


def test_unfinished_variant(plan: BackfillPlan, tmp_path: Path) -> None:
    """An object with a variant that is left to the sweep is unfinished."""
    fill(plan, 1)

    run, _ = go(plan, tmp_path, lambda u: [*result(u, "generated"), *result(u, "in_doubt")] * 2)

    assert (1, 1) == (run.begun, run.waiting)
    assert {"generated": 2, "in_doubt": 2} == run.counts


def test_failures_in_a_row(plan: BackfillPlan, tmp_path: Path) -> None:
    """If every upload fails, it stops."""
    fill(plan, 1000)

    run, clock = go(plan, tmp_path, lambda upload: result(upload, "incomplete"))

    assert 300 <= run.begun <= 304
    assert "300 uploads in a row could not be processed" in run.stopped
    assert "Because." in run.stopped
    assert START == clock.now()


def test_parked(plan: BackfillPlan, tmp_path: Path) -> None:
    """A parked upload is left to the sweep."""
    fill(plan, 2)

    run, clock = go(plan, tmp_path, lambda upload: result(upload, "in_doubt"))

    assert (2, START) == (run.waiting, clock.now())
    assert ["0000.png: Because.", "0001.png: Because."] == sorted(run.examples["in_doubt"])
