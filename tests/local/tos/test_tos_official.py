"""The official package, unchanged, works with the local object storage."""

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


class Cloud:
    """A served object storage, and official clients that reach it as their proxy."""

    def __init__(self, store: ObjectStore) -> None:
        self.keys = KeyRing()
        self.events: list[str] = []
        self.server = Server(application(store, self.keys, on_event=self._take))
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

    def _take(self, event: dict[str, Any], function: str) -> None:
        self.events.append(f"{event['data']['events'][0]['eventName']} → {function}")


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    store = ObjectStore(tmp_path / "tos")
    cloud = Cloud(store)
    with cloud.server:
        yield cloud
        for client in cloud.clients:
            client.session.close()
    store.close()


@pytest.fixture
def client(cloud: Cloud) -> Any:
    credentials = cloud.keys.issue()
    client = cloud.client(credentials.access_key, credentials.secret_key)
    client.create_bucket(BUCKET)
    return client


@example(data=bytes(range(256)) * 300)
@given(data=st.binary(max_size=3000))
def test_the_checksum_is_that_of_the_official_package(data: bytes) -> None:
    official = Crc64()
    official(data)

    assert official.crc == crc64.xz(data)
    assert official.crc == crc64.xz(data[700:], crc64.xz(data[:700]))


def test_an_object_comes_back_with_its_prompt(client: Any) -> None:
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
def test_contents_of_every_kind_are_taken(client: Any, content: Any, expected: bytes) -> None:
    client.put_object(BUCKET, "k", content=content)

    assert client.get_object(BUCKET, "k").read() == expected


def test_a_body_of_unknown_length_is_taken(client: Any) -> None:
    client.put_object(BUCKET, "k", content=iter([b"one ", b"two"]))

    assert client.get_object(BUCKET, "k").read() == b"one two"


def test_a_body_is_sent_once_the_server_asks_for_it(client: Any) -> None:
    client.except100_continue_threshold = 1
    client.put_object(BUCKET, "k", content=b"x" * 100_000)

    assert client.head_object(BUCKET, "k").content_length == 100_000


def test_a_listing_of_several_pages_is_complete(client: Any) -> None:
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


def test_deleted_objects_are_gone(client: Any) -> None:
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


def test_a_key_is_created_once_and_swapped_by_its_etag(client: Any) -> None:
    etag = client.put_object(BUCKET, "k", content=b"1", forbid_overwrite=True).etag
    with pytest.raises(TosServerError) as refused:
        client.put_object(BUCKET, "k", content=b"2", forbid_overwrite=True)
    assert (refused.value.status_code, refused.value.ec) == (409, "0017-00000004")

    client.put_object(BUCKET, "k", content=b"3", if_match=etag)
    with pytest.raises(TosServerError) as refused:
        client.put_object(BUCKET, "k", content=b"4", if_match=etag)
    assert refused.value.status_code == 412
    assert client.get_object(BUCKET, "k").read() == b"3"


def test_a_copy_keeps_or_replaces_the_metadata(client: Any) -> None:
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


def test_a_file_is_uploaded_in_parts(client: Any, cloud: Cloud, tmp_path: Path) -> None:
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


def test_parts_can_be_listed_and_an_upload_aborted(client: Any) -> None:
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


def test_a_presigned_address_is_good_for_a_download_until_it_is_changed(
    client: Any, cloud: Cloud
) -> None:
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


def test_versions_are_switched_on(client: Any) -> None:
    assert VersioningStatusType.Versioning_Unknown == client.get_bucket_version(BUCKET).status
    client.put_bucket_versioning(BUCKET, VersioningStatusType.Versioning_Status_Enabled)
    first = client.put_object(BUCKET, "k", content=b"1").version_id
    client.put_object(BUCKET, "k", content=b"2")

    status = client.get_bucket_version(BUCKET).status
    assert VersioningStatusType.Versioning_Status_Enabled == status
    assert client.get_object(BUCKET, "k", version_id=first).read() == b"1"


def test_notification_rules_are_written_and_read(client: Any, cloud: Cloud) -> None:
    subscribe(client, "tos:ObjectCreated:*")
    client.put_object(BUCKET, "k", content=b"x")

    rules = client.get_bucket_notification_type2(BUCKET)
    assert [rule.rule_id for rule in rules.rules] == ["to-repaint"]
    assert cloud.events == ["tos:ObjectCreated:Put → repaint"]
    client.put_bucket_notification_type2(BUCKET, [], rules.version)
    assert client.get_bucket_notification_type2(BUCKET).rules == []


def test_wrong_secrets_unknown_keys_and_stale_dates_are_refused(cloud: Cloud, client: Any) -> None:
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
