"""Build the zip of one function."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ops.deployment.package.archive import zipped
from ops.deployment.package.bytecode import compiled, find_interpreter, python_version
from ops.deployment.package.contents import code, extras, merged
from ops.deployment.package.dependencies import CACHE, Uv, install, run_uv
from ops.deployment.serverless_yml import Function, Service
from ops.ui.output import Refused

OUTPUT = Path(".repaint") / "package"
INLINE_LIMIT = 15_000_000
"""The bytes that the platform accepts in the call that deploys."""


@dataclass(frozen=True, slots=True)
class Built:
    """A function's zip and what it was made of."""

    function: str
    runtime: str
    path: Path
    size: int
    """In bytes; `unpacked_size` too."""
    unpacked_size: int
    sha256: str
    compiled_by: str | None
    """The version of the Python that compiled, such as `3.12.1`; None without .pyc files."""
    wheels: dict[str, str]
    """The SHA-256 of each wheel that is in the zip, by its file's name."""


def build(
    service: Service,
    function: Function,
    *,
    output: Path = OUTPUT,
    cache: Path = CACHE,
    python: str | None = None,
    uv: Uv = run_uv,
) -> Built:
    """Write `<output>/<function>.zip`: index.py at its root, `shared/`, packages and .pyc.

    `python` is the interpreter that compiles; without it one is searched for. Packages come from
    `cache`, or are installed by `uv`. Raises Refused.
    """
    version = python_version(function.runtime)
    interpreter = find_interpreter(version, python)
    packages, wheels = install(service.root, version, cache, uv)
    files = merged(
        {
            **code(service.root, function.folder),
            "requirements.lock": packages,
            "package.patterns": extras(
                service.root, (*service.package_patterns, *_presets_file(function))
            ),
        }
    )
    if interpreter:
        files |= compiled(files, interpreter)
    content = zipped(files)
    if len(content) > INLINE_LIMIT:
        largest = sorted(files, key=lambda name: len(files[name]), reverse=True)[:3]
        raise Refused(
            f"The zip of {function.name} has {len(content) / 1e6:.1f} MB, and the platform accepts "
            f"{INLINE_LIMIT / 1e6:.0f}. The largest files: {', '.join(largest)}."
        )
    return Built(
        function=function.name,
        runtime=function.runtime,
        path=_write(output / f"{function.name}.zip", content),
        size=len(content),
        unpacked_size=sum(map(len, files.values())),
        sha256=hashlib.sha256(content).hexdigest(),
        compiled_by=interpreter.version if interpreter else None,
        wheels=wheels,
    )


def _presets_file(function: Function) -> list[str]:
    """Return the file of presets that the function reads at its root, if its setting names one."""
    value = function.environment.get("REPAINT_PRESETS", "").strip()
    is_file = value.endswith(".json") and not value.startswith(("[", "{", "/"))
    return [value] if is_file else []


def _write(path: Path, content: bytes) -> Path:
    """Write a file completely or not at all: a build that is stopped leaves the file of before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.replace(path)
    return path
