"""The upload entry point, as the platform loads it: a folder with index.py, in a process."""

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
from tests.fakes import ENVIRONMENT

CAT = (Path(__file__).parents[2] / "examples" / "images" / "chelsea.png").read_bytes()


def python(folder: Path, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in the function's folder, without the rest of the project on the path."""
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
    # Without triggering the bucket's rule, so that only the event under test is delivered.
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


def test_imports(folder: Path) -> None:
    """Importing the entry point imports no more than an upload needs."""
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


@pytest.mark.parametrize("name", ["upload", "http", "sweep"])
def test_garbage_collector(name: str, tmp_path: Path) -> None:
    """The garbage collector is off during the import only."""
    folder = assemble(name, tmp_path / "function")
    code = "import index, gc, json; print(json.dumps([gc.isenabled(), gc.get_freeze_count() > 0]))"

    assert python(folder, code).stdout == "[true, true]\n"


def test_missing_settings(folder: Path) -> None:
    """One error names all missing settings."""
    done = python(folder, "import index; index.handler({'events': []}, None)")

    assert done.returncode == 1
    for name in ("VEIMAGEX_SERVICE_ID", "VEIMAGEX_DOMAIN", "VEIMAGEX_TEMPLATE"):
        assert f"{name} is not set" in done.stderr


def test_several_uploads(cloud: Cloud) -> None:
    """Each upload of an event has its result, whatever the others are."""
    put(cloud, "uploads/one.png")
    put(cloud, "uploads/two.png", prompt=None)
    found = results(
        invoke(cloud, event("uploads/one.png", None, "uploads/two.png", "uploads/gone.png"))
    )

    assert ["generated", "rejected", "skipped", "skipped"] == [r["status"] for r in found]
    assert {"bucket", "key", "status", "record", "image_urls", "store_uris"} == found[0].keys()
    assert found[1]["reason"] == "events[1] has no tos.object.key."
    assert UPLOADS_BUCKET == found[1]["bucket"]


def test_variants(tmp_path: Path) -> None:
    """Each variant of an upload has a result of its own."""
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
def test_malformed_event(cloud: Cloud, malformed: Any) -> None:
    """A malformed event is rejected with a sentence."""
    (only,) = results(invoke(cloud, malformed))

    assert only["status"] == "rejected"
    assert only["reason"].endswith(".")


def test_empty_event(cloud: Cloud) -> None:
    """An event without uploads has no results."""
    assert results(invoke(cloud, event())) == []


def test_incomplete_delivery(cloud: Cloud) -> None:
    """One incomplete upload fails the delivery, and the others are done."""
    put(cloud, "uploads/three.png")
    put(cloud, "uploads/four.png")
    # The first one is put back to pending, leased by another owner.
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


def test_without_local_cloud(cloud: Cloud, folder: Path, tmp_path: Path) -> None:
    """The function works without the local cloud around it."""
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

    *lines, body, chain_was_imported = done.stdout.splitlines()
    assert json.loads(body)["results"][0]["status"] == "generated"
    events = [json.loads(line)["event"] for line in lines]
    assert ["upload.claimed", "attempt.sent", "image.generated", "delivery.finished"] == events
    # The key is in the environment: the SDK's chain takes a while to import, and has no better one.
    assert chain_was_imported == "False"
    assert "漫画" in {charge.prompt for charge in cloud.billing.charges()}


EVENT = {"events": [], "headers": {"X-Faas-Session-Token": "hush", "x": '{"a": "hush"}'}}


@pytest.mark.parametrize(("level", "logged"), [("debug", 1), ("info", 0)])
def test_shape_of_event(folder: Path, level: str, logged: int) -> None:
    """At debug level the event's shape is logged, without any of its values."""
    code = f"import index; index.handler({EVENT!r}, None)"
    done = python(folder, code, **ENVIRONMENT, REPAINT_LOG_LEVEL=level)

    assert 0 == done.returncode, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    shapes = [line["shape"] for line in lines if line["event"] == "event.received"]
    assert [
        {"events": [], "headers": {"X-Faas-Session-Token": "•••", "x": {"JSON text": {"a": "str"}}}}
    ] * logged == shapes
    assert "hush" not in done.stdout


def test_shape_is_lazy(folder: Path) -> None:
    """Above debug level no shape is worked out."""
    code = (
        "import index\n"
        "class Event(dict):\n"
        "    def items(self): raise AssertionError('worked out')\n"
        "index.handler(Event(events=[]), None)"
    )

    assert 0 == python(folder, code, **ENVIRONMENT).returncode
    assert "worked out" in python(folder, code, **ENVIRONMENT, REPAINT_LOG_LEVEL="debug").stderr


def test_missing_index(tmp_path: Path) -> None:
    """A function without index.py is refused."""
    with pytest.raises(FileNotFoundError, match=r"index\.py"):
        FunctionSpec("repaint-upload", tmp_path)
