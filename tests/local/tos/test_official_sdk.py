"""The official SDK, unchanged, works with the local object storage."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import tos
import urllib3
from fastcrc import crc64
from hypothesis import example, given
from hypothesis import strategies as st
from tos.enum import MetadataDirectiveType, VersioningStatusType
from tos.exceptions import TosServerError
from tos.models2 import (
    DestinationVeFaaS,
    GenericInput,
    NotificationDestination,
    NotificationRule,
    ObjectTobeDeleted,
)
from tos.utils import Crc64

from local.keys import KeyRing
from local.server import Server
from local.tos import ObjectStore, application

# The official client calls it with every request.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")

BUCKET = "photos"
PROMPT = "漫画风格，100% 手绘"


class ServedStorage:
    """A served object storage, and official clients that reach it as their proxy."""

    def __init__(self, store: ObjectStore) -> None:
        self.keys = KeyRing()
        self.events: list[str] = []
        self.server = Server(application(store, self.keys, on_event=self._record))
        self.clients: list[Any] = []

    def client(self, access_key: str, secret_key: str) -> Any:
        client = tos.TosClientV2(
            access_key,
            secret_key,
            "http://tos-cn-beijing.volces.com",
            "cn-beijing",
            proxy_host="127.0.0.1",
            proxy_port=self.server.port,
            dns_cache_time=0,
        )
        self.clients.append(client)
        return client

    def _record(self, event: dict[str, Any], function: str) -> None:
        self.events.append(f"{event['data']['events'][0]['eventName']} → {function}")


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[ServedStorage]:
    store = ObjectStore(tmp_path / "tos")
    cloud = ServedStorage(store)
    with cloud.server:
        yield cloud
        for client in cloud.clients:
            client.session.close()
    store.close()


@pytest.fixture
def client(cloud: ServedStorage) -> Any:
    credentials = cloud.keys.issue()
    client = cloud.client(credentials.access_key, credentials.secret_key)
    client.create_bucket(BUCKET)
    return client


@example(data=bytes(range(256)) * 300)
@given(data=st.binary(max_size=3000))
def test_checksum(data: bytes) -> None:
    """The checksum of stored objects is that of the official package."""
    official = Crc64()
    official(data)

    assert official.crc == crc64.xz(data)
    assert official.crc == crc64.xz(data[700:], crc64.xz(data[:700]))


def test_round_trip(client: Any) -> None:
    """An object is returned with its prompt."""
    put = client.put_object(BUCKET, "漫 画/cat.png", content=b"cat", meta={"prompt": PROMPT})
    head = client.head_object(BUCKET, "漫 画/cat.png")

    assert put.etag == head.etag
    assert head.meta["prompt"] == PROMPT
    assert (head.content_type, head.content_length) == ("image/png", 3)
    assert client.get_object(BUCKET, "漫 画/cat.png").read() == b"cat"
    assert b"".join(client.get_object(BUCKET, "漫 画/cat.png")) == b"cat"
    assert client.get_object(BUCKET, "漫 画/cat.png", range_start=1, range_end=2).read() == b"at"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", b""),
        (b"x" * 5_000_000, b"x" * 5_000_000),
        (BytesIO(b"file"), b"file"),
        ("画", b"\xe7\x94\xbb"),
    ],
    ids=["empty", "large", "file", "text"],
)
def test_contents(client: Any, content: Any, expected: bytes) -> None:
    """Contents of every kind are stored."""
    client.put_object(BUCKET, "k", content=content)

    assert client.get_object(BUCKET, "k").read() == expected


def test_unknown_length(client: Any) -> None:
    """A body of unknown length is stored."""
    client.put_object(BUCKET, "k", content=iter([b"one ", b"two"]))

    assert client.get_object(BUCKET, "k").read() == b"one two"


def test_100_continue(client: Any) -> None:
    """A body is sent once the server requests it."""
    client.except100_continue_threshold = 1
    client.put_object(BUCKET, "k", content=b"x" * 100_000)

    assert client.head_object(BUCKET, "k").content_length == 100_000


def test_listing(client: Any) -> None:
    """A listing of several pages is complete."""
    keys = [f"{folder}/{number}" for folder in "ab" for number in range(4)]
    for key in (*keys, "c"):
        client.put_object(BUCKET, key, content=b"x", meta={"prompt": PROMPT})

    listed, token = [], None
    while True:
        page = client.list_objects_type2(
            BUCKET, max_keys=2, continuation_token=token, list_only_once=True, fetch_meta=True
        )
        assert {PROMPT} == {entry.meta["prompt"] for entry in page.contents}
        listed += [entry.key for entry in page.contents]
        if not page.is_truncated:
            break
        token = page.next_continuation_token
    folders = client.list_objects_type2(BUCKET, delimiter="/")

    assert [*keys, "c"] == listed
    assert [common.prefix for common in folders.common_prefixes] == ["a/", "b/"]
    assert [entry.key for entry in folders.contents] == ["c"]
    assert [bucket.name for bucket in client.list_buckets().buckets] == [BUCKET]


def test_delete(client: Any) -> None:
    """Deleted objects and buckets are not found."""
    for key in "abc":
        client.put_object(BUCKET, key, content=b"x")
    client.delete_object(BUCKET, "a")
    deleted = client.delete_multi_objects(BUCKET, [ObjectTobeDeleted("b"), ObjectTobeDeleted("c")])

    assert [entry.key for entry in deleted.deleted] == ["b", "c"]
    with pytest.raises(TosServerError) as refused:
        client.get_object(BUCKET, "a")
    assert (refused.value.status_code, refused.value.code) == (404, "NoSuchKey")
    client.delete_bucket(BUCKET)
    with pytest.raises(TosServerError) as refused:
        client.head_bucket(BUCKET)
    assert refused.value.status_code == 404


def test_conditional_writes(client: Any) -> None:
    """A key is created once, and replaced by its ETag."""
    etag = client.put_object(BUCKET, "k", content=b"1", forbid_overwrite=True).etag
    with pytest.raises(TosServerError) as refused:
        client.put_object(BUCKET, "k", content=b"2", forbid_overwrite=True)
    assert (refused.value.status_code, refused.value.ec) == (409, "0017-00000004")

    client.put_object(BUCKET, "k", content=b"3", if_match=etag)
    with pytest.raises(TosServerError) as refused:
        client.put_object(BUCKET, "k", content=b"4", if_match=etag)
    assert refused.value.status_code == 412
    assert client.get_object(BUCKET, "k").read() == b"3"


def test_copy(client: Any) -> None:
    """A copy keeps or replaces the metadata."""
    client.put_object(BUCKET, "a b/漫画", content=b"x", meta={"prompt": PROMPT})
    copied = client.copy_object(BUCKET, "same", BUCKET, "a b/漫画")
    client.copy_object(
        BUCKET,
        "other",
        BUCKET,
        "a b/漫画",
        metadata_directive=MetadataDirectiveType.Metadata_Directive_Replace,
        meta={"prompt": "ink"},
    )

    assert copied.etag == client.head_object(BUCKET, "same").etag
    assert client.head_object(BUCKET, "same").meta["prompt"] == PROMPT
    assert client.head_object(BUCKET, "other").meta["prompt"] == "ink"


def test_upload_file(client: Any, cloud: ServedStorage, tmp_path: Path) -> None:
    """A file is uploaded and downloaded in parts, with one event."""
    subscribe(client, "tos:ObjectCreated:CompleteUpload")
    content = bytes(range(256)) * 4096 * 11
    path = tmp_path / "large.png"
    path.write_bytes(content)
    client.upload_file(
        BUCKET, "large.png", str(path), part_size=5 * 1024 * 1024, task_num=2, meta={"prompt": "x"}
    )

    head = client.head_object(BUCKET, "large.png")
    assert head.etag.endswith("-3")
    assert head.meta["prompt"] == "x"
    assert content == client.get_object(BUCKET, "large.png").read()
    client.download_file(
        BUCKET, "large.png", str(tmp_path / "back.png"), part_size=5 * 1024 * 1024, task_num=2
    )
    assert content == (tmp_path / "back.png").read_bytes()
    assert cloud.events == ["tos:ObjectCreated:CompleteUpload → repaint"]


def test_multipart_upload(client: Any) -> None:
    """Parts can be listed, and an upload aborted."""
    upload = client.create_multipart_upload(BUCKET, "k").upload_id
    part = client.upload_part(BUCKET, "k", upload, 1, content=b"one")
    client.upload_part(BUCKET, "k", upload, 2, content=b"two")
    assert [shown.part_number for shown in client.list_parts(BUCKET, "k", upload).parts] == [1, 2]

    client.complete_multipart_upload(BUCKET, "k", upload, [part])
    assert client.get_object(BUCKET, "k").read() == b"one"

    aborted = client.create_multipart_upload(BUCKET, "k").upload_id
    client.upload_part(BUCKET, "k", aborted, 1, content=b"one")
    client.abort_multipart_upload(BUCKET, "k", aborted)
    with pytest.raises(TosServerError) as refused:
        client.complete_multipart_upload(BUCKET, "k", aborted, complete_all=True)
    assert refused.value.code == "NoSuchUpload"


def test_presigned_url(client: Any, cloud: ServedStorage) -> None:
    """A presigned URL is valid until it is changed."""
    client.put_object(BUCKET, "漫 画.png", content=b"cat")
    address = client.pre_signed_url(
        tos.HttpMethodType.Http_Method_Get, BUCKET, "漫 画.png", expires=60
    ).signed_url
    host, _, target = address.removeprefix("http://").partition("/")
    with urllib3.PoolManager(headers={"Host": host}) as pool:
        good = pool.request("GET", f"{cloud.server.address}/{target}")
        changed = pool.request("GET", f"{cloud.server.address}/{target[:-1]}x")

    assert (good.status, good.data) == (200, b"cat")
    assert changed.status == 403


def test_versioning(client: Any) -> None:
    """Versioning can be enabled."""
    assert VersioningStatusType.Versioning_Unknown == client.get_bucket_version(BUCKET).status
    client.put_bucket_versioning(BUCKET, VersioningStatusType.Versioning_Status_Enabled)
    first = client.put_object(BUCKET, "k", content=b"1").version_id
    client.put_object(BUCKET, "k", content=b"2")

    status = client.get_bucket_version(BUCKET).status
    assert VersioningStatusType.Versioning_Status_Enabled == status
    assert client.get_object(BUCKET, "k", version_id=first).read() == b"1"


def test_notification_rules(client: Any, cloud: ServedStorage) -> None:
    """Notification rules are written, read and removed."""
    subscribe(client, "tos:ObjectCreated:*")
    client.put_object(BUCKET, "k", content=b"x")

    rules = client.get_bucket_notification_type2(BUCKET)
    assert [rule.rule_id for rule in rules.rules] == ["to-repaint"]
    assert cloud.events == ["tos:ObjectCreated:Put → repaint"]
    client.put_bucket_notification_type2(BUCKET, [], rules.version)
    assert client.get_bucket_notification_type2(BUCKET).rules == []


def test_refused_signatures(cloud: ServedStorage, client: Any) -> None:
    """Wrong secrets, unknown keys and old dates are refused."""
    known = client.auth.credentials_provider.get_credentials().get_ak()
    for access_key, secret, code in (
        (known, "wrong", "SignatureDoesNotMatch"),
        ("AKLTNOBODY", "secret", "InvalidAccessKeyId"),
        ("", "", "AccessDenied"),
    ):
        with pytest.raises(TosServerError) as refused:
            cloud.client(access_key, secret).put_object(BUCKET, "k", content=b"x" * 200_000)
        assert (403, code) == (refused.value.status_code, refused.value.code)
    with pytest.raises(TosServerError) as refused:
        client.list_buckets(
            generic_input=GenericInput(request_date=datetime.now(UTC) - timedelta(minutes=16))
        )
    assert (refused.value.status_code, refused.value.code) == (403, "RequestTimeTooSkewed")


def subscribe(client: Any, event: str) -> None:
    client.put_bucket_notification_type2(
        BUCKET,
        [
            NotificationRule(
                "to-repaint",
                [event],
                destination=NotificationDestination(ve_faas=[DestinationVeFaaS("repaint")]),
            )
        ],
        "",
    )
