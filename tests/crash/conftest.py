"""Worlds to crash in."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes import World


@pytest.fixture(params=["tos", "sqlite"])
def worlds(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], World]]:
    """Make worlds, each with a ledger of its own."""
    made: list[World] = []

    def make() -> World:
        world = World()
        if request.param == "sqlite":
            world.environment["REPAINT_LEDGER"] = f"sqlite://{tmp_path}/{len(made)}.db"
        made.append(world)
        return world

    yield make
    for world in made:
        world.__exit__()
