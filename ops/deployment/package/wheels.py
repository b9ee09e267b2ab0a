"""The wheels of requirements.txt, got by pip and kept: a second build needs no network.

pip picks them for the runtime from whatever index it is set up for. What is kept goes by
requirements.txt, constraints.txt and the runtime, and each file is held against its hash.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import NormalizedName, parse_wheel_filename
from packaging.version import Version

from ops.deployment.package.target import PLATFORMS, Target
from ops.ui.output import Exit, Refused
from shared.redaction import redact_text

CACHE = Path(".repaint") / "wheels"
REQUIREMENTS, CONSTRAINTS = "requirements.txt", "constraints.txt"
_HASHES = "wheels.json"
_TOLD_LINES = 10
_NO_PIP = re.compile(r"No module named '?pip\b")

# Called with pip's arguments; raises Refused.
Pip = Callable[[Sequence[str]], None]


@dataclass(frozen=True, slots=True)
class Wheel:
    """One distribution, as it was published."""

    path: Path
    sha256: str

    @property
    def name(self) -> NormalizedName:
        """Its name, in the form that is compared."""
        return parse_wheel_filename(self.path.name)[0]

    @property
    def version(self) -> Version:
        """Its version."""
        return parse_wheel_filename(self.path.name)[1]


def fetch(root: Path, target: Target, cache: Path, pip: Pip) -> list[Wheel]:
    """Return every wheel that pip finds for the project in `root`, from `cache` if they are there.

    Raises Refused.
    """
    for name in (REQUIREMENTS, CONSTRAINTS):
        if not (root / name).is_file():
            raise Refused(f"{root / name} is missing: it says which packages the functions carry.")
    folder = cache / _key(root, target)
    kept = _kept(folder)
    if not kept:
        shutil.rmtree(folder, ignore_errors=True)
        _download(root, target, folder, pip)
        kept = _kept(folder)
    if not kept:
        raise Refused(f"pip left no wheels in {folder}: is the disk full?", Exit.NEEDS_YOU)
    return kept


def run_pip(
    arguments: Sequence[str],
    *,
    python: str = sys.executable,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Run pip as it is set up on this machine. Raises Refused with what it says."""
    done = subprocess.run(  # noqa: S603 - this interpreter, and arguments of our own
        [python, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments],
        env=dict(environment),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode == 0:
        return
    if _NO_PIP.search(done.stderr):
        raise Refused(
            f"pip gets the wheels, and {python} has none: run '{python} -m ensurepip', or "
            "install pip the way this Python was installed."
        )
    # An index's address may hold a password.
    told = redact_text("\n".join(done.stderr.splitlines()[-_TOLD_LINES:]))
    raise Refused(
        f"pip could not get the wheels, and says:\n{told}\nIt speaks of a conflict also where it "
        "finds none: check the network, and which index pip is set up for with "
        f"'{python} -m pip config list'.",
        Exit.NEEDS_YOU,
    )


def _key(root: Path, target: Target) -> str:
    said = hashlib.sha256(f"{target} {PLATFORMS}\n".encode())
    for name in (REQUIREMENTS, CONSTRAINTS):
        said.update(hashlib.sha256((root / name).read_bytes()).digest())
    return f"{target.abi}-{said.hexdigest()[:16]}"


def _kept(folder: Path) -> list[Wheel]:
    """Return what `folder` holds; nothing unless all of it is as it was written."""
    try:
        hashes: dict[str, str] = json.loads((folder / _HASHES).read_text("utf-8"))
        wheels = [Wheel(folder / name, sha256) for name, sha256 in sorted(hashes.items())]
        whole = all(_sha256(wheel.path) == wheel.sha256 for wheel in wheels)
    except (OSError, ValueError, AttributeError):
        return []
    return wheels if whole else []


def _download(root: Path, target: Target, folder: Path, pip: Pip) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Dying in between leaves a folder of another name, which nobody reads.
    with tempfile.TemporaryDirectory(dir=folder.parent, ignore_cleanup_errors=True) as name:
        fresh = Path(name) / folder.name
        fresh.mkdir()
        pip(
            [
                "download",
                "--only-binary=:all:",
                *(f"--platform={platform}" for platform in PLATFORMS),
                f"--python-version={target.version}",
                "--implementation=cp",
                *(f"--abi={abi}" for abi in (target.abi, "abi3", "none")),
                f"--requirement={root / REQUIREMENTS}",
                f"--constraint={root / CONSTRAINTS}",
                f"--dest={fresh}",
            ]
        )
        hashes = {path.name: _sha256(path) for path in sorted(fresh.glob("*.whl"))}
        (fresh / _HASHES).write_text(json.dumps(hashes, indent=2), "utf-8")
        try:
            fresh.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
            # Another build was faster, with the same wheels.


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
