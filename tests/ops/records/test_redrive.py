"""`repaint redrive`: run records again, once, after showing what that may cost."""

import signal
import subprocess
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from local.cloud import UPLOADS_BUCKET, Cloud
from shared.ledger import Attempt, Record, State
from shared.uploads.metadata import redrive_id
from tests.ops.bucket import a_cloud, charged, many, put
from tests.ops.command import answered, document, lines, repaint, started
from tests.ops.ledgers import a_record, in_doubt, ledger_of, parked, write

REFUSED = {"REPAINT_DEFAULT_PROMPT": "[refuse] x"}
FIXED = {"REPAINT_DEFAULT_PROMPT": "x"}


def refuse(cloud: Cloud, folder: Path, *keys: str) -> list[str]:
    """Have pictures refused for their prompt; return their records' ids, in the order of `keys`."""
    put(cloud, *keys, metadata={})
    command = ("backfill", UPLOADS_BUCKET, "--yes", "--json")
    done = repaint(*command, cloud=cloud, folder=folder, settings=REFUSED)
    found = {line["key"]: line for line in lines(done.stdout) if "key" in line}
    assert {"rejected"} == {line["status"] for line in found.values()}
    return [found[key]["record"] for key in keys]


def redrive(
    cloud: Cloud, folder: Path, *arguments: str, settings: Mapping[str, str] = FIXED
) -> subprocess.CompletedProcess[str]:
    return repaint("redrive", *arguments, cloud=cloud, folder=folder, settings=settings)


def doubtful(cloud: Cloud, number: int, **fields: Any) -> Record:
    """Return a record in doubt, of a picture that exists."""
    key = f"uploads/{number}.png"
    put(cloud, key)
    etag = cloud.store.head(UPLOADS_BUCKET, key).etag
    return in_doubt(number, key=key, etag=etag, **fields)


ALL = ("redrive", "--rejected", "", "--yes", "--json")


# The new records


def test_rejected_record(cloud: Cloud, tmp_path: Path) -> None:
    """A record that was rejected for a mistake is generated once that is fixed."""
    (record,) = refuse(cloud, tmp_path, "uploads/a.png")

    done = redrive(cloud, tmp_path, record[:24], "--yes", "--note", "prompt fixed")
    shown = repaint("show", redrive_id(record), cloud=cloud, folder=tmp_path)
    before = document(repaint("show", record, "--json", cloud=cloud, folder=tmp_path))

    assert 0 == done.returncode
    assert "1  generated" in done.stdout
    assert ["uploads/a.png"] == charged(cloud)
    assert f"redrive of    {record}" in shown.stdout
    assert "note          prompt fixed" in shown.stdout
    assert ("rejected", redrive_id(record)) == (before["status"], before["redriven_as"])


def test_rejected_for_reason(cloud: Cloud, tmp_path: Path) -> None:
    """Only records with that reason are run again, and only once."""
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
    assert all(result["record"] == redrive_id(result["redrive_of"]) for result in results)
    assert all(result["image_urls"] for result in results)
    assert {"generated": 2} == end["summary"]["counts"]
    assert "was run again already" in second.stderr
    assert "Nothing to run again.\n" == second.stdout
    assert ["uploads/a.png", "uploads/b.png"] == charged(cloud)


@pytest.mark.parametrize("kind", ["tos", "sqlite"])
def test_in_doubt(cloud: Cloud, tmp_path: Path, kind: str) -> None:
    """A record in doubt is superseded by the new one."""
    settings = {"REPAINT_LEDGER": f"sqlite://{tmp_path}/ledger.db"} if kind == "sqlite" else {}
    with ledger_of(cloud, settings) as ledger:
        write(ledger, doubtful(cloud, 1), doubtful(cloud, 2), a_record(3, park=parked()))

    done = redrive(cloud, tmp_path, "--in-doubt", "--yes", settings=settings)
    left = repaint("status", cloud=cloud, folder=tmp_path, settings=settings)

    assert (0, 0) == (done.returncode, left.returncode)
    assert "2  generated" in done.stdout
    assert "pending    1" in left.stdout
    assert ["uploads/1.png", "uploads/2.png"] == charged(cloud)
    with ledger_of(cloud, settings) as ledger:
        old = ledger.finished("1" * 32)
    assert old is not None
    assert ("superseded", f"Run again as {redrive_id(old.id)}.") == (old.state, old.reason)


def test_image_found(cloud: Cloud, tmp_path: Path) -> None:
    """An image that is there after all is shown before, and not paid for again."""
    put(cloud, "uploads/a.png")
    repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path)
    (made,) = cloud.billing.charges()
    attempt = Attempt(number=1, output=made.output, sent_at=made.at, outcome="absent")
    with ledger_of(cloud) as ledger:
        write(ledger, doubtful(cloud, 1, attempts=(attempt,)))

    done = redrive(cloud, tmp_path, "--in-doubt", "--yes")

    assert 0 == done.returncode
    assert "probed just now: its image is there" in done.stderr
    assert "May be paid for again: 0 generations" in done.stderr
    assert "Its image was there after all: nothing was run again." in done.stdout
    assert ["uploads/a.png"] == charged(cloud)


def test_later(cloud: Cloud, tmp_path: Path) -> None:
    """With --later nothing is paid here."""
    refuse(cloud, tmp_path, "uploads/a.png")

    done = redrive(cloud, tmp_path, "--rejected", "", "--later", "--yes")

    assert 0 == done.returncode
    assert "1  parked (the sweep retries it)" in done.stdout
    assert [] == charged(cloud)
    counted = document(repaint("status", "--json", cloud=cloud, folder=tmp_path))
    assert {"time": 1} == counted["pending"]["causes"]["deferred"]


# The plan, and the confirmation


def test_plan(cloud: Cloud, tmp_path: Path) -> None:
    """The question comes after what was sent and what may be paid for again."""
    (record,) = refuse(cloud, tmp_path, "uploads/a.png")
    with ledger_of(cloud) as ledger:
        write(ledger, doubtful(cloud, 1))

    done = redrive(cloud, tmp_path, record, "1" * 32)

    assert (3, "") == (done.returncode, done.stdout)
    for line in (
        f"{record} photos/uploads/a.png",
        "attempt 1: refused (50412: ",
        "attempt 3: no answer, and no image was found: it may have been charged",
        "; probed just now: no image is there",
        "4 attempts were sent for 2 records: 0 charged, 3 perhaps, 1 not.",
        "May be paid for again: 2 generations; if answers are lost, up to 3 for each.",
        "Run 2 records again? There is no terminal to ask on: add --yes.",
    ):
        assert line in done.stderr
    assert [] == charged(cloud)
    with ledger_of(cloud) as ledger:
        assert ledger.pending("1" * 32) is not None


def test_confirmation(cloud: Cloud, tmp_path: Path) -> None:
    """It goes on if the answer is yes."""
    (record,) = refuse(cloud, tmp_path, "uploads/a.png")
    command = ("redrive", record)

    refused = answered(*command, answer=b"n\n", cloud=cloud, folder=tmp_path, settings=FIXED)
    assert (3, []) == (refused.returncode, charged(cloud))
    assert "Nothing was done." in refused.stderr
    confirmed = answered(*command, answer=b"y\n", cloud=cloud, folder=tmp_path, settings=FIXED)
    assert (0, ["uploads/a.png"]) == (confirmed.returncode, charged(cloud))


def test_dry_run(cloud: Cloud, tmp_path: Path) -> None:
    """A dry run shows the plan and leaves nothing behind."""
    refuse(cloud, tmp_path, "uploads/a.png")
    (tmp_path / "elsewhere").mkdir()

    shown = redrive(cloud, tmp_path / "elsewhere", "--rejected", "", "--dry-run")
    found = document(
        redrive(cloud, tmp_path / "elsewhere", "--rejected", "", "--dry-run", "--json")
    )

    assert (0, "") == (shown.returncode, shown.stderr)
    assert "May be paid for again: 1 generation;" in shown.stdout
    plan = found["plan"]
    assert (1, 1, 3) == tuple(plan[n] for n in ("records", "generations", "attempts_at_most"))
    assert {"charged": 0, "maybe": 0, "not": 1} == plan["attempts_sent"]
    assert [] == charged(cloud)
    assert [] == list((tmp_path / "elsewhere").iterdir())


def test_lost_query(cloud: Cloud, tmp_path: Path) -> None:
    """A URL that was kept without its query is reported."""
    put(cloud, "uploads/a.png")
    repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path)
    ((record_id, _),) = _finished(cloud)
    with ledger_of(cloud) as ledger:
        made = ledger.finished(record_id)
        assert made is not None
        asked = a_record(
            1, address=made.image_urls[0], fingerprint="f", instructions=made.instructions,
            state=State.REJECTED, reason="50204: not there",
        )  # fmt: skip
        write(ledger, asked)

    done = redrive(cloud, tmp_path, "1111", "--yes")

    assert 0 == done.returncode
    assert "1 record came with a URL that was kept without its query" in done.stderr
    assert 2 == len(cloud.billing.charges())


# The records that are not run again


def test_not_run(cloud: Cloud, tmp_path: Path) -> None:
    """A record that cannot be run again is reported with the reason; the others are run."""
    gone, here, done_before = refuse(cloud, tmp_path, *many(3))
    cloud.store.delete(UPLOADS_BUCKET, many(3)[0])
    redrive(cloud, tmp_path, done_before, "--yes")

    done = redrive(cloud, tmp_path, gone, here, done_before, "--yes")

    assert 1 == done.returncode
    assert "1  generated" in done.stdout
    assert "1  not_run (left as they were)" in done.stdout
    assert f"{gone} photos/{many(3)[0]}: The object is gone." in done.stdout
    assert f"was run again already, as {redrive_id(done_before)} (generated)" in done.stderr
    assert sorted(many(3)[1:]) == charged(cloud)


def test_rejected_again(cloud: Cloud, tmp_path: Path) -> None:
    """A record that is rejected once more needs the operator."""
    (record,) = refuse(cloud, tmp_path, "uploads/a.png")

    done = redrive(cloud, tmp_path, record, "--yes", settings=REFUSED)

    assert 1 == done.returncode
    assert "1  rejected (once more)" in done.stdout


def test_daily_cap(cloud: Cloud, tmp_path: Path) -> None:
    """At the daily cap it stops, and the same command goes on later."""
    refuse(cloud, tmp_path, *many(6))
    command = ("--rejected", "", "--yes", "--concurrency", "1")

    capped = redrive(cloud, tmp_path, *command, settings={**FIXED, "REPAINT_DAILY_CAP": "2"})
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
        ([], 2, "Give either ids, or --in-doubt, or --rejected REASON."),
        (["abcd", "--in-doubt"], 2, "Give either ids"),
        (["abcd"], 1, "There is no record abcd in this ledger."),
        (["--in-doubt", "--note", "x" * 1001], 2, "--note is longer than 1000 characters."),
    ],
)
def test_wrong_options(
    cloud: Cloud, tmp_path: Path, arguments: list[str], code: int, sentence: str
) -> None:
    """Options that make no sense are refused."""
    done = redrive(cloud, tmp_path, *arguments)

    assert (code, "") == (done.returncode, done.stdout)
    assert sentence in done.stderr


# Interrupted, killed, and run twice


def test_two_at_once(cloud: Cloud, tmp_path: Path) -> None:
    """Two runs at once pay for each record once."""
    refuse(cloud, tmp_path, *many(12))

    started_all = partial(started, *ALL, cloud=cloud, folder=tmp_path, settings=FIXED)
    with started_all() as one, started_all() as other:
        for process in (one, other):
            process.communicate(timeout=120)
    again = redrive(cloud, tmp_path, "--rejected", "", "--yes")

    assert "Nothing to run again.\n" == again.stdout
    assert many(12) == charged(cloud)


def test_killed(tmp_path: Path) -> None:
    """A run that was killed and repeated pays for each record once."""
    short = {"VEIMAGEX_TIMEOUT_SECONDS": "1"}  # and with it the leases
    with a_cloud(tmp_path, latency=0.3, settings=short) as cloud:
        refuse(cloud, tmp_path, *many(8))
        command = (*ALL, "--concurrency", "2", "--verbose")
        with started(*command, cloud=cloud, folder=tmp_path, settings=FIXED) as process:
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
            if not list(runtime.ledger.pending_ids()):
                break
            runtime.clock.sleep(0.5)
            runtime.sweep.run(runtime.delivery())
        runtime.close()
        assert many(8) == charged(cloud)


def test_log_file(cloud: Cloud, tmp_path: Path) -> None:
    """The log is in a file, and no secret is in any output."""
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
