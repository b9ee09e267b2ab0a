"""Events of objects, and the rules that send them to functions."""

from pathlib import Path
from typing import Any

import pytest
import urllib3

from local.keys import KeyRing
from local.server import Server
from local.tos import ObjectStore, application
from tests.local.tos.storage import MovedClock, Storage, rule


def test_event_of_upload(storage: Storage) -> None:
    """An upload is delivered to the function whose rule matches."""
    storage.set_rules(
        rule("cats", prefix="cats/", suffix=".png"), rule("dogs", prefix="dogs/", suffix=".png")
    )
    etag = storage.request("PUT", "cats/漫 画.png", b"cat").headers["etag"]
    storage.request("PUT", "cats/a.txt", b"x")
    storage.request("PUT", "birds/a.png", b"x")

    ((function, event),) = storage.events
    (entry,) = event["data"]["events"]

    assert function == "cats"
    assert (event["type"], event["specversion"]) == ("faas.tos.event", "1.0")
    assert entry["eventName"] == "tos:ObjectCreated:Put"
    assert entry["tos"]["ruleId"] == "to-cats"
    assert entry["tos"]["region"] == "cn-beijing"
    assert entry["tos"]["bucket"]["name"] == "photos"
    assert {"eTag": etag.strip('"'), "key": "cats/漫 画.png", "size": 3} == entry["tos"]["object"]


def test_event_names(storage: Storage) -> None:
    """Put, copy and delete each have their event."""
    storage.set_rules(rule(events=("tos:ObjectCreated:*", "tos:ObjectRemoved:Delete")))
    storage.request("PUT", "k", b"x")
    storage.request("PUT", "copy", headers={"x-tos-copy-source": "photos/k"})
    storage.request("DELETE", "k")
    storage.request("DELETE", "k")

    names = [event["data"]["events"][0]["eventName"] for _, event in storage.events]
    assert names == ["tos:ObjectCreated:Put", "tos:ObjectCreated:Copy", "tos:ObjectRemoved:Delete"]


def test_refused_upload(storage: Storage) -> None:
    """A refused upload has no event."""
    storage.set_rules(rule())
    storage.request("PUT", "k", b"x", headers={"x-tos-if-match": "other"})

    assert storage.events == []


def test_event_version(storage: Storage) -> None:
    """In a versioned bucket an event has the version."""
    storage.set_rules(rule())
    storage.request("PUT", body=b'{"Status": "Enabled"}', query={"versioning": ""})
    version = storage.request("PUT", "k", b"x").headers["x-tos-version-id"]

    assert version == storage.events[0][1]["data"]["events"][0]["tos"]["object"]["versionId"]


def test_failed_delivery(tmp_path: Path) -> None:
    """An event whose delivery failed is delivered at the next start, once."""
    store, keys = ObjectStore(tmp_path), KeyRing()
    store.create_bucket("photos")
    store.buckets.set_rules("photos", [rule()], "")

    def fail(_: dict[str, Any], __: str) -> None:
        raise ConnectionError

    with (
        Server(application(store, keys, on_event=fail)) as server,
        urllib3.PoolManager(retries=False) as pool,
    ):
        storage = Storage(store, keys, keys.issue(), MovedClock(), server.port, pool)
        assert storage.request("PUT", "k", b"x").status == 200

    delivered: list[str] = []
    for _ in range(2):
        with Server(application(store, keys, on_event=lambda _, name: delivered.append(name))):
            pass
    store.close()

    assert delivered == ["repaint"]


def test_rules_version(storage: Storage) -> None:
    """Rules are replaced only with the current version."""
    assert storage.request("GET", query={"notification_v2": ""}).json() == {
        "Rules": [],
        "Version": "",
    }
    storage.set_rules(rule("one"))
    current = storage.request("GET", query={"notification_v2": ""}).json()
    assert [rule("one")] == current["Rules"]

    assert storage.set_rules(rule("two")).status == 409
    assert storage.set_rules(rule("two"), version="stale").status == 409
    assert storage.set_rules(rule("two"), version=current["Version"]).status == 200
    assert [kept["RuleId"] for kept in storage.store.buckets.get("photos").rules] == ["to-two"]


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        ([rule(str(n), prefix=f"{n:02}") for n in range(11)], "at most 10"),
        ([rule("a", prefix="cats/"), rule("b", prefix="cats/small/")], "overlap"),
        ([rule("a"), rule("b", events=("tos:ObjectCreated:Put",))], "overlap"),
        ([rule("a", prefix="a"), rule("a", prefix="b")], "give each its own"),
        ([rule(events=("created",))], "is not an event"),
        ([rule() | {"Destination": {}}], "Destination"),
        ([rule() | {"Filter": {"TOSKey": {"FilterRules": [{"Name": "size"}]}}}], "filter is"),
    ],
)
def test_invalid_rules(storage: Storage, rules: list[dict[str, Any]], sentence: str) -> None:
    """Invalid rules are refused with the problem."""
    refused = storage.set_rules(*rules)

    assert refused.status == 400
    assert sentence in refused.json()["Message"]


def test_rules_by_suffix(storage: Storage) -> None:
    """Two rules for one event may differ in their suffixes."""
    assert storage.set_rules(rule("a", suffix=".png"), rule("b", suffix=".jpg")).status == 200
