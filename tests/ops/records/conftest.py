"""The cloud that commands on records are run on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cloud import Cloud
from tests.ops.bucket import a_cloud


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    with a_cloud(tmp_path) as cloud:
        yield cloud
