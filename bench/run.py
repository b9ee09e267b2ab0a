"""One run of the benchmark: its scale, its files, its progress reports."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.folders import Folders


@dataclass(frozen=True, slots=True)
class Run:
    """A part's parameters.

    `quick` tries everything on a small scale; `wanted_rounds` replaces each part's own number.
    `report` gets a line on the current step.
    """

    below: Path
    folders: Folders
    report: Callable[[str], None]
    quick: bool = False
    wanted_rounds: int | None = None

    def folder(self, name: str) -> Path:
        """Return a new folder for one part's files."""
        path = self.below / name
        path.mkdir(parents=True)
        return path

    def rounds(self, usual: int) -> int:
        """Return the number of rounds to measure."""
        return self.wanted_rounds or (2 if self.quick else usual)

    def scaled(self, usual: int, quick: int) -> int:
        """Return the number of things to measure."""
        return quick if self.quick else usual
