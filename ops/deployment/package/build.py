"""Build the zip of one function."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ops.deployment.package.archive import zipped
from ops.deployment.package.bytecode import compiled, find_interpreter
from ops.deployment.package.contents import code, merged, packages
from ops.deployment.package.extras import extras
from ops.deployment.package.needed import needed
from ops.deployment.package.target import target_of
from ops.deployment.package.wheels import CACHE, Pip, fetch, run_pip
from ops.deployment.serverless_yml.service import Function, Service
from ops.ui.output import Refused

OUTPUT = Path(".repaint") / "package"
INLINE_LIMIT = 15_000_000
"""What the platform takes in the call that deploys, in bytes."""


@dataclass(frozen=True, slots=True)
class Built:
    """A function's zip, and what it was made of."""

    function: str
    runtime: str
    path: Path
    size: int
    """In bytes; `unpacked_size` too."""
    unpacked_size: int
    sha256: str
    compiled_by: str | None
    """The version of the Python whose .pyc are in, such as `3.12.1`; None where none was found."""
    wheels: dict[str, str]
    """The SHA-256 of each wheel that is in, by its file's name."""


def build(
    service: Service,
    function: Function,
    *,
    output: Path = OUTPUT,
    cache: Path = CACHE,
    python: str | None = None,
    pip: Pip = run_pip,
) -> Built:
    """Write `<output>/<function>.zip`: index.py at its root, `shared/`, packages and .pyc.

    Wheels come from `cache`, or from `pip`. `python` compiles; without it one is looked for.
    Raises Refused with what is to be mended.
    """
    target = target_of(function.runtime)
    interpreter = find_interpreter(target, python)
    wheels = needed(service.root, fetch(service.root, target, cache, pip), target)
    packed = packages(wheels)
    files = merged(
        {
            **code(service.root, function.folder),
            **packed,
            "package.patterns": extras(
                service.root, (*service.package_patterns, *_presets_file(function))
            ),
        }
    )
    if interpreter:
        files |= compiled(files, interpreter, target)
    content = zipped(files)
    if len(content) > INLINE_LIMIT:
        largest = sorted(files, key=lambda name: len(files[name]), reverse=True)[:3]
        raise Refused(
            f"The zip of {function.name} has {len(content) / 1e6:.1f} MB, and the platform takes "
            f"{INLINE_LIMIT / 1e6:.0f}. The largest in it: {', '.join(largest)}."
        )
    return Built(
        function=function.name,
        runtime=function.runtime,
        path=_write(output / f"{function.name}.zip", content),
        size=len(content),
        unpacked_size=sum(map(len, files.values())),
        sha256=hashlib.sha256(content).hexdigest(),
        compiled_by=interpreter.version if interpreter else None,
        wheels={w.path.name: w.sha256 for w in wheels if packed[w.path.name]},
    )


def _presets_file(function: Function) -> list[str]:
    """Return the file of presets that the function will look for at its root, if it has one."""
    named = function.environment.get("REPAINT_PRESETS", "").strip()
    is_file = named.endswith(".json") and not named.startswith(("[", "{", "/"))
    return [named] if is_file else []


def _write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Whole or not at all: dying in between leaves the zip of before.
    fresh = path.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.replace(path)
    return path
