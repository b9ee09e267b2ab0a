"""Objects: conditional writes, metadata, ranges, versions, and the death of the process."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
import urllib3
from fastcrc import crc64

from local.tos import ObjectStore, TosApiError
from tests.local.tos.storage import Storage, rule

ROOT = Path(__file__).parents[3]


def race(count: int, act: Callable[[int], int]) -> list[int]:
    """Return what `act` returned in each of `count` threads that begin together."""
    barrier = threading.Barrier(count)

    def run(number: int) -> int:
        barrier.wait()
        return act(number)

    with ThreadPoolExecutor(count) as executor:
        return list(executor.map(run, range(count)))


def test_racing_creates(storage: Storage) -> None:
    """Of sixteen clients that create one key at once, exactly one succeeds."""

    def create(number: int) -> int:
        return storage.request(
            "PUT", "lease", f"{number}".encode(), headers={"x-tos-forbid-overwrite": "true"}
        ).status

    statuses = race(16, create)

    assert sorted(statuses) == [200] + [409] * 15
    assert f"{statuses.index(200)}".encode() == storage.request("GET", "lease").data


def test_racing_swaps(storage: Storage) -> None:
    """Of sixteen clients that replace one ETag at once, exactly one succeeds."""
    etag = storage.request("PUT", "lease", b"before").headers["etag"]

    def swap(number: int) -> int:
        return storage.request(
            "PUT", "lease", f"{number}".encode(), headers={"x-tos-if-match": etag}
        ).status

    statuses = race(16, swap)

    assert sorted(statuses) == [200] + [412] * 15
    assert f"{statuses.index(200)}".encode() == storage.request("GET", "lease").data


def test_refused_create(storage: Storage) -> None:
    """A refused create has the documented code and leaves the object."""
    storage.request("PUT", "k", b"first")
    refused = storage.request("PUT", "k", b"second", headers={"x-tos-forbid-overwrite": "true"})

    assert refused.json()["EC"] == "0017-00000004"
    assert refused.headers["x-tos-request-id"] == refused.json()["RequestId"]
    assert storage.request("GET", "k").data == b"first"


def test_swap_of_absent_object(storage: Storage) -> None:
    """A conditional write to an object that does not exist is refused."""
    refused = storage.request("PUT", "k", b"x", headers={"x-tos-if-match": '"abc"'})

    assert (refused.status, refused.json()["Code"]) == (412, "PreconditionFailed")


def test_unknown_condition(storage: Storage) -> None:
    """An unsupported condition is refused, not ignored."""
    assert storage.request("PUT", "k", b"x", headers={"If-None-Match": "*"}).status == 501
    assert storage.request("GET", "k").status == 404


def test_metadata(storage: Storage) -> None:
    """Metadata is returned byte for byte."""
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
def test_unusual_keys(storage: Storage, key: str) -> None:
    """A key with unusual characters is stored unchanged."""
    storage.request("PUT", key, b"x")

    assert storage.request("GET", key).data == b"x"
    assert [key] == [stored.key for stored in storage.store.list("photos").objects]


def test_absolute_form(storage: Storage) -> None:
    """A request in the absolute form, as sent to a proxy, is accepted."""
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
def test_range(storage: Storage, asked: str, expected: bytes) -> None:
    """A Range returns that part of the object."""
    storage.request("PUT", "k", b"0123456789")
    part = storage.request("GET", "k", headers={"Range": asked})

    assert (206, expected) == (part.status, part.data)
    assert part.headers["content-range"].endswith("/10")


def test_range_outside(storage: Storage) -> None:
    """A Range outside the object is refused."""
    storage.request("PUT", "k", b"0123456789")

    assert storage.request("GET", "k", headers={"Range": "bytes=10-"}).status == 416


def test_large_body(storage: Storage) -> None:
    """A large body is stored and streamed back, with its checksum."""
    body = bytes(range(256)) * 4096 * 9
    storage.request("PUT", "large", body)

    assert body == storage.request("GET", "large").data
    assert str(crc64.xz(body)) == storage.request("HEAD", "large").headers["x-tos-hash-crc64ecma"]


def test_body_over_limit(storage: Storage) -> None:
    """A body over the limit is refused before it is sent."""
    headers = storage.headers("PUT", "k") | {"Content-Length": str(100 * 1024 * 1024 + 1)}
    refused = storage.send("PUT", "/k", headers, b"")

    assert (refused.status, refused.json()["Code"]) == (413, "EntityTooLarge")


def test_wrong_digest(storage: Storage) -> None:
    """A body that does not match its digest changes nothing."""
    storage.request("PUT", "k", b"first")
    assert storage.request("PUT", "k", b"second", headers={"Content-MD5": "AAAA"}).status == 400
    assert storage.request("PUT", "k", b"second", payload_sha256="0" * 64).status == 400

    assert storage.request("GET", "k").data == b"first"


def test_blobs_removed(storage: Storage, tmp_path: Path) -> None:
    """Replacing and deleting leave no content on the disk."""
    for body in (b"one", b"two"):
        storage.request("PUT", "k", body)
    storage.request("PUT", "k", b"refused", headers={"x-tos-forbid-overwrite": "true"})
    assert len(list((tmp_path / "tos" / "blobs").glob("*/*"))) == 1

    assert storage.request("DELETE", "k").status == 204
    assert storage.request("DELETE", "k").status == 204
    assert list((tmp_path / "tos" / "blobs").glob("*/*")) == []
    assert list((tmp_path / "tos" / "incoming").iterdir()) == []


def test_versions(storage: Storage) -> None:
    """Old versions stay readable once versioning is enabled."""
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


def test_restart(tmp_path: Path) -> None:
    """Objects, metadata and rules survive a restart."""
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


def test_failed_put(store: ObjectStore) -> None:
    """A put that fails half way leaves the old object."""
    store.put("photos", "k", b"old")
    body = store.blobs.incoming()
    body.add(b"new")
    body.flush()
    body.discard()
    with pytest.raises(TosApiError):
        store.put("photos", "k", b"new", if_match="other")

    _, content = store.get("photos", "k")
    with content:
        assert content.read() == b"old"


def test_killed_process(tmp_path: Path) -> None:
    """Every acknowledged put survives the death of the process."""
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


def test_sweep_of_files(tmp_path: Path) -> None:
    """Old files of dead processes are removed, files in progress are not."""
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


def test_modification_time(storage: Storage) -> None:
    """Headers and listings show the same time, each in its own format."""
    storage.request("PUT", "k", b"x")
    head = storage.request("HEAD", "k")
    (entry,) = storage.request("GET", query={"list-type": "2"}).json()["Contents"]

    modified = parsedate_to_datetime(head.headers["last-modified"])
    assert modified == datetime.fromisoformat(entry["LastModified"])
    assert head.headers["content-length"] == "1"
