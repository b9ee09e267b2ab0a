"""`repaint status` and `repaint show`: what is where, told to people and to programs."""

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from local.cloud import STATE_BUCKET, Cloud
from shared.ledger import Attempt, Notice, Record
from shared.uploads.instructions import Instructions
from shared.uploads.metadata import again_id
from tests.ops.bucket import a_cloud, put
from tests.ops.command import document, repaint
from tests.ops.ledgers import a_record, in_doubt, ledger_of, write


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    with a_cloud(tmp_path) as cloud:
        yield cloud


def pending() -> list[Record]:
    """Return a record of each kind that can be pending."""
    soon = time.time() + 600
    return [
        a_record(1, owner="me", lease_until=soon),
        a_record(2, owner="gone", lease_until=time.time() - 1),
        a_record(3, parked="deferred", cause="cap", reason="The cap.", due_at=soon),
        a_record(4, parked="deferred", cause="configuration", reason="No access.", due_at=soon),
        in_doubt(5),
    ]


def ids(text: str) -> list[str]:
    """Return the ids of the records in a table, in its order."""
    heads = (line.split() for line in text.splitlines() if line and not line.startswith(" "))
    return [head[0] for head in heads if len(head[0]) == 32]


# What is pending


def test_what_is_pending_is_counted_by_kind_and_shown_from_the_oldest(
    cloud: Cloud, tmp_path: Path
) -> None:
    with ledger_of(cloud) as ledger:
        write(ledger, *pending())

    done = repaint("status", cloud=cloud, folder=tmp_path)

    assert (1, "") == (done.returncode, done.stderr)
    for line in (
        "pending    5",
        "1  being worked on",
        "1  left by an owner that is gone; the sweep looks at it next",
        "2  parked: 1 at the daily cap, 1 until the configuration is mended",
        "1  in doubt: 1 after 3 attempts without an image",
        "oldest     begun 5 h ago: photos/uploads/5.png",
        "charges    not counted: REPAINT_DAILY_CAP is not set",
        "  in doubt after 3 attempts without an image, 4 h 59 min ago, 3 attempts",
        "  No access.",
    ):
        assert line in done.stdout
    assert ["5" * 32, "4" * 32, "3" * 32, "2" * 32, "1" * 32] == ids(done.stdout)


def test_who_waits_for_an_output_name_that_another_has_is_shown_with_its_id(
    cloud: Cloud, tmp_path: Path
) -> None:
    reason = f"The upload {'2' * 32} is not done with the output name 'repaint/a.png'."
    with ledger_of(cloud) as ledger:
        write(ledger, a_record(1, parked="deferred", cause="unsure", reason=reason), in_doubt(2))

    done = repaint("status", cloud=cloud, folder=tmp_path)

    assert 1 == done.returncode
    assert "  parked until it is known what is stored, 59 min" in done.stdout
    assert f"  {reason}\n" in done.stdout


def test_programs_get_the_same_as_json(cloud: Cloud, tmp_path: Path) -> None:
    with ledger_of(cloud) as ledger:
        write(ledger, *pending())

    found = document(repaint("status", "--json", cloud=cloud, folder=tmp_path))

    assert {
        "count": 5,
        "running": 1,
        "left": 1,
        "deferred": 2,
        "in_doubt": 1,
        "unreadable": 0,
        "causes": {"deferred": {"cap": 1, "configuration": 1}, "in_doubt": {"exhausted": 1}},
    } == found["pending"]
    assert ("5" * 32, "in_doubt") == (found["oldest"]["id"], found["oldest"]["status"])
    assert ["in_doubt", "deferred", "deferred", "left", "running"] == [
        record["status"] for record in found["records"]
    ]
    assert [None, None] == [found["charges_today"][name] for name in ("counted", "cap")]


def test_where_all_goes_on_by_itself_the_exit_code_says_so(cloud: Cloud, tmp_path: Path) -> None:
    empty = repaint("status", cloud=cloud, folder=tmp_path)
    with ledger_of(cloud) as ledger:
        write(ledger, *pending()[:3])

    going_on = repaint("status", cloud=cloud, folder=tmp_path)

    assert (0, 0) == (empty.returncode, going_on.returncode)
    assert "pending    0" in empty.stdout


def test_what_is_in_doubt_can_be_shown_alone_and_a_limit_says_what_it_hides(
    cloud: Cloud, tmp_path: Path
) -> None:
    with ledger_of(cloud) as ledger:
        write(ledger, *pending(), in_doubt(6), in_doubt(7))

    done = repaint("status", "--in-doubt", "--limit", "2", cloud=cloud, folder=tmp_path)

    assert ["7" * 32, "6" * 32] == ids(done.stdout)
    assert "pending    7" in done.stdout
    assert "1 more are not shown: --limit says how many are." in done.stdout


def test_charges_of_today_stand_beside_the_cap(tmp_path: Path) -> None:
    with a_cloud(tmp_path, settings={"REPAINT_DAILY_CAP": "2"}) as cloud:
        put(cloud, "uploads/1.png", "uploads/2.png", "uploads/3.png")
        repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path)

        done = repaint("status", cloud=cloud, folder=tmp_path)
        counted = document(repaint("status", "--json", cloud=cloud, folder=tmp_path))

        assert "charges    2 of 2 on 2" in done.stdout
        today = counted["charges_today"]
        assert (2, 2) == (today["counted"], today["cap"])


def test_notices_that_wait_are_counted_where_there_is_a_receiver_or_some_wait(
    cloud: Cloud, tmp_path: Path
) -> None:
    receiver = {
        "REPAINT_WEBHOOK_URL": "https://hooks.example.com/",
        "REPAINT_WEBHOOK_SECRET": "whsec_" + "A" * 32,
    }

    def told(settings: dict[str, str]) -> tuple[list[str], int | None]:
        """Return the summary's line, and what programs are told."""
        text = repaint("status", cloud=cloud, folder=tmp_path, settings=settings).stdout
        as_json = repaint("status", "--json", cloud=cloud, folder=tmp_path, settings=settings)
        lines = [line for line in text.splitlines() if line.startswith("notices")]
        return lines, document(as_json)["notices_waiting"]

    assert ([], None) == told({})
    assert (["notices    0 waiting"], 0) == told(receiver)
    with ledger_of(cloud) as ledger:
        for number in "12":
            ledger.put_notice(
                Notice(
                    id=f"{number * 32}-generated",
                    record=number * 32,
                    type="repaint.image.generated",
                    created_at=1e9,
                    due_at=1e9,
                    tries=1,
                )
            )
    assert (["notices    2 waiting"], 2) == told(receiver) == told({})


def test_a_record_that_cannot_be_read_is_told_and_hides_no_other(
    cloud: Cloud, tmp_path: Path
) -> None:
    with ledger_of(cloud) as ledger:
        write(ledger, a_record(1, parked="deferred", cause="time"))
    cloud.store.put(STATE_BUCKET, "ledger/pending/broken.json", b"{", {})

    done = repaint("status", cloud=cloud, folder=tmp_path)

    assert 1 == done.returncode
    assert "unreadable broken: A record in the ledger cannot be read" in done.stdout
    assert ["1" * 32] == ids(done.stdout)


def test_a_ledger_in_a_file_is_as_good(cloud: Cloud, tmp_path: Path) -> None:
    settings = {"REPAINT_LEDGER": f"sqlite://{tmp_path}/ledger.sqlite"}
    with ledger_of(cloud, settings) as ledger:
        write(ledger, *pending(), a_record(6, state="rejected", reason="No."))

    done = repaint("status", "--all", cloud=cloud, folder=tmp_path, settings=settings)

    assert "pending    5" in done.stdout
    assert "finished   1 rejected" in done.stdout


# What has ended


def ended() -> list[Record]:
    """Return records that ended so many hours ago, one of each kind twice."""
    sent = time.time()

    def attempt(number: int, hours: float, outcome: str | None) -> Attempt:
        return Attempt(number=number, output="x", sent_at=sent - hours * 3600, outcome=outcome)

    return [
        a_record(1, state="generated", attempts=(attempt(1, 1, "generated"),)),
        a_record(2, state="generated", attempts=(attempt(1, 9, "absent"), attempt(2, 2, "found"))),
        a_record(3, state="rejected", attempts=(attempt(1, 3, "refused"),), reason="50412: no"),
        a_record(4, state="rejected", attempts=(attempt(1, 4, "reseed"),), reason="50511: no"),
        a_record(5, state="skipped", reason="The object is gone."),
        a_record(6, state="superseded", reason="The object was overwritten."),
    ]


def test_what_was_rejected_is_listed_the_newest_first(cloud: Cloud, tmp_path: Path) -> None:
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


def test_what_ended_since_a_moment_is_counted_with_what_it_cost(
    cloud: Cloud, tmp_path: Path
) -> None:
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


def test_all_that_ever_ended_is_counted_without_being_read(cloud: Cloud, tmp_path: Path) -> None:
    with ledger_of(cloud) as ledger:
        write(ledger, *ended())
    cloud.store.put(STATE_BUCKET, f"ledger/done/{'9' * 32}.json", b"not to be read", {})

    done = repaint("status", "--all", cloud=cloud, folder=tmp_path)

    assert 0 == done.returncode
    assert "finished   3 generated, 2 rejected, 1 skipped, 1 superseded" in done.stdout


# One record, or an object's


def test_a_record_is_found_by_the_beginning_of_its_id(cloud: Cloud, tmp_path: Path) -> None:
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


def test_of_many_records_that_begin_alike_the_first_are_named(cloud: Cloud, tmp_path: Path) -> None:
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
def test_the_records_of_an_object_are_found_by_its_key(
    cloud: Cloud, tmp_path: Path, asked: tuple[str, ...]
) -> None:
    put(cloud, "uploads/猫 1.png", "uploads/other.png")
    repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path)
    put(cloud, "uploads/猫 1.png", metadata={"prompt": "y", "seed": "abc"})
    repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path)

    done = repaint("status", *asked, "--json", cloud=cloud, folder=tmp_path)

    records = document(done)["records"]
    assert ["rejected", "generated"] == [record["status"] for record in records]
    assert {"uploads/猫 1.png"} == {record["key"] for record in records}


def test_an_object_without_a_record_is_told(cloud: Cloud, tmp_path: Path) -> None:
    done = repaint("status", "photos/uploads/a.png", cloud=cloud, folder=tmp_path)

    assert 1 == done.returncode
    assert "There is no record of photos/uploads/a.png in this ledger.\n" == done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--in-doubt", "--all"], "--in-doubt and --all: say one of them."),
        (["abcd", "--rejected"], "--rejected and ID or KEY: say one of them."),
        (["cat.png"], "'cat.png' is neither an id"),
        (["--since", "yesterday"], "--since 'yesterday' is neither a moment"),
    ],
)
def test_what_cannot_be_meant_is_told(
    cloud: Cloud, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    done = repaint("status", *arguments, cloud=cloud, folder=tmp_path)

    assert (2, "") == (done.returncode, done.stdout)
    assert sentence in done.stderr


def test_without_a_ledger_it_says_what_to_set_and_a_bucket_leads_to_its_own(
    cloud: Cloud, tmp_path: Path
) -> None:
    put(cloud, "uploads/a.png")
    settings = {"REPAINT_LEDGER": ""}
    repaint("backfill", "photos", "--yes", cloud=cloud, folder=tmp_path, settings=settings)

    without = repaint("status", cloud=cloud, folder=tmp_path, settings=settings)
    named = repaint(
        "status", "--all", "--bucket", "photos", cloud=cloud, folder=tmp_path, settings=settings
    )
    by_key = repaint(
        "status", "photos/uploads/a.png", cloud=cloud, folder=tmp_path, settings=settings
    )

    assert (2, "") == (without.returncode, without.stdout)
    assert "REPAINT_LEDGER is not set" in without.stderr
    assert "finished   1 generated" in named.stdout
    assert 1 == len(ids(by_key.stdout))


# Everything about one


def test_everything_about_a_record_is_shown(cloud: Cloud, tmp_path: Path) -> None:
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
        "made the image: charged",
        f"tos-cn-i-local/repaint/{record_id}-1",
    ):
        assert line in done.stdout


def test_attempts_are_shown_with_what_is_known_of_their_being_charged(
    cloud: Cloud, tmp_path: Path
) -> None:
    attempts = (
        Attempt(number=1, output="o-1", sent_at=1e9, outcome="absent"),
        Attempt(number=2, output="o-2", sent_at=1e9, outcome="refused", code="50412", message="no"),
        Attempt(number=3, output="o-3", sent_at=1e9),
    )
    with ledger_of(cloud) as ledger:
        write(ledger, a_record(1, parked="in_doubt", cause="unsure", attempts=attempts))

    done = repaint("show", "1" * 32, cloud=cloud, folder=tmp_path)

    for line in (
        "no answer, and no image was found: it may have been charged",
        "refused (50412: no): not charged",
        "nothing is known of it: it may have been charged",
    ):
        assert line in done.stdout


@pytest.mark.parametrize(
    ("variant", "variants", "shown"),
    [(1, 1, []), (1, 3, ["variant       1 of 3"]), (3, 3, ["variant       3 of 3"])],
)
def test_a_variant_is_shown_as_one_of_how_many(
    cloud: Cloud, tmp_path: Path, variant: int, variants: int, shown: list[str]
) -> None:
    asked = Instructions(prompt="x", template="tplv-x.image", variant=variant, variants=variants)
    with ledger_of(cloud) as ledger:
        write(ledger, a_record(1, state="generated", instructions=asked))

    lines = repaint("show", "1111", cloud=cloud, folder=tmp_path).stdout.splitlines()

    assert shown == [line for line in lines if line.startswith("variant")]


def test_what_a_record_runs_again_and_is_run_again_as_is_shown(
    cloud: Cloud, tmp_path: Path
) -> None:
    old = a_record(1, state="rejected", reason="No.")
    new = a_record(2, id=again_id(old.id), again_of=old.id, note="seeds mended", state="generated")
    with ledger_of(cloud) as ledger:
        write(ledger, old, new)

    first = repaint("show", old.id, cloud=cloud, folder=tmp_path)
    second = repaint("show", new.id, cloud=cloud, folder=tmp_path)
    as_json = document(repaint("show", old.id, "--json", cloud=cloud, folder=tmp_path))

    assert f"again as      {new.id} (generated)" in first.stdout
    assert f"again of      {old.id}" in second.stdout
    assert "note          seeds mended" in second.stdout
    assert (new.id, "rejected") == (as_json["again_as"], as_json["status"])


def test_no_secret_and_no_control_character_is_shown(cloud: Cloud, tmp_path: Path) -> None:
    address = "https://pictures.example.com/a.png?X-Tos-Signature=hidden"
    with ledger_of(cloud) as ledger:
        write(
            ledger,
            a_record(1, bucket="", key="", etag="", source=address, parked="deferred"),
            a_record(2, key="uploads/\x1b[2J[bold].png", parked="deferred", reason="a\nb"),
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


def test_a_record_that_is_not_there_is_told(cloud: Cloud, tmp_path: Path) -> None:
    done = repaint("show", "a" * 32, cloud=cloud, folder=tmp_path)

    assert (1, "") == (done.returncode, done.stdout)
    assert f"There is no record {'a' * 32} in this ledger.\n" == done.stderr
