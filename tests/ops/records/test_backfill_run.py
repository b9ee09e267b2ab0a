"""Going through a plan: how many at once, what comes again, when to stop."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops.records.backfill.memory import Memory
from ops.records.backfill.plan import Plan
from ops.records.backfill.work import Pool, Run
from ops.ui.progress import Meter, span
from ops.ui.tally import Tally
from shared.clients.tos import ListedObject
from shared.results import Result
from shared.uploads.events import Upload
from tests.fakes import START, FakeClock


@pytest.fixture
def plan() -> Iterator[Plan]:
    with Plan() as plan:
        yield plan


def fill(plan: Plan, objects: int) -> None:
    for number in range(objects):
        listed = ListedObject(f"{number:04}.png", "e", 1, "2026-11-01T00:00:00Z")
        plan.add(f"{number:032x}", listed, pending=False)
    plan.counts["planned"] = objects


def go(
    plan: Plan, folder: Path, repaint: Callable[[Upload], list[Result]], *, concurrency: int = 4
) -> tuple[Tally, FakeClock]:
    clock = FakeClock()
    with Memory(folder / "memory.sqlite") as memory:
        run = Run(
            bucket="photos",
            plan=plan,
            memory=memory,
            repaint=repaint,
            clock=clock,
            pool=Pool(concurrency, longest=120.0, pauses=(2.0, 46.0)),
            on_result=lambda _: None,
        )
        with Meter(clock, "pictures", plan.counts["planned"]) as meter:
            return run.go(meter), clock


def result(upload: Upload, status: str) -> list[Result]:
    return [Result(status, upload.bucket, upload.key, reason="Because.")]  # type: ignore[arg-type]  # one of them


def test_no_more_than_asked_for_are_worked_on_at_once(plan: Plan, tmp_path: Path) -> None:
    fill(plan, 50)
    lock, now, most = threading.Lock(), Counter[str](), Counter[str]()

    def repaint(upload: Upload) -> list[Result]:
        with lock:
            now["running"] += 1
            most["running"] = max(most["running"], now["running"])
        with lock:
            now["running"] -= 1
        return result(upload, "generated")

    tally, _ = go(plan, tmp_path, repaint, concurrency=3)

    assert {"generated": 50} == tally.counts
    assert most["running"] <= 3


def test_what_stays_unfinished_comes_again_after_each_pause_and_is_told_in_the_end(
    plan: Plan, tmp_path: Path
) -> None:
    fill(plan, 3)
    tries: Counter[str] = Counter()

    def repaint(upload: Upload) -> list[Result]:
        tries[upload.key] += 1
        done = upload.key == "0000.png" or (upload.key == "0001.png" and tries[upload.key] == 2)
        return result(upload, "generated" if done else "incomplete")

    tally, clock = go(plan, tmp_path, repaint)

    assert {"0000.png": 1, "0001.png": 2, "0002.png": 3} == tries
    assert (2, 1, 1, 3) == (
        tally.counts["generated"],
        tally.counts["incomplete"],
        tally.waiting,
        tally.begun,
    )
    assert clock.now() >= START + 48.0


def test_of_an_object_with_variants_each_result_counts_once_however_often_it_comes(
    plan: Plan, tmp_path: Path
) -> None:
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

    tally, _ = go(plan, tmp_path, repaint)

    assert {"0000.png": 1, "0001.png": 3} == tries
    assert {"generated": 4, "in_doubt": 1, "duplicate": 1} == {
        status: number for status, number in tally.counts.items() if number
    }
    assert (2, 0) == (tally.begun, tally.waiting)


def test_an_object_with_a_variant_left_to_the_sweep_is_left_unfinished(
    plan: Plan, tmp_path: Path
) -> None:
    fill(plan, 1)

    tally, _ = go(plan, tmp_path, lambda u: [*result(u, "generated"), *result(u, "in_doubt")] * 2)

    assert (1, 1) == (tally.begun, tally.waiting)
    assert {"generated": 2, "in_doubt": 2} == tally.counts


def test_where_nothing_works_at_all_it_stops(plan: Plan, tmp_path: Path) -> None:
    fill(plan, 1000)

    tally, clock = go(plan, tmp_path, lambda upload: result(upload, "incomplete"))

    assert 300 <= tally.begun <= 304
    assert "300 uploads in a row could not be worked on" in tally.stopped
    assert "Because." in tally.stopped
    assert START == clock.now()


def test_what_is_parked_is_left_to_the_sweep(plan: Plan, tmp_path: Path) -> None:
    fill(plan, 2)

    tally, clock = go(plan, tmp_path, lambda upload: result(upload, "in_doubt"))

    assert (2, START) == (tally.waiting, clock.now())
    assert ["0000.png: Because.", "0001.png: Because."] == sorted(tally.examples["in_doubt"])


def test_progress_is_a_line_every_few_seconds_where_nobody_sees_a_bar(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = FakeClock()

    with Meter(clock, "pictures", 1000, price=0.2) as meter:
        for done in range(0, 61, 6):
            meter.tell(done, paid=done // 2)
            clock.advance(1)

    assert [
        "30 of 1,000 pictures · 6.0 a second · 2 min 42 s left · 3.00 so far",
        "60 of 1,000 pictures · 6.0 a second · 2 min 37 s left · 6.00 so far",
    ] == capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0 s"), (59.6, "1 min"), (200, "3 min 20 s"), (7200, "2 h"), (100_000, "1 d 3 h")],
)
def test_time_is_told_in_two_units_at_most(seconds: float, told: str) -> None:
    assert told == span(seconds)
