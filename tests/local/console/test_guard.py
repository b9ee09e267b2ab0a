"""Who may drive the console, and what its answers tell a browser."""

import json

import pytest

from local.cloud import Cloud
from tests.local.console.client import Client

OURS = [
    {},
    {"Origin": "http://HOST"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://HOST"},
    {"Sec-Fetch-Site": "none"},
    {"Host": "localhost:1"},
    {"Host": "[::1]:1"},
]
FOREIGN = [
    {"Origin": "http://evil.example.com"},
    {"Origin": "https://HOST"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "null"},
    {"Host": "rebound.example.com"},
    {"Host": "rebound.example.com", "Origin": "http://rebound.example.com"},
    {"Host": "localhost.example.com"},
    {"Host": "127.0.0.1.example.com"},
    {"Host": "[::1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]
REQUESTS = [
    ("GET", "/"),
    ("GET", "/static/index.html"),
    ("GET", "/api/state"),
    ("POST", "/api/sweep"),
]


@pytest.mark.parametrize("headers", OURS)
@pytest.mark.parametrize(("method", "path"), REQUESTS)
def test_its_own_page_and_this_machines_programs_are_answered(
    client: Client, method: str, path: str, headers: dict[str, str]
) -> None:
    sent = {name: value.replace("HOST", client.host) for name, value in headers.items()}

    assert 200 == client.ask(method, path, headers=sent).status


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize(("method", "path"), [*REQUESTS, ("GET", "/api/events")])
def test_another_sites_page_is_refused(
    client: Client, method: str, path: str, headers: dict[str, str]
) -> None:
    sent = {name: value.replace("HOST", client.host) for name, value in headers.items()}
    refused = client.ask(method, path, headers=sent)

    assert (403, "Forbidden") == (refused.status, refused.document["title"])
    assert "pages of this server" in refused.document["detail"]


FOLLOWED = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}


def test_a_link_to_the_page_can_be_followed_and_not_framed_or_posted_to(client: Client) -> None:
    document = {**FOLLOWED, "Sec-Fetch-Dest": "document"}
    followed = client.ask("GET", "/", headers=document)
    framed = client.ask("GET", "/", headers={**FOLLOWED, "Sec-Fetch-Dest": "iframe"})
    posted = client.ask("POST", "/api/sweep", headers=document)

    assert [200, 403, 403] == [followed.status, framed.status, posted.status]


def test_another_sites_page_cannot_kill_or_upload(cloud: Cloud, client: Client) -> None:
    headers = {"Origin": "http://evil.example.com"}
    kinds = ("uploads", "queue", "charges", "faults", "functions")
    before = client.state()
    slow = json.dumps({**before["faults"], "latency_seconds": 9.0}).encode()
    tried = [
        client.ask("POST", "/api/functions/repaint-upload/kill", headers=headers),
        client.ask("POST", "/api/uploads?name=a.png&prompt=x", b"picture", headers),
        client.ask("POST", "/api/samples", headers=headers),
        client.ask("PUT", "/api/faults", slow, headers),
    ]
    after = client.state()

    assert [403] * 4 == [answer.status for answer in tried]
    assert [before[kind] for kind in kinds] == [after[kind] for kind in kinds]
    assert cloud.platform.idle()


@pytest.mark.parametrize(
    ("path", "caching"),
    [("/", "no-cache"), ("/static/index.html", "no-cache"), ("/api/state", "no-store")],
)
def test_a_browser_loads_nothing_from_elsewhere_and_keeps_nothing_stale(
    client: Client, path: str, caching: str
) -> None:
    headers = client.ask("GET", path).headers

    assert caching == headers["cache-control"]
    policy = headers["content-security-policy"].split("; ")
    assert {"default-src 'self'", "frame-ancestors 'none'"} <= set(policy)
    assert not any("unsafe" in rule or "http" in rule for rule in policy)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/static/nothing.js", 404),
        ("GET", "/static/..%2Fapp.py", 404),
        ("GET", "/api/uploads/nothing/before", 404),
        ("POST", "/api/uploads/nothing/again", 404),
        ("DELETE", "/api/state", 405),
    ],
)
def test_what_is_not_there_is_told_in_a_sentence(
    client: Client, method: str, path: str, status: int
) -> None:
    answer = client.ask(method, path)

    assert (status, status) == (answer.status, answer.document["status"])
    assert answer.document["detail"].endswith(".")
