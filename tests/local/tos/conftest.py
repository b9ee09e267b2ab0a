"""A local object storage, with and without its HTTP API."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from local.keys import KeyRing
from local.server import Server
from local.tos import ObjectStore, application
from tests.local.tos.storage import MovedClock, Storage


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
