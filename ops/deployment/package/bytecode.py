"""Compiled files for the runtime, where an interpreter of its minor version is at hand.

Without them every instance compiles what it imports when it starts, which makes a cold start up to
half a second longer: it cannot write where the function lies.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ops.deployment.package import compiler
from ops.deployment.package.archive import Files
from ops.deployment.package.target import Target
from ops.ui.output import Refused

# What an interpreter says of itself; one before its release may compile to something else.
_ASK = (
    "import sys, platform;"
    "print(sys.implementation.cache_tag, sys.version_info.releaselevel, platform.python_version())"
)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python that compiles for the runtime."""

    path: str
    version: str
    """With its patch: `3.12.1`."""


def find_interpreter(
    target: Target,
    asked: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Interpreter | None:
    """Return `asked`, else this Python, one on the PATH or one of pyenv's; None if none fits.

    Raises Refused where the one that was asked for does not fit.
    """
    if asked is not None:
        found = _fitting(asked, target)
        if found is None:
            raise Refused(f"--python {asked} is no {target}, which the runtime is.")
        return found
    fitting = (_fitting(path, target) for path in _places(target, environment))
    return next((interpreter for interpreter in fitting if interpreter), None)


def compiled(files: Files, interpreter: Interpreter, target: Target) -> Files:
    """Return the compiled form of each module of `files`. Raises Refused where one cannot be."""
    sources = {name: content for name, content in files.items() if name.endswith(".py")}
    with tempfile.TemporaryDirectory(prefix="repaint-") as folder_name:
        folder = Path(folder_name)
        for name, content in sources.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        _compile(folder, interpreter)
        names = {name: _compiled_name(name, target) for name in sources}
        return {name: (folder / name).read_bytes() for name in names.values()}


def _compile(folder: Path, interpreter: Interpreter) -> None:
    # In one process, in a fixed order, with a fixed seed and nothing of this machine's set-up:
    # how objects are written depends on what else the process holds.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(  # noqa: S603 - an interpreter that was asked what it is
        [interpreter.path, "-P", "-s", "-S", compiler.__file__, str(folder)],
        env={**environment, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        raise Refused(
            f"Python {interpreter.version}, the runtime's, cannot compile {done.stderr.strip()}"
        )


def _compiled_name(name: str, target: Target) -> str:
    folder, slash, module = name.rpartition("/")
    return f"{folder}{slash}__pycache__/{module.removesuffix('.py')}.{target.cache_tag}.pyc"


def _fitting(path: str, target: Target) -> Interpreter | None:
    try:
        done = subprocess.run(  # noqa: S603 - named by the user, or found where Pythons are
            [path, "-I", "-S", "-c", _ASK], capture_output=True, text=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    # What has the name of an interpreter need not be one: pyenv's say which versions there are.
    said = done.stdout.split()
    if done.returncode != 0 or said[:2] != [target.cache_tag, "final"]:
        return None
    return Interpreter(path, said[2])


def _places(target: Target, environment: Mapping[str, str]) -> Iterator[str]:
    yield sys.executable
    file = f"{target}.exe" if os.name == "nt" else str(target)
    for folder in environment.get("PATH", "").split(os.pathsep):
        if folder and (Path(folder) / file).is_file():
            yield str(Path(folder) / file)
    pyenv = environment.get("PYENV_ROOT") or f"{environment.get('HOME', '')}/.pyenv"
    found = Path(pyenv).glob(f"versions/{target.version}.*/bin/{target}")
    yield from sorted(str(path) for path in found)
