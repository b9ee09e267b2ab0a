"""A local cloud, and a client of its console."""

from collections.abc import Iterator

import pytest

from local.cloud import Cloud
from local.imagex import FaultSettings
from local.vefaas.runtime import DeliverySettings
from tests.local.console.client import Client


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud for a whole module: each of its tests uploads what it looks at."""
    delivery = DeliverySettings(retry_delays=[0.2])
    faults = FaultSettings(latency_seconds=0.0)
    with Cloud(tmp_path_factory.mktemp("console"), faults=faults, delivery=delivery) as cloud:
        yield cloud


@pytest.fixture
def client(cloud: Cloud) -> Iterator[Client]:
    client = Client(cloud.console.address)
    yield client
    client.close()
