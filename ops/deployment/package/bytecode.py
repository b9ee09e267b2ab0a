"""Compiled files for the runtime, if an interpreter of its minor version is found.

Without them every instance compiles what it imports when it starts, which makes a cold start up to
half a second longer: it cannot write to the folder of its code.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ops.deployment.package.archive import Files
from ops.ui.output import Refused

_RUNTIME = re.compile(r"python(3\.\d+)(?:/v\d+)?", re.ASCII)
# A release candidate may compile to another bytecode than the release.
_IDENTIFY = (
    "import sys, platform;"
    "print(sys.implementation.cache_tag, sys.version_info.releaselevel, platform.python_version())"
)
# Unchecked: the compiled file is used as it is, whatever time an unpacked source carries.
_COMPILE = ("-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-i", "-")


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python that compiles for the runtime."""

    path: str
    version: str
    """With its patch: `3.12.1`."""


def python_version(runtime: str) -> str:
    """Return the Python of a runtime: `3.12` of `python3.12/v1`. Raises Refused for others."""
    found = _RUNTIME.fullmatch(runtime)
    if found is None:
        raise Refused(f"The runtime {runtime!r} is not a Python 3: use python3.12/v1.")
    return found[1]


def find_interpreter(
    version: str, path: str | None = None, environment: Mapping[str, str] = os.environ
) -> Interpreter | None:
    """Return the interpreter at `path`, else this one, one on the PATH or one of pyenv.

    `version` is such as `3.12`; None is returned if no interpreter has it. Raises Refused if the
    one at `path` does not.
    """
    if path is not None:
        found = _identify(path, version)
        if found is None:
            raise Refused(f"--python {path} is not a python{version}, which the runtime is.")
        return found
    identified = (_identify(path, version) for path in _candidates(version, environment))
    return next((interpreter for interpreter in identified if interpreter), None)


def compiled(files: Files, interpreter: Interpreter) -> Files:
    """Return the compiled form of each module of `files`. Raises Refused if one has an error."""
    names = sorted(name for name in files if name.endswith(".py"))
    # In one process, in a fixed order, with a fixed seed and without this machine's configuration:
    # how objects are written depends on what else the process holds. The names are relative, so
    # that the folder leaves no mark; Python puts the module's own folder before them on import.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    with tempfile.TemporaryDirectory(prefix="repaint-") as folder:
        for name in names:
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(files[name])
        done = subprocess.run(  # noqa: S603 - an interpreter that was identified
            [interpreter.path, "-P", "-s", "-S", *_COMPILE],
            cwd=folder,
            env={**environment, "PYTHONHASHSEED": "0"},
            input="\n".join(names),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            raise Refused(
                f"Python {interpreter.version}, the runtime's, cannot compile the code:\n"
                f"{(done.stdout + done.stderr).strip()}"
            )
        paths = Path(folder).rglob("*.pyc")
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def _identify(path: str, version: str) -> Interpreter | None:
    try:
        done = subprocess.run(  # noqa: S603 - named by the user, or found where Pythons are
            [path, "-I", "-S", "-c", _IDENTIFY],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    # A file with the name of an interpreter need not be one: pyenv's only list the versions.
    words = done.stdout.split()
    if done.returncode != 0 or words[:2] != [f"cpython-{version.replace('.', '')}", "final"]:
        return None
    return Interpreter(path, words[2])


def _candidates(version: str, environment: Mapping[str, str]) -> Iterator[str]:
    yield sys.executable
    name = f"python{version}"
    file = f"{name}.exe" if os.name == "nt" else name
    for folder in environment.get("PATH", "").split(os.pathsep):
        if folder and (Path(folder) / file).is_file():
            yield str(Path(folder) / file)
    pyenv = environment.get("PYENV_ROOT") or f"{environment.get('HOME', '')}/.pyenv"
    yield from sorted(map(str, Path(pyenv).glob(f"versions/{version}.*/bin/{name}")))
