"""`repaint doctor --live`: one picture through the local cloud, and the report of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cloud import STATE_BUCKET, UPLOADS_BUCKET, Cloud
from local.imagex import FaultSettings
from ops.checks.live import SIDE, Ended, Fact, markdown, picture, record_facts
from ops.ui.output import Exit
from shared.ledger import Attempt, Record, Source, State
from shared.settings import load_settings
from tests.fakes import ENVIRONMENT
from tests.ops.command import document, repaint
from tests.ops.deployment.deploying import EXPORTED

KEY = "uploads/repaint-smoke-0123456789abcdef 试 100%.png"
ADDRESS = "http://img.example.com/tos-cn-i-serviceid/repaint/r-1~tplv-serviceid-test.image"
LIVE = ("doctor", "--live", "--bucket", UPLOADS_BUCKET)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    faults = FaultSettings(latency_seconds=0)
    with Cloud(tmp_path_factory.mktemp("cloud"), faults=faults) as cloud:
        yield cloud


def keys_of(cloud: Cloud, bucket: str) -> list[str]:
    listed = cloud.store.list(bucket, prefix="", delimiter="", start="", limit=1000)
    return [stored.key for stored in listed.objects]


def test_report(cloud: Cloud) -> None:
    """A picture is repainted and removed; its record and its image stay."""
    charges, records = len(cloud.billing.charges()), len(keys_of(cloud, STATE_BUCKET))

    done = repaint(*LIVE, "--yes", cloud=cloud, settings=EXPORTED)

    assert Exit.DONE == done.returncode, done.stderr
    assert "| the upload | generated, 1 attempt(s) |" in done.stdout
    assert "| events that call the function | tos:ObjectCreated:* |" in done.stdout
    assert "| the same again | HTTP 409 ObjectAlreadyExists EC 0017-00000004 |" in done.stdout
    assert "| GetImageUploadFile, nothing there | HTTP 404 FileNotFound" in done.stdout
    assert charges + 1 == len(cloud.billing.charges())
    assert ([], records + 1) == (keys_of(cloud, UPLOADS_BUCKET), len(keys_of(cloud, STATE_BUCKET)))


def test_no_secret(cloud: Cloud) -> None:
    """The report holds no secret and no name of the account's own."""
    done = repaint(*LIVE, "--yes", "--json", cloud=cloud, settings=EXPORTED)

    report = document(done)
    assert (True, "") == (report["generated"], done.stderr)
    secrets = [cloud.credentials.secret_key, cloud.credentials.access_key, cloud.http_token]
    assert [] == [secret for secret in secrets if secret in done.stdout]
    answers = {fact["question"]: fact["answer"] for fact in report["facts"]}
    assert "tos-cn-i-<service>/<output>" == answers["form of StoreUris"]


def test_not_confirmed(cloud: Cloud) -> None:
    """Nothing is uploaded unless it was confirmed."""
    charges = len(cloud.billing.charges())

    done = repaint(*LIVE, cloud=cloud, settings=EXPORTED)

    assert (Exit.NOT_CONFIRMED, charges) == (done.returncode, len(cloud.billing.charges()))
    assert "and pay for one generation?" in done.stderr


def test_no_function(tmp_path: Path) -> None:
    """If nothing calls a function, the picture stays, which is reported."""
    with Cloud(tmp_path, bare=True) as cloud:
        done = repaint(*LIVE, "--yes", "--seconds", "1", cloud=cloud, settings=EXPORTED)
        (key,) = keys_of(cloud, UPLOADS_BUCKET)

    assert Exit.NEEDS_YOU == done.returncode
    assert "| the upload | has no record in the ledger |" in done.stdout
    assert "| events that call the function | none |" in done.stdout
    assert f"| the picture | is still there: {key} |" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--bucket", "elsewhere"],
            "serverless.yml names no bucket elsewhere: it names photos.\n",
        ),
        (
            ["--bucket", "photos", "--prefix", "other/"],
            "--prefix 'other/' is outside 'uploads/', which calls the function.\n",
        ),
        ([], "--live needs one --bucket, which serverless.yml names.\n"),
    ],
)
def test_wrong_option(cloud: Cloud, arguments: list[str], sentence: str) -> None:
    """A bucket or prefix that calls no function is refused."""
    done = repaint("doctor", "--live", *arguments, cloud=cloud, settings=EXPORTED)

    assert (Exit.WRONG, sentence) == (done.returncode, done.stderr)


def test_record_facts() -> None:
    """Addresses are shown without names and without the values of their queries."""
    settings = load_settings(ENVIRONMENT)
    record = Record(
        id="r",
        source=Source(bucket="photos", key=KEY, etag="e"),
        state=State.GENERATED,
        created_at=101.5,
        updated_at=114.0,
        attempts=(Attempt(number=1, output="repaint/r-1", sent_at=102.0, outcome="generated"),),
        image_urls=(f"{ADDRESS}?sign=hush&x=1",),
        store_uris=("tos-cn-i-serviceid/repaint/r-1",),
    )

    facts = record_facts(Ended(record, uploaded_at=100.0), settings)

    assert {fact.question: fact.answer for fact in facts} == {
        "the upload": "generated, 1 attempt(s)",
        "from the upload to the claim": "1.5 s",
        "from the paid call to its end": "12.0 s",
        "codes of attempts": "–",
        "form of ImageUrls": "http://<domain>/tos-cn-i-<service>/<output>~<template>?sign=…&x=…",
        "form of StoreUris": "tos-cn-i-<service>/<output>",
    }


def test_markdown() -> None:
    """The report is a table."""
    facts = [Fact("one", "a|b"), Fact("two", "c\nd")]

    assert markdown("title", facts) == (
        "## title\n\n| | |\n|---|---|\n| one | a\\|b |\n| two | c d |"
    )


def test_picture() -> None:
    """Each picture is a small PNG with a content of its own."""
    assert picture(1) != picture(2)
    assert picture(1).startswith(b"\x89PNG\r\n\x1a\n")
    # Its header holds width and height.
    assert (SIDE, SIDE) == tuple(int.from_bytes(picture(1)[at : at + 4]) for at in (16, 20))
