"""The stand-in's own routes."""

import pytest

from tests.local.imagex.client import (
    World,
)


def test_show_and_set(imagex: World) -> None:
    """The stand-in's own routes show and set its state."""
    http, local = imagex.http, f"{imagex.server.address}/_local"
    changed = http.request("PUT", f"{local}/faults", json={"script": ["InternalError"]})
    assert (200, ["InternalError"]) == (changed.status, changed.json()["script"])
    assert 500 == imagex.paint().status
    assert 200 == imagex.paint().status
    assert [] == http.request("GET", f"{local}/faults").json()["script"]
    [charge] = http.request("GET", f"{local}/charges").json()
    assert ("out/one", True) == (charge["output"], charge["stored"])
    calls = http.request("GET", f"{local}/calls").json()
    assert ["InternalError", "OK"] == [call["outcome"] for call in calls]


def test_unknown_settings(imagex: World) -> None:
    """Unknown settings are refused with their names."""
    before = imagex.faults.settings
    url = f"{imagex.server.address}/_local/faults"
    refused = imagex.http.request("PUT", url, json={"lose_answr": 1})

    assert 400 == refused.status
    assert ["lose_answr"] == refused.json()["problems"][0]["loc"]
    assert before == imagex.faults.settings


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://HOST"}, 200),
        ({"Origin": "http://evil.example.com"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://rebound.example.com:1", "Host": "rebound.example.com:1"}, 403),
        ({"Host": "rebound.example.com:1"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
@pytest.mark.parametrize("path", ["faults", "charges", "calls"])
def test_other_origin(imagex: World, headers: dict[str, str], status: int, path: str) -> None:
    """Requests of another site's page are refused."""
    headers = {name: value.replace("HOST", imagex.host) for name, value in headers.items()}

    assert status == imagex.get(f"{imagex.server.address}/_local/{path}", **headers).status
