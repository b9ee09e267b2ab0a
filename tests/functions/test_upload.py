"""The upload door, as the platform loads it: a folder with index.py at its root, in a process."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.cloud import UPLOADS_BUCKET, Cloud, assemble
from local.imagex import FaultSettings
from local.vefaas.runtime import FunctionSpec, Invocation
from shared.ledger import Lease, State

CAT = (Path(__file__).parents[2] / "examples" / "images" / "chelsea.png").read_bytes()


def python(folder: Path, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `code` where the function lies, with nothing else of this project on the path."""
    clean = {"PATH": os.environ["PATH"], "HOME": str(folder), **environment}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return assemble("upload", tmp_path / "function")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    faults = FaultSettings(latency_seconds=0.0)
    with Cloud(tmp_path_factory.mktemp("cloud"), faults=faults) as cloud:
        yield cloud


def put(cloud: Cloud, key: str, prompt: str | None = "a cat") -> None:
    # Put past the bucket's rule, so that only the event under test is delivered.
    meta = {"x-tos-meta-prompt": prompt} if prompt else {}
    cloud.store.put(UPLOADS_BUCKET, key, CAT, {**meta, "content-type": "image/png"})


def event(*keys: str | None) -> dict[str, Any]:
    entries = [
        {
            "eventName": "tos:ObjectCreated:Put",
            "tos": {"bucket": {"name": UPLOADS_BUCKET}, "object": {"key": key} if key else {}},
        }
        for key in keys
    ]
    return {"type": "faas.tos.event", "data": {"events": entries}}


def invoke(cloud: Cloud, sent: Any) -> Invocation:
    return cloud.platform.invoke("repaint-upload", sent)


def results(invocation: Invocation) -> list[dict[str, Any]]:
    assert (200, None) == (invocation.status_code, invocation.failure)
    assert invocation.headers["Content-Type"] == "application/json; charset=utf-8"
    found: list[dict[str, Any]] = json.loads(invocation.body)["results"]
    return found


def test_importing_the_door_brings_in_no_more_than_an_upload_needs(
    folder: Path,
) -> None:
    done = python(folder, "import index, sys; print(*sorted(sys.modules))")

    assert done.returncode == 0, done.stderr
    modules = set(done.stdout.split())
    assert "shared.processing.pipeline" in modules
    unwanted = {
        "requests",
        "tos",
        "local",
        "ops",
        "urllib3",
        "volcenginesdkcore",
        "sqlite3",
        "difflib",
    }
    assert {m for m in modules if m.split(".")[0] in unwanted or m == "shared.http_api"} == set()


@pytest.mark.parametrize("door", ["upload", "http", "sweep"])
def test_the_garbage_collector_rests_during_a_doors_import_only(door: str, tmp_path: Path) -> None:
    folder = assemble(door, tmp_path / "function")
    code = "import index, gc, json; print(json.dumps([gc.isenabled(), gc.get_freeze_count() > 0]))"

    assert python(folder, code).stdout == "[true, true]\n"


def test_missing_settings_are_told_in_one_error(folder: Path) -> None:
    done = python(folder, "import index; index.handler({'events': []}, None)")

    assert done.returncode == 1
    for name in ("VEIMAGEX_SERVICE_ID", "VEIMAGEX_DOMAIN", "VEIMAGEX_TEMPLATE"):
        assert f"{name} is not set" in done.stderr


def test_each_upload_of_an_event_gets_its_result_and_a_bad_one_hides_none(cloud: Cloud) -> None:
    put(cloud, "uploads/one.png")
    put(cloud, "uploads/two.png", prompt=None)
    found = results(
        invoke(cloud, event("uploads/one.png", None, "uploads/two.png", "uploads/gone.png"))
    )

    assert ["generated", "rejected", "skipped", "skipped"] == [r["status"] for r in found]
    assert {"bucket", "key", "status", "record", "image_urls", "store_uris"} == found[0].keys()
    assert found[1]["reason"] == "events[1] has no tos.object.key."
    assert UPLOADS_BUCKET == found[1]["bucket"]


def test_each_variant_of_an_upload_is_a_result_of_its_own(tmp_path: Path) -> None:
    presets = json.dumps([{"prefix": "uploads/three/", "variants": 3}])
    with Cloud(
        tmp_path / "cloud",
        faults=FaultSettings(latency_seconds=0.0),
        environment={"REPAINT_PRESETS": presets},
    ) as cloud:
        put(cloud, "uploads/one.png")
        put(cloud, "uploads/three/a.png")
        found = results(invoke(cloud, event("uploads/one.png", "uploads/three/a.png")))

    assert [None, 1, 2, 3] == [result.get("variant") for result in found]
    assert ["generated"] * 4 == [result["status"] for result in found]
    assert 4 == len({result["record"] for result in found})


@pytest.mark.parametrize("malformed", [{}, {"data": "{"}, {"type": "faas.timer.event"}, []])
def test_a_malformed_event_is_rejected_with_a_sentence(cloud: Cloud, malformed: Any) -> None:
    (only,) = results(invoke(cloud, malformed))

    assert only["status"] == "rejected"
    assert only["reason"].endswith(".")


def test_an_event_without_uploads_has_no_results(cloud: Cloud) -> None:
    assert results(invoke(cloud, event())) == []


def test_an_upload_that_must_come_again_fails_the_delivery_and_the_others_are_done(
    cloud: Cloud,
) -> None:
    put(cloud, "uploads/three.png")
    put(cloud, "uploads/four.png")
    # The first one is taken back to being worked on by somebody else.
    held = cloud.runtime()
    first = invoke(cloud, event("uploads/three.png"))
    record_id = results(first)[0]["record"]
    ledger = held.ledger
    ended = ledger.finished(record_id)
    assert ended is not None
    held.storage(None).delete("repaint-state", f"ledger/done/{record_id}.json")
    claim = ended.changed(state=State.PENDING, lease=Lease(owner="another", until=4e9))
    assert ledger.create(claim) is not None

    again = invoke(cloud, event("uploads/three.png", "uploads/four.png"))

    assert (500, "DeliveryIncomplete") == (again.status_code, again.error_type)
    assert "1 of 2 uploads must be delivered again" in (again.error_message or "")
    assert results(invoke(cloud, event("uploads/four.png")))[0]["status"] == "duplicate"


def test_the_function_works_without_the_local_cloud_around_it(
    cloud: Cloud, folder: Path, tmp_path: Path
) -> None:
    put(cloud, "uploads/five.png", prompt="%E6%BC%AB%E7%94%BB")
    code = f"import index, sys; print(index.handler({event('uploads/five.png')!r}, None)['body'])"
    code += "; print('volcenginesdkcore' in sys.modules)"
    done = python(
        folder,
        code,
        VOLCENGINE_ACCESS_KEY=cloud.credentials.access_key,
        VOLCENGINE_SECRET_KEY=cloud.credentials.secret_key,
        **{**cloud.settings, "REPAINT_LEDGER": f"sqlite://{tmp_path}/ledger.db"},
    )

    *lines, body, chain_was_asked = done.stdout.splitlines()
    assert json.loads(body)["results"][0]["status"] == "generated"
    events = [json.loads(line)["event"] for line in lines]
    assert ["upload.claimed", "attempt.sent", "image.generated", "delivery.finished"] == events
    # The key is in the environment: the SDK's chain takes a while to import, and has no better one.
    assert chain_was_asked == "False"
    assert "漫画" in {charge.prompt for charge in cloud.book.charges()}


def test_a_spec_without_an_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"index\.py"):
        FunctionSpec("repaint-upload", tmp_path)
