"""`repaint redrive`: run again on purpose, once, after saying what it may cost."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from local.cloud import UPLOADS_BUCKET, Cloud
from shared.ledger import Attempt, Record
from shared.uploads.metadata import again_id
from tests.ops.bucket import a_cloud, charged, many, put
from tests.ops.command import document, environment, repaint
from tests.ops.ledgers import a_record, in_doubt, ledger_of, write

REFUSED = {"REPAINT_DEFAULT_PROMPT": "[refuse] x"}
MENDED = {"REPAINT_DEFAULT_PROMPT": "x"}


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    with a_cloud(tmp_path) as cloud:
        yield cloud


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def refuse(cloud: Cloud, folder: Path, *keys: str) -> list[str]:
    """Have pictures refused for their prompt; return their records, in the order of `keys`."""
    put(cloud, *keys, metadata={})
    command = ("backfill", UPLOADS_BUCKET, "--yes", "--json")
    done = repaint(*command, cloud=cloud, folder=folder, settings=REFUSED)
    found = {line["key"]: line for line in lines(done.stdout) if "key" in line}
    assert {"rejected"} == {line["status"] for line in found.values()}
    return [found[key]["record"] for key in keys]


def redrive(
    cloud: Cloud, folder: Path, *arguments: str, settings: Mapping[str, str] = MENDED
) -> subprocess.CompletedProcess[str]:
    return repaint("redrive", *arguments, cloud=cloud, folder=folder, settings=settings)


def doubtful(cloud: Cloud, number: int, **fields: Any) -> Record:
    """Return a record in doubt of a picture that is there."""
    key = f"uploads/{number}.png"
    put(cloud, key)
    etag = cloud.store.head(UPLOADS_BUCKET, key).etag
    return in_doubt(number, key=key, etag=etag, **fields)


@contextmanager
def running(cloud: Cloud, folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run all that was rejected again, and do not wait for it."""
    command = [sys.executable, "-m", "ops", "redrive", "--rejected", "", "--yes", "--json"]
    with subprocess.Popen(
        [*command, *arguments],
        cwd=folder,
        env=environment(cloud, MENDED),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


# What it does


def test_what_was_rejected_for_a_mistake_is_generated_once_that_is_mended(
    cloud: Cloud, tmp_path: Path
) -> None:
    (record,) = refuse(cloud, tmp_path, "uploads/a.png")

    done = redrive(cloud, tmp_path, record[:24], "--yes", "--note", "prompt mended")
    shown = repaint("show", again_id(record), cloud=cloud, folder=tmp_path)
    before = document(repaint("show", record, "--json", cloud=cloud, folder=tmp_path))

    assert 0 == done.returncode
    assert "1  generated" in done.stdout
    assert ["uploads/a.png"] == charged(cloud)
    assert f"again of      {record}" in shown.stdout
    assert "note          prompt mended" in shown.stdout
    assert ("rejected", again_id(record)) == (before["status"], before["again_as"])


def test_only_what_was_rejected_for_that_reason_is_run_again_and_only_once(
    cloud: Cloud, tmp_path: Path
) -> None:
    refuse(cloud, tmp_path, "uploads/a.png", "uploads/b.png")
    put(cloud, "uploads/c.png", metadata={"prompt": "x", "seed": "abc"})
    repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path)

    nothing = redrive(cloud, tmp_path, "--rejected", "no such reason", "--yes")
    first = redrive(cloud, tmp_path, "--rejected", "50412", "--yes", "--json")
    second = redrive(cloud, tmp_path, "--rejected", "50412", "--yes")

    assert (0, "Nothing to run again.\n") == (nothing.returncode, nothing.stdout)
    assert (0, 0) == (first.returncode, second.returncode)
    *results, end = lines(first.stdout)
    assert [("uploads/a.png", "generated"), ("uploads/b.png", "generated")] == sorted(
        (result["of"].removeprefix("photos/"), result["status"]) for result in results
    )
    assert all(result["record"] == again_id(result["again_of"]) for result in results)
    assert all(result["image_urls"] for result in results)
    assert {"generated": 2} == end["summary"]["counts"]
    assert "was run again already" in second.stderr
    assert "Nothing to run again.\n" == second.stdout
    assert ["uploads/a.png", "uploads/b.png"] == charged(cloud)


@pytest.mark.parametrize("kind", ["tos", "sqlite"])
def test_what_is_in_doubt_is_ended_in_favour_of_the_new_record(
    cloud: Cloud, tmp_path: Path, kind: str
) -> None:
    settings = {"REPAINT_LEDGER": f"sqlite://{tmp_path}/ledger.db"} if kind == "sqlite" else {}
    with ledger_of(cloud, settings) as ledger:
        write(ledger, doubtful(cloud, 1), doubtful(cloud, 2), a_record(3, parked="deferred"))

    done = redrive(cloud, tmp_path, "--in-doubt", "--yes", settings=settings)
    left = repaint("status", cloud=cloud, folder=tmp_path, settings=settings)

    assert (0, 0) == (done.returncode, left.returncode)
    assert "2  generated" in done.stdout
    assert "pending    1" in left.stdout
    assert ["uploads/1.png", "uploads/2.png"] == charged(cloud)
    with ledger_of(cloud, settings) as ledger:
        old = ledger.finished("1" * 32)
    assert old is not None
    assert ("superseded", f"Run again as {again_id(old.id)}.") == (old.state, old.reason)


def test_an_image_that_is_there_after_all_is_told_before_and_not_paid_for_again(
    cloud: Cloud, tmp_path: Path
) -> None:
    put(cloud, "uploads/a.png")
    repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path)
    (made,) = cloud.book.charges()
    attempt = Attempt(number=1, output=made.output, sent_at=made.at, outcome="absent")
    with ledger_of(cloud) as ledger:
        write(ledger, doubtful(cloud, 1, attempts=(attempt,)))

    done = redrive(cloud, tmp_path, "--in-doubt", "--yes")

    assert 0 == done.returncode
    assert "looked for just now: its image is there" in done.stderr
    assert "May be paid for again: 0 generations" in done.stderr
    assert "Its image was there after all: nothing was run again." in done.stdout
    assert ["uploads/a.png"] == charged(cloud)


def test_left_to_the_sweep_nothing_is_paid_here(cloud: Cloud, tmp_path: Path) -> None:
    refuse(cloud, tmp_path, "uploads/a.png")

    done = redrive(cloud, tmp_path, "--rejected", "", "--later", "--yes")

    assert 0 == done.returncode
    assert "1  parked (the sweep goes on with it)" in done.stdout
    assert [] == charged(cloud)
    counted = document(repaint("status", "--json", cloud=cloud, folder=tmp_path))
    assert {"time": 1} == counted["pending"]["causes"]["deferred"]


# What it says before, and asks


def test_it_says_what_was_sent_and_may_be_paid_for_again_before_it_asks(
    cloud: Cloud, tmp_path: Path
) -> None:
    (record,) = refuse(cloud, tmp_path, "uploads/a.png")
    with ledger_of(cloud) as ledger:
        write(ledger, doubtful(cloud, 1))

    done = redrive(cloud, tmp_path, record, "1" * 32)

    assert (3, "") == (done.returncode, done.stdout)
    for line in (
        f"{record} photos/uploads/a.png",
        "attempt 1: refused (50412: ",
        "attempt 3: no answer, and no image was found: it may have been charged",
        "; looked for just now: no image is there",
        "4 attempts were sent for 2 records: 0 charged, 3 perhaps, 1 not.",
        "May be paid for again: 2 generations; where answers are lost, up to 3 for each.",
        "Run 2 records again? Nobody can be asked here: say --yes.",
    ):
        assert line in done.stderr
    assert [] == charged(cloud)
    with ledger_of(cloud) as ledger:
        assert ledger.pending("1" * 32) is not None


def test_whoever_answers_yes_gets_it_done(cloud: Cloud, tmp_path: Path) -> None:
    (record,) = refuse(cloud, tmp_path, "uploads/a.png")
    terminal, end = pty.openpty()

    def answer(text: bytes) -> subprocess.CompletedProcess[str]:
        os.write(terminal, text)
        return subprocess.run(
            [sys.executable, "-m", "ops", "redrive", record],
            cwd=tmp_path,
            env=environment(cloud, MENDED),
            stdin=end,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    refused = answer(b"n\n")
    assert (3, []) == (refused.returncode, charged(cloud))
    assert "Nothing was done." in refused.stderr
    assert (0, ["uploads/a.png"]) == (answer(b"y\n").returncode, charged(cloud))
    for side in (terminal, end):
        os.close(side)


def test_a_dry_run_tells_and_leaves_nothing_behind(cloud: Cloud, tmp_path: Path) -> None:
    refuse(cloud, tmp_path, "uploads/a.png")
    (tmp_path / "elsewhere").mkdir()

    told = redrive(cloud, tmp_path / "elsewhere", "--rejected", "", "--dry-run")
    found = document(
        redrive(cloud, tmp_path / "elsewhere", "--rejected", "", "--dry-run", "--json")
    )

    assert (0, "") == (told.returncode, told.stderr)
    assert "May be paid for again: 1 generation;" in told.stdout
    plan = found["plan"]
    assert (1, 1, 3) == tuple(plan[n] for n in ("records", "generations", "attempts_at_most"))
    assert {"charged": 0, "maybe": 0, "not": 1} == plan["attempts_sent"]
    assert [] == charged(cloud)
    assert [] == list((tmp_path / "elsewhere").iterdir())


def test_an_address_that_was_kept_without_its_query_is_told(cloud: Cloud, tmp_path: Path) -> None:
    put(cloud, "uploads/a.png")
    repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path)
    ((record_id, _),) = _finished(cloud)
    with ledger_of(cloud) as ledger:
        made = ledger.finished(record_id)
        assert made is not None
        asked = a_record(
            1, bucket="", key="", etag="", source=made.image_urls[0], fingerprint="f",
            instructions=made.instructions, state="rejected", reason="50204: not there",
        )  # fmt: skip
        write(ledger, asked)

    done = redrive(cloud, tmp_path, "1111", "--yes")

    assert 0 == done.returncode
    assert "1 record came with an address that was kept without its query" in done.stderr
    assert 2 == len(cloud.book.charges())


# What is not run again


def test_what_cannot_be_run_again_says_why_and_the_rest_is(cloud: Cloud, tmp_path: Path) -> None:
    gone, here, done_before = refuse(cloud, tmp_path, *many(3))
    cloud.store.delete(UPLOADS_BUCKET, many(3)[0])
    redrive(cloud, tmp_path, done_before, "--yes")

    done = redrive(cloud, tmp_path, gone, here, done_before, "--yes")

    assert 1 == done.returncode
    assert "1  generated" in done.stdout
    assert "1  not_run (left as they were)" in done.stdout
    assert f"{gone} photos/{many(3)[0]}: The object is gone." in done.stdout
    assert f"was run again already, as {again_id(done_before)} (generated)" in done.stderr
    assert sorted(many(3)[1:]) == charged(cloud)


def test_what_is_rejected_once_more_needs_somebody(cloud: Cloud, tmp_path: Path) -> None:
    (record,) = refuse(cloud, tmp_path, "uploads/a.png")

    done = redrive(cloud, tmp_path, record, "--yes", settings=REFUSED)

    assert 1 == done.returncode
    assert "1  rejected (once more)" in done.stdout


def test_at_the_daily_cap_it_stops_and_the_same_command_goes_on_later(
    cloud: Cloud, tmp_path: Path
) -> None:
    refuse(cloud, tmp_path, *many(6))
    command = ("--rejected", "", "--yes", "--concurrency", "1")

    capped = redrive(cloud, tmp_path, *command, settings={**MENDED, "REPAINT_DAILY_CAP": "2"})
    again = redrive(cloud, tmp_path, *command)
    counted = document(repaint("status", "--json", cloud=cloud, folder=tmp_path))

    assert (1, 0) == (capped.returncode, again.returncode)
    assert "The daily cap of 2 (REPAINT_DAILY_CAP) is reached." in capped.stderr
    assert "3 not begun." in capped.stderr
    assert 5 == len(charged(cloud))
    assert {"cap": 1} == counted["pending"]["causes"]["deferred"]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([], 2, "Say which: some ids, or --in-doubt, or --rejected REASON."),
        (["abcd", "--in-doubt"], 2, "Say which"),
        (["abcd"], 1, "There is no record abcd in this ledger."),
        (["--in-doubt", "--note", "x" * 1001], 2, "--note is longer than 1000 characters."),
    ],
)
def test_what_cannot_be_meant_is_told(
    cloud: Cloud, tmp_path: Path, arguments: list[str], code: int, sentence: str
) -> None:
    done = redrive(cloud, tmp_path, *arguments)

    assert (code, "") == (done.returncode, done.stdout)
    assert sentence in done.stderr


# Interrupted, killed, and run twice


def test_two_at_once_pay_for_each_record_once(cloud: Cloud, tmp_path: Path) -> None:
    refuse(cloud, tmp_path, *many(12))

    with running(cloud, tmp_path) as one, running(cloud, tmp_path) as other:
        for process in (one, other):
            process.communicate(timeout=120)
    again = redrive(cloud, tmp_path, "--rejected", "", "--yes")

    assert "Nothing to run again.\n" == again.stdout
    assert many(12) == charged(cloud)


def test_killed_in_the_middle_and_run_again_it_pays_for_each_record_once(tmp_path: Path) -> None:
    short = {"VEIMAGEX_TIMEOUT_SECONDS": "1"}  # and with it the leases
    with a_cloud(tmp_path, latency=0.3, settings=short) as cloud:
        refuse(cloud, tmp_path, *many(8))
        with running(cloud, tmp_path, "--concurrency", "2", "--verbose") as process:
            assert process.stderr is not None
            for _ in range(3):
                while "attempt.sent" not in (line := process.stderr.readline()):
                    assert line
            process.send_signal(signal.SIGKILL)
        again = redrive(cloud, tmp_path, "--rejected", "", "--yes")
        assert 0 == again.returncode, again.stderr

        # What the killed one had begun is the sweep's.
        runtime = cloud.runtime()
        for _ in range(100):
            if not list(runtime.shared_ledger("x").pending_ids()):
                break
            runtime.clock.sleep(0.5)
            deadline = runtime.clock.now() + 30
            runtime.sweep.run(runtime.shared_ledger("x"), deadline=deadline, log=runtime.log)
        runtime.close()
        assert many(8) == charged(cloud)


def test_the_log_is_in_a_file_and_no_secret_is_anywhere(cloud: Cloud, tmp_path: Path) -> None:
    refuse(cloud, tmp_path, "uploads/a.png")

    done = redrive(cloud, tmp_path, "--rejected", "", "--yes", "--note", "Signature=abcdef")

    written = (tmp_path / ".repaint" / "redrive.log").read_text("utf-8")
    assert 1 == written.count('"event": "image.generated"')
    kept = repaint("status", "--since", "1h", "--json", cloud=cloud, folder=tmp_path).stdout
    for text in (written, done.stdout, done.stderr, kept):
        assert cloud.credentials.secret_key not in text
        assert "X-Tos-Signature" not in text
        assert "abcdef" not in text


def _finished(cloud: Cloud) -> list[tuple[str, float]]:
    with ledger_of(cloud) as ledger:
        return list(ledger.finished_ids())
