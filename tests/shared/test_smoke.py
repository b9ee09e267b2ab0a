"""What a marked upload leaves for `repaint smoke`: the shape of everything, and no value."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shared.clients.http import Request
from shared.errors import MaybeExecuted
from shared.runtime import Runtime
from shared.smoke import marked, shape, watched
from shared.uploads.events import Unreadable, Upload, parse_uploads
from tests.fakes import ENVIRONMENT, FakeCloud, Lines

KEY = "uploads/repaint-smoke-0123456789abcdef 试 100%.png"
LEFT = ("state", "ledger/smoke/0123456789abcdef.json")
HUSH = "hush-hush"


def world(folder: Path) -> tuple[FakeCloud, dict[str, Any], dict[str, str]]:
    """Return a cloud with the picture, its event, and the function's environment."""
    cloud = FakeCloud()
    event = cloud.upload(KEY, prompt="x")
    event["headers"] = {"X-Faas-Secret-Access-Key": HUSH}
    role = folder / "credential"
    role.write_text(json.dumps({"access_key_id": HUSH, "secret_access_key": HUSH}), "utf-8")
    environment = {
        **ENVIRONMENT,
        "REPAINT_LEDGER": "tos://state/ledger/",
        "REPAINT_CREDENTIAL_FILE": str(role),
    }
    return cloud, event, environment


def deliver(cloud: FakeCloud, event: Any, environment: dict[str, str]) -> str:
    """Deliver the event as the upload door does; return how the upload ended."""
    (upload,) = parse_uploads(event)
    assert isinstance(upload, Upload)
    context = SimpleNamespace(request_id=HUSH, credentials=HUSH)
    with watched(upload, event, context, environment=environment, transport=cloud) as runtime:
        return handled(runtime, upload)


def handled(runtime: Runtime, upload: Upload) -> str:
    deadline = runtime.clock.now() + 600
    (result,) = runtime.pipeline.handle(upload, deadline=deadline, log=Lines().log)
    return result.status


def left(cloud: FakeCloud) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(cloud.objects[LEFT].body)
    return document


def test_what_is_left_tells_names_and_types(tmp_path: Path) -> None:
    cloud, event, environment = world(tmp_path)

    status = deliver(cloud, event, environment)

    document = left(cloud)
    assert ("generated", KEY) == (status, document["key"])
    assert "str" == document["event"]["data"]["events"][0]["tos"]["object"]["key"]
    assert {"X-Faas-Secret-Access-Key": "str"} == document["event"]["headers"]
    assert {"credentials": "str", "request_id": "str"} == document["context"]
    assert document["credential_file"] == {
        "is_there": True,
        "fields": {"access_key_id": "str", "secret_access_key": "str"},
    }
    (paid,) = [a for a in document["answers"] if a["to"] == "POST GetCVImageGenerateResult"]
    assert (200, ["str"]) == (paid["status"], paid["body"]["Result"]["ImageUrls"])


def test_no_value_is_left(tmp_path: Path) -> None:
    cloud, event, environment = world(tmp_path)
    deliver(cloud, event, environment)

    assert HUSH not in cloud.objects[LEFT].body.decode()


def test_what_the_first_delivery_left_stands(tmp_path: Path) -> None:
    cloud, event, environment = world(tmp_path)
    deliver(cloud, event, environment)
    first = cloud.objects[LEFT].body

    assert "duplicate" == deliver(cloud, event, environment)
    assert first == cloud.objects[LEFT].body


def test_it_is_left_also_where_the_delivery_fails(tmp_path: Path) -> None:
    cloud, event, environment = world(tmp_path)
    upload = Upload("photos", KEY)

    with (
        pytest.raises(RuntimeError, match="the delivery failed"),
        watched(upload, event, None, environment=environment, transport=cloud),
    ):
        raise RuntimeError("the delivery failed")

    assert KEY == left(cloud)["key"]


def test_where_it_cannot_be_left_the_upload_goes_first(tmp_path: Path) -> None:
    cloud, event, environment = world(tmp_path)

    def interfere(name: str, request: Request) -> None:
        del request
        if "smoke/" in name and name.startswith("PUT"):
            raise MaybeExecuted("the network is gone")

    cloud.interfere = interfere

    assert "generated" == deliver(cloud, event, environment)


@pytest.mark.parametrize(
    "key",
    [
        "uploads/cat.png",
        "uploads/repaint-smoke-.png",
        "uploads/repaint-smoke-0123456789ABCDEF.png",
        "uploads/repaint-smoke-0123.png",
    ],
)
def test_uploads_without_the_mark_are_left_alone(key: str) -> None:
    assert marked([Upload("photos", key), Unreadable("no key", "photos")]) is None


def test_the_mark_is_seen_however_the_key_is_encoded() -> None:
    encoded = Upload("photos", "uploads/repaint-smoke-0123456789abcdef+%E8%AF%95.png")

    assert encoded == marked([Upload("photos", "uploads/cat.png"), encoded])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": 1, "b": [True, 2], "c": None}, {"a": "int", "b": ["bool"], "c": "NoneType"}),
        ('{"code": 10000}', {"text of JSON": {"code": "int"}}),
        (b'{"a": "x"}', {"text of JSON": {"a": "str"}}),
        ("[1]", "str"),
        ([], []),
        (1.5, "float"),
    ],
)
def test_a_shape_is_names_and_types(value: Any, expected: Any) -> None:
    assert expected == shape(value)
