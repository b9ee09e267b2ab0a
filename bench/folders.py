"""The measured functions, as the platform gets them: folders with `index.py` and packages."""

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
"""Our function for uploads, our sweep, the alternative; a function that imports ssl and the three
required packages and does nothing; and the same without the SDK, with one pydantic model."""

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
# pydantic imports much of itself only with the first model.
_LEAST = _FLOOR.replace(
    "import volcenginesdkcore", "class First(pydantic.BaseModel):\n    number: int"
)
_SOURCES = {
    "alternative": (ALTERNATIVE / "index.py").read_text("utf-8"),
    "floor": _FLOOR,
    "least": _LEAST,
}


class Folders:
    """The functions' folders, each built when it is first needed."""

    def __init__(self, below: Path) -> None:
        self._below = below
        self._made: dict[tuple[Kind, bool], Path] = {}

    def get(self, kind: Kind, *, compiled: bool = True) -> Path:
        """Return the folder of a function, with or without the compiled form of its modules.

        Raises RuntimeError if pip cannot install its packages.
        """
        if (kind, compiled) not in self._made:
            folder = self._below / (kind if compiled else f"{kind}-source")
            if compiled:
                _build(kind, folder)
            else:
                shutil.rmtree(folder, ignore_errors=True)
                ignore = shutil.ignore_patterns("__pycache__")
                shutil.copytree(self.get(kind), folder, ignore=ignore)
            self._made[kind, compiled] = folder
        return self._made[kind, compiled]


def requirements(kind: Kind) -> Path:
    """Return a function's requirements file."""
    return (ALTERNATIVE if kind == "alternative" else ROOT) / "requirements.txt"


def pip(*arguments: str | Path) -> None:
    """Run pip. Raises RuntimeError with its output if it fails."""
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "pip", *map(str, arguments), "--quiet"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"pip {arguments[0]} failed:\n{done.stderr}")


def zipped(folder: Path) -> int:
    """Return the size of a folder's zip in bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return len(buffer.getvalue())


def _build(kind: Kind, folder: Path) -> None:
    if kind in ("ours", "sweep"):
        assemble("upload" if kind == "ours" else kind, folder)
    else:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "index.py").write_text(_SOURCES[kind], "utf-8")
    constraints = ROOT / "constraints.txt"
    pip("install", "--target", folder, "-c", constraints, "-r", requirements(kind))
    # Files from a zip have another time than at compilation, so it is not compared.
    mode = PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(folder, quiet=2, force=True, invalidation_mode=mode)
