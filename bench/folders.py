"""What is measured, as the platform gets it: a folder with `index.py` and its packages in it."""

import compileall
import io
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Literal

from local.cloud import ROOT, assemble

Kind = Literal["ours", "sweep", "alternative", "floor", "least"]
"""Our door for uploads, our sweep, what stands beside them; what imports ssl and the three required
packages and does nothing; and the same without the SDK's, with a model."""

ALTERNATIVE = ROOT / "bench" / "alternative"
_FLOOR = '''"""Import what is required, and do nothing."""

import ssl

import pydantic
import structlog
import volcenginesdkcore


def handler(event, context):
    """Do nothing."""
    return {"body": ""}
'''
# pydantic imports much of itself with the first model only.
_LEAST = _FLOOR.replace(
    "import volcenginesdkcore", "class First(pydantic.BaseModel):\n    number: int"
)
_SOURCES = {
    "alternative": (ALTERNATIVE / "index.py").read_text("utf-8"),
    "floor": _FLOOR,
    "least": _LEAST,
}


class Folders:
    """The functions' folders below one folder, each put together when it is first asked for."""

    def __init__(self, below: Path) -> None:
        self._below = below
        self._made: dict[tuple[Kind, bool], Path] = {}

    def get(self, kind: Kind, *, compiled: bool = True) -> Path:
        """Return the folder of a function, with the compiled form of all its modules or without.

        Raises RuntimeError where pip cannot install its packages.
        """
        if (kind, compiled) not in self._made:
            folder = self._below / (kind if compiled else f"{kind}-source")
            if compiled:
                _put_together(kind, folder)
            else:
                shutil.rmtree(folder, ignore_errors=True)
                ignore = shutil.ignore_patterns("__pycache__")
                shutil.copytree(self.get(kind), folder, ignore=ignore)
            self._made[kind, compiled] = folder
        return self._made[kind, compiled]


def requirements(kind: Kind) -> Path:
    """Return the file that lists what a function needs."""
    return (ALTERNATIVE if kind == "alternative" else ROOT) / "requirements.txt"


def pip(*arguments: str | Path) -> None:
    """Run pip. Raises RuntimeError with what it said where it fails."""
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "pip", *map(str, arguments), "--quiet"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"pip {arguments[0]} failed:\n{done.stderr}")


def zipped(folder: Path) -> int:
    """Return how many bytes the zip of a folder has."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return len(buffer.getvalue())


def _put_together(kind: Kind, folder: Path) -> None:
    if kind in ("ours", "sweep"):
        assemble("upload" if kind == "ours" else kind, folder)
    else:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "index.py").write_text(_SOURCES[kind], "utf-8")
    constraints = ROOT / "constraints.txt"
    pip("install", "--target", folder, "-c", constraints, "-r", requirements(kind))
    # What is unpacked from a zip carries another time than when it was compiled: not compared.
    mode = PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(folder, quiet=2, force=True, invalidation_mode=mode)
