"""A browser, and for each test a cloud and a visit of its console."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from local.cloud import Cloud
from local.imagex import FaultSettings
from local.vefaas.runtime import DeliverySettings
from tests.local.console.browser import chromium
from tests.local.console.browser.chromium import Visit

OpenVisit = Callable[..., Visit]


# Not for the whole session: while it runs, no other test of this process can run an event loop.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    chromium.needed()
    with chromium.running() as browser:
        yield browser


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    delivery = DeliverySettings(retry_delays=[0.5])
    faults = FaultSettings(latency_seconds=0.0)
    with Cloud(tmp_path / "cloud", faults=faults, delivery=delivery) as cloud:
        yield cloud


@pytest.fixture
def visiting(browser: Browser, cloud: Cloud) -> Iterator[OpenVisit]:
    """Begin visits of the console that end with the test."""
    with ExitStack() as stack:

        def begin(**options: Any) -> Visit:
            return stack.enter_context(Visit(browser, cloud.console.address, **options))

        yield begin


@pytest.fixture
def visit(visiting: OpenVisit) -> Visit:
    return visiting()


@pytest.fixture
def page(visit: Visit) -> Page:
    return visit.page
