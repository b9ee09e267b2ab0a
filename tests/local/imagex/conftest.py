"""A local veImageX that is being served."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local.imagex.client import World, world


@pytest.fixture
def imagex(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as served:
        yield served


@pytest.fixture(scope="module")
def shared_imagex(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for the tests of a module that do not depend on its state."""
    with world(tmp_path_factory.mktemp("imagex")) as served:
        yield served
