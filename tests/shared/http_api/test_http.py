"""The HTTP API in memory: who may call it, valid requests, responses and charges."""

import json
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from shared.errors import NotExecuted
from shared.http_api.problems import TYPE_PREFIX
from shared.ledger.sqlite import SqliteLedger
from tests import fakes
from tests.crash import interruption
from tests.crash.interruption import Killed, Plan, process
from tests.fakes import FakeCloud, World

TOKEN = "token-two"
SOURCE = {"image_url": "https://pictures.example.org/cat.png", "prompt": "漫画"}


@pytest.fixture
def world(world: World) -> World:
    """Return a deployment with an HTTP API."""
    world.environment["REPAINT_HTTP_TOKENS"] = f"token-one,{TOKEN}"
    return world


def event(method: str, path: str, body: Any = None, **headers: str) -> dict[str, Any]:
    given = {"authorization": f"Bearer {TOKEN}", "Content-TYPE": "application/json"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    return {
        "httpMethod": method,
        "path": path,
        "headers": given,
        "body": body if isinstance(body, (str, bytes, type(None))) else json.dumps(body),
    }


def ask(world: World, sent: Any, runtime: Any = None, *, seconds: float = 120) -> dict[str, Any]:
    runtime = runtime or world.runtime()
    delivery = world.delivery(runtime, seconds=seconds)
    answer: dict[str, Any] = runtime.http_api.handle(sent, request_id="r1", delivery=delivery)
    answer["document"] = json.loads(answer["body"])
    return answer


def post(world: World, body: Any, *, seconds: float = 120, **headers: str) -> dict[str, Any]:
    return ask(world, event("POST", "/generations", body, **headers), seconds=seconds)


def problem(answer: dict[str, Any]) -> tuple[int, str]:
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    document = answer["document"]
    assert document["request_id"] == "r1"
    assert document["detail"]
    assert answer["statusCode"] == document["status"]
    return document["status"], document["type"].removeprefix(TYPE_PREFIX)


def test_image_url(world: World) -> None:
    """A picture at a URL is repainted; the response has its URIs."""
    answer = post(world, SOURCE)

    assert answer["statusCode"] == 200
    made = answer["document"]
    assert ("generated", "漫画", 1) == (made["status"], made["prompt"], len(world.cloud.charges))
    assert world.cloud.bodies[0]["ImageUrl"] == SOURCE["image_url"]
    assert answer["headers"]["Location"] == f"/generations/{made['id']}"
    again = ask(world, event("GET", f"/generations/{made['id']}"))
    assert made == again["document"]


def test_object(
    world: World,
) -> None:
    """The object's metadata gives the values that the request does not."""
    world.cloud.upload("uploads/cat.png", prompt="its own", seed="7")
    answer = post(world, {"bucket": "photos", "key": "uploads/cat.png", "seed": 8})

    assert answer["statusCode"] == 200
    sent = world.cloud.bodies[0]["ReqJson"]
    assert ("its own", 8) == (sent["prompt"], sent["seed"])


def test_store_uri(world: World) -> None:
    """A picture that the service has is repainted."""
    answer = post(world, {"store_uri": "tos-cn-i-serviceid/in/cat.png", "prompt": "x"})

    assert answer["statusCode"] == 200
    assert world.cloud.bodies[0]["ImageUrl"] == "tos-cn-i-serviceid/in/cat.png"


def test_later(world: World) -> None:
    """With respond-async, or too little time, the sweep generates."""
    asked = post(world, SOURCE, Prefer="respond-async, wait=10")
    late = post(world, SOURCE, seconds=20)

    assert [202, 202] == [asked["statusCode"], late["statusCode"]]
    assert world.cloud.charges == []
    world.sweep(seconds=900)
    for answer in (asked, late):
        shown = ask(world, event("GET", answer["headers"]["Location"]))
        assert shown["document"]["status"] == "generated"
    assert len(world.cloud.charges) == 2


def test_same_key(world: World) -> None:
    """The same key and body get the same response and one charge."""
    answers = [post(world, SOURCE, Idempotency_Key=key) for key in ('"k-1"', "k-1", '"k-1"')]

    assert [200] * 3 == [a["statusCode"] for a in answers]
    assert len({a["body"] for a in answers}) == 1
    assert len(world.cloud.charges) == 1


def test_reused_key(world: World) -> None:
    """The same key with another body is refused."""
    post(world, SOURCE, Idempotency_Key="k")
    answer = post(world, {**SOURCE, "seed": 1}, Idempotency_Key="k")

    assert (422, "key-reused") == problem(answer)
    assert len(world.cloud.charges) == 1


def test_running_key(world: World) -> None:
    """The same key is refused while its request is running."""
    inside: list[tuple[int, str]] = []

    def meanwhile(cloud: FakeCloud, request: Any) -> Any:
        inside.append(problem(post(world, SOURCE, Idempotency_Key="k")))
        return fakes.made(cloud, request)

    world.cloud.reactions = [meanwhile]

    assert post(world, SOURCE, Idempotency_Key="k")["statusCode"] == 200
    assert inside == [(409, "still-running")]


def test_key_without_object(world: World) -> None:
    """A key is answered from its record, even if the object is gone."""
    body = {"bucket": "photos", "key": "uploads/cat.png", "prompt": "x"}
    inside: list[tuple[int, str]] = []

    def meanwhile(cloud: FakeCloud, request: Any) -> Any:
        del cloud.objects["photos", "uploads/cat.png"]
        inside.append(problem(post(world, body, Idempotency_Key="k")))
        return fakes.made(cloud, request)

    world.cloud.upload("uploads/cat.png")
    world.cloud.reactions = [meanwhile]
    answer = post(world, body, Idempotency_Key="k")

    assert [(409, "still-running")] == inside
    assert answer["body"] == post(world, body, Idempotency_Key="k")["body"]
    assert len(world.cloud.charges) == 1


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("https://xn--fiq228c.xn--fiqs8s/a.png", "https://xn--fiq228c.xn--fiqs8s/a.png"),
        ("https://图.example.org?猫=1", "https://xn--wcs.example.org/?%E7%8C%AB=1"),
        ("https://MY_host.example.org./a/../猫.png", "https://my_host.example.org./%E7%8C%AB.png"),
        ("https://8.8.2056:443", "https://8.8.8.8/"),
        ("https://[2606:4700:0::1111]/", "https://[2606:4700::1111]/"),
    ],
)
def test_canonical_url(world: World, url: str, canonical: str) -> None:
    """The canonical form of a URL is sent and stored."""
    further = {"image_urls": [url], "req_key": "other", "mask": [{"url": url, "text": "a:b"}]}
    answer = post(world, {"image_url": url, "prompt": "x", "req_json": further})

    assert answer["statusCode"] == 200
    (sent,) = world.cloud.bodies
    assert canonical == sent["ImageUrl"]
    assert [canonical, canonical] == sent["ReqJson"]["image_urls"]
    assert [{"url": canonical, "text": "a:b"}] == sent["ReqJson"]["mask"]
    record = world.runtime().http_api._find(answer["document"]["id"])
    assert record is not None
    assert canonical.partition("?")[0] == record.source.address


def test_no_key(world: World) -> None:
    """Without a key, identical requests are not merged."""
    assert len({post(world, SOURCE)["document"]["id"] for _ in range(2)}) == 2
    assert len(world.cloud.charges) == 2


def test_fifty_at_once(world: World) -> None:
    """Fifty requests at once with one key make one charge."""
    world.cloud.latency = 0.0
    runtimes = [world.runtime() for _ in range(50)]
    barrier, statuses = threading.Barrier(50), []

    def go(number: int) -> None:
        barrier.wait()
        sent = event("POST", "/generations", SOURCE, Idempotency_Key="k")
        statuses.append(ask(world, sent, runtimes[number])["statusCode"])

    threads = [threading.Thread(target=go, args=(n,)) for n in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(world.cloud.charges) == 1
    assert 200 in statuses
    assert set(statuses) <= {200, 409}


def test_model_refusal(world: World) -> None:
    """A refusal of the model ends as rejected, with the reason."""
    world.cloud.reactions = [fakes.model_refuses(50412)]
    answer = post(world, SOURCE, Idempotency_Key="k")
    again = post(world, SOURCE, Idempotency_Key="k")

    assert answer["statusCode"] == 200
    assert ("rejected", "50412: no") == tuple(
        answer["document"][name] for name in ("status", "reason")
    )
    assert answer["body"] == again["body"]
    assert len(world.cloud.bodies) == 1


def test_invalid_fields(world: World) -> None:
    """All invalid fields are reported at once."""
    body = {"image_url": "http://127.1/", "seed": "x", "steps": 51, "scale": 0, "a/b~": 1}
    answer = post(world, body)

    assert (422, "invalid-fields") == problem(answer)
    pointers = {error["pointer"] for error in answer["document"]["errors"]}
    assert {"/image_url", "/seed", "/steps", "/scale", "/a~1b~0"} == pointers
    answer = post(world, {"image_url": "http://127.1/", "prompt": "x"})
    assert [{"/image_url"}] == [{e["pointer"] for e in answer["document"]["errors"]}]
    answer = post(world, {"store_uri": "x", "prompt": "x", "req_json": {"req_key": "o", "seed": 1}})
    pointers = {error["pointer"] for error in answer["document"]["errors"]}
    assert {"/store_uri", "/req_json"} == pointers
    answer = post(world, {**SOURCE, "output": "a b", "template": "a~b", "req_json": {"seed": 1}})
    pointers = {error["pointer"] for error in answer["document"]["errors"]}
    assert {"/output", "/template", "/req_json/seed", "/req_json/req_key"} == pointers


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "x"},
        {"bucket": "photos", "prompt": "x"},
        {"bucket": "photos", "key": "a.png", "image_url": "https://a.example.org/", "prompt": "x"},
        {"bucket": "UPPER", "key": "a.png", "prompt": "x"},
        {"bucket": "photos", "key": "a/../b.png", "prompt": "x"},
        {**SOURCE, "seed": None},
        {"store_uri": "tos-cn-i-other/a.png", "prompt": "x"},
        {"image_url": "https://pictures.example.org/a.png"},
        {"image_url": "https://169.254.169.254/latest", "prompt": "x"},
        {**SOURCE, "prompt": "\x1c \x1f\x85"},
        {**SOURCE, "scale": "7"},
        {**SOURCE, "scale": True},
        [],
        "text",
        None,
    ],
)
def test_invalid_request(world: World, body: Any) -> None:
    """An invalid request is refused before anything is paid."""
    if isinstance(body, dict) and "prompt" in body:
        world.environment["REPAINT_DEFAULT_PROMPT"] = "not for this one"
    answer = post(world, json.dumps(body))

    assert (422, "invalid-fields") == problem(answer)
    assert world.cloud.bodies == []


@pytest.mark.parametrize(
    ("req_json", "pointer"),
    [
        ({"image_urls": ["https://a.example.org/b.png", "https://10.0.0.1/"]}, "image_urls/1"),
        ({"image_urls": ["http://pictures.example.org/b.png"]}, "image_urls/0"),
        ({"image_urls": ["file:///etc/passwd"]}, "image_urls/0"),
        ({"image_urls": ["tos-cn-i-other/b.png"]}, "image_urls/0"),
        ({"req_key": "other", "image_urls": ["https://169.254.169.254/"]}, "image_urls/0"),
        ({"req_key": "other", "mask": {"a/b": [" HTTPS://[::1]/"]}}, "mask/a~1b/0"),
        ({"req_key": "other", "mask": "gopher://pictures.example.org/"}, "mask"),
        ({"req_key": "other", "mask": "http:127.0.0.1"}, "mask"),
        ({"req_key": "other", "mask": "\x01ht\ntps:/\\[::1]"}, "mask"),
    ],
)
def test_refused_further_pictures(world: World, req_json: dict[str, Any], pointer: str) -> None:
    """Further pictures are checked like the first one."""
    answer = post(world, {**SOURCE, "image_url": "https://127.0.0.1/", "req_json": req_json})

    assert (422, "invalid-fields") == problem(answer)
    pointers = [error["pointer"] for error in answer["document"]["errors"]]
    assert ["/image_url", f"/req_json/{pointer}"] == pointers
    assert world.cloud.bodies == []


def test_further_pictures(world: World) -> None:
    """Public further pictures are sent."""
    further = ["https://a.example.org/b.png", "tos-cn-i-serviceid/in/cat.png"]
    answer = post(world, {**SOURCE, "req_json": {"image_urls": further}})

    assert answer["statusCode"] == 200
    assert [SOURCE["image_url"], *further] == world.cloud.bodies[0]["ReqJson"]["image_urls"]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (event("POST", "/generations", "{"), (400, "malformed-json")),
        (event("POST", "/generations", '{"a": NaN}'), (400, "malformed-json")),
        (event("POST", "/generations", ""), (400, "malformed-json")),
        (event("POST", "/generations", None), (400, "malformed-json")),
        (event("POST", "/generations", "[" * 100_000), (400, "malformed-json")),
        (event("POST", "/generations", b"\xff"), (400, "bad-encoding")),
        (event("POST", "/generations", '"\ufffd"'), (400, "bad-encoding")),
        (event("POST", "/generations", f'"{chr(0xD800)}"'), (400, "bad-encoding")),
        (event("POST", "/generations", r'{"req_json": {"a": "\ud800"}}'), (400, "bad-encoding")),
        (event("POST", "/generations", r'{"\ud800": 1}'), (400, "bad-encoding")),
        (event("POST", "/generations", '{"req_json": {"a": -1e400}}'), (400, "malformed-json")),
        (event("POST", "/generations", f'"{"x" * 2**20}"'), (413, "too-large")),
        (
            event("POST", "/generations", "{}", content_type="text/plain") | {"x": 1},
            (415, "unsupported-media-type"),
        ),
        (event("POST", "/generations", SOURCE, Idempotency_Key=" "), (400, "bad-parameter")),
        (event("DELETE", "/generations"), (405, "method-not-allowed")),
        (event("POST", "/generations/" + "a" * 32), (405, "method-not-allowed")),
        (event("GET", "/generations/nothing"), (404, "not-found")),
        (event("GET", "/generations/" + "a" * 32), (404, "not-found")),
        (event("GET", "/elsewhere"), (404, "not-found")),
        (
            event("POST", "/generations", {"bucket": "photos", "key": "no.png", "prompt": "x"}),
            (404, "not-found"),
        ),
        ({}, (401, "unauthorized")),
        (None, (401, "unauthorized")),
    ],
)
def test_error_statuses(world: World, sent: Any, expected: tuple[int, str]) -> None:
    """Each error has its status."""
    if isinstance(sent, dict) and sent.get("x"):
        sent["headers"] = {"authorization": f"Bearer {TOKEN}", "content-type": "text/plain"}

    assert expected == problem(ask(world, sent))
    assert world.cloud.bodies == []


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        (33, (422, "invalid-fields")),
        (300, (400, "malformed-json")),
        (800, (400, "malformed-json")),
        (100_000, (400, "malformed-json")),
    ],
)
def test_deep_nesting(world: World, depth: int, expected: tuple[int, str]) -> None:
    """A body that is nested too deep is refused at any depth."""
    nested = "[" * depth + "]" * depth
    body = json.dumps({**SOURCE, "req_json": {"req_key": "other", "a": 0}})
    answer = post(world, body.replace('"a": 0', f'"a": {nested}'))

    assert expected == problem(answer)


def test_null_headers(world: World) -> None:
    """Null headers and parameters count as not given."""
    ids = set()
    for _ in range(2):
        sent = event("POST", "/generations", SOURCE)
        sent["headers"] |= {"Idempotency-Key": None, "Prefer": None}
        ids.add(ask(world, sent)["document"]["id"])
    listing = event("GET", "/generations") | {
        "queryStringParameters": {"status": None, "cursor": None}
    }

    assert len(ids) == 2
    assert ask(world, listing)["statusCode"] == 200


def test_internal_error(world: World) -> None:
    """A bug is answered with a problem without details."""

    def garbled(name: str, _request: Any) -> None:
        if "cat.png" in name:
            raise KeyError("inside")

    world.cloud.interfere = garbled
    answer = post(world, {"bucket": "photos", "key": "cat.png", "prompt": "x"})

    assert (500, "internal") == problem(answer)
    assert "inside" not in answer["body"]
    assert "inside" in world.lines.named("request.failed")[0]["exception"]
    assert [500] == [line["status"] for line in world.lines.named("request.finished")]


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer token", "Basic token-two"])
def test_no_token(world: World, header: str) -> None:
    """A request without a token is refused."""
    sent = event("POST", "/generations", SOURCE, authorization=header)

    answer = ask(world, sent)
    assert (401, "unauthorized") == problem(answer)
    assert "WWW-Authenticate" in answer["headers"]


def test_several_tokens(world: World) -> None:
    """Each of several tokens is accepted, for rotation."""
    for token in ("token-one", "token-two"):
        sent = event("GET", "/generations", authorization=f"bearer {token}")
        assert ask(world, sent)["statusCode"] == 200


@pytest.mark.parametrize("path", ["/generations", "/healthz", "/openapi.json"])
def test_no_token_configured(world: World, path: str) -> None:
    """Without a configured token every request is refused, with the setting's name."""
    world.environment["REPAINT_HTTP_TOKENS"] = ""
    answer = ask(world, event("GET", path))

    assert (401, "unauthorized") == problem(answer)
    assert "set REPAINT_HTTP_TOKENS" in answer["document"]["detail"]


def test_stage(world: World) -> None:
    """The stage before the path is kept in Location."""
    sent = event("POST", "/prod/v1/generations", SOURCE)

    assert ask(world, sent)["headers"]["Location"].startswith("/prod/v1/generations/")


@pytest.mark.parametrize(
    ("path", "stage"),
    [
        ("//evil.example.org/generations", "/evil.example.org"),
        ("/a%0d%0aSet-Cookie:%20b/generations", "/a%0D%0ASet-Cookie%3A%20b"),
        ("/阶段/generations", "/%E9%98%B6%E6%AE%B5"),
        ("/\ud800/generations", "/%3F"),
        ("v1/generations", "/v1"),
        ("generations", ""),
    ],
)
def test_location(world: World, path: str, stage: str) -> None:
    """A Location stays at this host and inside its header."""
    answer = ask(world, event("POST", path, SOURCE))

    assert f"{stage}/generations/{answer['document']['id']}" == answer["headers"]["Location"]


def test_no_caching(world: World) -> None:
    """No response may be cached."""
    for sent in (
        event("GET", "/generations"),
        event("GET", "/elsewhere"),
        event("GET", "/healthz"),
    ):
        assert ask(world, sent)["headers"]["Cache-Control"] == "no-store"


def test_list(world: World) -> None:
    """Pending generations are listed in pages and by status."""
    ids = {post(world, SOURCE, seconds=20)["document"]["id"] for _ in range(60)}
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        sent = event("GET", "/generations")
        sent["queryStringParameters"] = {"cursor": cursor} if cursor else None
        page = ask(world, sent)["document"]
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    sent["queryStringParameters"] = {"status": "in_doubt"}

    assert sorted(ids) == seen
    assert ask(world, sent)["document"]["items"] == []
    sent["queryStringParameters"] = {"status": "oops"}
    assert (400, "bad-parameter") == problem(ask(world, sent))


def test_unreadable_record(world: World) -> None:
    """An unreadable record does not hide the others of the list."""
    ids = [post(world, SOURCE, Prefer="respond-async")["document"]["id"] for _ in range(2)]
    runtime = world.runtime()
    ledger = runtime.ledger
    if isinstance(ledger, SqliteLedger):
        with ledger._transaction() as connection:
            connection.execute("UPDATE records SET json = '{}' WHERE id = ?", (ids[0],))
    else:
        runtime.storage(None).put("photos", f".repaint/pending/{ids[0]}.json", b"{}")
    answer = ask(world, event("GET", "/generations"), runtime)

    assert answer["statusCode"] == 200
    assert [ids[1]] == [item["id"] for item in answer["document"]["items"]]
    assert [ids[0]] == [line["record"] for line in world.lines.named("record.unreadable")]


def test_hidden_query(world: World) -> None:
    """A response has no query of a URL, and no secret."""
    secret = {"image_url": "https://pictures.example.org/c.png?sign=hush-hush", "prompt": "x"}
    answer = post(world, secret)

    assert answer["document"]["image_url"] == "https://pictures.example.org/c.png"
    assert "hush" not in answer["body"] + world.lines.text
    assert world.cloud.bodies[0]["ImageUrl"] == secret["image_url"]
    record = world.runtime().http_api._find(answer["document"]["id"])
    assert record is not None
    assert record.source.address == "https://pictures.example.org/c.png"


def test_hidden_further_query(world: World) -> None:
    """The query of a further picture is neither stored nor shown."""
    first, further = (f"https://pictures.example.org/{n}.png?sign=hush-{n}" for n in "ab")
    parts = {"req_key": "other", "image_urls": [further], "mask": {"url": further}}
    said = f"cannot read {first} and {quote(further, safe='')}"
    world.cloud.reactions = [
        lambda _cloud, _request: fakes.answer({"RespJson": {"code": 50412, "message": said}})
    ]
    answer = post(world, {"image_url": first, "prompt": "x", "req_json": parts})

    assert answer["document"]["status"] == "rejected"
    assert further == world.cloud.bodies[0]["ReqJson"]["mask"]["url"]
    record = world.runtime().http_api._find(answer["document"]["id"])
    assert record is not None
    assert "hush" not in answer["body"] + world.lines.text + record.to_json().decode()


def test_unreachable_ledger(
    world: World,
) -> None:
    """If the ledger cannot be reached, nothing is paid and the status is 503."""
    if world.environment["REPAINT_LEDGER"].startswith("sqlite"):
        return

    def down(name: str, _request: Any) -> None:
        if "/.repaint/" in name:
            raise NotExecuted("down")

    world.cloud.interfere = down
    answer = post(world, SOURCE)

    assert (503, "unavailable") == problem(answer)
    assert "Retry-After" in answer["headers"]
    assert world.cloud.bodies == []


@pytest.mark.parametrize(
    "kill", [interruption.killed_before, interruption.killed_after], ids=["before", "after"]
)
def test_killed_process(tmp_path: Path, kill: Any) -> None:
    """A process that is killed at any point costs one charge for its key."""
    for ledger in ("tos", "sqlite"):
        for n in range(1, 99):
            with World() as world:
                world.environment["REPAINT_HTTP_TOKENS"] = TOKEN
                world.environment["REPAINT_LEDGER"] = (
                    "tos://photos/ledger/"
                    if ledger == "tos"
                    else f"sqlite://{tmp_path}/{kill.__name__}{n}"
                )
                plan = Plan(n, kill)
                sent = event("POST", "/generations", SOURCE, Idempotency_Key="k")
                try:
                    ask(world, sent, process(world, plan))
                except Killed:
                    assert plan.met
                world.clock.advance(47)
                answer = ask(world, sent)
                assert answer["statusCode"] == 200, (ledger, n, answer)
                assert len(world.cloud.charges) == 1, (ledger, n, world.cloud.history)
                assert ask(world, sent)["body"] == answer["body"]
                if not plan.met:
                    break


def with_preset(world: World, **preset: Any) -> None:
    world.environment["REPAINT_PRESETS"] = json.dumps([{"prefix": "", **preset}])


def test_placeholders(world: World) -> None:
    """A preset's placeholders get their values from the object's metadata."""
    with_preset(world, prompt="{prompt} in {style}", output="{stem}-art.png")
    world.cloud.upload("uploads/cat.png", prompt="a cat", style="oil")
    answer = post(world, {"bucket": "photos", "key": "uploads/cat.png", "prompt": "a dog"})

    assert (200, "generated") == (answer["statusCode"], answer["document"]["status"])
    (body,) = world.cloud.bodies
    assert ("a dog in oil", ["repaint/cat-art.png"]) == (body["ReqJson"]["prompt"], body["Outputs"])


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ({"bucket": "photos", "key": "uploads/cat.png", "prompt": "x"}, "x-tos-meta-style"),
        (SOURCE, "a file name"),
    ],
)
def test_missing_placeholder(world: World, source: dict[str, str], what: str) -> None:
    """A value that a preset needs is a problem of the whole request."""
    with_preset(world, prompt="{prompt} in {style}", output="{stem}-art.png")
    world.cloud.upload("uploads/cat.png")
    answer = post(world, source)

    assert (422, "invalid-fields") == problem(answer)
    errors = answer["document"]["errors"]
    assert {""} == {error["pointer"] for error in errors}
    assert any(f"The preset for '' needs {what} for its" in error["detail"] for error in errors)
    assert [] == world.cloud.charges


def test_object_metadata(world: World) -> None:
    """The object's metadata is checked for the values that the request does not give."""
    world.cloud.upload("uploads/cat.png", prompt="x", steps="99", seed="x", skip="yes")
    body = {"bucket": "photos", "key": "uploads/cat.png", "seed": 1}
    answer = post(world, body)

    assert (422, "invalid-fields") == problem(answer)
    assert answer["document"]["errors"] == [
        {
            "pointer": "/steps",
            "detail": "steps is '99': a whole number from 1 to 50 is needed.",
        }
    ]
    assert 200 == post(world, {**body, "steps": 5})["statusCode"]


def test_one_generation(world: World) -> None:
    """One request is one generation, even if an upload has several."""
    with_preset(world, variants=3)
    answer = post(world, SOURCE)

    assert (200, "generated") == (answer["statusCode"], answer["document"]["status"])
    (body,) = world.cloud.bodies
    assert (-1, 1) == (body["ReqJson"]["seed"], len(world.cloud.charges))
    assert [] == list(world.runtime().ledger.pending_ids())
