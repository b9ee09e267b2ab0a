"""The zip: how large it is, and how long its packages take to be installed."""

import shutil
import time
from pathlib import Path

from bench.figures import Figure, Samples
from bench.folders import Kind, pip, requirements, zipped
from bench.run import Run
from local.cloud import ROOT

_KINDS: tuple[Kind, ...] = ("ours", "alternative")
_MB = 1_000_000


def measure(run: Run) -> list[Figure]:
    """Zip both; install the packages of both, in turns, from files that are on the disk already."""
    zips: dict[tuple[Kind, bool], Samples] = {}
    files: dict[Kind, Path] = {}
    for kind in _KINDS:
        run.tell(f"packing and fetching: {kind}")
        for compiled in (True, False):
            folder = run.folders.get(kind, compiled=compiled)
            zips[kind, compiled] = (zipped(folder) / _MB,)
        files[kind] = run.folder(f"wheels-{kind}")
        _fetch(kind, files[kind])
    installing: dict[Kind, Samples] = dict.fromkeys(_KINDS, ())
    rounds = run.rounds(3)
    for number in range(rounds):
        for kind in _KINDS:
            run.tell(f"installing {number + 1} of {rounds}: {kind}")
            target = run.folder(f"installed-{kind}-{number}")
            began = time.perf_counter()
            pip("install", "--no-index", "--no-cache-dir", "--find-links", files[kind],
                "--target", target, "-r", requirements(kind))  # fmt: skip
            installing[kind] += (time.perf_counter() - began,)
            shutil.rmtree(target)
    return [
        Figure(
            "zips.compiled",
            "the zip, with .pyc",
            "MB",
            zips["ours", True],
            zips["alternative", True],
        ),
        Figure(
            "zips.source", "the zip, without", "MB", zips["ours", False], zips["alternative", False]
        ),
        Figure(
            "zips.install",
            "installing its packages",
            "s",
            installing["ours"],
            installing["alternative"],
        ),
    ]


def _fetch(kind: Kind, folder: Path) -> None:
    constraints = ROOT / "constraints.txt"
    pip("download", "--dest", folder, "-c", constraints, "-r", requirements(kind))
    # Some of the alternative's packages come as sources: to build them takes these.
    pip("download", "--dest", folder, "setuptools>=80", "wheel")
