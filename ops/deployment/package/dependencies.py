"""The functions' packages: pinned with hashes in requirements.lock, installed by uv, and kept.

uv evaluates the conditions of requirements (`; python_version < "3.12"`) for the runtime, so the
same packages are installed on any system. A second build needs no network.
"""

import ast
import csv
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path, PurePosixPath

from ops.deployment.package.archive import Files, zipped
from ops.deployment.package.contents import is_used, merged
from ops.ui.output import Exit, Refused
from shared.redaction import redact_text

CACHE = Path(".repaint") / "wheels"
REQUIREMENTS, CONSTRAINTS, LOCK = "requirements.txt", "constraints.txt", "requirements.lock"
# 2.28 is the C library of Debian 10; the later Debian that the runtimes use is not documented.
PLATFORM = "x86_64-manylinux_2_28"
_WHEELS = ".wheels.json"  # in the kept zip, beside the packages
_PIN = re.compile(r"^([\w.-]+==[^\s;\\]+)", re.MULTILINE)
_REPORTED_LINES = 10
# pip's options that say where packages come from, and uv's variables for them.
_VARIABLES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
}

# Called with uv's arguments; returns what it prints. Raises Refused.
Uv = Callable[[Sequence[str]], str]


def install(root: Path, python: str, folder: Path, uv: Uv) -> tuple[Files, dict[str, str]]:
    """Return the used files of the packages, and the SHA-256 of each wheel by its file's name.

    They are what requirements.lock in `root` pins, for a Python such as `3.12`, and are kept in
    `folder`. If that file is missing, it is resolved from requirements.txt and constraints.txt and
    written. Raises Refused.
    """
    for name in (REQUIREMENTS, CONSTRAINTS):
        if not (root / name).is_file():
            raise Refused(f"{root / name} is missing: it lists the functions' packages.")
    if not (root / LOCK).is_file():
        _lock(root, python, uv)
    kept = folder / f"python{python}-{_digest(root, python)}.zip"
    try:
        return _unpacked(kept.read_bytes())
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        files, wheels = _installed(root, python, uv)
    kept.parent.mkdir(parents=True, exist_ok=True)
    # Completely or not at all: a build that is stopped leaves a file that nobody reads.
    with tempfile.NamedTemporaryFile(dir=kept.parent, delete=False) as fresh:
        fresh.write(zipped({_WHEELS: json.dumps(wheels).encode(), **files}))
    Path(fresh.name).replace(kept)
    return files, wheels


def run_uv(
    arguments: Sequence[str],
    *,
    python: str = sys.executable,
    environment: Mapping[str, str] = os.environ,
) -> str:
    """Run uv with the package index that pip is configured with; uv's own variables override it.

    Returns what it prints. Raises Refused with what it reports.
    """
    pip = _pip_options(python, frozenset(environment.items()))
    no_index = pip.get("no-index", "").lower() in ("1", "true", "yes", "on")
    variables = {
        variable: ("," if name == "find-links" else " ").join(pip[name].split())
        for name, variable in _VARIABLES.items()
        if name in pip
    }
    # As with pip, no index comes before another; and no Python is downloaded.
    variables |= {"UV_INDEX_STRATEGY": "unsafe-best-match", "UV_PYTHON_DOWNLOADS": "never"}
    command = [python, "-m", "uv", *arguments, *(["--no-index"] if no_index else [])]
    done = _run(command, {**variables, **environment})
    if done.returncode == 0:
        return done.stdout
    if "No module named uv" in done.stderr:
        raise Refused(f"{python} has no uv, which gets the packages: install the extra 'ops'.")
    # The address of an index may contain a password.
    report = redact_text("\n".join(done.stderr.splitlines()[-_REPORTED_LINES:]))
    raise Refused(
        f"uv could not get the packages and reports:\n{report}\n"
        f"If {REQUIREMENTS} or {CONSTRAINTS} has changed, delete {LOCK} and run this command "
        f"again. Else check the network and the package index: '{python} -m pip config list'.",
        Exit.NEEDS_YOU,
    )


@cache
def _pip_options(python: str, environment: frozenset[tuple[str, str]]) -> dict[str, str]:
    """Return pip's options from its files and variables; none if that Python has no pip."""
    listed = _run([python, "-m", "pip", "config", "list"], dict(environment)).stdout
    return {
        name: ast.literal_eval(value)
        for section in ("global", "install", "download", ":env:")  # a later one overrides
        for name, value in re.findall(rf"^{section}\.([\w-]+)=(['\"].*)$", listed, re.MULTILINE)
    }


def _run(
    command: Sequence[str], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - this interpreter, and arguments of our own
        command,
        env=dict(environment),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def _target(python: str) -> list[str]:
    return [
        "--quiet",
        "--only-binary=:all:",
        f"--python={sys.executable}",
        f"--python-version={python}",
        f"--python-platform={PLATFORM}",
    ]


def _lock(root: Path, python: str, uv: Uv) -> None:
    uv(
        [
            *("pip", "compile", str(root / REQUIREMENTS), f"--constraints={root / CONSTRAINTS}"),
            *("--generate-hashes", "--no-annotate", f"--output-file={root / LOCK}"),
            f"--custom-compile-command=rm {LOCK} && repaint package",
            *_target(python),
        ]
    )


def _installed(root: Path, python: str, uv: Uv) -> tuple[Files, dict[str, str]]:
    """Install what requirements.lock pins. Raises Refused if requirements.txt needs others."""
    constraints = [f"--constraints={root / name}" for name in (CONSTRAINTS, LOCK)]
    resolve = ["pip", "compile", str(root / REQUIREMENTS), *constraints, "--format=pylock.toml"]
    resolved = tomllib.loads(uv([*resolve, *_target(python)])).get("packages", [])
    pins = {f"{each['name']}=={each['version']}" for each in resolved}
    differing = pins.symmetric_difference(_PIN.findall((root / LOCK).read_text("utf-8")))
    if differing:
        raise Refused(
            f"{LOCK} does not match {REQUIREMENTS}: they differ in {', '.join(sorted(differing))}. "
            f"Delete {LOCK} and run this command again to resolve the packages anew."
        )
    with tempfile.TemporaryDirectory(prefix="repaint-") as folder:
        pinned = ["--require-hashes", f"--requirements={root / LOCK}", f"--target={folder}"]
        uv(["pip", "install", *pinned, *_target(python)])
        files = {info.stem: _used_files(info) for info in Path(folder).glob("*.dist-info")}
    wheels = {
        PurePosixPath(wheel.get("url") or wheel["path"]).name: wheel["hashes"]["sha256"]
        for each in resolved
        for wheel in each["wheels"]
    }
    used = tuple(f"{name}-" for name in files if files[name])
    return merged(files), {name: wheels[name] for name in sorted(wheels) if name.startswith(used)}


def _used_files(info: Path) -> Files:
    """Return the used files of the package that `info`, its .dist-info, describes."""
    record = csv.reader((info / "RECORD").read_text("utf-8").splitlines())
    return {name: (info.parent / name).read_bytes() for name, *_ in record if is_used(name)}


def _unpacked(content: bytes) -> tuple[Files, dict[str, str]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    return files, json.loads(files.pop(_WHEELS))


def _digest(root: Path, python: str) -> str:
    digest = hashlib.sha256(f"{python} {PLATFORM}\n".encode())
    for name in (REQUIREMENTS, CONSTRAINTS, LOCK):
        digest.update(hashlib.sha256((root / name).read_bytes()).digest())
    return digest.hexdigest()[:16]
