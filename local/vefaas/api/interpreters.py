"""Find the interpreter that runs a function's code: its runtime's own, or one that fits as well."""

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
"""Without the packages of this machine's interpreter: a function finds what its zip holds."""

# The platform's worker is started with an option that came with it.
_OLDEST = (3, 11)
_SECONDS = 20
_ASK = (
    "import json, sys, importlib.machinery as m; "
    "print(json.dumps([sys.version_info[:2], m.EXTENSION_SUFFIXES]))"
)
_COMPILED = re.compile(r"\.((?:cpython-\d+|abi3)[^.]*)\.(?:so|pyd)$")


class NoInterpreterError(Exception):
    """No interpreter at hand can run the code; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python on this machine; `tags` are those of the compiled modules that it loads."""

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
    or this very one, if it loads all that is compiled in the folder. Raises NoInterpreterError.
    """
    needed = compiled_tags(folder)
    wanted = runtime.removesuffix("/v1").removeprefix("python")
    if runtime in given:
        candidates = [given[runtime]]
    else:
        candidates = [f"python{wanted}", *_of_pyenv(wanted, environment), sys.executable]
    there = [found for command in candidates if (found := ask(command))]
    if not there:
        raise NoInterpreterError(
            f"{' and '.join(candidates)}, to run {runtime}, is no Python of this machine, or older "
            "than 3.11: install one, or choose another."
        )
    same = [each for each in there if f"{each.version[0]}.{each.version[1]}" == wanted]
    for each in (*same, *there):
        if needed <= each.tags:
            return each.command
    known = ", ".join(f"{each.command} of {each.version[0]}.{each.version[1]}" for each in there)
    raise NoInterpreterError(
        f"The zip holds packages compiled for {', '.join(sorted(needed))}, which no interpreter "
        f"at hand loads (there is {known}): install Python {wanted}, or pack the zip for an "
        "interpreter that is here."
    )


def _of_pyenv(wanted: str, environment: Mapping[str, str]) -> list[str]:
    """Return pyenv's interpreters of a version: its `python3.12` on the PATH needs a choice."""
    root = environment.get("PYENV_ROOT") or f"{environment.get('HOME', '')}/.pyenv"
    return sorted(str(p) for p in Path(root).glob(f"versions/{wanted}.*/bin/python{wanted}"))


def compiled_tags(folder: Path) -> frozenset[str]:
    """Return for which interpreters what is compiled in a folder is: `cpython-312-…`, `abi3`."""
    names = (path.name for path in folder.rglob("*") if path.suffix in (".so", ".pyd"))
    return frozenset(match[1] for name in names if (match := _COMPILED.search(name)))


@cache
def ask(command: str) -> Interpreter | None:
    """Return what an interpreter says of itself; None where it is not there, or is too old."""
    path = shutil.which(command)
    if path is None:
        return None
    try:
        answer = subprocess.run(  # noqa: S603 (an interpreter of this machine)
            [path, "-I", "-S", "-c", _ASK], capture_output=True, timeout=_SECONDS, check=True
        )
        version, suffixes = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None  # such as a version manager's stand-in for one that is not installed
    if tuple(version) < _OLDEST:
        return None
    tags = (suffix.removeprefix(".").rpartition(".")[0] for suffix in suffixes)
    return Interpreter(path, (version[0], version[1]), frozenset(tag for tag in tags if tag))
