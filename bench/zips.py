"""The zip: its size, and the time that installing its packages takes."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from bench.figures import Figure, Samples
from bench.folders import Kind, pip, requirements, zipped
from bench.run import Run
from local.cloud import ROOT

_KINDS: tuple[Kind, ...] = ("ours", "alternative")
_MB = 1_000_000
# Values that serverless.yml needs; no zip holds them.
_DUMMIES = {
    "VEIMAGEX_SERVICE_ID": "bench",
    "VEIMAGEX_DOMAIN": "img.example.com",
    "VEIMAGEX_TEMPLATE": "tplv-bench-a.image",
    "REPAINT_HTTP_TOKENS": "bench",
}


def measure(run: Run) -> list[Figure]:
    """Zip both; install the packages of both, in turns, from files on the disk."""
    run.report("repaint package")
    packed = _packed(run.folder("packed"))
    theirs, theirs_source = (
        (zipped(run.folders.get("alternative", compiled=compiled)) / _MB,)
        for compiled in (True, False)
    )
    ours_source = (zipped(run.folders.get("ours", compiled=False)) / _MB,)
    files: dict[Kind, Path] = {}
    for kind in _KINDS:
        run.report(f"fetching packages: {kind}")
        files[kind] = run.folder(f"wheels-{kind}")
        _fetch(kind, files[kind])
    installing: dict[Kind, Samples] = dict.fromkeys(_KINDS, ())
    rounds = run.rounds(3)
    for number in range(rounds):
        for kind in _KINDS:
            run.report(f"installing {number + 1} of {rounds}: {kind}")
            target = run.folder(f"installed-{kind}-{number}")
            began = time.perf_counter()
            pip("install", "--no-index", "--no-cache-dir", "--find-links", files[kind],
                "--target", target, "-r", requirements(kind))  # fmt: skip
            installing[kind] += (time.perf_counter() - began,)
            shutil.rmtree(target)
    return [
        Figure("zips.packed", "the zip of `repaint package`, with .pyc", "MB", packed, theirs),
        Figure(
            "zips.source",
            "all that pip installs, without .pyc",
            "MB",
            ours_source,
            theirs_source,
        ),
        Figure(
            "zips.install",
            "installing the packages",
            "s",
            installing["ours"],
            installing["alternative"],
        ),
    ]


def _packed(folder: Path) -> Samples:
    """Package the upload function; return its zip's megabytes."""
    made = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "ops", "package", "--function", "upload", "--json",
         "--output", str(folder)],
        cwd=ROOT,
        env={**_DUMMIES, **os.environ},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    if made.returncode:
        raise RuntimeError(f"repaint package failed:\n{made.stderr}")
    (function,) = json.loads(made.stdout)["functions"]
    return (function["size"] / _MB,)


def _fetch(kind: Kind, folder: Path) -> None:
    constraints = ROOT / "constraints.txt"
    pip("download", "--dest", folder, "-c", constraints, "-r", requirements(kind))
    # Some of the alternative's packages come as sources, which need these to be built.
    pip("download", "--dest", folder, "setuptools>=80", "wheel")
