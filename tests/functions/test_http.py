"""The HTTP entry point on the local cloud, as applications use it: real requests."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import urllib3

from local.cloud import UPLOADS_BUCKET, Cloud
from local.imagex import FaultSettings

CAT = (Path(__file__).parents[2] / "examples" / "images" / "chelsea.png").read_bytes()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    faults = FaultSettings(latency_seconds=0.0)
    with Cloud(tmp_path_factory.mktemp("cloud"), faults=faults) as cloud:
        cloud.store.put(UPLOADS_BUCKET, "in/cat.png", CAT, {"x-tos-meta-prompt": "x"})
        yield cloud


def send(
    cloud: Cloud, method: str, path: str, body: Any = None, **headers: str
) -> urllib3.BaseHTTPResponse:
    given = {"Authorization": f"Bearer {cloud.http_token}", "Content-Type": "application/json"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    sent = None if body is None else json.dumps(body)
    return urllib3.request(
        method, cloud.gateway.address + path, body=sent, headers=given, timeout=60.0
    )


def test_generation(cloud: Cloud) -> None:
    """An application gets the repainted picture in the answer."""
    answer = send(
        cloud, "POST", "/generations", {"bucket": UPLOADS_BUCKET, "key": "in/cat.png", "seed": 3}
    )
    made = answer.json()

    assert (200, "generated") == (answer.status, made["status"])
    assert urllib3.request("GET", made["image_urls"][0]).status == 200
    assert made == send(cloud, "GET", answer.headers["Location"]).json()


def test_idempotency_key(cloud: Cloud) -> None:
    """Fifty requests at once with one key make one charge."""
    before = len(cloud.billing.charges())
    body = {"bucket": UPLOADS_BUCKET, "key": "in/cat.png", "prompt": "fifty"}

    def go(_number: int) -> int:
        return send(cloud, "POST", "/generations", body, Idempotency_Key="fifty").status

    with ThreadPoolExecutor(50) as pool:
        statuses = Counter(pool.map(go, range(50)))

    assert len(cloud.billing.charges()) == before + 1
    assert statuses[200] >= 1
    assert set(statuses) <= {200, 409}


def test_token(cloud: Cloud) -> None:
    """A request without a valid token is refused."""
    assert send(cloud, "GET", "/generations", Authorization="Bearer x").status == 401
    assert send(cloud, "GET", "/healthz", Authorization="").status == 200


def test_bad_encoding(cloud: Cloud) -> None:
    """A body that is not UTF-8 is refused."""
    answer = urllib3.request(
        "POST",
        f"{cloud.gateway.address}/generations",
        body=b'{"prompt": "\xff"}',
        headers={
            "Authorization": f"Bearer {cloud.http_token}",
            "Content-Type": "application/json",
        },
    )

    assert answer.status == 400
    assert answer.json()["type"].endswith("bad-encoding")


def test_schemathesis(cloud: Cloud, tmp_path: Path) -> None:
    """schemathesis finds no violation of the OpenAPI document."""
    # Every check, the stateful ones along the document's links included.
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "schemathesis"),
            "run",
            f"{cloud.gateway.address}/openapi.json",
            *("--header", f"Authorization: Bearer {cloud.http_token}"),
            *("--checks", "all", "--max-examples", "15", "--seed", "1", "--no-color"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "Stateful" in done.stdout


def test_openapi_document(cloud: Cloud) -> None:
    """The document is OpenAPI 3.1, with this deployment's limits, and needs a token."""
    document = send(cloud, "GET", "/openapi.json").json()

    assert document["openapi"] == "3.1.0"
    schema = document["components"]["schemas"]["GenerationRequest"]["properties"]
    assert schema["image_url"]["pattern"].startswith("^https://")
    assert send(cloud, "GET", "/openapi.json", Authorization="").status == 401
