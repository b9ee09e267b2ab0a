"""`repaint backfill`: what is in a bucket is repainted, once, however it is run."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from local.cloud import STATE_BUCKET, UPLOADS_BUCKET, Cloud, Fixed
from shared.runtime import Runtime
from shared.uploads.metadata import identity
from tests.ops.bucket import a_cloud, change, charged, many, put
from tests.ops.command import document, environment, repaint


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    with a_cloud(tmp_path) as cloud:
        yield cloud


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def ended(text: str) -> dict[str, str]:
    """Return the status of each object that `--json` told."""
    return {line["key"]: line["status"] for line in lines(text) if "key" in line}


@contextmanager
def running(
    cloud: Cloud, folder: Path, *arguments: str, settings: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a backfill of everything, and do not wait for it."""
    with subprocess.Popen(
        [sys.executable, "-m", "ops", "backfill", UPLOADS_BUCKET, "--yes", "--json", *arguments],
        cwd=folder,
        env=environment(cloud, settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(expected: str, stream: IO[str]) -> None:
    """Read up to the line that holds `expected`."""
    while expected not in (line := stream.readline()):
        assert line, f"{expected} never came"


# What it does


def test_everything_is_repainted_once_and_a_second_run_has_nothing_to_do(
    cloud: Cloud, tmp_path: Path
) -> None:
    put(cloud, *many(8), "uploads/猫 1%20.png")

    first = repaint("backfill", "photos", "--yes", "--price", "0.25", cloud=cloud, folder=tmp_path)
    second = repaint("backfill", "photos", cloud=cloud, folder=tmp_path)

    assert (0, 0) == (first.returncode, second.returncode)
    assert "9  generated" in first.stdout
    assert ", for 2.25" in first.stdout
    assert "Nothing to repaint.\n" == second.stdout
    assert [*many(8), "uploads/猫 1%20.png"] == charged(cloud)


def test_each_result_is_a_line_of_json_and_the_last_one_tells_how_it_went(
    cloud: Cloud, tmp_path: Path
) -> None:
    put(cloud, *many(3))

    done = repaint("backfill", "photos", "--yes", "--json", cloud=cloud, folder=tmp_path)

    *results, end = lines(done.stdout)
    assert dict.fromkeys(many(3), "generated") == ended(done.stdout)
    assert all(result["record"] and result["store_uris"] for result in results)
    assert {"generated": 3} == end["summary"]["counts"]
    assert (3, 3) == (end["plan"]["listed"], end["plan"]["planned"])


def test_what_is_skipped_or_rejected_is_told_with_its_reason_and_not_looked_at_again(
    cloud: Cloud, tmp_path: Path
) -> None:
    put(cloud, "uploads/a.png", metadata={})
    put(cloud, "uploads/b.png", content=b"")
    put(cloud, "uploads/c.png", metadata={"prompt": "x", "seed": "abc"})

    first = repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path)
    second = repaint("backfill", "photos", "--dry-run", "--json", cloud=cloud, folder=tmp_path)
    fresh = repaint(
        "backfill", "photos", "--dry-run", "--json", "--fresh", cloud=cloud, folder=tmp_path
    )

    assert 0 == first.returncode
    assert "uploads/a.png: There is no prompt" in first.stdout
    assert "uploads/b.png: The object is empty" in first.stdout
    assert "x-tos-meta-seed is 'abc'" in first.stdout
    assert (2, 1, 0) == tuple(
        document(second)["plan"][name] for name in ("done", "skipped", "planned")
    )
    assert (2, 0, 1) == tuple(
        document(fresh)["plan"][name] for name in ("done", "skipped", "planned")
    )
    assert [] == charged(cloud)


def test_what_was_skipped_is_repainted_once_it_has_a_prompt(cloud: Cloud, tmp_path: Path) -> None:
    put(cloud, "uploads/a.png", "uploads/b.png", metadata={})
    repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path)

    put(cloud, "uploads/a.png")
    repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path)
    assert ["uploads/a.png"] == charged(cloud)

    everything = {"REPAINT_DEFAULT_PROMPT": "x"}
    repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path, settings=everything)
    assert ["uploads/a.png", "uploads/b.png"] == charged(cloud)


def test_what_was_put_in_the_place_of_a_picture_is_repainted_though_that_ended_later(
    cloud: Cloud, tmp_path: Path
) -> None:
    put(cloud, "uploads/a.png")
    repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path)

    put(cloud, "uploads/a.png", metadata={"prompt": "y"})
    change(cloud, "uploads/a.png", seconds_ago=60)
    done = repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path)

    assert "1  probably done, but only a look can tell" in done.stderr
    assert ["x", "y"] == [charge.prompt for charge in cloud.book.charges()]


def test_what_repaint_wrote_itself_and_what_the_filters_leave_out_is_no_upload(
    tmp_path: Path,
) -> None:
    settings = {
        "REPAINT_LEDGER": f"tos://{UPLOADS_BUCKET}/uploads/state/",
        "REPAINT_PREFIXES": "uploads/",
    }
    with a_cloud(tmp_path, settings=settings) as cloud:
        put(cloud, "uploads/a.png", "other/a.png", "uploads/a.gif", "uploads/state/a.png")
        put(cloud, "uploads/made.png", metadata={"prompt": "x", "repaint-generated": "1"})

        done = repaint("backfill", "photos", "--yes", "--json", cloud=cloud, folder=tmp_path)

        assert {"uploads/a.png": "generated"} == ended(done.stdout)
        plan = lines(done.stdout)[-1]["plan"]
        assert (3, 1) == (plan["outside"], plan["outputs"])
        assert ["uploads/a.png"] == charged(cloud)


def test_the_ledger_in_the_bucket_itself_needs_no_setting(cloud: Cloud, tmp_path: Path) -> None:
    put(cloud, "uploads/a.png")
    settings = {"REPAINT_LEDGER": ""}

    first = repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path, settings=settings)
    second = repaint("backfill", "photos", cloud=cloud, folder=tmp_path, settings=settings)

    assert (0, "Nothing to repaint.\n") == (first.returncode, second.stdout)
    page = cloud.store.list(UPLOADS_BUCKET, prefix=".repaint/done/")
    assert 1 == len(page.objects)


def test_a_ledger_in_a_file_is_as_good(cloud: Cloud, tmp_path: Path) -> None:
    put(cloud, *many(3))
    settings = {"REPAINT_LEDGER": f"sqlite://{tmp_path}/ledger.sqlite"}

    first = repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path, settings=settings)
    second = repaint("backfill", "photos", cloud=cloud, folder=tmp_path, settings=settings)

    assert (0, "Nothing to repaint.\n") == (first.returncode, second.stdout)
    assert many(3) == charged(cloud)


# What is chosen


def test_the_options_choose_by_key_by_age_and_by_number(cloud: Cloud, tmp_path: Path) -> None:
    put(cloud, "uploads/a.png", "uploads/b.png", "uploads/c/1.png", "uploads/c/2.png")
    change(cloud, "uploads/a.png", seconds_ago=7200)

    def planned(*arguments: str) -> list[str]:
        done = repaint(
            "backfill", "photos", "--plan-only", *arguments, cloud=cloud, folder=tmp_path
        )
        assert 0 == done.returncode
        return [line["key"] for line in lines(done.stdout)]

    assert ["uploads/c/1.png", "uploads/c/2.png"] == planned("--prefix", "uploads/c/")
    assert ["uploads/b.png", "uploads/c/1.png"] == planned("--since", "90m", "--limit", "2")
    assert 4 == len(planned("--since", "2020-01-01T00:00+08:00"))
    assert [] == planned("--since", "2099-01-01")


def test_the_list_of_a_plan_can_be_written_to_a_file(cloud: Cloud, tmp_path: Path) -> None:
    put(cloud, "uploads/a.png")
    head = cloud.store.head(UPLOADS_BUCKET, "uploads/a.png")

    done = repaint(
        "backfill", "photos", "--plan-only", "--output", "list.jsonl", cloud=cloud, folder=tmp_path
    )

    assert (0, "") == (done.returncode, done.stdout)
    (line,) = lines((tmp_path / "list.jsonl").read_text("utf-8"))
    modified = line.pop("last_modified")
    assert {
        "bucket": "photos",
        "key": "uploads/a.png",
        "etag": head.etag,
        "size": head.size,
    } == line
    assert modified.startswith("20")
    assert "1  to repaint" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["photos", "--since", "yesterday"], "--since 'yesterday' is neither a moment"),
        (["Photos"], "'Photos' cannot be a bucket"),
        (["elsewhere"], "There is no bucket elsewhere in this region"),
        (["photos", "--output", "list"], "--output is where --plan-only writes to"),
        (["photos", "--price", "inf"], "--price is a sum of money"),
    ],
)
def test_what_cannot_be_meant_is_told(
    cloud: Cloud, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    done = repaint("backfill", *arguments, cloud=cloud, folder=tmp_path)

    assert (2, "") == (done.returncode, done.stdout)
    assert sentence in done.stderr


# What it costs


def test_a_dry_run_tells_number_cost_and_time_and_leaves_nothing_behind(
    cloud: Cloud, tmp_path: Path
) -> None:
    put(cloud, *many(5))

    done = repaint(
        "backfill", "photos", "--dry-run", "--price", "0.2", cloud=cloud, folder=tmp_path
    )

    assert (0, "") == (done.returncode, done.stderr)
    assert "5  to repaint" in done.stdout
    assert "5 generations for 1.00, about 12 s" in done.stdout
    assert [] == cloud.store.list(STATE_BUCKET).objects
    assert [tmp_path / "cloud"] == list(tmp_path.iterdir())


def test_it_asks_before_it_spends_and_does_nothing_where_nobody_answers(
    cloud: Cloud, tmp_path: Path
) -> None:
    put(cloud, *many(2))

    done = repaint("backfill", "photos", "--price", "0.2", cloud=cloud, folder=tmp_path)

    assert (3, "") == (done.returncode, done.stdout)
    assert "Repaint 2 pictures for 0.40? Nobody can be asked here: say --yes." in done.stderr
    assert [] == charged(cloud)


def test_whoever_answers_yes_gets_it_done(cloud: Cloud, tmp_path: Path) -> None:
    put(cloud, *many(2))
    terminal, end = pty.openpty()

    def answer(text: bytes) -> subprocess.CompletedProcess[str]:
        os.write(terminal, text)
        return subprocess.run(
            [sys.executable, "-m", "ops", "backfill", UPLOADS_BUCKET],
            cwd=tmp_path,
            env=environment(cloud),
            stdin=end,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    refused = answer(b"n\n")
    assert (3, "", []) == (refused.returncode, refused.stdout.strip(), charged(cloud))
    assert "Nothing was done." in refused.stderr
    assert (0, many(2)) == (answer(b"y\n").returncode, charged(cloud))
    for side in (terminal, end):
        os.close(side)


def test_where_the_listing_cannot_tell_what_is_done_a_look_does(
    cloud: Cloud, tmp_path: Path
) -> None:
    # A listing does not tell versions, and the records are those of versions.
    cloud.store.buckets.set_versioning(UPLOADS_BUCKET, "Enabled")
    put(cloud, *many(2))
    for key in many(2):
        change(cloud, key, seconds_ago=60)
    repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path)

    again = repaint("backfill", "photos", "--yes", "--price", "1", cloud=cloud, folder=tmp_path)

    assert 0 == again.returncode
    assert "0 generations for 0.00, at most 2 for 2.00" in again.stderr
    assert "2  duplicate (had ended meanwhile)" in again.stdout
    assert many(2) == charged(cloud)


def test_where_no_object_has_metadata_prompts_may_be_hidden(cloud: Cloud, tmp_path: Path) -> None:
    put(cloud, *many(3), metadata={})

    done = repaint("backfill", "photos", "--dry-run", cloud=cloud, folder=tmp_path)

    assert "3  without a prompt, says the listing" in done.stdout
    assert "0 generations, at most 3" in done.stdout


def test_at_the_daily_cap_it_stops_and_says_what_to_do(tmp_path: Path) -> None:
    capped = {"REPAINT_DAILY_CAP": "3"}
    with a_cloud(tmp_path, settings=capped) as cloud:
        put(cloud, *many(12))

        done = repaint(
            "backfill", "photos", "--yes", "--concurrency", "2", cloud=cloud, folder=tmp_path
        )
        assert 1 == done.returncode
        assert "The daily cap of 3 (REPAINT_DAILY_CAP) is reached." in done.stderr
        assert "Run the same command then." in done.stderr
        assert "parked (the sweep goes on with it)" in done.stdout
        assert 3 == len(charged(cloud))

        raised = {"REPAINT_DAILY_CAP": "100"}
        again = repaint(
            "backfill", "photos", "--yes", cloud=cloud, folder=tmp_path, settings=raised
        )
        assert (0, many(12)) == (again.returncode, charged(cloud))


def test_what_is_wrong_with_the_configuration_stops_it_at_the_first(
    cloud: Cloud, tmp_path: Path
) -> None:
    put(cloud, *many(6))
    wrong = {"VEIMAGEX_TEMPLATE": "tplv-local-unknown.image"}

    def run(settings: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        command = ("backfill", "photos", "--yes", "--concurrency", "1")
        return repaint(*command, cloud=cloud, folder=tmp_path, settings=settings)

    first = run(wrong)
    assert (1, []) == (first.returncode, charged(cloud))
    assert "Configuration: " in first.stderr
    assert "5 not begun." in first.stderr

    # The one that is parked waits for its time, and does not stop the others.
    second = run()
    assert (1, many(6)[1:]) == (second.returncode, charged(cloud))
    assert "1  of all these have been begun before" in second.stderr


# Variants


VARIANTS = {"REPAINT_PRESETS": json.dumps([{"prefix": "uploads/", "variants": 3}])}


def test_each_variant_is_made_counted_and_told(cloud: Cloud, tmp_path: Path) -> None:
    put(cloud, *many(2))

    done = repaint(
        "backfill", "photos", "--yes", "--price", "0.5", "--json",
        cloud=cloud, folder=tmp_path, settings=VARIANTS,
    )  # fmt: skip
    again = repaint("backfill", "photos", cloud=cloud, folder=tmp_path, settings=VARIANTS)

    *results, end = lines(done.stdout)
    assert [1, 1, 2, 2, 3, 3] == sorted(result["variant"] for result in results)
    assert {"generated": 6} == end["summary"]["counts"]
    assert (2, 6, 3.0) == (
        end["plan"]["planned"],
        end["plan"]["generations"],
        end["summary"]["cost"],
    )
    assert "2 pictures in 6 generations" in repaint(
        "backfill", "photos", "--price", "0.5", "--fresh", cloud=cloud, folder=tmp_path,
        settings={**VARIANTS, "REPAINT_LEDGER": f"tos://{STATE_BUCKET}/other/"},
    ).stderr  # fmt: skip
    assert "Nothing to repaint.\n" == again.stdout
    assert sorted(many(2) * 3) == charged(cloud)


def test_what_a_picture_may_cost_counts_the_variants_that_the_listing_cannot_tell(
    cloud: Cloud, tmp_path: Path
) -> None:
    # Without metadata in the listing, a preset's placeholders have nothing to stand for yet.
    put(cloud, *many(2), metadata={})
    preset = {"prefix": "uploads/", "prompt": "{style}", "variants": 3}
    settings = {"REPAINT_PRESETS": json.dumps([preset])}

    done = repaint(
        "backfill", "photos", "--dry-run", "--price", "1", cloud=cloud, folder=tmp_path,
        settings=settings,
    )  # fmt: skip

    assert "0 generations for 0.00, at most 6 for 6.00" in done.stdout


def test_where_the_first_variant_has_ended_the_next_run_finishes_its_siblings(
    tmp_path: Path,
) -> None:
    with a_cloud(tmp_path, settings={**VARIANTS, "REPAINT_DAILY_CAP": "0"}) as cloud:
        put(cloud, "uploads/a.png")
        etag = cloud.store.head(UPLOADS_BUCKET, "uploads/a.png").etag
        first = identity(UPLOADS_BUCKET, "uploads/a.png", etag, {"prompt": "x"})
        repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path)
        raised = {"REPAINT_DAILY_CAP": "100"}
        with closing(
            Runtime({**cloud.settings, **raised}, credentials=Fixed(cloud.credentials))
        ) as runtime:
            runtime.pipeline.resume(
                runtime.ledger("", None), first, deadline=time.time() + 60, log=runtime.log
            )
        assert ["uploads/a.png"] == charged(cloud)

        done = repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path, settings=raised)

        assert 0 == done.returncode, done.stderr
        assert ["uploads/a.png"] * 3 == charged(cloud)


# Interrupted, killed, and run twice


def test_two_at_once_pay_for_each_picture_once(tmp_path: Path) -> None:
    with a_cloud(tmp_path, latency=0.4) as cloud:
        put(cloud, *many(24))

        with (
            running(cloud, tmp_path, "--concurrency", "4") as one,
            running(cloud, tmp_path, "--concurrency", "4") as other,
        ):
            told = [one.communicate(timeout=120), other.communicate(timeout=120)]

        assert (0, 0) == (one.returncode, other.returncode), told
        assert many(24) == charged(cloud)
        generated = Counter(
            key for out, _ in told for key, status in ended(out).items() if status == "generated"
        )
        assert dict.fromkeys(many(24), 1) == generated


def test_killed_in_the_middle_and_run_again_it_pays_for_each_picture_once(tmp_path: Path) -> None:
    short = {"VEIMAGEX_TIMEOUT_SECONDS": "1"}  # and with it the leases
    with a_cloud(tmp_path, latency=0.3, settings=short) as cloud:
        put(cloud, *many(12))
        with running(cloud, tmp_path, "--concurrency", "3", "--verbose") as process:
            assert process.stderr is not None
            for _ in range(5):
                wait_for("attempt.sent", process.stderr)
            process.send_signal(signal.SIGKILL)
        assert cloud.store.list(STATE_BUCKET, prefix="ledger/pending/").objects

        again = repaint("backfill", "photos", "--yes", "--json", cloud=cloud, folder=tmp_path)

        assert 0 == again.returncode, again.stderr
        assert "unfinished, worked on elsewhere" in again.stderr
        assert many(12) == charged(cloud)
        left = repaint("backfill", "photos", "--dry-run", "--json", cloud=cloud, folder=tmp_path)
        assert (12, 0) == tuple(document(left)["plan"][name] for name in ("done", "planned"))


def test_ctrl_c_lets_what_is_in_progress_end_and_the_next_run_goes_on(tmp_path: Path) -> None:
    with a_cloud(tmp_path, latency=0.3) as cloud:
        put(cloud, *many(10))
        with running(cloud, tmp_path, "--concurrency", "2", "--verbose") as process:
            assert process.stderr is not None
            for _ in range(3):
                wait_for("attempt.sent", process.stderr)
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=60)

        assert 130 == process.returncode
        assert "Interrupted: nothing more is begun; waiting for" in stderr
        assert "Run the same command again to go on." in stderr
        assert set(charged(cloud)) == set(ended(stdout))
        assert {"generated"} == set(ended(stdout).values())
        assert 3 <= len(charged(cloud)) < 10

        again = repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path)
        assert (0, many(10)) == (again.returncode, charged(cloud))


def test_ctrl_c_twice_ends_it_at_once(tmp_path: Path) -> None:
    with a_cloud(tmp_path, latency=4.0) as cloud:
        put(cloud, *many(2))
        with running(cloud, tmp_path, "--concurrency", "1", "--verbose") as process:
            assert process.stderr is not None
            for expected in ("attempt.sent", "Ctrl-C again stops at once"):
                wait_for(expected, process.stderr)
                process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=60)

        assert (130, "") == (process.returncode, stdout)
        assert "Stopped at once. Run the same command again to go on." in stderr


# What it tells


def test_the_log_is_in_a_file_and_no_secret_is_anywhere(cloud: Cloud, tmp_path: Path) -> None:
    put(cloud, *many(2))

    done = repaint("backfill", "photos", "--yes", "--json", cloud=cloud, folder=tmp_path)

    (log,) = (tmp_path / ".repaint" / "backfill").glob("photos-*.log")
    written = log.read_text("utf-8")
    assert 2 == written.count('"event": "image.generated"')
    for text in (written, done.stdout, done.stderr):
        assert cloud.credentials.secret_key not in text
        assert "X-Tos-Signature" not in text


def test_verbose_shows_the_log_instead(cloud: Cloud, tmp_path: Path) -> None:
    put(cloud, "uploads/a.png")

    done = repaint("backfill", "photos", "--yes", "--verbose", cloud=cloud, folder=tmp_path)

    assert '"event": "image.generated"' in done.stderr
    assert [] == list(tmp_path.glob(".repaint/backfill/*.log"))
