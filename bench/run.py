"""One run: how much is measured, where its files lie, and who is told of its progress."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.folders import Folders


@dataclass(frozen=True, slots=True)
class Run:
    """What a part needs to know.

    `quick` looks whether everything works, on a small scale; `wanted_rounds` stands in for each
    part's own number. `tell` gets a line on what is done now.
    """

    below: Path
    folders: Folders
    tell: Callable[[str], None]
    quick: bool = False
    wanted_rounds: int | None = None

    def folder(self, name: str) -> Path:
        """Return a new folder for one part's files."""
        path = self.below / name
        path.mkdir(parents=True)
        return path

    def rounds(self, usual: int) -> int:
        """Return how many rounds to measure."""
        return self.wanted_rounds or (2 if self.quick else usual)

    def scaled(self, usual: int, quick: int) -> int:
        """Return how many of something to measure."""
        return quick if self.quick else usual
