"""The HTTP door in memory: who may ask, what a request may be, what is answered and charged."""

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


def test_a_picture_by_its_address_is_repainted_and_the_answer_has_its_uris(world: World) -> None:
    answer = post(world, SOURCE)

    assert answer["statusCode"] == 200
    made = answer["document"]
    assert ("generated", "漫画", 1) == (made["status"], made["prompt"], len(world.cloud.charges))
    assert world.cloud.bodies[0]["ImageUrl"] == SOURCE["image_url"]
    assert answer["headers"]["Location"] == f"/generations/{made['id']}"
    again = ask(world, event("GET", f"/generations/{made['id']}"))
    assert made == again["document"]


def test_an_object_of_a_bucket_is_repainted_with_its_own_metadata_where_the_request_is_silent(
    world: World,
) -> None:
    world.cloud.upload("uploads/cat.png", prompt="its own", seed="7")
    answer = post(world, {"bucket": "photos", "key": "uploads/cat.png", "seed": 8})

    assert answer["statusCode"] == 200
    sent = world.cloud.bodies[0]["ReqJson"]
    assert ("its own", 8) == (sent["prompt"], sent["seed"])


def test_a_picture_that_the_service_holds_is_repainted(world: World) -> None:
    answer = post(world, {"store_uri": "tos-cn-i-serviceid/in/cat.png", "prompt": "x"})

    assert answer["statusCode"] == 200
    assert world.cloud.bodies[0]["ImageUrl"] == "tos-cn-i-serviceid/in/cat.png"


def test_with_respond_async_or_too_little_time_the_sweep_does_it(world: World) -> None:
    asked = post(world, SOURCE, Prefer="respond-async, wait=10")
    late = post(world, SOURCE, seconds=20)

    assert [202, 202] == [asked["statusCode"], late["statusCode"]]
    assert world.cloud.charges == []
    world.sweep(seconds=900)
    for answer in (asked, late):
        shown = ask(world, event("GET", answer["headers"]["Location"]))
        assert shown["document"]["status"] == "generated"
    assert len(world.cloud.charges) == 2


def test_the_same_key_and_body_get_the_same_answer_and_one_charge(world: World) -> None:
    answers = [post(world, SOURCE, Idempotency_Key=key) for key in ('"k-1"', "k-1", '"k-1"')]

    assert [200] * 3 == [a["statusCode"] for a in answers]
    assert len({a["body"] for a in answers}) == 1
    assert len(world.cloud.charges) == 1


def test_the_same_key_with_another_body_is_refused(world: World) -> None:
    post(world, SOURCE, Idempotency_Key="k")
    answer = post(world, {**SOURCE, "seed": 1}, Idempotency_Key="k")

    assert (422, "key-reused") == problem(answer)
    assert len(world.cloud.charges) == 1


def test_the_same_key_while_it_is_running_is_told_so(world: World) -> None:
    inside: list[tuple[int, str]] = []

    def meanwhile(cloud: FakeCloud, request: Any) -> Any:
        inside.append(problem(post(world, SOURCE, Idempotency_Key="k")))
        return fakes.made(cloud, request)

    world.cloud.reactions = [meanwhile]

    assert post(world, SOURCE, Idempotency_Key="k")["statusCode"] == 200
    assert inside == [(409, "still-running")]


def test_a_key_is_answered_by_its_record_whatever_became_of_the_object(world: World) -> None:
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
def test_the_canonical_form_of_an_address_is_sent_and_kept(
    world: World, url: str, canonical: str
) -> None:
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


def test_without_a_key_identical_requests_are_not_merged(world: World) -> None:
    assert len({post(world, SOURCE)["document"]["id"] for _ in range(2)}) == 2
    assert len(world.cloud.charges) == 2


def test_fifty_at_once_with_one_key_make_one_charge(world: World) -> None:
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


def test_what_the_model_refuses_ends_rejected_with_its_reason(world: World) -> None:
    world.cloud.reactions = [fakes.model_refuses(50412)]
    answer = post(world, SOURCE, Idempotency_Key="k")
    again = post(world, SOURCE, Idempotency_Key="k")

    assert answer["statusCode"] == 200
    assert ("rejected", "50412: no") == tuple(
        answer["document"][name] for name in ("status", "reason")
    )
    assert answer["body"] == again["body"]
    assert len(world.cloud.bodies) == 1


def test_all_invalid_fields_are_told_at_once(world: World) -> None:
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
def test_what_cannot_be_done_is_refused_before_anything_is_paid(world: World, body: Any) -> None:
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
def test_further_pictures_are_judged_as_the_first_one_is(
    world: World, req_json: dict[str, Any], pointer: str
) -> None:
    answer = post(world, {**SOURCE, "image_url": "https://127.0.0.1/", "req_json": req_json})

    assert (422, "invalid-fields") == problem(answer)
    pointers = [error["pointer"] for error in answer["document"]["errors"]]
    assert ["/image_url", f"/req_json/{pointer}"] == pointers
    assert world.cloud.bodies == []


def test_further_pictures_that_are_public_are_handed_on(world: World) -> None:
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
def test_each_mistake_has_its_status(world: World, sent: Any, expected: tuple[int, str]) -> None:
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
def test_what_is_nested_too_deep_is_refused_however_deep_it_is(
    world: World, depth: int, expected: tuple[int, str]
) -> None:
    nested = "[" * depth + "]" * depth
    body = json.dumps({**SOURCE, "req_json": {"req_key": "other", "a": 0}})
    answer = post(world, body.replace('"a": 0', f'"a": {nested}'))

    assert expected == problem(answer)


def test_headers_and_parameters_that_are_null_count_as_not_given(world: World) -> None:
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


def test_a_mistake_of_ours_is_answered_as_a_problem_that_tells_nothing(world: World) -> None:
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
def test_who_has_no_token_is_refused(world: World, header: str) -> None:
    sent = event("POST", "/generations", SOURCE, authorization=header)

    answer = ask(world, sent)
    assert (401, "unauthorized") == problem(answer)
    assert "WWW-Authenticate" in answer["headers"]


def test_each_of_several_tokens_is_accepted_for_rotation(world: World) -> None:
    for token in ("token-one", "token-two"):
        sent = event("GET", "/generations", authorization=f"bearer {token}")
        assert ask(world, sent)["statusCode"] == 200


@pytest.mark.parametrize("path", ["/generations", "/healthz", "/openapi.json"])
def test_with_no_token_configured_every_request_is_refused_with_what_to_set(
    world: World, path: str
) -> None:
    world.environment["REPAINT_HTTP_TOKENS"] = ""
    answer = ask(world, event("GET", path))

    assert (401, "unauthorized") == problem(answer)
    assert "set REPAINT_HTTP_TOKENS" in answer["document"]["detail"]


def test_a_stage_before_the_path_is_kept_in_the_addresses_of_answers(world: World) -> None:
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
def test_an_answers_address_stays_at_this_host_and_in_its_header(
    world: World, path: str, stage: str
) -> None:
    answer = ask(world, event("POST", path, SOURCE))

    assert f"{stage}/generations/{answer['document']['id']}" == answer["headers"]["Location"]


def test_no_answer_is_kept_by_who_passes_it_on(world: World) -> None:
    for sent in (
        event("GET", "/generations"),
        event("GET", "/elsewhere"),
        event("GET", "/healthz"),
    ):
        assert ask(world, sent)["headers"]["Cache-Control"] == "no-store"


def test_what_is_pending_is_listed_in_pages_and_by_its_status(world: World) -> None:
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


def test_a_record_that_cannot_be_read_hides_no_other_one_of_the_list(world: World) -> None:
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


def test_a_caller_sees_no_query_of_an_address_and_no_secret(world: World) -> None:
    secret = {"image_url": "https://pictures.example.org/c.png?sign=hush-hush", "prompt": "x"}
    answer = post(world, secret)

    assert answer["document"]["image_url"] == "https://pictures.example.org/c.png"
    assert "hush" not in answer["body"] + world.lines.text
    assert world.cloud.bodies[0]["ImageUrl"] == secret["image_url"]
    record = world.runtime().http_api._find(answer["document"]["id"])
    assert record is not None
    assert record.source.address == "https://pictures.example.org/c.png"


def test_no_query_of_a_further_picture_is_kept_or_told(world: World) -> None:
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


def test_where_the_ledger_cannot_be_reached_nothing_is_paid_and_503_is_answered(
    world: World,
) -> None:
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
def test_a_process_killed_anywhere_costs_one_charge_for_its_key(tmp_path: Path, kill: Any) -> None:
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


def test_a_presets_placeholders_are_filled_in_from_the_objects_metadata(world: World) -> None:
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
def test_what_a_preset_needs_and_a_request_cannot_have_is_told_of_the_whole_of_it(
    world: World, source: dict[str, str], what: str
) -> None:
    with_preset(world, prompt="{prompt} in {style}", output="{stem}-art.png")
    world.cloud.upload("uploads/cat.png")
    answer = post(world, source)

    assert (422, "invalid-fields") == problem(answer)
    errors = answer["document"]["errors"]
    assert {""} == {error["pointer"] for error in errors}
    assert any(f"The preset for '' needs {what} for its" in error["detail"] for error in errors)
    assert [] == world.cloud.charges


def test_the_objects_own_metadata_is_judged_as_far_as_the_request_is_silent(world: World) -> None:
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


def test_one_request_makes_one_picture_also_where_an_upload_makes_several(world: World) -> None:
    with_preset(world, variants=3)
    answer = post(world, SOURCE)

    assert (200, "generated") == (answer["statusCode"], answer["document"]["status"])
    (body,) = world.cloud.bodies
    assert (-1, 1) == (body["ReqJson"]["seed"], len(world.cloud.charges))
    assert [] == list(world.runtime().ledger.pending_ids())
