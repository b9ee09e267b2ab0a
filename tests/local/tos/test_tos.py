"""The local object storage keeps what it promises: conditions, signatures, events, restarts."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
import urllib3
from fastcrc import crc64
from hypothesis import given
from hypothesis import strategies as st

from local.keys import KeyRing
from local.server import Server
from local.tos import ObjectStore, TosRefusal, application
from local.tos.listing import page
from shared import signing
from shared.signing import Credentials

Response = urllib3.BaseHTTPResponse
ROOT = Path(__file__).parents[3]


class MovedClock:
    """The system's clock, put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead

    def sleep(self, seconds: float) -> None:
        self.ahead += seconds


@dataclass
class Storage:
    """A served object storage, and a client that signs its requests."""

    store: ObjectStore
    keys: KeyRing
    credentials: Credentials
    clock: MovedClock
    port: int
    pool: urllib3.PoolManager
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"photos.localhost:{self.port}"

    def send(
        self, method: str, target: str, headers: dict[str, str], body: bytes = b""
    ) -> Response:
        return self.pool.request(
            method, f"http://127.0.0.1:{self.port}{target}", headers=headers, body=body
        )

    def headers(
        self,
        method: str,
        key: str = "",
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        **changes: Any,
    ) -> dict[str, str]:
        parameters: dict[str, Any] = {
            "host": self.host,
            "credentials": self.credentials,
            "region": "cn-beijing",
            "now": time.time(),
        }
        return signing.tos_headers(
            method=method,
            key=key,
            query=query or {},
            headers=headers or {},
            **{**parameters, **changes},
        )

    def request(
        self,
        method: str,
        key: str = "",
        body: bytes = b"",
        *,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        **changes: Any,
    ) -> Response:
        target = signing.object_path(key)
        if query:
            target += "?" + signing.canonical_query(query)
        return self.send(method, target, self.headers(method, key, query, headers, **changes), body)

    def set_rules(self, *rules: dict[str, Any], version: str = "") -> Response:
        body = json.dumps({"Rules": rules, "Version": version}).encode()
        return self.request("PUT", body=body, query={"notification_v2": ""})

    def presigned(self, method: str = "GET", key: str = "cat.png", expires: int = 60) -> str:
        address = signing.tos_presigned_url(
            method=method,
            scheme="http",
            host=self.host,
            key=key,
            query={},
            credentials=self.credentials,
            region="cn-beijing",
            now=time.time(),
            expires_seconds=expires,
        )
        return address.removeprefix(f"http://{self.host}")


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    keys, clock = KeyRing(), MovedClock()
    store = ObjectStore(tmp_path / "tos", clock)
    store.create_bucket("photos")
    events: list[tuple[str, dict[str, Any]]] = []
    served = application(
        store, keys, on_event=lambda event, function: events.append((function, event)), clock=clock
    )
    with Server(served) as server, urllib3.PoolManager(retries=False, maxsize=20) as pool:
        yield Storage(store, keys, keys.issue(), clock, server.port, pool, events)
    store.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ObjectStore]:
    store = ObjectStore(tmp_path / "tos")
    store.create_bucket("photos")
    yield store
    store.close()


def rule(
    function: str = "repaint",
    *,
    events: tuple[str, ...] = ("tos:ObjectCreated:*",),
    prefix: str = "",
    suffix: str = "",
) -> dict[str, Any]:
    filters = [{"Name": "prefix", "Value": prefix}, {"Name": "suffix", "Value": suffix}]
    return {
        "RuleId": f"to-{function}",
        "Events": list(events),
        "Filter": {"TOSKey": {"FilterRules": filters}},
        "Destination": {"VeFaaS": [{"FunctionId": function}]},
    }


def race(count: int, act: Callable[[int], int]) -> list[int]:
    """Return what `act` returned in each of `count` threads that begin together."""
    barrier = threading.Barrier(count)

    def run(number: int) -> int:
        barrier.wait()
        return act(number)

    with ThreadPoolExecutor(count) as executor:
        return list(executor.map(run, range(count)))


# Conditional writes


def test_of_sixteen_that_race_to_create_a_key_exactly_one_wins(storage: Storage) -> None:
    def create(number: int) -> int:
        return storage.request(
            "PUT", "lease", f"{number}".encode(), headers={"x-tos-forbid-overwrite": "true"}
        ).status

    statuses = race(16, create)

    assert sorted(statuses) == [200] + [409] * 15
    assert f"{statuses.index(200)}".encode() == storage.request("GET", "lease").data


def test_of_sixteen_that_race_to_swap_one_etag_exactly_one_wins(storage: Storage) -> None:
    etag = storage.request("PUT", "lease", b"before").headers["etag"]

    def swap(number: int) -> int:
        return storage.request(
            "PUT", "lease", f"{number}".encode(), headers={"x-tos-if-match": etag}
        ).status

    statuses = race(16, swap)

    assert sorted(statuses) == [200] + [412] * 15
    assert f"{statuses.index(200)}".encode() == storage.request("GET", "lease").data


def test_a_refused_create_names_the_code_and_leaves_the_object(storage: Storage) -> None:
    storage.request("PUT", "k", b"first")
    refused = storage.request("PUT", "k", b"second", headers={"x-tos-forbid-overwrite": "true"})

    assert refused.json()["EC"] == "0017-00000004"
    assert refused.headers["x-tos-request-id"] == refused.json()["RequestId"]
    assert storage.request("GET", "k").data == b"first"


def test_a_swap_of_an_absent_object_is_refused(storage: Storage) -> None:
    refused = storage.request("PUT", "k", b"x", headers={"x-tos-if-match": '"abc"'})

    assert (refused.status, refused.json()["Code"]) == (412, "PreconditionFailed")


def test_a_condition_that_is_not_known_is_refused_and_not_ignored(storage: Storage) -> None:
    assert storage.request("PUT", "k", b"x", headers={"If-None-Match": "*"}).status == 501
    assert storage.request("GET", "k").status == 404


# Objects


def test_metadata_comes_back_byte_for_byte(storage: Storage) -> None:
    values = {
        "x-tos-meta-prompt": "%E6%BC%AB%E7%94%BB 50%",
        "x-tos-meta-raw": "漫画风格",
    }
    signed = storage.headers("PUT", "k", headers=values)
    sent = {name: value.encode().decode("latin-1") for name, value in signed.items()}
    assert storage.send("PUT", "/k", sent, b"x").status == 200

    headers = storage.request("HEAD", "k").headers

    assert values["x-tos-meta-prompt"] == headers["x-tos-meta-prompt"]
    assert values["x-tos-meta-raw"] == headers["x-tos-meta-raw"].encode("latin-1").decode()


@pytest.mark.parametrize("key", ["漫 画/a+b%20c?.png", "a//b", "line\nbreak", "~tilde'(1)", "😀"])
def test_awkward_keys_are_kept_as_they_are(storage: Storage, key: str) -> None:
    storage.request("PUT", key, b"x")

    assert storage.request("GET", key).data == b"x"
    assert [key] == [stored.key for stored in storage.store.list("photos").objects]


def test_the_absolute_form_of_a_proxied_request_is_understood(storage: Storage) -> None:
    host = "photos.tos-cn-beijing.volces.com"
    headers = storage.headers("PUT", "a/b.png", host=host)
    with urllib3.ProxyManager(f"http://127.0.0.1:{storage.port}") as proxy:
        proxy.request("PUT", f"http://{host}/a/b.png", headers=headers, body=b"x")

    assert storage.request("GET", "a/b.png").data == b"x"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=2-4", b"234"),
        ("bytes=7-", b"789"),
        ("bytes=-2", b"89"),
        ("bytes=0-99", b"0123456789"),
    ],
)
def test_a_range_returns_that_part(storage: Storage, asked: str, expected: bytes) -> None:
    storage.request("PUT", "k", b"0123456789")
    part = storage.request("GET", "k", headers={"Range": asked})

    assert (206, expected) == (part.status, part.data)
    assert part.headers["content-range"].endswith("/10")


def test_a_range_outside_the_object_is_refused(storage: Storage) -> None:
    storage.request("PUT", "k", b"0123456789")

    assert storage.request("GET", "k", headers={"Range": "bytes=10-"}).status == 416


def test_a_large_body_is_stored_and_streamed_back(storage: Storage) -> None:
    body = bytes(range(256)) * 4096 * 9
    storage.request("PUT", "large", body)

    assert body == storage.request("GET", "large").data
    assert str(crc64.xz(body)) == storage.request("HEAD", "large").headers["x-tos-hash-crc64ecma"]


def test_a_body_over_the_limit_is_refused_before_it_is_sent(storage: Storage) -> None:
    headers = storage.headers("PUT", "k") | {"Content-Length": str(100 * 1024 * 1024 + 1)}
    refused = storage.send("PUT", "/k", headers, b"")

    assert (refused.status, refused.json()["Code"]) == (413, "EntityTooLarge")


def test_a_body_that_is_not_what_its_digest_says_changes_nothing(storage: Storage) -> None:
    storage.request("PUT", "k", b"first")
    assert storage.request("PUT", "k", b"second", headers={"Content-MD5": "AAAA"}).status == 400
    assert storage.request("PUT", "k", b"second", payload_sha256="0" * 64).status == 400

    assert storage.request("GET", "k").data == b"first"


def test_replacing_and_deleting_leave_no_content_behind(storage: Storage, tmp_path: Path) -> None:
    for body in (b"one", b"two"):
        storage.request("PUT", "k", body)
    storage.request("PUT", "k", b"refused", headers={"x-tos-forbid-overwrite": "true"})
    assert len(list((tmp_path / "tos" / "blobs").glob("*/*"))) == 1

    assert storage.request("DELETE", "k").status == 204
    assert storage.request("DELETE", "k").status == 204
    assert list((tmp_path / "tos" / "blobs").glob("*/*")) == []
    assert list((tmp_path / "tos" / "incoming").iterdir()) == []


def test_versions_stay_readable_once_they_are_enabled(storage: Storage) -> None:
    storage.request("PUT", "k", b"unversioned")
    assert storage.request("GET", query={"versioning": ""}).json() == {"Status": ""}
    storage.request("PUT", body=b'{"Status": "Enabled"}', query={"versioning": ""})
    first = storage.request("PUT", "k", b"first").headers["x-tos-version-id"]
    second = storage.request("PUT", "k", b"second").headers["x-tos-version-id"]

    def read(version: str) -> bytes:
        return storage.request("GET", "k", query={"versionId": version}).data

    assert [read(v) for v in ("null", first, second)] == [b"unversioned", b"first", b"second"]
    assert storage.request("GET", "k").data == b"second"
    storage.request("DELETE", "k", query={"versionId": second})
    assert storage.request("GET", "k").data == b"first"
    storage.request("DELETE", "k")
    assert storage.request("GET", "k").status == 404
    assert read(first) == b"first"


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    before = ObjectStore(tmp_path)
    before.create_bucket("photos")
    before.put("photos", "k", b"content", {"x-tos-meta-prompt": "ink"})
    before.buckets.set_rules("photos", [rule()], "")
    before.close()

    after = ObjectStore(tmp_path)
    stored, content = after.get("photos", "k")
    with content:
        assert content.read() == b"content"
    assert stored.headers == {"x-tos-meta-prompt": "ink"}
    assert [rule()] == after.buckets.get("photos").rules
    after.close()


def test_a_put_that_fails_half_way_leaves_the_old_object(store: ObjectStore) -> None:
    store.put("photos", "k", b"old")
    body = store.blobs.incoming()
    body.add(b"new")
    body.flush()
    body.discard()
    with pytest.raises(TosRefusal):
        store.put("photos", "k", b"new", if_match="other")

    _, content = store.get("photos", "k")
    with content:
        assert content.read() == b"old"


def test_puts_that_were_answered_survive_the_death_of_the_process(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib, itertools\n"
        "from local.tos import ObjectStore\n"
        "store = ObjectStore(pathlib.Path(sys.argv[1]))\n"
        "store.create_bucket('photos')\n"
        "for number in itertools.count():\n"
        "    store.put('photos', f'{number % 7}', f'{number}'.encode() * 1000)\n"
        "    print(number, flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        answered = [int(process.stdout.readline()) for _ in range(50)]
        process.kill()
        answered += [int(line) for line in process.stdout if line.endswith("\n")]

    store = ObjectStore(tmp_path)
    for key in range(7):
        last = max(number for number in answered if number % 7 == key)
        stored, content = store.get("photos", f"{key}")
        with content:
            data = content.read()
        # The one put that was in progress may have been carried out.
        assert data in (f"{last}".encode() * 1000, f"{last + 7}".encode() * 1000)
        assert stored.crc == crc64.xz(data)
    store.close()


def test_what_a_dead_process_left_is_swept_and_what_is_in_progress_is_not(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    store.create_bucket("photos")
    store.put("photos", "k", b"kept")
    store.close()
    abandoned = [tmp_path / "incoming" / "a", tmp_path / "blobs" / "aa" / "aa"]
    in_progress = [tmp_path / "incoming" / "b", tmp_path / "blobs" / "bb" / "bb"]
    for path in (*abandoned, *in_progress):
        path.write_bytes(b"part of a body")
    for path in (*abandoned, *(tmp_path / "blobs").glob("*/*")):
        if path not in in_progress:
            os.utime(path, (0, 0))

    store = ObjectStore(tmp_path)

    _, content = store.get("photos", "k")
    with content:
        assert content.read() == b"kept"
    assert [path for path in (*abandoned, *in_progress) if path.exists()] == in_progress
    store.close()


# Buckets and listings


def test_a_bucket_is_deleted_only_when_it_is_empty(storage: Storage) -> None:
    storage.request("PUT", "k", b"x")
    assert (
        (refused := storage.request("DELETE")).status,
        refused.json()["Code"],
    ) == (409, "BucketNotEmpty")
    storage.request("DELETE", "k")

    assert storage.request("DELETE").status == 204
    assert storage.request("PUT", "k", b"x").json()["Code"] == "NoSuchBucket"


@pytest.mark.parametrize("name", ["ab", "Photos", "-photos", "a_b", "p" * 64])
def test_a_name_that_no_bucket_can_have_is_refused(store: ObjectStore, name: str) -> None:
    with pytest.raises(TosRefusal, match="cannot name a bucket"):
        store.create_bucket(name)


def test_an_operation_that_is_not_known_is_refused_and_not_taken_for_a_put(
    storage: Storage,
) -> None:
    assert storage.request("PUT", "k", b"x", query={"acl": ""}).status == 501
    assert storage.request("GET", "k", query={"x-tos-process": "image/resize"}).status == 501
    assert storage.request("GET", "k").status == 404


def test_another_host_is_told_how_a_bucket_is_addressed(storage: Storage) -> None:
    refused = storage.request("GET", host="evil.example.com")

    assert (refused.status, refused.json()["Code"]) == (400, "InvalidHost")


KEYS = st.sets(st.text(alphabet="ab/é\uffff\U0010ffff", min_size=1, max_size=5), max_size=25)


@given(
    keys=KEYS,
    prefix=st.text(alphabet="ab/\U0010ffff", max_size=2),
    delimiter=st.sampled_from(["", "/", "b/"]),
    limit=st.integers(1, 4),
)
def test_pages_together_list_every_key_and_prefix_once_in_order(
    tmp_path_factory: pytest.TempPathFactory,
    keys: set[str],
    prefix: str,
    delimiter: str,
    limit: int,
) -> None:
    expected = set()
    for key in keys:
        if key.startswith(prefix):
            place = key.find(delimiter, len(prefix)) if delimiter else -1
            expected.add(key if place < 0 else key[: place + len(delimiter)])
    store = ObjectStore(tmp_path_factory.mktemp("tos"))
    store.create_bucket("photos")
    with store.index.transaction() as connection:
        connection.executemany(
            "INSERT INTO objects (bucket, key, version, current, etag, size, crc, modified, blob,"
            " headers) VALUES ('photos', ?, '', 1, '', 0, '0', 0, '', '{}')",
            [(key,) for key in keys],
        )

    listed, start = [], ""
    while True:
        found = store.list("photos", prefix=prefix, delimiter=delimiter, start=start, limit=limit)
        entries = [stored.key for stored in found.objects] + found.prefixes
        assert limit >= len(entries)
        listed += sorted(entries)
        if found.resume is None:
            break
        start = found.resume
    store.close()

    assert sorted(expected) == listed


def test_a_listing_seeks_in_the_index_and_sorts_nothing(store: ObjectStore) -> None:
    with store.index.reading() as connection:
        queries: list[str] = []
        connection.set_trace_callback(queries.append)
        page(connection, "photos", prefix="a", start="b")
        connection.set_trace_callback(None)
        plan = [row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {queries[0]}")]

    assert len(plan) == 1
    assert "USING INDEX current_objects (bucket=? AND key>? AND key<?)" in plan[0]


def test_a_listing_can_start_after_a_key_and_encode_keys(storage: Storage) -> None:
    for key in ("a b", "b", "c"):
        storage.request("PUT", key, b"x")

    def keys(**query: str) -> list[str]:
        answer = storage.request("GET", query={"list-type": "2"} | query).json()
        return [entry["Key"] for entry in answer["Contents"]]

    assert keys(**{"start-after": "a b"}) == ["b", "c"]
    assert keys(**{"encoding-type": "url", "prefix": "a"}) == ["a%20b"]


# Signatures


def test_an_anonymous_request_is_refused(storage: Storage) -> None:
    refused = storage.send("GET", "/cat.png", {"Host": storage.host})

    assert (refused.status, refused.json()["Code"]) == (403, "AccessDenied")


@pytest.mark.parametrize(
    ("credentials", "code"),
    [
        (Credentials("AKLTNOBODY", "secret"), "InvalidAccessKeyId"),
        (Credentials("AKLTKNOWN", "wrong"), "SignatureDoesNotMatch"),
        (Credentials("AKLTKNOWN", "secret", "a token"), "InvalidSecurityToken"),
        (Credentials("AKTPKNOWN", "secret"), "InvalidSecurityToken"),
        (Credentials("AKTPKNOWN", "secret", "wrong"), "InvalidSecurityToken"),
    ],
)
def test_wrong_credentials_are_refused(
    storage: Storage, credentials: Credentials, code: str
) -> None:
    storage.keys.add(Credentials("AKLTKNOWN", "secret"))
    storage.keys.add(Credentials("AKTPKNOWN", "secret", "the token"))
    refused = storage.request("GET", "cat.png", credentials=credentials)

    assert (403, code) == (refused.status, refused.json()["Code"])


def test_a_temporary_key_with_its_token_is_accepted(storage: Storage) -> None:
    temporary = storage.keys.issue(temporary=True)

    assert storage.request("PUT", "k", b"x", credentials=temporary).status == 200


@pytest.mark.parametrize("seconds", [-901, 901])
def test_a_request_signed_at_another_time_is_refused(storage: Storage, seconds: int) -> None:
    refused = storage.request("GET", "cat.png", now=time.time() + seconds)

    assert (refused.status, refused.json()["Code"]) == (403, "RequestTimeTooSkewed")


def test_a_signature_for_another_region_is_refused(storage: Storage) -> None:
    assert storage.request("GET", "cat.png", region="cn-shanghai").status == 403


def test_a_header_of_the_service_that_is_not_signed_is_refused(storage: Storage) -> None:
    headers = storage.headers("PUT", "k") | {"x-tos-meta-prompt": "slipped in"}
    refused = storage.send("PUT", "/k", headers, b"x")

    assert (refused.status, refused.json()["Code"]) == (403, "SignatureDoesNotMatch")
    assert "x-tos-meta-prompt" in refused.json()["Message"]


@pytest.mark.parametrize(
    ("part", "replacement"),
    [
        ("/cat.png", "/dog.png"),
        ("X-Tos-Expires=60", "X-Tos-Expires=600"),
        ("Signature=", "Signature=0"),
    ],
)
def test_a_presigned_address_that_was_changed_is_refused(
    storage: Storage, part: str, replacement: str
) -> None:
    target = storage.presigned().replace(part, replacement)
    refused = storage.send("GET", target, {"Host": storage.host})

    assert (refused.status, refused.json()["Code"]) == (403, "SignatureDoesNotMatch")


def test_a_presigned_address_is_for_one_method_one_host_and_a_while(storage: Storage) -> None:
    storage.request("PUT", "cat.png", b"cat")
    target = storage.presigned(expires=60)
    assert storage.send("GET", target, {"Host": storage.host}).data == b"cat"
    assert storage.send("DELETE", target, {"Host": storage.host}).status == 403
    assert storage.send("GET", target, {"Host": f"other.localhost:{storage.port}"}).status == 403

    storage.clock.ahead = 62
    refused = storage.send("GET", target, {"Host": storage.host})

    assert (refused.status, refused.json()["Code"]) == (403, "AccessDenied")
    assert "expired" in refused.json()["Message"]


def test_an_address_to_write_to_does_not_let_its_holder_copy(storage: Storage) -> None:
    storage.request("PUT", "secret", b"x")
    target = storage.presigned("PUT", "mine")
    headers = {"Host": storage.host, "x-tos-copy-source": "photos/secret"}

    assert storage.send("PUT", target, headers).status == 403
    assert storage.send("PUT", target, {"Host": storage.host}, b"mine").status == 200


def test_an_address_presigned_for_a_temporary_key_carries_its_token(storage: Storage) -> None:
    storage.request("PUT", "cat.png", b"cat")
    storage.credentials = storage.keys.issue(temporary=True)

    assert storage.send("GET", storage.presigned(), {"Host": storage.host}).data == b"cat"


# Notifications


def test_an_upload_is_told_to_the_function_whose_rule_it_matches(storage: Storage) -> None:
    storage.set_rules(
        rule("cats", prefix="cats/", suffix=".png"), rule("dogs", prefix="dogs/", suffix=".png")
    )
    etag = storage.request("PUT", "cats/漫 画.png", b"cat").headers["etag"]
    storage.request("PUT", "cats/a.txt", b"x")
    storage.request("PUT", "birds/a.png", b"x")

    ((function, event),) = storage.events
    (told,) = event["data"]["events"]

    assert function == "cats"
    assert (event["type"], event["specversion"]) == ("faas.tos.event", "1.0")
    assert told["eventName"] == "tos:ObjectCreated:Put"
    assert told["tos"]["ruleId"] == "to-cats"
    assert told["tos"]["region"] == "cn-beijing"
    assert told["tos"]["bucket"]["name"] == "photos"
    assert {"eTag": etag.strip('"'), "key": "cats/漫 画.png", "size": 3} == told["tos"]["object"]


def test_each_way_of_creating_and_deleting_has_its_event(storage: Storage) -> None:
    storage.set_rules(rule(events=("tos:ObjectCreated:*", "tos:ObjectRemoved:Delete")))
    storage.request("PUT", "k", b"x")
    storage.request("PUT", "copy", headers={"x-tos-copy-source": "photos/k"})
    storage.request("DELETE", "k")
    storage.request("DELETE", "k")

    names = [event["data"]["events"][0]["eventName"] for _, event in storage.events]
    assert names == ["tos:ObjectCreated:Put", "tos:ObjectCreated:Copy", "tos:ObjectRemoved:Delete"]


def test_a_refused_upload_is_told_to_nobody(storage: Storage) -> None:
    storage.set_rules(rule())
    storage.request("PUT", "k", b"x", headers={"x-tos-if-match": "other"})

    assert storage.events == []


def test_an_event_names_the_version_where_there_are_versions(storage: Storage) -> None:
    storage.set_rules(rule())
    storage.request("PUT", body=b'{"Status": "Enabled"}', query={"versioning": ""})
    version = storage.request("PUT", "k", b"x").headers["x-tos-version-id"]

    assert version == storage.events[0][1]["data"]["events"][0]["tos"]["object"]["versionId"]


def test_an_event_that_was_not_taken_is_told_at_the_next_start(tmp_path: Path) -> None:
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

    told: list[str] = []
    for _ in range(2):
        with Server(application(store, keys, on_event=lambda _, name: told.append(name))):
            pass
    store.close()

    assert told == ["repaint"]


def test_rules_are_replaced_only_by_who_has_read_them(storage: Storage) -> None:
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
def test_rules_that_cannot_be_meant_so_are_refused(
    storage: Storage, rules: list[dict[str, Any]], sentence: str
) -> None:
    refused = storage.set_rules(*rules)

    assert refused.status == 400
    assert sentence in refused.json()["Message"]


def test_rules_that_share_an_event_may_differ_in_suffix(storage: Storage) -> None:
    assert storage.set_rules(rule("a", suffix=".png"), rule("b", suffix=".jpg")).status == 200


def test_answers_carry_the_time_in_the_forms_that_clients_read(storage: Storage) -> None:
    storage.request("PUT", "k", b"x")
    head = storage.request("HEAD", "k")
    (entry,) = storage.request("GET", query={"list-type": "2"}).json()["Contents"]

    modified = parsedate_to_datetime(head.headers["last-modified"])
    assert modified == datetime.fromisoformat(entry["LastModified"])
    assert head.headers["content-length"] == "1"
