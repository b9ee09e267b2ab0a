"""The sweep's entry point, as the platform's timer calls it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cloud import SWEEP_FUNCTION, SWEEP_TIMER, UPLOADS_BUCKET, Cloud
from local.imagex import FaultSettings
from local.vefaas.runtime import FunctionSpec

CAT = (Path(__file__).parents[2] / "examples" / "images" / "chelsea.png").read_bytes()


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    faults = FaultSettings(latency_seconds=0.0)
    with Cloud(tmp_path, faults=faults, environment={"REPAINT_DEADLINE_SECONDS": "60"}) as cloud:
        yield cloud


def park(cloud: Cloud) -> None:
    """Handle an upload in an invocation that has too little time for it."""
    cloud.store.put(UPLOADS_BUCKET, "in/a.png", CAT, {"x-tos-meta-prompt": "x"})
    hurried = {**cloud.settings, "REPAINT_DEADLINE_SECONDS": "5"}
    folder = cloud.folder / "functions" / "upload"
    cloud.platform.deploy(FunctionSpec("hurried", folder, hurried))
    tos = {"bucket": {"name": UPLOADS_BUCKET}, "object": {"key": "in/a.png"}}
    answer = cloud.platform.invoke("hurried", {"events": [{"tos": tos}]})
    assert json.loads(answer.body)["results"][0]["status"] == "deferred", answer


def test_tick(cloud: Cloud) -> None:
    """A tick finishes what was parked, and returns counts."""
    park(cloud)
    tick = cloud.platform.tick(SWEEP_TIMER)

    assert tick.failure is None
    assert json.loads(tick.body) == {"results": {"pending": 1, "generated": 1}}
    assert len(cloud.billing.charges()) == 1
    assert json.loads(cloud.platform.tick(SWEEP_TIMER).body) == {"results": {"pending": 0}}


def test_without_ledger(cloud: Cloud) -> None:
    """Without a ledger the error names the setting that is missing."""
    settings = {k: v for k, v in cloud.settings.items() if k != "REPAINT_LEDGER"}
    folder = cloud.folder / "functions" / "sweep"
    cloud.platform.deploy(FunctionSpec(SWEEP_FUNCTION, folder, settings))
    answer = cloud.platform.invoke(SWEEP_FUNCTION, {"type": "faas.timer.event", "data": ""})

    assert answer.error_type == "SettingsError"
    assert "REPAINT_LEDGER is not set" in (answer.error_message or "")
