"""`repaint backfill`: the pictures of a bucket are repainted once, however it is run."""

import json
import signal
import subprocess
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import IO

import pytest

from local.cloud import STATE_BUCKET, UPLOADS_BUCKET, Cloud, FixedCredentials
from shared.runtime import Runtime
from shared.uploads.metadata import identity
from tests.ops.bucket import a_cloud, change, charged, many, put
from tests.ops.command import answered, document, lines, repaint, started


def ended(text: str) -> dict[str, str]:
    """Return the status of each object in the output of `--json`."""
    return {line["key"]: line["status"] for line in lines(text) if "key" in line}


BACKFILL = ("backfill", UPLOADS_BUCKET, "--yes", "--json")


def wait_for(expected: str, stream: IO[str]) -> None:
    """Read up to the line with `expected`."""
    while expected not in (line := stream.readline()):
        assert line, f"{expected} never came"


# The results


def test_second_run(cloud: Cloud, tmp_path: Path) -> None:
    """Everything is repainted once, and a second run has nothing to do."""
    put(cloud, *many(8), "uploads/猫 1%20.png")

    first = repaint("backfill", "photos", "--yes", "--price", "0.25", cloud=cloud, folder=tmp_path)
    second = repaint("backfill", "photos", cloud=cloud, folder=tmp_path)

    assert (0, 0) == (first.returncode, second.returncode)
    assert "9  generated" in first.stdout
    assert ", for 2.25" in first.stdout
    assert "Nothing to repaint.\n" == second.stdout
    assert [*many(8), "uploads/猫 1%20.png"] == charged(cloud)


def test_json(cloud: Cloud, tmp_path: Path) -> None:
    """Each result is a line of JSON, and the last line is the summary."""
    put(cloud, *many(3))

    done = repaint("backfill", "photos", "--yes", "--json", cloud=cloud, folder=tmp_path)

    *results, end = lines(done.stdout)
    assert dict.fromkeys(many(3), "generated") == ended(done.stdout)
    assert all(result["record"] and result["store_uris"] for result in results)
    assert {"generated": 3} == end["summary"]["counts"]
    assert (3, 3) == (end["plan"]["listed"], end["plan"]["planned"])


def test_skipped_and_rejected(cloud: Cloud, tmp_path: Path) -> None:
    """A skipped or rejected object is reported with its reason, and not checked again."""
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


def test_prompt_added(cloud: Cloud, tmp_path: Path) -> None:
    """A skipped object is repainted once it has a prompt."""
    put(cloud, "uploads/a.png", "uploads/b.png", metadata={})
    repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path)

    put(cloud, "uploads/a.png")
    repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path)
    assert ["uploads/a.png"] == charged(cloud)

    everything = {"REPAINT_DEFAULT_PROMPT": "x"}
    repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path, settings=everything)
    assert ["uploads/a.png", "uploads/b.png"] == charged(cloud)


def test_overwritten_picture(cloud: Cloud, tmp_path: Path) -> None:
    """New content of a key is repainted, though the old content ended later."""
    put(cloud, "uploads/a.png")
    repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path)

    put(cloud, "uploads/a.png", metadata={"prompt": "y"})
    change(cloud, "uploads/a.png", seconds_ago=60)
    done = repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path)

    assert "1  probably done, which a request for each will show" in done.stderr
    assert ["x", "y"] == [charge.prompt for charge in cloud.billing.charges()]


def test_filters(
    tmp_path: Path,
) -> None:
    """Repaint's own objects, and those outside the filters, are no uploads."""
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


def test_sqlite_ledger(cloud: Cloud, tmp_path: Path) -> None:
    """A ledger in a file works as well."""
    put(cloud, *many(3))
    settings = {"REPAINT_LEDGER": f"sqlite://{tmp_path}/ledger.sqlite"}

    first = repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path, settings=settings)
    second = repaint("backfill", "photos", cloud=cloud, folder=tmp_path, settings=settings)

    assert (0, "Nothing to repaint.\n") == (first.returncode, second.stdout)
    assert many(3) == charged(cloud)


# The options


def test_scope_options(cloud: Cloud, tmp_path: Path) -> None:
    """Options choose objects by key, by age and by number."""
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


def test_plan_in_file(cloud: Cloud, tmp_path: Path) -> None:
    """A plan can be written to a file."""
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
        (["photos", "--output", "list"], "--output is the file for --plan-only"),
        (["photos", "--price", "inf"], "--price is a sum of money"),
    ],
)
def test_wrong_options(cloud: Cloud, tmp_path: Path, arguments: list[str], sentence: str) -> None:
    """Options that make no sense are refused."""
    done = repaint("backfill", *arguments, cloud=cloud, folder=tmp_path)

    assert (2, "") == (done.returncode, done.stdout)
    assert sentence in done.stderr


# The cost


def test_dry_run(cloud: Cloud, tmp_path: Path) -> None:
    """A dry run shows number, cost and time, and leaves nothing behind."""
    put(cloud, *many(5))

    done = repaint(
        "backfill", "photos", "--dry-run", "--price", "0.2", cloud=cloud, folder=tmp_path
    )

    assert (0, "") == (done.returncode, done.stderr)
    assert "5  to repaint" in done.stdout
    assert "5 generations for 1.00, about 12 s" in done.stdout
    assert [] == cloud.store.list(STATE_BUCKET).objects
    assert [tmp_path / "cloud"] == list(tmp_path.iterdir())


def test_no_terminal(cloud: Cloud, tmp_path: Path) -> None:
    """Without a terminal to ask on, nothing is done."""
    put(cloud, *many(2))

    done = repaint("backfill", "photos", "--price", "0.2", cloud=cloud, folder=tmp_path)

    assert (3, "") == (done.returncode, done.stdout)
    assert "Repaint 2 pictures for 0.40? There is no terminal to ask on: add --yes." in done.stderr
    assert [] == charged(cloud)


def test_confirmation(cloud: Cloud, tmp_path: Path) -> None:
    """It goes on if the answer is yes."""
    put(cloud, *many(2))
    command = ("backfill", UPLOADS_BUCKET)

    refused = answered(*command, answer=b"n\n", cloud=cloud, folder=tmp_path)
    assert (3, "", []) == (refused.returncode, refused.stdout.strip(), charged(cloud))
    assert "Nothing was done." in refused.stderr
    confirmed = answered(*command, answer=b"y\n", cloud=cloud, folder=tmp_path)
    assert (0, many(2)) == (confirmed.returncode, charged(cloud))


def test_versioned_uploads(cloud: Cloud, tmp_path: Path) -> None:
    """If the listing cannot show what is done, a request for each object does."""
    # A listing shows no versions, and the records are those of versions.
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


def test_hidden_metadata(cloud: Cloud, tmp_path: Path) -> None:
    """If no object has metadata, prompts may be hidden, which the estimate counts."""
    put(cloud, *many(3), metadata={})

    done = repaint("backfill", "photos", "--dry-run", cloud=cloud, folder=tmp_path)

    assert "3  without a prompt according to the listing" in done.stdout
    assert "0 generations, at most 3" in done.stdout


def test_daily_cap(tmp_path: Path) -> None:
    """At the daily cap it stops and says what to do."""
    capped = {"REPAINT_DAILY_CAP": "3"}
    with a_cloud(tmp_path, settings=capped) as cloud:
        put(cloud, *many(12))

        done = repaint(
            "backfill", "photos", "--yes", "--concurrency", "2", cloud=cloud, folder=tmp_path
        )
        assert 1 == done.returncode
        assert "The daily cap of 3 (REPAINT_DAILY_CAP) is reached." in done.stderr
        assert "Run the same command then." in done.stderr
        assert "parked (the sweep retries it)" in done.stdout
        assert 3 == len(charged(cloud))

        raised = {"REPAINT_DAILY_CAP": "100"}
        again = repaint(
            "backfill", "photos", "--yes", cloud=cloud, folder=tmp_path, settings=raised
        )
        assert (0, many(12)) == (again.returncode, charged(cloud))


def test_wrong_configuration(cloud: Cloud, tmp_path: Path) -> None:
    """A configuration error stops it at the first upload."""
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
    assert "1  of all these have a pending record" in second.stderr


# Variants


VARIANTS = {"REPAINT_PRESETS": json.dumps([{"prefix": "uploads/", "variants": 3}])}


def test_variants(cloud: Cloud, tmp_path: Path) -> None:
    """Each variant is generated, counted and reported."""
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


def test_cost_of_hidden_variants(cloud: Cloud, tmp_path: Path) -> None:
    """The estimate counts the variants that the listing cannot show."""
    # Without metadata in the listing, a preset's placeholders have nothing to stand for yet.
    put(cloud, *many(2), metadata={})
    preset = {"prefix": "uploads/", "prompt": "{style}", "variants": 3}
    settings = {"REPAINT_PRESETS": json.dumps([preset])}

    done = repaint(
        "backfill", "photos", "--dry-run", "--price", "1", cloud=cloud, folder=tmp_path,
        settings=settings,
    )  # fmt: skip

    assert "0 generations for 0.00, at most 6 for 6.00" in done.stdout


def test_unfinished_siblings(
    tmp_path: Path,
) -> None:
    """If only the first variant has ended, the next run finishes its siblings."""
    with a_cloud(tmp_path, settings={**VARIANTS, "REPAINT_DAILY_CAP": "0"}) as cloud:
        put(cloud, "uploads/a.png")
        etag = cloud.store.head(UPLOADS_BUCKET, "uploads/a.png").etag
        first = identity(UPLOADS_BUCKET, "uploads/a.png", etag, {"prompt": "x"})
        repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path)
        raised = {"REPAINT_DAILY_CAP": "100"}
        with closing(
            Runtime({**cloud.settings, **raised}, credentials=FixedCredentials(cloud.credentials))
        ) as runtime:
            runtime.pipeline.resume(first, runtime.delivery())
        assert ["uploads/a.png"] == charged(cloud)

        done = repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path, settings=raised)

        assert 0 == done.returncode, done.stderr
        assert ["uploads/a.png"] * 3 == charged(cloud)


# Interrupted, killed, and run twice


def test_two_at_once(tmp_path: Path) -> None:
    """Two runs at once pay for each picture once."""
    with a_cloud(tmp_path, latency=0.4) as cloud:
        put(cloud, *many(24))

        with (
            started(*BACKFILL, "--concurrency", "4", cloud=cloud, folder=tmp_path) as one,
            started(*BACKFILL, "--concurrency", "4", cloud=cloud, folder=tmp_path) as other,
        ):
            outputs = [one.communicate(timeout=120), other.communicate(timeout=120)]

        assert (0, 0) == (one.returncode, other.returncode), outputs
        assert many(24) == charged(cloud)
        generated = Counter(
            key for out, _ in outputs for key, status in ended(out).items() if status == "generated"
        )
        assert dict.fromkeys(many(24), 1) == generated


def test_killed(tmp_path: Path) -> None:
    """A run that was killed and repeated pays for each picture once."""
    short = {"VEIMAGEX_TIMEOUT_SECONDS": "1"}  # and with it the leases
    with a_cloud(tmp_path, latency=0.3, settings=short) as cloud:
        put(cloud, *many(12))
        with started(
            *BACKFILL, "--concurrency", "3", "--verbose", cloud=cloud, folder=tmp_path
        ) as process:
            assert process.stderr is not None
            for _ in range(5):
                wait_for("attempt.sent", process.stderr)
            process.send_signal(signal.SIGKILL)
        assert cloud.store.list(STATE_BUCKET, prefix="ledger/pending/").objects

        again = repaint("backfill", "photos", "--yes", "--json", cloud=cloud, folder=tmp_path)

        assert 0 == again.returncode, again.stderr
        assert "unfinished, in progress elsewhere" in again.stderr
        assert many(12) == charged(cloud)
        left = repaint("backfill", "photos", "--dry-run", "--json", cloud=cloud, folder=tmp_path)
        assert (12, 0) == tuple(document(left)["plan"][name] for name in ("done", "planned"))


def test_interrupted(tmp_path: Path) -> None:
    """Ctrl-C lets the uploads in progress end, and the next run goes on."""
    with a_cloud(tmp_path, latency=0.3) as cloud:
        put(cloud, *many(10))
        with started(
            *BACKFILL, "--concurrency", "2", "--verbose", cloud=cloud, folder=tmp_path
        ) as process:
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


def test_interrupted_twice(tmp_path: Path) -> None:
    """Ctrl-C twice ends it at once."""
    with a_cloud(tmp_path, latency=4.0) as cloud:
        put(cloud, *many(2))
        with started(
            *BACKFILL, "--concurrency", "1", "--verbose", cloud=cloud, folder=tmp_path
        ) as process:
            assert process.stderr is not None
            for expected in ("attempt.sent", "Ctrl-C again stops at once"):
                wait_for(expected, process.stderr)
                process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=60)

        assert (130, "") == (process.returncode, stdout)
        assert "Stopped at once. Run the same command again to go on." in stderr


# The log


def test_log_file(cloud: Cloud, tmp_path: Path) -> None:
    """The log is in a file, and no secret is in any output."""
    put(cloud, *many(2))

    done = repaint("backfill", "photos", "--yes", "--json", cloud=cloud, folder=tmp_path)

    (log,) = (tmp_path / ".repaint" / "backfill").glob("photos-*.log")
    written = log.read_text("utf-8")
    assert 2 == written.count('"event": "image.generated"')
    for text in (written, done.stdout, done.stderr):
        assert cloud.credentials.secret_key not in text
        assert "X-Tos-Signature" not in text


def test_verbose(cloud: Cloud, tmp_path: Path) -> None:
    """With --verbose the log is on stderr."""
    put(cloud, "uploads/a.png")

    done = repaint("backfill", "photos", "--yes", "--verbose", cloud=cloud, folder=tmp_path)

    assert '"event": "image.generated"' in done.stderr
    assert [] == list(tmp_path.glob(".repaint/backfill/*.log"))
