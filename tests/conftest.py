"""Fixtures of all tests: a deployment in memory, once for each store of its ledger."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings

from tests.fakes import World

# A timed assertion fails on a busy machine, and shows nothing about the code.
settings.register_profile("repaint", deadline=None)
settings.load_profile("repaint")


@pytest.fixture(params=["tos", "sqlite"])
def worlds(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], World]]:
    """Return a function that makes deployments, each with a ledger of its own."""
    with ExitStack() as stack:
        paths = (tmp_path / f"{number}.db" for number in range(1000))

        def make() -> World:
            world = stack.enter_context(World())
            if request.param == "sqlite":
                world.environment["REPAINT_LEDGER"] = f"sqlite://{next(paths)}"
            return world

        yield make


@pytest.fixture
def world(worlds: Callable[[], World]) -> World:
    """Return a deployment, once with its ledger in object storage and once in a file."""
    return worlds()


@pytest.fixture
def tos_world() -> Iterator[World]:
    """Return a deployment whose ledger is requests, so that one of them can fail or wait."""
    with World() as world:
        yield world
