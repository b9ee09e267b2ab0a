"""Buckets, addresses and listings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.tos import ObjectStore, TosApiError
from local.tos.listing import page
from tests.local.tos.storage import Storage


def test_delete_bucket(storage: Storage) -> None:
    """A bucket is deleted only if it is empty."""
    storage.request("PUT", "k", b"x")
    assert (
        (refused := storage.request("DELETE")).status,
        refused.json()["Code"],
    ) == (409, "BucketNotEmpty")
    storage.request("DELETE", "k")

    assert storage.request("DELETE").status == 204
    assert storage.request("PUT", "k", b"x").json()["Code"] == "NoSuchBucket"


@pytest.mark.parametrize("name", ["ab", "Photos", "-photos", "a_b", "p" * 64])
def test_bucket_names(store: ObjectStore, name: str) -> None:
    """An invalid bucket name is refused."""
    with pytest.raises(TosApiError, match="cannot name a bucket"):
        store.create_bucket(name)


def test_unknown_operation(
    storage: Storage,
) -> None:
    """An unknown operation is refused, not mistaken for a plain put."""
    assert storage.request("PUT", "k", b"x", query={"acl": ""}).status == 501
    assert storage.request("GET", "k", query={"x-tos-process": "image/resize"}).status == 501
    assert storage.request("GET", "k").status == 404


def test_other_host(storage: Storage) -> None:
    """A request to another host is refused with the form of a bucket address."""
    refused = storage.request("GET", host="evil.example.com")

    assert (refused.status, refused.json()["Code"]) == (400, "InvalidHost")


KEYS = st.sets(st.text(alphabet="ab/é\uffff\U0010ffff", min_size=1, max_size=5), max_size=25)


@given(
    keys=KEYS,
    prefix=st.text(alphabet="ab/\U0010ffff", max_size=2),
    delimiter=st.sampled_from(["", "/", "b/"]),
    limit=st.integers(1, 4),
)
def test_listing_pages(
    tmp_path_factory: pytest.TempPathFactory,
    keys: set[str],
    prefix: str,
    delimiter: str,
    limit: int,
) -> None:
    """The pages of a listing have every key and prefix once, in order."""
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


def test_listing_query_plan(store: ObjectStore) -> None:
    """A listing seeks in the index and sorts nothing."""
    with store.index.reading() as connection:
        queries: list[str] = []
        connection.set_trace_callback(queries.append)
        page(connection, "photos", prefix="a", start="b")
        connection.set_trace_callback(None)
        plan = [row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {queries[0]}")]

    assert len(plan) == 1
    assert "USING INDEX current_objects (bucket=? AND key>? AND key<?)" in plan[0]


def test_listing_parameters(storage: Storage) -> None:
    """A listing can start after a key and encode keys."""
    for key in ("a b", "b", "c"):
        storage.request("PUT", key, b"x")

    def keys(**query: str) -> list[str]:
        answer = storage.request("GET", query={"list-type": "2"} | query).json()
        return [entry["Key"] for entry in answer["Contents"]]

    assert keys(**{"start-after": "a b"}) == ["b", "c"]
    assert keys(**{"encoding-type": "url", "prefix": "a"}) == ["a%20b"]
