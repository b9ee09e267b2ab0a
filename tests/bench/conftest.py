"""Functions' folders as the benchmark measures them, without pip."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pydantic
import pytest

from bench.folders import ALTERNATIVE, Kind
from local.cloud import assemble


@pytest.fixture
def folder_of(tmp_path: Path) -> Callable[[Kind], Path]:
    """Put a function's folder together, with this environment's packages linked into it."""

    def made(kind: Kind) -> Path:
        folder = tmp_path / kind
        if kind == "alternative":
            folder.mkdir()
            shutil.copy(ALTERNATIVE / "index.py", folder)
        else:
            assemble("upload", folder)
        for package in Path(pydantic.__file__).parents[1].iterdir():
            if not (folder / package.name).exists():
                (folder / package.name).symlink_to(package)
        return folder

    return made
