"""Object storages that break their promises, each in its own way."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local.cloud import STATE_BUCKET, UPLOADS_BUCKET
from local.keys import KeyRing
from local.server import Server
from local.tos import ObjectStore, TosApiError, application
from local.tos.listing import ListingPage


class OverwritesAnyway(ObjectStore):
    """Ignores x-tos-forbid-overwrite."""

    def put(self, *args: Any, forbid_overwrite: bool = False, **rest: Any) -> Any:
        del forbid_overwrite
        return super().put(*args, **rest)


class SwapsAnyway(ObjectStore):
    """Ignores x-tos-if-match."""

    def put(self, *args: Any, if_match: str | None = None, **rest: Any) -> Any:
        del if_match
        return super().put(*args, **rest)


class CreatesBySwapping(ObjectStore):
    """Compares the ETag only if the object exists."""

    def put(self, bucket: str, key: str, *args: Any, **rest: Any) -> Any:
        if not self.list(bucket, prefix=key).objects:
            rest["if_match"] = None
        return super().put(bucket, key, *args, **rest)


class ChecksThenWrites(ObjectStore):
    """Honours every condition, unless another write comes in between."""

    def put(self, bucket: str, key: str, *args: Any, **rest: Any) -> Any:
        there = {stored.key: stored.etag for stored in self.list(bucket, prefix=key).objects}
        if rest.pop("forbid_overwrite", False) and key in there:
            raise TosApiError(409, "ObjectAlreadyExists", "It is there.", ec="0017-00000004")
        wanted = rest.pop("if_match", None)
        if wanted is not None and there.get(key) != wanted:
            raise TosApiError(412, "PreconditionFailed", "It is another one.")
        time.sleep(0.2)
        return super().put(bucket, key, *args, **rest)


class ListsLater(ObjectStore):
    """Leaves new objects out of listings."""

    def list(self, bucket: str, **rest: Any) -> ListingPage:
        return super().list(bucket, **{**rest, "prefix": "what was written long ago"})


class RemovesNothing(ObjectStore):
    """Refuses every removal."""

    def delete(self, *args: Any, **rest: Any) -> Any:
        del args, rest
        raise TosApiError(403, "AccessDenied", "You may not remove anything.")


class WritesNothing(ObjectStore):
    """Refuses every write."""

    def put(self, *args: Any, **rest: Any) -> Any:
        del args, rest
        raise TosApiError(403, "AccessDenied", "You may not write anything.")


class WritesSlowly(ObjectStore):
    """Takes long for every write."""

    def put(self, *args: Any, **rest: Any) -> Any:
        stored = super().put(*args, **rest)
        time.sleep(0.2)
        return stored


class SetBack:
    """The system's clock, an hour late until it is set."""

    def __init__(self) -> None:
        self.back = 3600.0

    def now(self) -> float:
        return time.time() - self.back

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@contextmanager
def served(store: ObjectStore, keys: KeyRing) -> Iterator[Mapping[str, str]]:
    """Serve `store` with the cloud's buckets; yield the setting that leads there."""
    for bucket in (UPLOADS_BUCKET, STATE_BUCKET):
        store.create_bucket(bucket)
    with Server(application(store, keys)) as server:
        yield {"TOS_ENDPOINT": server.address}
    store.close()


def keys_in(store: ObjectStore, bucket: str = STATE_BUCKET) -> list[str]:
    """Return the keys on the disk."""
    return [stored.key for stored in ObjectStore.list(store, bucket).objects]


def store_in(folder: Path, kind: type[ObjectStore]) -> ObjectStore:
    """Return a store of a kind."""
    return kind(folder / "careless")


def rule(prefix: str = "", suffix: str = "", events: tuple[str, ...] = ("*",)) -> dict[str, Any]:
    """Return a notification rule that calls a function."""
    filters = [{"Name": "prefix", "Value": prefix}, {"Name": "suffix", "Value": suffix}]
    return {
        "RuleId": "mine",
        "Events": [f"tos:ObjectCreated:{event}" for event in events],
        "Filter": {"TOSKey": {"FilterRules": [f for f in filters if f["Value"]]}},
        "Destination": {"VeFaaS": [{"FunctionId": "fn1"}]},
    }
