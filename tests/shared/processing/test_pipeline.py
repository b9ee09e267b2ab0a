"""How an upload is processed, seen from outside: results, billing records, the log."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.clients.imagex_model import output_name_problem
from shared.errors import NotExecuted
from shared.ledger import Record, Source
from shared.processing.output_names import output_name
from shared.uploads.instructions import Instructions
from shared.uploads.metadata import object_id
from tests import fakes
from tests.fakes import World


def test_generated(world: World) -> None:
    """An upload with a prompt is generated once."""
    result = world.deliver(world.cloud.upload(prompt="a cat"))

    assert result.status == "generated"
    assert (f"tos-cn-i-serviceid/repaint/{result.record}-1",) == result.store_uris
    assert [f"repaint/{result.record}-1"] == world.cloud.charges


def test_log_line(world: World) -> None:
    """One log line has the image's URLs and store URIs."""
    result = world.deliver(world.cloud.upload(prompt="a cat"))

    (made,) = world.lines.named("image.generated")
    assert list(result.image_urls) == made["image_urls"]
    assert list(result.store_uris) == made["store_uris"]
    expected = {
        "bucket": "photos",
        "key": "uploads/cat.png",
        "record": result.record,
        "attempt": 1,
        "model_request_id": "20260101-request",
        "duration_ms": 12000,
        "request_id": "r1",
    }
    assert expected == {name: made[name] for name in expected}
    assert len(world.lines.named("delivery.finished")) == 1


def test_claim_before_call(world: World) -> None:
    """The claim, with its attempt, is written before the call is sent."""
    seen: list[str] = []

    def note(name: str, request: Any) -> None:
        if name == "GetCVImageGenerateResult":
            seen.extend(key for _, key in world.cloud.objects if "/pending/" in key)
            ledger = world.runtime().ledger
            claim = ledger.pending(next(ledger.pending_ids()))
            assert claim is not None
            assert json.loads(request.body)["Outputs"] == [claim.record.attempts[0].output]

    world.cloud.interfere = note
    world.deliver(world.cloud.upload(prompt="a cat"))

    assert len(world.cloud.charges) == 1


def test_presigned_source(world: World) -> None:
    """The call has the same presigned source URL in both places."""
    world.deliver(world.cloud.upload(prompt="漫画风格"))

    (body,) = world.cloud.bodies
    assert body["ImageUrl"].startswith("https://photos.tos.example.com/uploads/cat.png?X-Tos-")
    assert [body["ImageUrl"]] == body["ReqJson"]["image_urls"]
    assert body["ReqJson"]["prompt"] == "漫画风格"


def test_no_secret_kept(world: World, tmp_path: Path) -> None:
    """No secret reaches the log, the result or the ledger."""

    def echo(_cloud: fakes.FakeCloud, request: Any) -> Any:
        url = json.loads(request.body)["ImageUrl"]
        return fakes.answer({}, 400, Code="InvalidParameter.ImageUrl", Message=f"cannot get {url}")

    world.cloud.reactions = [echo]
    result = world.deliver(world.cloud.upload(prompt="a cat"))

    assert result.status == "rejected"
    kept = world.lines.text + result.reason
    kept += "".join(stored.body.decode() for stored in world.cloud.objects.values())
    kept += "".join(path.read_bytes().decode("latin-1") for path in tmp_path.iterdir())
    signature = world.cloud.bodies[0]["ImageUrl"].rpartition("=")[2]
    for secret in ("the-secret-key", "the-session-token", "the%2Dsession", signature):
        assert secret not in kept


def test_duplicate(world: World) -> None:
    """A second delivery is a duplicate, and costs nothing."""
    event = world.cloud.upload(prompt="a cat")
    first = world.deliver(event)
    world.cloud.requests.clear()
    second = world.deliver(event)

    assert (second.status, second.record) == ("duplicate", first.record)
    assert first.image_urls == second.image_urls
    assert len(world.cloud.charges) == 1
    assert len(world.cloud.requests) <= 3


def test_other_prompt(world: World) -> None:
    """The same picture with another prompt is another upload."""
    first = world.deliver(world.cloud.upload(prompt="a cat"))
    second = world.deliver(world.cloud.upload(prompt="a dog"))

    assert first.record != second.record
    assert len(world.cloud.charges) == 2


def test_record_id_prefix(world: World) -> None:
    """The ids of all records of an object begin with the same letters."""
    records = [world.deliver(world.cloud.upload(prompt=prompt)).record for prompt in ("a", "b")]
    other = world.deliver(world.cloud.upload("uploads/dog.png", prompt="a")).record

    assert {object_id("photos", "uploads/cat.png")} == {str(record)[:20] for record in records}
    assert object_id("photos", "uploads/dog.png") == str(other)[:20] != str(records[0])[:20]


def test_redeployed(world: World) -> None:
    """A deployment with other settings makes no old event new."""
    event = world.cloud.upload(prompt="a cat")
    world.deliver(event)
    world.environment |= {
        "REPAINT_OUTPUT_PREFIX": "other/",
        "VEIMAGEX_TEMPLATE": "other.image",
    }
    again = world.deliver(event)

    assert again.status == "duplicate"


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({}, "There is no prompt"),
        ({"prompt": "  \n"}, "There is no prompt"),
        ({"prompt": "a cat", "skip": "true"}, "x-tos-meta-skip is set"),
        ({"prompt": "a cat", "repaint_generated": "x"}, "is an output of Repaint"),
    ],
)
def test_skipped(world: World, metadata: dict[str, Any], reason: str) -> None:
    """An upload without a prompt, or marked to be left alone, is skipped with a reason."""
    result = world.deliver(world.cloud.upload(**metadata))

    assert result.status == "skipped"
    assert reason in result.reason
    assert [reason in line["reason"] for line in world.lines.named("upload.skipped")] == [True]
    assert world.cloud.charges == []


@pytest.mark.parametrize(
    ("key", "environment", "reason"),
    [
        (".repaint/pending/1.json", {}, "own state"),
        ("notes.txt", {}, "REPAINT_SUFFIXES"),
        ("other/cat.png", {"REPAINT_PREFIXES": "uploads/,in/"}, "REPAINT_PREFIXES"),
    ],
)
def test_outside_filters(key: str, environment: dict[str, Any], reason: str) -> None:
    """An object outside the prefixes and suffixes is skipped without a request."""
    world = World()
    world.environment |= environment
    result = world.deliver(world.cloud.upload(key, prompt="a cat"))

    assert result.status == "skipped"
    assert reason in result.reason
    assert world.cloud.requests == []


@pytest.mark.parametrize(
    ("upload", "reasons"),
    [
        ({"body": b"", "prompt": "a cat"}, ["0 bytes"]),
        ({"size": 35 * 1024 * 1024 + 1, "prompt": "a cat"}, ["36700161 bytes", "35 MB"]),
        ({"content_type": "image/gif", "prompt": "a cat"}, ["'image/gif'"]),
        ({"content_type": "text/plain", "prompt": "a cat"}, ["'text/plain'"]),
        ({"prompt": "a cat", "seed": "abc"}, ["x-tos-meta-seed is 'abc'", "whole number"]),
        ({"prompt": "a cat", "output": "x" * 181}, ["189 bytes of UTF-8"]),
        ({"prompt": "a cat", "output": "a b"}, ["has a space"]),
        ({"prompt": "a cat", "output": "a//b"}, ["doubled"]),
        ({"prompt": "a cat", "output": "a~b"}, ["'~'"]),
        ({"prompt": "a cat", "seed": "x", "steps": "51", "scale": "0"}, ["seed", "steps", "scale"]),
        ({"prompt": "a cat", "overwrite": "maybe"}, ["overwrite", "'true' or 'false'"]),
        ({"prompt": "a cat", "template": "a~b"}, ["template", "neither '~' nor spaces"]),
        ({"prompt": "a cat", "req_json": "[" * 100_000}, ["req-json is not JSON"]),
        ({"prompt": "a cat", "req_json": '{"req_key": "x", "a": "\\ud800"}'}, ["UTF-8"]),
        ({"prompt": "a cat", "req_json": '{"image_urls": "x"}'}, ["not a list"]),
        ({"prompt": "a cat", "req_json": "{"}, ["req-json is not JSON"]),
        (
            {"prompt": "a cat", "req_json": '{"prompt": "x"}'},
            ["'prompt' has a key of its own: use prompt"],
        ),
        ({"prompt": "a cat", "req_json": '{"negative_prompt": "x"}'}, ["negative_prompt"]),
        ({"body": b"", "prompt": "a cat", "seed": "abc"}, ["0 bytes", "seed"]),
    ],
)
def test_rejected_with_reasons(world: World, upload: dict[str, Any], reasons: list[str]) -> None:
    """Invalid input is rejected with every reason, in the ledger too."""
    result = world.deliver(world.cloud.upload(**upload))

    assert result.status == "rejected"
    for reason in reasons:
        assert reason in result.reason
    assert world.cloud.charges == []
    kept = world.runtime().ledger.finished(result.record or "")
    assert kept is not None
    assert ("rejected", result.reason) == (kept.state, kept.reason)


@pytest.mark.parametrize("size", [1, 35 * 1024 * 1024])
def test_size_limits(world: World, size: int) -> None:
    """An image of up to 35 MB is accepted."""
    assert world.deliver(world.cloud.upload(size=size, prompt="x")).status == "generated"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("%E6%BC%AB%E7%94%BB%20%F0%9F%90%B1", "漫画 🐱"),
        ("漫画风格".encode().decode("latin-1"), "漫画风格"),
        ("漫画 100%20".encode().decode("latin-1"), "漫画 100%20"),
        ("a sale of 50%20off, really", "a sale of 50%20off, really"),
        ("a%2520b", "a%20b"),
        ("a cat in %E6%BC%AB style, 100%", "a cat in 漫 style, 100%"),
        ("line%0Aline", "line\nline"),
        ("red/blue%20sky", "red/blue sky"),
        ("oil%20painting,%20blue:%20sky", "oil painting, blue: sky"),
        ("100%", "100%"),
        ("%FF%FE", "%FF%FE"),
    ],
)
def test_prompt_decoding(world: World, written: str, meant: str) -> None:
    """A prompt is decoded as its writer meant it."""
    result = world.deliver(world.cloud.upload(prompt=written))

    assert result.status == "generated"
    assert world.cloud.bodies[0]["ReqJson"]["prompt"] == meant


def test_precedence(world: World) -> None:
    """Metadata wins over the first matching preset, and that over the defaults."""
    presets = [
        {"prefix": "uploads/a/", "prompt": "preset a", "seed": 7},
        {"prefix": "uploads/", "prompt": "preset all", "seed": 8, "steps": 30, "scale": 3.5},
    ]
    world.environment |= {
        "REPAINT_PRESETS": json.dumps(presets),
        "REPAINT_DEFAULT_PROMPT": "default",
    }
    world.deliver(world.cloud.upload("uploads/a/1.png"))
    world.deliver(world.cloud.upload("uploads/2.png", prompt="mine", seed="9"))
    world.deliver(world.cloud.upload("elsewhere/3.png"))

    sent = [
        tuple(body["ReqJson"][name] for name in ("prompt", "seed", "ddim_step", "scale"))
        for body in world.cloud.bodies
    ]
    assert sent == [
        ("preset a", 7, 20, 7.0),
        ("mine", 9, 30, 3.5),
        ("default", -1, 20, 7.0),
    ]


def test_other_model(world: World) -> None:
    """A preset can name another model, which gets req_json as it is."""
    preset = {
        "prefix": "",
        "model": {"req_key": "byteedit_v2.0", "action": "ByteEdit", "version": "2025-01-01"},
    }
    event = world.cloud.upload(prompt="a cat", req_json='{"extra": {"deep": [1]}}')
    world.environment["REPAINT_PRESETS"] = json.dumps([preset])
    world.deliver(event)

    (body,) = world.cloud.bodies
    assert (body["ModelAction"], body["ModelVersion"]) == ("ByteEdit", "2025-01-01")
    assert body["ReqJson"]["req_key"] == "byteedit_v2.0"
    assert body["ReqJson"]["extra"] == {"deep": [1]}
    assert [body["ImageUrl"]] == body["ReqJson"]["image_urls"]


def test_superseded(world: World) -> None:
    """The event of an object that was overwritten is superseded."""
    first = world.cloud.upload(prompt="a cat", body=b"one")
    second = world.cloud.upload(prompt="a cat", body=b"two")

    assert world.deliver(first).status == "superseded"
    assert world.deliver(second).status == "generated"
    assert len(world.cloud.charges) == 1


def test_object_gone(world: World) -> None:
    """The event of an object that is gone is skipped."""
    event = world.cloud.upload(prompt="a cat")
    world.cloud.objects.clear()

    assert world.deliver(event).status == "skipped"


def test_percent_encoded_key(world: World) -> None:
    """A percent-encoded key is found, and a key with a literal percent sign too."""
    world.cloud.upload("uploads/猫 1.png", prompt="a cat")
    encoded = fakes.object_event("photos", "uploads/%E7%8C%AB%201.png", None)
    literal = world.cloud.upload("uploads/100%25.png", prompt="a cat")

    assert world.deliver(encoded).key == "uploads/猫 1.png"
    assert world.deliver(literal).key == "uploads/100%25.png"
    assert "uploads/%E7%8C%AB%201.png" in world.cloud.bodies[0]["ImageUrl"]


def test_encoded_key_filtered(world: World) -> None:
    """Both readings of a key are compared with the prefixes."""
    world.cloud.upload("上传/a.png", prompt="a cat")
    event = fakes.object_event("photos", "%E4%B8%8A%E4%BC%A0/a.png", None)
    hidden = fakes.object_event("photos", "%2Erepaint/pending/a.png", None)
    world.cloud.upload(".repaint/pending/a.png", prompt="a cat")

    world.environment["REPAINT_PREFIXES"] = "上传/"
    assert world.deliver(event).status == "generated"
    world.environment["REPAINT_PREFIXES"] = "上传/,%2E"
    assert world.deliver(hidden).status == "skipped"
    assert len(world.cloud.charges) == 1


def test_missing_bucket(world: World) -> None:
    """A bucket that does not exist is a configuration error, and waits for an operator."""
    result = world.deliver(fakes.object_event("no-such-bucket", "a.png", None))

    assert ("deferred", "unread") == (result.status, result.cause)
    assert len(world.lines.named("configuration.refused")) == 1


def test_access_denied(world: World) -> None:
    """A denied request is logged as a configuration error, and waits for an operator."""
    event = world.cloud.upload(prompt="a cat")
    denied = [fakes.refusal(403, "AccessDenied")]
    send = world.cloud._storage
    world.cloud.__dict__["_storage"] = lambda *a: denied.pop() if denied else send(*a)

    assert world.deliver(event).status == "deferred"
    assert len(world.lines.named("configuration.refused")) == 1
    world.finish()
    assert len(world.cloud.charges) == 1


def test_null_version(world: World) -> None:
    """The version id "null" counts as none."""
    for body in (b"one", b"two"):
        event = world.cloud.upload(prompt="a cat", body=body)
        stored = world.cloud.objects["photos", "uploads/cat.png"]
        stored.headers["x-tos-version-id"] = "null"
        assert world.deliver(event).status == "generated"


def test_incomplete_log_line() -> None:
    """The log line of an incomplete delivery has its record and attempts."""

    def no_end(name: str, _request: Any) -> None:
        if name.startswith("PUT") and "/done/" in name:
            raise NotExecuted("down")

    world = World()
    world.cloud.interfere = no_end
    result = world.deliver(world.cloud.upload(prompt="a cat"))

    (line,) = world.lines.named("delivery.finished")
    assert ("incomplete", 1) == (line["status"], line["attempts"])
    assert result.record == line["record"] is not None


def test_later_name_length() -> None:
    """The name of a later attempt is valid for a chosen name of any length."""
    for chosen in ("a" * 165 + "/x.png", "x." + "y" * 165, "漫" * 57, "a/b/c.png", ".hidden"):
        instructions = Instructions(prompt="a cat", output=chosen, template="t")
        record = Record(id="f" * 32, source=Source(), instructions=instructions)
        names = [output_name("repaint/", record, number) for number in (1, 2, 3)]
        assert len(set(names)) == 3
        assert [None] * 3 == [output_name_problem(name) for name in names]


def test_too_little_time(world: World) -> None:
    """With too little time nothing is sent, and the upload is parked."""
    event = world.cloud.upload(prompt="a cat")

    assert world.deliver(event, seconds=20).status == "deferred"
    assert world.cloud.charges == []
    assert world.deliver(event).status == "generated"


def test_recovered_by_probe(world: World) -> None:
    """After a call without an answer, a probe finds the image."""
    world.cloud.reactions = [fakes.answer_lost]
    result = world.deliver(world.cloud.upload(prompt="a cat"))

    assert result.status == "generated"
    assert len(world.cloud.charges) == 1
    (made,) = world.lines.named("image.generated")
    assert made["recovered_by_probe"] is True
    assert len(world.lines.named("attempt.unknown")) == 1


def test_nothing_stored(world: World) -> None:
    """A call that left nothing is sent again under another name."""
    world.cloud.reactions = [fakes.nothing_made]
    result = world.deliver(world.cloud.upload(prompt="a cat"))

    assert result.status == "generated"
    assert [f"repaint/{result.record}-2"] == world.cloud.charges
    assert "GetImageStorageFiles" in world.cloud.requests


def test_throttled(world: World) -> None:
    """A throttled call is sent again under the same name."""
    world.cloud.reactions = [fakes.model_refuses(50429), fakes.gateway_refuses("FlowLimitExceeded")]
    result = world.deliver(world.cloud.upload(prompt="a cat"))

    assert result.status == "generated"
    assert [f"repaint/{result.record}-1"] == world.cloud.charges
    assert len(world.lines.named("attempt.throttled")) == 2


def test_configuration_error(world: World) -> None:
    """A configuration error parks the upload and is logged with its code."""
    world.cloud.reactions = [fakes.model_refuses(50400)]
    event = world.cloud.upload(prompt="a cat")
    result = world.deliver(event)

    assert result.status == "deferred"
    assert [line["code"] for line in world.lines.named("configuration.refused")] == ["50400"]
    assert world.deliver(event).status == "deferred"
    world.clock.advance(61)
    assert world.deliver(event).status == "generated"


def test_reseed(world: World) -> None:
    """A refused output gets other seeds, but only if the seed is free."""
    world.cloud.reactions = [fakes.model_refuses(50511)] * 2
    free = world.deliver(world.cloud.upload("free.png", prompt="a cat"))
    world.cloud.reactions = [fakes.model_refuses(50511)]
    fixed = world.deliver(world.cloud.upload("fixed.png", prompt="a cat", seed="7"))

    assert (free.status, fixed.status) == ("generated", "rejected")
    assert len(world.cloud.charges) == 1


def test_ledger_down() -> None:
    """Nothing is paid while the ledger cannot be written."""
    world = World()

    def no_writes(name: str, _request: Any) -> None:
        if name.startswith("PUT"):
            raise NotExecuted("down")

    world.cloud.interfere = no_writes
    result = world.deliver(world.cloud.upload(prompt="a cat"))

    assert result.status == "incomplete"
    assert world.cloud.charges == []


def test_taken_name(world: World) -> None:
    """Nothing is paid for a chosen name that exists already."""
    world.cloud.store("repaint/mine.png", charged=False)
    result = world.deliver(world.cloud.upload(prompt="a cat", output="mine.png"))

    assert result.status == "rejected"
    assert "exists already" in result.reason
    assert world.cloud.charges == []


def test_free_name(world: World) -> None:
    """A chosen name that is free is used unchanged."""
    result = world.deliver(world.cloud.upload(prompt="a cat", output="a/mine.png"))

    assert result.status == "generated"
    assert world.cloud.charges == ["repaint/a/mine.png"]


def test_unexpected_error() -> None:
    """An unexpected error is logged, and the upload is delivered again."""
    world = World()

    def broken(_name: str, _request: Any) -> None:
        raise ZeroDivisionError

    world.cloud.interfere = broken
    result = world.deliver(world.cloud.upload(prompt="a cat"))

    assert result.status == "incomplete"
    assert "ZeroDivisionError" in result.reason
