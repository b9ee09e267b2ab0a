"""The console's server: uploads from the first byte to their end, and the switches."""

import json
from http import HTTPStatus
from typing import Any

import pytest
import urllib3

from local.cloud import HTTP_FUNCTION, STATE_BUCKET, UPLOAD_FUNCTION, UPLOADS_BUCKET, Cloud
from local.imagex import FaultSettings
from local.invoke import object_event
from tests.local.console.client import CAT, Client, ends, until


def find(client: Client, upload_id: str) -> Any:
    (found,) = [each for each in client.state()["uploads"] if each["id"] == upload_id]
    return found


def test_a_picture_is_seen_from_its_upload_to_its_image(cloud: Cloud, client: Client) -> None:
    cloud.faults.replace(FaultSettings(latency_seconds=0.6))
    with client.events() as events:
        kind, state = next(events)
        upload_id = client.upload("猫 1.png", prompt="漫画风格，100% 手绘", seed=7, steps="")
        seen = ends(events, upload_id)
        # The line that tells the end may be read a look later than the ledger is.
        while "delivery.finished" not in [line["event"] for line in seen[-1]["lines"]]:
            seen += until(events, "upload", lambda each: bool(each["id"] == upload_id))
    cloud.faults.replace(FaultSettings(latency_seconds=0.0))

    assert "state" == kind
    assert upload_id not in {each["id"] for each in state["uploads"]}
    stages = dict.fromkeys(each["stage"] for each in seen)
    assert ["working", "generated"] == [stage for stage in stages if stage != "waiting"]
    last = seen[-1]
    assert ("猫 1.png", "漫画风格，100% 手绘", 7, None) == (
        last["name"], last["prompt"], last["seed"], last["steps"],
    )  # fmt: skip
    assert ["upload.claimed", "attempt.sent", "image.generated", "delivery.finished"] == [
        line["event"] for line in last["lines"]
    ]
    [attempt] = last["attempts"]
    assert (1, "generated") == (attempt["number"], attempt["outcome"])
    assert (1, 0, len(CAT)) == (last["deliveries"], last["duplicates"], last["size"])
    assert last["seconds"] == pytest.approx(last["ended_at"] - last["uploaded_at"])
    assert attempt["output"] in {charge.output for charge in cloud.billing.charges()}


def test_before_and_after_are_the_upload_and_what_was_made_of_it(
    cloud: Cloud, client: Client
) -> None:
    upload_id = client.upload(prompt="油画")
    assert cloud.platform.wait_idle()
    [uri] = find(client, upload_id)["store_uris"]
    stored = cloud.billing.find(uri.partition("/")[2])

    before = client.ask("GET", f"/api/uploads/{upload_id}/before")
    after = client.ask("GET", f"/api/uploads/{upload_id}/after")

    assert stored is not None
    assert (CAT, "image/png") == (before.body, before.headers["content-type"])
    assert (cloud.billing.picture(stored), "image/png") == (
        after.body,
        after.headers["content-type"],
    )


@pytest.mark.parametrize(
    "name",
    [
        "Screenshot 2026-05-01 at 9.41.00\u202fAM.png",
        "全角\u3000空格.png",
        "👩\u200d🎨.png",
        "100% #1?&=+;.png",
        "cafe\u0301.png",
        """<img src=x onerror='alert("1")'>.png""",
    ],
)
def test_a_file_may_be_called_whatever_people_call_it(
    cloud: Cloud, client: Client, name: str
) -> None:
    upload_id = client.upload(name, prompt="油画")
    assert cloud.platform.wait_idle()

    found = find(client, upload_id)
    assert (name, "generated") == (found["name"], found["stage"])
    assert CAT == client.ask("GET", f"/api/uploads/{upload_id}/before").body
    assert 200 == client.ask("GET", f"/api/uploads/{upload_id}/after").status


@pytest.mark.parametrize(
    ("name", "body", "given", "stage", "reason"),
    [
        ("a.png", CAT, {"prompt": "[refuse]"}, "rejected", "50412: "),
        ("a.png", CAT, {"prompt": "x", "seed": "abc"}, "rejected", "x-tos-meta-seed is 'abc'"),
        ("a.png", b"no picture", {"prompt": "x"}, "rejected", "50207: "),
        ("a.png", CAT, {}, "skipped", "There is no prompt"),
        ("notes.txt", b"text", {"prompt": "x"}, "skipped", "REPAINT_SUFFIXES"),
    ],
)
def test_what_is_not_repainted_shows_why(
    cloud: Cloud,
    client: Client,
    name: str,
    body: bytes,
    given: dict[str, str],
    stage: str,
    reason: str,
) -> None:
    upload_id = client.upload(name, body, **given)
    assert cloud.platform.wait_idle()

    found = find(client, upload_id)
    assert stage == found["stage"]
    assert reason in found["reason"]
    assert found["ended_at"] is not None
    assert 404 == client.ask("GET", f"/api/uploads/{upload_id}/after").status


def test_an_upload_that_is_no_picture_is_never_served_as_a_page(
    cloud: Cloud, client: Client
) -> None:
    upload_id = client.upload("a.png", b"<script>alert(1)</script>", prompt="x")
    assert cloud.platform.wait_idle()

    served = client.ask("GET", f"/api/uploads/{upload_id}/before")
    assert "application/octet-stream" == served.headers["content-type"]
    assert "nosniff" == served.headers["x-content-type-options"]
    assert "sandbox" in served.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("query", "body", "status", "sentence"),
    [
        ("prompt=x", CAT, 400, "The picture has no name"),
        ("name=a%2Fb.png", CAT, 400, "is a path"),
        ("name=a%00b.png", CAT, 400, "control character"),
        ("name=a%E2%80%A8b.png", CAT, 400, "control character"),
        ("name=" + "a" * 201, CAT, 400, "longer than 200 bytes"),
        ("name=a.png", b"", 400, "a.png is empty"),
        ("name=a.png&prompt=" + "x" * 9000, CAT, 400, "Shorten it"),
        ("name=a.png", b"x" * (40 * 1024 * 1024 + 1), 413, "larger than 40 MB"),
    ],
)
def test_an_upload_that_cannot_be_taken_is_told_in_a_sentence(
    client: Client, query: str, body: bytes, status: int, sentence: str
) -> None:
    refused = client.ask("POST", f"/api/uploads?{query}", body)

    assert "application/problem+json" == refused.headers["content-type"]
    problem = refused.document
    assert (status, status) == (refused.status, problem["status"])
    assert HTTPStatus(status).phrase == problem["title"]
    assert sentence in problem["detail"]


def test_one_that_was_rejected_can_be_run_again_as_an_upload_of_its_own(
    cloud: Cloud, client: Client
) -> None:
    first = client.upload("a.png", prompt="[refuse] 猫", scale=5.5)
    assert cloud.platform.wait_idle()

    again = client.ask("POST", f"/api/uploads/{first}/again")
    assert cloud.platform.wait_idle()

    old, new = find(client, first), find(client, again.document["id"])
    assert 201 == again.status
    assert (None, first) == (old["again_of"], new["again_of"])
    assert old["key"] != new["key"]
    shown = ("name", "prompt", "seed", "steps", "scale", "stage", "size")
    assert [old[name] for name in shown] == [new[name] for name in shown]


def test_what_is_gone_cannot_be_run_again_and_says_so(cloud: Cloud, client: Client) -> None:
    removed, replaced = client.upload("a.png", prompt="x"), client.upload("b.png", prompt="x")
    assert cloud.platform.wait_idle()
    keys = [find(client, each)["key"] for each in (removed, replaced)]
    cloud.store.delete(UPLOADS_BUCKET, keys[0])
    cloud.store.put(UPLOADS_BUCKET, keys[1], b"another picture")

    told = [client.ask("POST", f"/api/uploads/{each}/again") for each in (removed, replaced)]

    assert [404, 404] == [answer.status for answer in told]
    assert "is gone from object storage" in told[0].document["detail"]
    assert "was overwritten" in told[1].document["detail"]
    assert 404 == client.ask("GET", f"/api/uploads/{replaced}/before").status


def test_the_samples_are_uploaded_with_their_prompts(cloud: Cloud, client: Client) -> None:
    samples = {each["name"]: each["prompt"] for each in client.state()["samples"]}
    ids = client.ask("POST", "/api/samples").document["ids"]
    assert cloud.platform.wait_idle()

    found = [find(client, each) for each in ids]
    assert samples == {each["name"]: each["prompt"] for each in found}
    assert ["generated"] * 4 == [each["stage"] for each in found]
    assert CAT == client.ask("GET", "/api/samples/chelsea.png").body
    assert 404 == client.ask("GET", "/api/samples/..%2F..%2Fpyproject.toml").status


def test_an_event_that_came_too_late_shows_as_superseded(cloud: Cloud, client: Client) -> None:
    upload_id = client.upload("late.png", prompt="x")
    assert cloud.platform.wait_idle()
    key = find(client, upload_id)["key"]
    event = object_event(UPLOADS_BUCKET, key)
    event["data"]["events"][0]["tos"]["object"]["eTag"] = "of-an-earlier-one"
    (function_id,) = [
        key for key, spec in cloud.platform.functions.items() if spec.name == UPLOAD_FUNCTION
    ]
    cloud.platform.enqueue(function_id, event)
    assert cloud.platform.wait_idle()

    stages = {each["stage"] for each in client.state()["uploads"] if each["key"] == key}
    assert {"generated", "superseded"} == stages
    assert "generated" == find(client, upload_id)["stage"]


def test_what_is_asked_for_over_http_is_shown_as_well(cloud: Cloud, client: Client) -> None:
    cloud.store.put(UPLOADS_BUCKET, "elsewhere/cat.png", CAT, {"content-type": "image/png"})
    client.state()  # from here on the console follows
    asked = urllib3.request(
        "POST",
        f"{cloud.gateway.address}/generations",
        json={"bucket": UPLOADS_BUCKET, "key": "elsewhere/cat.png", "prompt": "油画"},
        headers={"Authorization": f"Bearer {cloud.http_token}"},
    )

    (found,) = [each for each in client.state()["uploads"] if each["key"] == "elsewhere/cat.png"]
    assert (asked.json()["id"], "generated", "油画") == (
        found["record"], found["stage"], found["prompt"],
    )  # fmt: skip
    assert CAT == client.ask("GET", f"/api/uploads/{found['id']}/before").body
    assert (0, len(CAT)) == (found["deliveries"], found["size"])


def test_the_sweep_runs_when_it_is_asked_to(client: Client) -> None:
    before = client.state()["records"]["sweep"]
    swept = client.ask("POST", "/api/sweep")
    after = client.state()["records"]["sweep"]

    assert (200, {"counts": {"pending": 0}}) == (swept.status, swept.document)
    assert ("repaint-sweep", 60.0, False) == (
        before["function"], before["every_seconds"], after["running"],
    )  # fmt: skip
    assert swept.document["counts"] == after["last"]["counts"]


def test_a_killed_worker_is_counted_and_replaced(cloud: Cloud, client: Client) -> None:
    killed = client.ask("POST", f"/api/functions/{UPLOAD_FUNCTION}/kill")
    unknown = client.ask("POST", "/api/functions/nothing/kill")

    (function,) = [each for each in client.state()["functions"] if each["name"] == UPLOAD_FUNCTION]
    assert (204, 404) == (killed.status, unknown.status)
    assert HTTP_FUNCTION in unknown.document["detail"]
    assert {"name": UPLOAD_FUNCTION, "instances": 1, "in_flight": 0, "kills": 1} == function
    upload_id = client.upload("after.png", prompt="x")
    assert cloud.platform.wait_idle()
    assert "generated" == find(client, upload_id)["stage"]


def test_an_event_that_is_delivered_twice_is_paid_once_and_counted(
    cloud: Cloud, client: Client
) -> None:
    faults = client.state()["faults"]
    client.ask("PUT", "/api/faults", json.dumps({**faults, "duplicates": 1}).encode())
    upload_id = client.upload("twice.png", prompt="x")
    assert cloud.platform.wait_idle()
    client.ask("POST", "/api/faults/reset")

    found = find(client, upload_id)
    assert ("generated", 1) == (found["stage"], found["duplicates"])
    assert found["deliveries"] >= 2
    assert 1 == sum(upload_id in charge.output for charge in cloud.billing.charges())


def test_charges_stand_beside_the_images_that_are_stored(cloud: Cloud, client: Client) -> None:
    usual = cloud.faults.settings
    cloud.faults.replace(usual.model_copy(update={"charge_refused_output": True}))
    before = client.state()["charges"]
    client.upload("refused.png", prompt="[refuse-output]", seed=1)
    client.upload("made.png", prompt="x")
    assert cloud.platform.wait_idle()
    cloud.faults.replace(usual)

    after = client.state()["charges"]
    assert (before["charges"] + 2, before["images"] + 1) == (after["charges"], after["images"])


def test_an_upload_that_goes_on_failing_shows_the_platforms_reason_and_its_retries(
    cloud: Cloud, client: Client
) -> None:
    # The function cannot tell this upload's end: its claim is no record that it can read.
    upload_id = client.upload("stuck.png", prompt="[refuse]")
    assert cloud.platform.wait_idle()
    cloud.store.put(STATE_BUCKET, f"ledger/done/{upload_id}.json", b"scribble")
    key = find(client, upload_id)["key"]
    (function_id,) = [
        each for each, spec in cloud.platform.functions.items() if spec.name == UPLOAD_FUNCTION
    ]
    cloud.platform.enqueue(function_id, object_event(UPLOADS_BUCKET, key))
    with client.events() as events:
        queue = next(events)[1]["queue"]
        delayed = [queue, *until(events, "queue", lambda each: bool(each["delayed"]))][-1]
    cloud.store.delete(STATE_BUCKET, f"ledger/done/{upload_id}.json")
    assert cloud.platform.wait_idle()

    [item] = [each for each in delayed["delayed"] if each["key"] == key]
    assert item["attempt"] > 1
    assert "cannot be read" in item["last_error"]
    assert (UPLOAD_FUNCTION, 10, False) == (
        item["function"], delayed["max_retries"], item["is_copy"],
    )  # fmt: skip
