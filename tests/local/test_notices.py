"""Notices on the local cloud: real functions tell a real receiver."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.cloud import SWEEP_TIMER, UPLOADS_BUCKET, Cloud
from local.imagex import FaultSettings
from local.vefaas.runtime import DeliverySettings
from shared.ledger import Ledger
from tests.inbox import SECRET, TOKENS
from tests.local.receiver import Receiver
from tests.local.test_commands import PORTS, command, environment, run

IMAGE = Path(__file__).parents[2] / "examples" / "images" / "chelsea.png"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver
        assert [] == receiver.refused


@pytest.fixture
def lines() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def cloud(tmp_path: Path, receiver: Receiver, lines: list[dict[str, Any]]) -> Iterator[Cloud]:
    def read(_function: str, line: str) -> None:
        assert not [secret for secret in (*TOKENS, SECRET) if secret in line]
        lines.append(json.loads(line))

    with Cloud(
        tmp_path / "cloud",
        faults=FaultSettings(latency_seconds=0.0),
        delivery=DeliverySettings(retry_delays=[0.2]),
        environment=receiver.environment,
        on_log=read,
    ) as cloud:
        yield cloud


def upload(cloud: Cloud, key: str = "uploads/猫 1.png", prompt: str = "a cat") -> None:
    cloud.runtime().storage(None).put(
        UPLOADS_BUCKET,
        key,
        IMAGE.read_bytes(),
        content_type="image/png",
        metadata={"prompt": prompt},
    )
    assert cloud.platform.wait_idle()


def ledger_of(cloud: Cloud) -> Ledger:
    return cloud.runtime().ledger


def test_whoever_verifies_what_comes_knows_what_became_of_each_upload(
    cloud: Cloud, receiver: Receiver, lines: list[dict[str, Any]]
) -> None:
    upload(cloud)
    upload(cloud, "uploads/no.png", prompt="[refuse]")

    made, refused = (event.get_data() for event in receiver.wait_for(2))
    assert isinstance(made, dict)
    assert isinstance(refused, dict)
    (told,) = [line for line in lines if line["event"] == "image.generated"]
    assert ("uploads/猫 1.png", "generated") == (made["key"], made["status"])
    assert (told["image_urls"], told["store_uris"]) == (made["image_urls"], made["store_uris"])
    assert ("uploads/no.png", "rejected") == (refused["key"], refused["status"])
    assert "50412: " in refused["reason"]
    assert [] == list(ledger_of(cloud).entry_ids())


def test_a_receiver_that_hangs_changes_nothing_for_the_upload_and_is_told_once_it_is_back(
    cloud: Cloud, receiver: Receiver, lines: list[dict[str, Any]]
) -> None:
    receiver.hang()
    upload(cloud)

    (finished,) = [line for line in lines if line["event"] == "delivery.finished"]
    assert ("generated", 1) == (finished["status"], len(cloud.billing.charges()))
    ledger = ledger_of(cloud)
    (entry_id,) = ledger.entry_ids()
    ended = ledger.finished(finished["record"])
    assert ended is not None
    assert "generated" == ended.state
    assert [] == receiver.events

    receiver.recover()
    entry = ledger.entry(entry_id)
    assert entry is not None
    # A minute later.
    ledger.put_entry(entry.model_copy(update={"due_at": 0.0}))
    assert cloud.platform.tick(SWEEP_TIMER).failure is None

    (event,) = receiver.wait_for(1)
    assert entry_id == event.get_id()
    assert [] == list(ledger.entry_ids())
    assert ["notice.failed", "notice.delivered"] == [
        line["event"] for line in lines if line["event"].startswith("notice.")
    ]


def test_who_runs_the_local_cloud_can_have_it_tell_a_receiver_of_ones_own(
    tmp_path: Path, receiver: Receiver
) -> None:
    with subprocess.Popen(
        command("serve", *PORTS),
        cwd=tmp_path,
        env=environment(PYTHONUNBUFFERED="1", **receiver.environment),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = ""
        while "Ctrl-C stops it." not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        try:
            done = run(tmp_path, "upload", str(IMAGE), "--prompt", "油画")
            assert 0 == done.returncode, done.stderr
            (event,) = receiver.wait_for(1)
        finally:
            process.terminate()
            said += process.communicate(timeout=60)[0]

    assert "repaint.image.generated" == event.get_type()
    assert "webhook         to http://127.0.0.1:" in said
    assert not [secret for secret in (*TOKENS, SECRET) if secret in said]


def test_a_receiver_that_cannot_be_one_is_told_before_the_local_cloud_starts(
    tmp_path: Path,
) -> None:
    done = run(tmp_path, "serve", *PORTS, REPAINT_WEBHOOK_URL="https://hooks.example.com/")

    assert 2 == done.returncode
    assert "REPAINT_WEBHOOK_SECRET is not set" in done.stderr
