"""The way of an upload, seen from outside: results, the provider's book, the log."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.clients.imagex_model import output_name_problem
from shared.errors import NotExecuted
from shared.ledger import Record, Source
from shared.processing.output_names import output_name
from shared.results import Result
from shared.uploads.events import Upload, parse_uploads
from shared.uploads.instructions import Instructions
from shared.uploads.metadata import object_id
from tests import fakes
from tests.fakes import World


@pytest.fixture(params=["tos", "sqlite"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with World() as world:
        if request.param == "sqlite":
            world.environment["REPAINT_LEDGER"] = f"sqlite://{tmp_path}/ledger.db"
        yield world


def deliver(world: World, event: dict[str, Any], *, seconds: float = 120, **env: str) -> Result:
    (upload,) = parse_uploads(event)
    assert isinstance(upload, Upload)
    runtime = world.runtime(environment=env)
    (result,) = runtime.pipeline.handle(upload, world.delivery(runtime, seconds=seconds))
    return result


def test_an_upload_with_a_prompt_is_generated_once(world: World) -> None:
    result = deliver(world, world.cloud.upload(prompt="a cat"))

    assert result.status == "generated"
    assert (f"tos-cn-i-serviceid/repaint/{result.record}-1",) == result.store_uris
    assert [f"repaint/{result.record}-1"] == world.cloud.charges


def test_the_log_tells_it_in_one_line_with_both_addresses(world: World) -> None:
    result = deliver(world, world.cloud.upload(prompt="a cat"))

    (made,) = world.lines.named("image.generated")
    assert list(result.image_urls) == made["image_urls"]
    assert list(result.store_uris) == made["store_uris"]
    told = {
        "bucket": "photos",
        "key": "uploads/cat.png",
        "record": result.record,
        "attempt": 1,
        "model_request_id": "20260101-request",
        "duration_ms": 12000,
        "request_id": "r1",
    }
    assert told == {name: made[name] for name in told}
    assert len(world.lines.named("delivery.finished")) == 1


def test_the_claim_is_written_before_anything_is_paid(world: World) -> None:
    seen: list[str] = []

    def note(name: str, request: Any) -> None:
        if name == "GetCVImageGenerateResult":
            seen.extend(key for _, key in world.cloud.objects if "/pending/" in key)
            ledger = world.runtime().ledger
            claim = ledger.pending(next(ledger.pending_ids()))
            assert claim is not None
            assert json.loads(request.body)["Outputs"] == [claim.record.attempts[0].output]

    world.cloud.interfere = note
    deliver(world, world.cloud.upload(prompt="a cat"))

    assert len(world.cloud.charges) == 1


def test_the_source_is_named_by_one_presigned_address_in_both_places(world: World) -> None:
    deliver(world, world.cloud.upload(prompt="漫画风格"))

    (body,) = world.cloud.bodies
    assert body["ImageUrl"].startswith("https://photos.tos.example.com/uploads/cat.png?X-Tos-")
    assert [body["ImageUrl"]] == body["ReqJson"]["image_urls"]
    assert body["ReqJson"]["prompt"] == "漫画风格"


def test_no_secret_reaches_the_log_or_the_ledger(world: World, tmp_path: Path) -> None:
    def echo(_cloud: fakes.FakeCloud, request: Any) -> Any:
        url = json.loads(request.body)["ImageUrl"]
        return fakes.answer({}, 400, Code="InvalidParameter.ImageUrl", Message=f"cannot get {url}")

    world.cloud.reactions = [echo]
    result = deliver(world, world.cloud.upload(prompt="a cat"))

    assert result.status == "rejected"
    kept = world.lines.text + result.reason
    kept += "".join(stored.body.decode() for stored in world.cloud.objects.values())
    kept += "".join(path.read_bytes().decode("latin-1") for path in tmp_path.iterdir())
    signature = world.cloud.bodies[0]["ImageUrl"].rpartition("=")[2]
    for secret in ("the-secret-key", "the-session-token", "the%2Dsession", signature):
        assert secret not in kept


def test_a_second_delivery_is_a_duplicate_and_costs_nothing(world: World) -> None:
    event = world.cloud.upload(prompt="a cat")
    first = deliver(world, event)
    world.cloud.requests.clear()
    second = deliver(world, event)

    assert (second.status, second.record) == ("duplicate", first.record)
    assert first.image_urls == second.image_urls
    assert len(world.cloud.charges) == 1
    assert len(world.cloud.requests) <= 3


def test_the_same_picture_with_another_prompt_is_another_upload(world: World) -> None:
    first = deliver(world, world.cloud.upload(prompt="a cat"))
    second = deliver(world, world.cloud.upload(prompt="a dog"))

    assert first.record != second.record
    assert len(world.cloud.charges) == 2


def test_all_records_of_an_object_begin_alike(world: World) -> None:
    records = [deliver(world, world.cloud.upload(prompt=prompt)).record for prompt in ("a", "b")]
    other = deliver(world, world.cloud.upload("uploads/dog.png", prompt="a")).record

    assert {object_id("photos", "uploads/cat.png")} == {str(record)[:20] for record in records}
    assert object_id("photos", "uploads/dog.png") == str(other)[:20] != str(records[0])[:20]


def test_a_new_deployment_does_not_make_an_old_event_new(world: World) -> None:
    event = world.cloud.upload(prompt="a cat")
    deliver(world, event)
    again = deliver(world, event, REPAINT_OUTPUT_PREFIX="other/", VEIMAGEX_TEMPLATE="other.image")

    assert again.status == "duplicate"


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({}, "There is no prompt"),
        ({"prompt": "  \n"}, "There is no prompt"),
        ({"prompt": "a cat", "skip": "true"}, "x-tos-meta-skip asks for it"),
        ({"prompt": "a cat", "repaint_generated": "x"}, "is an output of Repaint"),
    ],
)
def test_what_is_to_be_left_alone_is_skipped_with_a_reason(
    world: World, metadata: dict[str, Any], reason: str
) -> None:
    result = deliver(world, world.cloud.upload(**metadata))

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
def test_what_lies_outside_is_skipped_without_a_single_request(
    key: str, environment: dict[str, Any], reason: str
) -> None:
    world = World()
    result = deliver(world, world.cloud.upload(key, prompt="a cat"), **environment)

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
        ({"prompt": "a cat", "output": "a b"}, ["holds a space"]),
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
def test_bad_input_is_rejected_with_every_reason_and_kept_in_the_ledger(
    world: World, upload: dict[str, Any], reasons: list[str]
) -> None:
    result = deliver(world, world.cloud.upload(**upload))

    assert result.status == "rejected"
    for reason in reasons:
        assert reason in result.reason
    assert world.cloud.charges == []
    kept = world.runtime().ledger.finished(result.record or "")
    assert kept is not None
    assert ("rejected", result.reason) == (kept.state, kept.reason)


@pytest.mark.parametrize("size", [1, 35 * 1024 * 1024])
def test_an_image_of_up_to_35_mb_is_taken(world: World, size: int) -> None:
    assert deliver(world, world.cloud.upload(size=size, prompt="x")).status == "generated"


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
def test_a_prompt_means_what_its_writer_meant(world: World, written: str, meant: str) -> None:
    result = deliver(world, world.cloud.upload(prompt=written))

    assert result.status == "generated"
    assert world.cloud.bodies[0]["ReqJson"]["prompt"] == meant


def test_metadata_wins_over_the_first_matching_preset_and_that_over_the_defaults(
    world: World,
) -> None:
    presets = [
        {"prefix": "uploads/a/", "prompt": "preset a", "seed": 7},
        {"prefix": "uploads/", "prompt": "preset all", "seed": 8, "steps": 30, "scale": 3.5},
    ]
    env: Any = {"REPAINT_PRESETS": json.dumps(presets), "REPAINT_DEFAULT_PROMPT": "default"}
    deliver(world, world.cloud.upload("uploads/a/1.png"), **env)
    deliver(world, world.cloud.upload("uploads/2.png", prompt="mine", seed="9"), **env)
    deliver(world, world.cloud.upload("elsewhere/3.png"), **env)

    sent = [
        tuple(body["ReqJson"][name] for name in ("prompt", "seed", "ddim_step", "scale"))
        for body in world.cloud.bodies
    ]
    assert sent == [
        ("preset a", 7, 20, 7.0),
        ("mine", 9, 30, 3.5),
        ("default", -1, 20, 7.0),
    ]


def test_another_model_is_chosen_by_a_preset_and_takes_whatever_req_json_says(world: World) -> None:
    preset = {
        "prefix": "",
        "model": {"req_key": "byteedit_v2.0", "action": "ByteEdit", "version": "2025-01-01"},
    }
    event = world.cloud.upload(prompt="a cat", req_json='{"extra": {"deep": [1]}}')
    deliver(world, event, REPAINT_PRESETS=json.dumps([preset]))

    (body,) = world.cloud.bodies
    assert (body["ModelAction"], body["ModelVersion"]) == ("ByteEdit", "2025-01-01")
    assert body["ReqJson"]["req_key"] == "byteedit_v2.0"
    assert body["ReqJson"]["extra"] == {"deep": [1]}
    assert [body["ImageUrl"]] == body["ReqJson"]["image_urls"]


def test_an_event_of_an_overwritten_object_is_superseded(world: World) -> None:
    first = world.cloud.upload(prompt="a cat", body=b"one")
    second = world.cloud.upload(prompt="a cat", body=b"two")

    assert deliver(world, first).status == "superseded"
    assert deliver(world, second).status == "generated"
    assert len(world.cloud.charges) == 1


def test_an_object_that_is_gone_is_skipped(world: World) -> None:
    event = world.cloud.upload(prompt="a cat")
    world.cloud.objects.clear()

    assert deliver(world, event).status == "skipped"


def test_a_percent_encoded_key_is_found_and_one_that_is_not_stays_as_it_is(world: World) -> None:
    world.cloud.upload("uploads/猫 1.png", prompt="a cat")
    encoded = fakes.object_event("photos", "uploads/%E7%8C%AB%201.png", None)
    literal = world.cloud.upload("uploads/100%25.png", prompt="a cat")

    assert deliver(world, encoded).key == "uploads/猫 1.png"
    assert deliver(world, literal).key == "uploads/100%25.png"
    assert "uploads/%E7%8C%AB%201.png" in world.cloud.bodies[0]["ImageUrl"]


def test_both_readings_of_a_key_are_held_against_the_prefixes(world: World) -> None:
    world.cloud.upload("上传/a.png", prompt="a cat")
    event = fakes.object_event("photos", "%E4%B8%8A%E4%BC%A0/a.png", None)
    hidden = fakes.object_event("photos", "%2Erepaint/pending/a.png", None)
    world.cloud.upload(".repaint/pending/a.png", prompt="a cat")

    assert deliver(world, event, REPAINT_PREFIXES="上传/").status == "generated"
    assert deliver(world, hidden, REPAINT_PREFIXES="上传/,%2E").status == "skipped"
    assert len(world.cloud.charges) == 1


def test_a_bucket_that_is_not_there_is_a_mistake_of_the_configuration(world: World) -> None:
    result = deliver(world, fakes.object_event("no-such-bucket", "a.png", None))

    assert result.status == "incomplete"
    assert len(world.lines.named("configuration.refused")) == 1


def test_being_denied_is_told_loudly_and_delivered_again(world: World) -> None:
    event = world.cloud.upload(prompt="a cat")
    denied = [fakes.refusal(403, "AccessDenied")]
    send = world.cloud._storage
    world.cloud.__dict__["_storage"] = lambda *a: denied.pop() if denied else send(*a)

    assert deliver(world, event).status == "incomplete"
    assert len(world.lines.named("configuration.refused")) == 1
    assert deliver(world, event).status == "generated"


def test_a_version_called_null_is_no_version(world: World) -> None:
    for body in (b"one", b"two"):
        event = world.cloud.upload(prompt="a cat", body=body)
        stored = world.cloud.objects["photos", "uploads/cat.png"]
        stored.headers["x-tos-version-id"] = "null"
        assert deliver(world, event).status == "generated"


def test_a_delivery_that_is_cut_short_still_tells_its_record_and_attempts() -> None:
    def no_end(name: str, _request: Any) -> None:
        if name.startswith("PUT") and "/done/" in name:
            raise NotExecuted("down")

    world = World()
    world.cloud.interfere = no_end
    result = deliver(world, world.cloud.upload(prompt="a cat"))

    (line,) = world.lines.named("delivery.finished")
    assert ("incomplete", 1) == (line["status"], line["attempts"])
    assert result.record == line["record"] is not None


def test_a_later_name_for_a_chosen_one_fits_whatever_its_length() -> None:
    for chosen in ("a" * 165 + "/x.png", "x." + "y" * 165, "漫" * 57, "a/b/c.png", ".hidden"):
        instructions = Instructions(prompt="a cat", output=chosen, template="t")
        record = Record(id="f" * 32, source=Source(), instructions=instructions)
        names = [output_name("repaint/", record, number) for number in (1, 2, 3)]
        assert len(set(names)) == 3
        assert [None] * 3 == [output_name_problem(name) for name in names]


def test_with_too_little_time_nothing_is_started_and_the_upload_is_parked(world: World) -> None:
    event = world.cloud.upload(prompt="a cat")

    assert deliver(world, event, seconds=20).status == "deferred"
    assert world.cloud.charges == []
    assert deliver(world, event).status == "generated"


def test_a_call_without_an_answer_is_looked_for_and_found(world: World) -> None:
    world.cloud.reactions = [fakes.answer_lost]
    result = deliver(world, world.cloud.upload(prompt="a cat"))

    assert result.status == "generated"
    assert len(world.cloud.charges) == 1
    (made,) = world.lines.named("image.generated")
    assert made["recovered_by_probe"] is True
    assert len(world.lines.named("attempt.unknown")) == 1


def test_a_call_that_left_nothing_is_made_again_under_another_name(world: World) -> None:
    world.cloud.reactions = [fakes.nothing_made]
    result = deliver(world, world.cloud.upload(prompt="a cat"))

    assert result.status == "generated"
    assert [f"repaint/{result.record}-2"] == world.cloud.charges
    assert "GetImageStorageFiles" in world.cloud.requests


def test_throttling_is_waited_out_under_the_same_name(world: World) -> None:
    world.cloud.reactions = [fakes.model_refuses(50429), fakes.gateway_refuses("FlowLimitExceeded")]
    result = deliver(world, world.cloud.upload(prompt="a cat"))

    assert result.status == "generated"
    assert [f"repaint/{result.record}-1"] == world.cloud.charges
    assert len(world.lines.named("attempt.throttled")) == 2


def test_a_configuration_error_parks_and_says_loudly_what_to_mend(world: World) -> None:
    world.cloud.reactions = [fakes.model_refuses(50400)]
    event = world.cloud.upload(prompt="a cat")
    result = deliver(world, event)

    assert result.status == "deferred"
    assert [line["code"] for line in world.lines.named("configuration.refused")] == ["50400"]
    assert deliver(world, event).status == "deferred"
    world.clock.advance(61)
    assert deliver(world, event).status == "generated"


def test_a_refused_output_gets_other_seeds_only_where_the_seed_is_free(world: World) -> None:
    world.cloud.reactions = [fakes.model_refuses(50511)] * 2
    free = deliver(world, world.cloud.upload("free.png", prompt="a cat"))
    world.cloud.reactions = [fakes.model_refuses(50511)]
    fixed = deliver(world, world.cloud.upload("fixed.png", prompt="a cat", seed="7"))

    assert (free.status, fixed.status) == ("generated", "rejected")
    assert len(world.cloud.charges) == 1


def test_nothing_is_paid_where_the_ledger_cannot_be_written() -> None:
    world = World()

    def no_writes(name: str, _request: Any) -> None:
        if name.startswith("PUT"):
            raise NotExecuted("down")

    world.cloud.interfere = no_writes
    result = deliver(world, world.cloud.upload(prompt="a cat"))

    assert result.status == "incomplete"
    assert world.cloud.charges == []


def test_a_name_that_is_taken_is_not_paid_for(world: World) -> None:
    world.cloud.store("repaint/mine.png", charged=False)
    result = deliver(world, world.cloud.upload(prompt="a cat", output="mine.png"))

    assert result.status == "rejected"
    assert "exists already" in result.reason
    assert world.cloud.charges == []


def test_a_name_that_is_free_is_used_as_it_is(world: World) -> None:
    result = deliver(world, world.cloud.upload(prompt="a cat", output="a/mine.png"))

    assert result.status == "generated"
    assert world.cloud.charges == ["repaint/a/mine.png"]


def test_a_mistake_of_ours_is_told_and_delivered_again() -> None:
    world = World()

    def broken(_name: str, _request: Any) -> None:
        raise ZeroDivisionError

    world.cloud.interfere = broken
    result = deliver(world, world.cloud.upload(prompt="a cat"))

    assert result.status == "incomplete"
    assert "ZeroDivisionError" in result.reason
