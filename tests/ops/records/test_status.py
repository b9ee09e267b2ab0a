"""`repaint status` and `repaint show`: records, as text and as JSON."""

import time
from pathlib import Path
from urllib.parse import quote

import pytest

from local.cloud import STATE_BUCKET, Cloud
from shared.ledger import Attempt, Cause, Lease, OutboxEntry, Record, State, Status
from shared.uploads.instructions import Instructions
from shared.uploads.metadata import redrive_id
from tests.ops.bucket import a_cloud, put
from tests.ops.command import document, repaint
from tests.ops.ledgers import a_record, in_doubt, ledger_of, parked, write


def pending() -> list[Record]:
    """Return a pending record of each status."""
    now = time.time()
    return [
        a_record(1, lease=Lease(owner="me", until=now + 600)),
        a_record(2, lease=Lease(owner="gone", until=now - 1)),
        a_record(3, park=parked(Cause.CAP, seconds=600), reason="The cap."),
        a_record(4, park=parked(Cause.CONFIGURATION, seconds=600), reason="No access."),
        in_doubt(5),
    ]


def ids(text: str) -> list[str]:
    """Return the ids of the records in a table, in its order."""
    heads = (line.split() for line in text.splitlines() if line and not line.startswith(" "))
    return [head[0] for head in heads if len(head[0]) == 32]


# Pending records


def test_pending(cloud: Cloud, tmp_path: Path) -> None:
    """Pending records are counted by status and shown from the oldest."""
    with ledger_of(cloud) as ledger:
        write(ledger, *pending())

    done = repaint("status", cloud=cloud, folder=tmp_path)

    assert (1, "") == (done.returncode, done.stderr)
    for line in (
        "pending    5",
        "1  in progress",
        "1  abandoned by its owner; the sweep takes it over",
        "2  parked: 1 at the daily cap, 1 until the configuration is fixed",
        "1  in doubt: 1 after 3 attempts without an image",
        "oldest     begun 5 h ago: photos/uploads/5.png",
        "charges    not counted: REPAINT_DAILY_CAP is not set",
        "  in doubt after 3 attempts without an image, 4 h 59 min ago, 3 attempts",
        "  No access.",
    ):
        assert line in done.stdout
    assert ["5" * 32, "4" * 32, "3" * 32, "2" * 32, "1" * 32] == ids(done.stdout)


def test_waiting_for_name(cloud: Cloud, tmp_path: Path) -> None:
    """A record that waits for an output name is shown with the id of the record that has it."""
    reason = f"The upload {'2' * 32} is not done with the output name 'repaint/a.png'."
    with ledger_of(cloud) as ledger:
        write(ledger, a_record(1, park=parked(Cause.UNSURE), reason=reason), in_doubt(2))

    done = repaint("status", cloud=cloud, folder=tmp_path)

    assert 1 == done.returncode
    assert "  parked until it is known what is stored, 59 min" in done.stdout
    assert f"  {reason}\n" in done.stdout


def test_json(cloud: Cloud, tmp_path: Path) -> None:
    """The JSON has the same counts and records."""
    with ledger_of(cloud) as ledger:
        write(ledger, *pending())

    found = document(repaint("status", "--json", cloud=cloud, folder=tmp_path))

    assert {
        "count": 5,
        "running": 1,
        "abandoned": 1,
        "deferred": 2,
        "in_doubt": 1,
        "unreadable": 0,
        "causes": {"deferred": {"cap": 1, "configuration": 1}, "in_doubt": {"exhausted": 1}},
    } == found["pending"]
    assert ("5" * 32, "in_doubt") == (found["oldest"]["id"], found["oldest"]["status"])
    assert ["in_doubt", "deferred", "deferred", "abandoned", "running"] == [
        record["status"] for record in found["records"]
    ]
    assert [None, None] == [found["charges_today"][name] for name in ("counted", "cap")]


def test_exit_code(cloud: Cloud, tmp_path: Path) -> None:
    """The exit code is 0 if everything goes on by itself."""
    empty = repaint("status", cloud=cloud, folder=tmp_path)
    with ledger_of(cloud) as ledger:
        write(ledger, *pending()[:3])

    going_on = repaint("status", cloud=cloud, folder=tmp_path)

    assert (0, 0) == (empty.returncode, going_on.returncode)
    assert "pending    0" in empty.stdout


def test_limit(cloud: Cloud, tmp_path: Path) -> None:
    """Records in doubt can be shown alone, and a limit says how many it hides."""
    with ledger_of(cloud) as ledger:
        write(ledger, *pending(), in_doubt(6), in_doubt(7))

    done = repaint("status", "--in-doubt", "--limit", "2", cloud=cloud, folder=tmp_path)

    assert ["7" * 32, "6" * 32] == ids(done.stdout)
    assert "pending    7" in done.stdout
    assert "1 more are not shown: --limit sets how many are." in done.stdout


def test_daily_cap(tmp_path: Path) -> None:
    """Today's charges stand beside the cap."""
    with a_cloud(tmp_path, settings={"REPAINT_DAILY_CAP": "2"}) as cloud:
        put(cloud, "uploads/1.png", "uploads/2.png", "uploads/3.png")
        repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path)

        done = repaint("status", cloud=cloud, folder=tmp_path)
        counted = document(repaint("status", "--json", cloud=cloud, folder=tmp_path))

        assert "charges    2 of 2 on 2" in done.stdout
        today = counted["charges_today"]
        assert (2, 2) == (today["counted"], today["cap"])


def test_webhook_events(cloud: Cloud, tmp_path: Path) -> None:
    """Undelivered webhook events are counted if there is a webhook, or are any."""
    webhook = {
        "REPAINT_WEBHOOK_URL": "https://hooks.example.com/",
        "REPAINT_WEBHOOK_SECRET": "whsec_" + "A" * 32,
    }

    def shown(settings: dict[str, str]) -> tuple[list[str], int | None]:
        """Return the line in the summary, and the number in JSON."""
        text = repaint("status", cloud=cloud, folder=tmp_path, settings=settings).stdout
        as_json = repaint("status", "--json", cloud=cloud, folder=tmp_path, settings=settings)
        lines = [line for line in text.splitlines() if line.startswith("webhooks")]
        return lines, document(as_json)["notices_waiting"]

    assert ([], None) == shown({})
    assert (["webhooks   0 to be sent"], 0) == shown(webhook)
    with ledger_of(cloud) as ledger:
        for number in "12":
            ledger.put_entry(
                OutboxEntry(
                    id=f"{number * 32}-generated",
                    record=number * 32,
                    type="repaint.image.generated",
                    created_at=1e9,
                    due_at=1e9,
                    tries=1,
                )
            )
    assert (["webhooks   2 to be sent"], 2) == shown(webhook) == shown({})


def test_unreadable_record(cloud: Cloud, tmp_path: Path) -> None:
    """An unreadable record is reported and hides no other."""
    with ledger_of(cloud) as ledger:
        write(ledger, a_record(1, park=parked()))
    cloud.store.put(STATE_BUCKET, "ledger/pending/broken.json", b"{", {})

    done = repaint("status", cloud=cloud, folder=tmp_path)

    assert 1 == done.returncode
    assert "unreadable broken: A record in the ledger cannot be read" in done.stdout
    assert ["1" * 32] == ids(done.stdout)


def test_sqlite_ledger(cloud: Cloud, tmp_path: Path) -> None:
    """A ledger in a file works as well."""
    settings = {"REPAINT_LEDGER": f"sqlite://{tmp_path}/ledger.sqlite"}
    with ledger_of(cloud, settings) as ledger:
        write(ledger, *pending(), a_record(6, state=State.REJECTED, reason="No."))

    done = repaint("status", "--all", cloud=cloud, folder=tmp_path, settings=settings)

    assert "pending    5" in done.stdout
    assert "finished   1 rejected" in done.stdout


# End records


def ended() -> list[Record]:
    """Return end records of each state."""
    sent = time.time()

    def attempt(number: int, hours: float, outcome: str | None) -> Attempt:
        return Attempt(number=number, output="x", sent_at=sent - hours * 3600, outcome=outcome)

    return [
        a_record(1, state=State.GENERATED, attempts=(attempt(1, 1, "generated"),)),
        a_record(
            2, state=State.GENERATED, attempts=(attempt(1, 9, "absent"), attempt(2, 2, "found"))
        ),
        a_record(3, state=State.REJECTED, attempts=(attempt(1, 3, "refused"),), reason="50412: no"),
        a_record(4, state=State.REJECTED, attempts=(attempt(1, 4, "reseed"),), reason="50511: no"),
        a_record(5, state=State.SKIPPED, reason="The object is gone."),
        a_record(6, state=State.SUPERSEDED, reason="The object was overwritten."),
    ]


def test_rejected(cloud: Cloud, tmp_path: Path) -> None:
    """Rejected records are listed, the newest first."""
    with ledger_of(cloud) as ledger:
        write(ledger, *ended())
    # What a process leaves that died before it could write the end.
    cloud.store.put(STATE_BUCKET, f"ledger/ended/rejected/{'9' * 32}", b"", {})

    done = repaint("status", "--rejected", cloud=cloud, folder=tmp_path)
    found = document(repaint("status", "--rejected", "--json", cloud=cloud, folder=tmp_path))

    assert (0, ["3" * 32, "4" * 32]) == (done.returncode, ids(done.stdout))
    assert "ended      2 rejected" in done.stdout
    assert "50412: no" in done.stdout
    assert 2 == found["ended"]["rejected"]


def test_since(cloud: Cloud, tmp_path: Path) -> None:
    """Records that ended since a moment are counted with their charges."""
    settings = {"REPAINT_LEDGER": f"sqlite://{tmp_path}/ledger.sqlite"}
    with ledger_of(cloud, settings) as ledger:
        write(ledger, *ended(), in_doubt(7))

    done = repaint("status", "--since", "270m", cloud=cloud, folder=tmp_path, settings=settings)
    found = document(
        repaint(
            "status", "--since", "8h", "--json", cloud=cloud, folder=tmp_path, settings=settings
        )
    )

    assert "ended      2 generated, 2 rejected since 2" in done.stdout
    assert "charged    2 attempts sent since then, and perhaps 1 more" in done.stdout
    assert ["1" * 32, "2" * 32, "3" * 32, "4" * 32] == ids(done.stdout)
    assert {"charged": 2, "maybe": 4, "not": 1} == found["charges"]
    assert (1, 1) == (found["ended"]["skipped"], found["ended"]["superseded"])


def test_all(cloud: Cloud, tmp_path: Path) -> None:
    """All end records are counted without being read."""
    with ledger_of(cloud) as ledger:
        write(ledger, *ended())
    cloud.store.put(STATE_BUCKET, f"ledger/done/{'9' * 32}.json", b"not to be read", {})

    done = repaint("status", "--all", cloud=cloud, folder=tmp_path)

    assert 0 == done.returncode
    assert "finished   3 generated, 2 rejected, 1 skipped, 1 superseded" in done.stdout


# One record, or those of an object


def test_beginning_of_id(cloud: Cloud, tmp_path: Path) -> None:
    """A record is found by the beginning of its id."""
    with ledger_of(cloud) as ledger:
        write(ledger, *ended(), a_record(7, id="3" * 31 + "4"), in_doubt(8))

    found = repaint("status", "55555", cloud=cloud, folder=tmp_path)
    pending = repaint("status", "8888", cloud=cloud, folder=tmp_path)
    several = repaint("status", "3333", cloud=cloud, folder=tmp_path)
    one = repaint("status", "3" * 32, cloud=cloud, folder=tmp_path)
    none = repaint("status", "abcd", cloud=cloud, folder=tmp_path)

    assert (0, ["5" * 32]) == (found.returncode, ids(found.stdout))
    assert (1, ["8" * 32]) == (pending.returncode, ids(pending.stdout))
    assert (2, "") == (several.returncode, several.stdout)
    both = f"{'3' * 32}, {'3' * 31}4"
    expected = f"Several records begin with 3333: give more of the id. {both}\n"
    assert expected == several.stderr
    assert ["3" * 32] == ids(one.stdout)
    assert (1, "There is no record abcd in this ledger.\n") == (none.returncode, none.stderr)


def test_ambiguous_beginning(cloud: Cloud, tmp_path: Path) -> None:
    """Of many records with the same beginning the first are named."""
    with ledger_of(cloud) as ledger:
        write(ledger, *(a_record(n, id=f"{n}".rjust(32, "3")) for n in range(6)))

    done = repaint("show", "3333", cloud=cloud, folder=tmp_path)

    assert (2, "") == (done.returncode, done.stdout)
    named = ", ".join(f"{n}".rjust(32, "3") for n in range(5))
    assert done.stderr.endswith(f" give more of the id. {named}, …\n")


@pytest.mark.parametrize(
    "asked",
    [
        ("photos/uploads/猫 1.png",),
        ("tos://photos/uploads/猫 1.png",),
        ("uploads/猫 1.png", "--bucket", "photos"),
    ],
)
def test_key(cloud: Cloud, tmp_path: Path, asked: tuple[str, ...]) -> None:
    """The records of an object are found by its key."""
    put(cloud, "uploads/猫 1.png", "uploads/other.png")
    repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path)
    put(cloud, "uploads/猫 1.png", metadata={"prompt": "y", "seed": "abc"})
    repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path)

    done = repaint("status", *asked, "--json", cloud=cloud, folder=tmp_path)

    records = document(done)["records"]
    assert ["rejected", "generated"] == [record["status"] for record in records]
    assert {"uploads/猫 1.png"} == {record["source"]["key"] for record in records}


def test_unknown_key(cloud: Cloud, tmp_path: Path) -> None:
    """An object without a record is reported."""
    done = repaint("status", "photos/uploads/a.png", cloud=cloud, folder=tmp_path)

    assert 1 == done.returncode
    assert "There is no record of photos/uploads/a.png in this ledger.\n" == done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--in-doubt", "--all"], "--in-doubt and --all: give one of them."),
        (["abcd", "--rejected"], "--rejected and ID or KEY: give one of them."),
        (["cat.png"], "'cat.png' is neither an id"),
        (["--since", "yesterday"], "--since 'yesterday' is neither a moment"),
    ],
)
def test_wrong_options(cloud: Cloud, tmp_path: Path, arguments: list[str], sentence: str) -> None:
    """Options that make no sense are refused."""
    done = repaint("status", *arguments, cloud=cloud, folder=tmp_path)

    assert (2, "") == (done.returncode, done.stdout)
    assert sentence in done.stderr


def test_no_ledger(cloud: Cloud, tmp_path: Path) -> None:
    """Without a ledger the missing setting is named."""
    done = repaint("status", cloud=cloud, folder=tmp_path, settings={"REPAINT_LEDGER": ""})

    assert (2, "") == (done.returncode, done.stdout)
    assert "REPAINT_LEDGER is not set" in done.stderr


# `show`


def test_show(cloud: Cloud, tmp_path: Path) -> None:
    """Everything about a record is shown."""
    put(cloud, "uploads/a.png", metadata={"prompt": quote("水彩"), "seed": "7"})
    repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path)
    (record_id,) = ids(repaint("status", "photos/uploads/a.png", cloud=cloud).stdout)

    done = repaint("show", record_id[:12], cloud=cloud, folder=tmp_path)

    assert 0 == done.returncode
    for line in (
        f"record        {record_id}",
        "of            photos/uploads/a.png",
        "prompt        水彩",
        "seed          7",
        "generated the image: charged",
        f"tos-cn-i-local/repaint/{record_id}-1",
    ):
        assert line in done.stdout


def test_show_attempts(cloud: Cloud, tmp_path: Path) -> None:
    """Attempts are shown with what is known of their charges."""
    attempts = (
        Attempt(number=1, output="o-1", sent_at=1e9, outcome="absent"),
        Attempt(number=2, output="o-2", sent_at=1e9, outcome="refused", code="50412", message="no"),
        Attempt(number=3, output="o-3", sent_at=1e9),
    )
    park = parked(Cause.UNSURE, status=Status.IN_DOUBT)
    with ledger_of(cloud) as ledger:
        write(ledger, a_record(1, park=park, attempts=attempts))

    done = repaint("show", "1" * 32, cloud=cloud, folder=tmp_path)

    for line in (
        "no answer, and no image was found: it may have been charged",
        "refused (50412: no): not charged",
        "outcome not known: it may have been charged",
    ):
        assert line in done.stdout


@pytest.mark.parametrize(
    ("variant", "variants", "shown"),
    [(1, 1, []), (1, 3, ["variant       1 of 3"]), (3, 3, ["variant       3 of 3"])],
)
def test_show_variant(
    cloud: Cloud, tmp_path: Path, variant: int, variants: int, shown: list[str]
) -> None:
    """A variant is shown with the number of variants."""
    asked = Instructions(prompt="x", template="tplv-x.image", variant=variant, variants=variants)
    with ledger_of(cloud) as ledger:
        write(ledger, a_record(1, state=State.GENERATED, instructions=asked))

    lines = repaint("show", "1111", cloud=cloud, folder=tmp_path).stdout.splitlines()

    assert shown == [line for line in lines if line.startswith("variant")]


def test_show_redrive(cloud: Cloud, tmp_path: Path) -> None:
    """The record that a record runs again is shown, and the one that runs it again."""
    old = a_record(1, state=State.REJECTED, reason="No.")
    new = a_record(
        2, id=redrive_id(old.id), redrive_of=old.id, note="seeds fixed", state=State.GENERATED
    )
    with ledger_of(cloud) as ledger:
        write(ledger, old, new)

    first = repaint("show", old.id, cloud=cloud, folder=tmp_path)
    second = repaint("show", new.id, cloud=cloud, folder=tmp_path)
    as_json = document(repaint("show", old.id, "--json", cloud=cloud, folder=tmp_path))

    assert f"redriven as   {new.id} (generated)" in first.stdout
    assert f"redrive of    {old.id}" in second.stdout
    assert "note          seeds fixed" in second.stdout
    assert (new.id, "rejected") == (as_json["redriven_as"], as_json["status"])


def test_no_secret(cloud: Cloud, tmp_path: Path) -> None:
    """No secret and no control character is shown."""
    address = "https://pictures.example.com/a.png?X-Tos-Signature=hidden"
    with ledger_of(cloud) as ledger:
        write(
            ledger,
            a_record(1, address=address, park=parked()),
            a_record(2, key="uploads/\x1b[2J[bold].png", park=parked(), reason="a\nb"),
        )

    for command in (["status"], ["status", "--json"], ["show", "1" * 32],
                    ["show", "1" * 32, "--json"], ["show", "2" * 32]):  # fmt: skip
        done = repaint(*command, cloud=cloud, folder=tmp_path)
        assert "hidden" not in done.stdout
        assert "\x1b" not in done.stdout
    shown = repaint("status", cloud=cloud, folder=tmp_path).stdout
    assert "https://pictures.example.com/a.png" in shown
    assert r"photos/uploads/\x1b[2J[bold].png" in shown
    assert "  a b\n" in shown


def test_show_unknown(cloud: Cloud, tmp_path: Path) -> None:
    """A record that does not exist is reported."""
    done = repaint("show", "a" * 32, cloud=cloud, folder=tmp_path)

    assert (1, "") == (done.returncode, done.stdout)
    assert f"There is no record {'a' * 32} in this ledger.\n" == done.stderr
