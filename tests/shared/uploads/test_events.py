"""Events are read with suspicion; unreadable parts are reported."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.uploads.events import Unreadable, Upload, parse_uploads

ENTRY: dict[str, Any] = {
    "eventName": "tos:ObjectCreated:Put",
    "tos": {
        "region": "cn-beijing",
        "bucket": {"name": "photos"},
        "object": {"eTag": '"abc"', "key": "uploads/猫 1.png", "size": 5, "versionId": "v1"},
    },
}
UPLOAD = Upload("photos", "uploads/猫 1.png", "tos:ObjectCreated:Put", "abc", "v1", 5, "cn-beijing")


@pytest.mark.parametrize(
    "event",
    [
        {"type": "faas.tos.event", "data": {"events": [ENTRY]}},
        {"type": "bytefaas.tos.event", "data": {"events": [ENTRY]}},
        {"type": "faas.tos.event", "data": json.dumps({"events": [ENTRY]})},
        {"type": "faas.tos.event", "data": json.dumps({"events": [ENTRY]}).encode()},
        {"events": [ENTRY]},
        json.dumps({"events": [ENTRY]}),
        json.dumps({"events": [ENTRY]}).encode(),
    ],
)
def test_event_forms(event: object) -> None:
    """The same upload is read from every form of the event."""
    assert [UPLOAD] == parse_uploads(event)


def test_several_uploads() -> None:
    """All uploads of an event are read; an unreadable one does not hide the others."""
    event = {"events": [ENTRY, {"tos": {"bucket": {"name": "photos"}, "object": {}}}, 7, ENTRY]}
    first, second, third, fourth = parse_uploads(event)

    assert [UPLOAD, UPLOAD] == [first, fourth]
    assert Unreadable("events[1] has no tos.object.key.", bucket="photos") == second
    assert Unreadable("events[2] has no object `tos`.") == third


@pytest.mark.parametrize("bucket", ["evil.example/?", "a", "UPPER", "x" * 64, "-abc", "a b"])
def test_invalid_bucket(bucket: str) -> None:
    """A name that no bucket can have never becomes a part of a host."""
    entry = {"tos": {"bucket": {"name": bucket}, "object": {"key": "k"}}}
    (unreadable,) = parse_uploads({"events": [entry]})

    assert isinstance(unreadable, Unreadable)
    assert "not a valid name" in unreadable.reason


def test_invalid_region_and_key() -> None:
    """An invalid region is left out; a key with a lone surrogate is reported."""
    tos = {"bucket": {"name": "photos"}, "region": "evil.example/?"}
    good, bad = parse_uploads(
        {"events": [{"tos": {**tos, "object": {"key": key}}} for key in ("k", "\ud83d.png")]}
    )

    assert isinstance(good, Upload)
    assert good.region is None
    assert isinstance(bad, Unreadable)
    assert "not valid UTF-8" in bad.reason


def test_missing_fields() -> None:
    """Missing fields are None."""
    bare = {"tos": {"bucket": {"name": "bucket"}, "object": {"key": "k"}}}

    assert [Upload("bucket", "k", "tos:ObjectCreated:")] == parse_uploads({"events": [bare]})


def test_empty_event() -> None:
    """An event without uploads is empty."""
    assert parse_uploads({"data": {"events": []}}) == []


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (None, "null, not a JSON object"),
        (7, "type int"),
        ("not json", "type str"),
        ("[" * 100_000, "type str"),
        ([], "type list"),
        ({}, "no list `events`"),
        ({"data": None}, "data is null"),
        ({"data": {"events": {}}}, "no list `events`"),
        ({"type": "faas.timer.event", "data": "x"}, "connect this function to an object storage"),
    ],
)
def test_malformed_event(event: object, reason: str) -> None:
    """A malformed event is reported in a sentence."""
    (unreadable,) = parse_uploads(event)

    assert isinstance(unreadable, Unreadable)
    assert reason in unreadable.reason


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(ANY_JSON, ANY_JSON, ANY_JSON)
def test_any_event(bucket: object, one: object, whole: object) -> None:
    """No event raises an error."""
    entry = {"eventName": one, "tos": {"bucket": bucket, "object": one, "region": whole}}
    for event in (whole, {"events": [whole, entry, {"tos": whole}]}, {"data": whole}):
        assert all(isinstance(u, (Upload, Unreadable)) for u in parse_uploads(event))


def test_example_event() -> None:
    """The example event is read."""
    examples = Path(__file__).parents[3] / "examples" / "events"
    (upload,) = parse_uploads(json.loads((examples / "upload.json").read_text("utf-8")))

    assert isinstance(upload, Upload)
    assert upload.is_creation
