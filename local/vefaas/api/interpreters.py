"""Choose the interpreter for a function's code: its runtime's own, or one that fits as well."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ISOLATED = ("-S", "-s")
"""Hide the packages of this machine's interpreter: a function finds only those in its zip."""

# The worker is started with an option that is new in this version.
_OLDEST = (3, 11)
_SECONDS = 20
_QUERY = (
    "import json, sys, importlib.machinery as m; "
    "print(json.dumps([sys.version_info[:2], m.EXTENSION_SUFFIXES]))"
)
_COMPILED = re.compile(r"\.((?:cpython-\d+|abi3)[^.]*)\.(?:so|pyd)$")


class NoInterpreterError(Exception):
    """No interpreter of this machine can run the code."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python on this machine, and the tags of the compiled modules that it loads."""

    command: str
    version: tuple[int, int]
    tags: frozenset[str]


def choose(
    runtime: str,
    folder: Path,
    given: Mapping[str, str],
    environment: Mapping[str, str] = os.environ,
) -> str:
    """Return the interpreter for code in `folder` that was made for `runtime`.

    It is the one `given` for that runtime; or one of the runtime's version, on the PATH or pyenv's;
    or this process's own, if it loads every compiled module in the folder. Raises
    NoInterpreterError.
    """
    needed = compiled_tags(folder)
    wanted = runtime.removesuffix("/v1").removeprefix("python")
    if runtime in given:
        candidates = [given[runtime]]
    else:
        candidates = [f"python{wanted}", *_of_pyenv(wanted, environment), sys.executable]
    found = [each for command in candidates if (each := inspect(command))]
    if not found:
        raise NoInterpreterError(
            f"{' and '.join(candidates)}, to run {runtime}, is no Python of this machine, or older "
            "than 3.11: install one, or choose another."
        )
    same = [each for each in found if f"{each.version[0]}.{each.version[1]}" == wanted]
    for each in (*same, *found):
        if needed <= each.tags:
            return each.command
    known = ", ".join(f"{each.command} of {each.version[0]}.{each.version[1]}" for each in found)
    raise NoInterpreterError(
        f"The zip holds packages compiled for {', '.join(sorted(needed))}, which no interpreter "
        f"at hand loads (there is {known}): install Python {wanted}, or pack the zip for an "
        "interpreter that is here."
    )


def _of_pyenv(wanted: str, environment: Mapping[str, str]) -> list[str]:
    """Return pyenv's interpreters of a version; its `python3.12` on the PATH may not be active."""
    root = environment.get("PYENV_ROOT") or f"{environment.get('HOME', '')}/.pyenv"
    return sorted(str(p) for p in Path(root).glob(f"versions/{wanted}.*/bin/python{wanted}"))


def compiled_tags(folder: Path) -> frozenset[str]:
    """Return the tags of the compiled modules in a folder: `cpython-312-…`, `abi3`."""
    names = (path.name for path in folder.rglob("*") if path.suffix in (".so", ".pyd"))
    return frozenset(match[1] for name in names if (match := _COMPILED.search(name)))


@cache
def inspect(command: str) -> Interpreter | None:
    """Return an interpreter's version and tags; None if it does not exist, or is too old."""
    path = shutil.which(command)
    if path is None:
        return None
    try:
        answer = subprocess.run(  # noqa: S603 (an interpreter of this machine)
            [path, "-I", "-S", "-c", _QUERY], capture_output=True, timeout=_SECONDS, check=True
        )
        version, suffixes = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None  # such as a version manager's shim for a version that is not installed
    if tuple(version) < _OLDEST:
        return None
    tags = (suffix.removeprefix(".").rpartition(".")[0] for suffix in suffixes)
    return Interpreter(path, (version[0], version[1]), frozenset(tag for tag in tags if tag))
