"""`repaint smoke`: one picture the whole way on the local cloud, and what is told of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.cloud import STATE_BUCKET, UPLOADS_BUCKET, Cloud
from local.imagex import FaultSettings
from ops.checks.live.inside import record_facts, seen_facts
from ops.checks.live.picture import SIDE, picture
from ops.checks.live.report import Fact, markdown
from ops.checks.live.trial import Ended
from ops.ui.output import Exit
from shared.ledger import Attempt, Record
from shared.settings import load_settings
from tests.fakes import ENVIRONMENT
from tests.ops.command import document, repaint
from tests.ops.deployment.deploying import EXPORTED

KEY = "uploads/repaint-smoke-0123456789abcdef 试 100%.png"
PERCENT = "uploads/repaint-smoke-0123456789abcdef%20%E8%AF%95%20100%25.png"
FORM = "uploads%2Frepaint-smoke-0123456789abcdef+%E8%AF%95+100%25.png"
ADDRESS = "http://img.example.com/tos-cn-i-serviceid/repaint/r-1~tplv-serviceid-test.image"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    faults = FaultSettings(latency_seconds=0)
    with Cloud(tmp_path_factory.mktemp("cloud"), faults=faults) as cloud:
        yield cloud


def keys_of(cloud: Cloud, bucket: str) -> list[str]:
    listed = cloud.store.list(bucket, prefix="", delimiter="", start="", limit=1000)
    return [stored.key for stored in listed.objects]


def answers(facts: list[Fact]) -> dict[str, Any]:
    return {fact.question: fact.answer for fact in facts}


def test_a_picture_goes_the_whole_way_and_leaves_its_record_and_image(cloud: Cloud) -> None:
    charges, records = len(cloud.book.charges()), len(keys_of(cloud, STATE_BUCKET))

    done = repaint("smoke", UPLOADS_BUCKET, "--yes", cloud=cloud, settings=EXPORTED)

    assert Exit.DONE == done.returncode, done.stderr
    assert "| the upload | generated, 1 attempt(s) |" in done.stdout
    assert "| the key in the event | as it is, not encoded |" in done.stdout
    assert "| the same again | HTTP 409 ObjectAlreadyExists EC 0017-00000004 |" in done.stdout
    assert "| GetImageUploadFile of what is not there | HTTP 404 FileNotFound" in done.stdout
    assert charges + 1 == len(cloud.book.charges())
    assert ([], records + 1) == (keys_of(cloud, UPLOADS_BUCKET), len(keys_of(cloud, STATE_BUCKET)))


def test_the_report_holds_no_secret_and_nothing_that_names_anybody(cloud: Cloud) -> None:
    done = repaint("smoke", UPLOADS_BUCKET, "--yes", "--json", cloud=cloud, settings=EXPORTED)

    report = document(done)
    assert (True, "") == (report["generated"], done.stderr)
    secrets = [cloud.credentials.secret_key, cloud.credentials.access_key, cloud.http_token]
    assert [] == [secret for secret in secrets if secret in done.stdout]
    told = answers([Fact(**fact) for fact in report["facts"]])
    assert "tos-cn-i-<service>/<output>" == told["form of StoreUris"]


def test_nothing_is_uploaded_unless_it_was_confirmed(cloud: Cloud) -> None:
    charges = len(cloud.book.charges())

    done = repaint("smoke", UPLOADS_BUCKET, cloud=cloud, settings=EXPORTED)

    assert (Exit.NOT_CONFIRMED, charges) == (done.returncode, len(cloud.book.charges()))
    assert "and pay for one generation?" in done.stderr


def test_where_nothing_calls_a_function_the_picture_stays_and_that_is_told(tmp_path: Path) -> None:
    with Cloud(tmp_path, bare=True) as cloud:
        done = repaint(
            "smoke", UPLOADS_BUCKET, "--yes", "--seconds", "1", cloud=cloud, settings=EXPORTED
        )
        (key,) = keys_of(cloud, UPLOADS_BUCKET)

    assert Exit.NEEDS_YOU == done.returncode
    assert "| the upload | has no record in the ledger |" in done.stdout
    assert "nothing: it left no document, or was never called" in done.stdout
    assert f"| the picture | is still there: {key} |" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["elsewhere"], "serverless.yml names no bucket elsewhere: it names photos.\n"),
        (
            ["photos", "--prefix", "other/"],
            "--prefix 'other/' is outside 'uploads/', which calls the function.\n",
        ),
    ],
)
def test_what_calls_no_function_is_told(cloud: Cloud, arguments: list[str], sentence: str) -> None:
    done = repaint("smoke", *arguments, cloud=cloud, settings=EXPORTED)

    assert (Exit.WRONG, sentence) == (done.returncode, done.stderr)


@pytest.mark.parametrize(
    ("received", "answer"),
    [
        (KEY, "as it is, not encoded"),
        (PERCENT, f"percent-encoded: {PERCENT}"),
        (
            FORM,
            f"encoded as in a form, a space as +: {FORM}",
        ),
        ("uploads/other.png", "changed: uploads/other.png"),
    ],
)
def test_how_the_key_came_is_told(received: str, answer: str) -> None:
    assert answer == answers([*seen_facts({"key": received}, KEY)])["the key in the event"]


def test_addresses_are_told_without_names_and_without_their_queries_values() -> None:
    settings = load_settings(ENVIRONMENT)
    record = Record(
        id="r",
        bucket="photos",
        key=KEY,
        etag="e",
        state="generated",
        created_at=101.5,
        updated_at=114.0,
        attempts=(Attempt(number=1, output="repaint/r-1", sent_at=102.0, outcome="generated"),),
        image_urls=(f"{ADDRESS}?sign=hush&x=1",),
        store_uris=("tos-cn-i-serviceid/repaint/r-1",),
    )

    told = answers([*record_facts(Ended(record, None, uploaded_at=100.0), settings)])

    assert told == {
        "the upload": "generated, 1 attempt(s)",
        "from the upload to the claim": "1.5 s",
        "from the paid call to its end": "12.0 s",
        "codes of attempts": "–",
        "form of ImageUrls": "http://<domain>/tos-cn-i-<service>/<output>~<template>?sign=…&x=…",
        "form of StoreUris": "tos-cn-i-<service>/<output>",
    }


def test_a_report_is_a_table_and_the_shapes_below_it() -> None:
    facts = [Fact("one", "a|b"), Fact("two", {"x": "str"})]

    assert markdown("title", facts) == (
        "## title\n\n| | |\n|---|---|\n| one | a\\|b |\n\n"
        '**two**\n\n```json\n{\n  "x": "str"\n}\n```'
    )


def test_each_picture_is_a_small_png_of_its_own() -> None:
    assert picture(1) != picture(2)
    assert picture(1).startswith(b"\x89PNG\r\n\x1a\n")
    # Its header holds width and height.
    assert (SIDE, SIDE) == tuple(int.from_bytes(picture(1)[at : at + 4]) for at in (16, 20))
