"""What ships in a zip: a function's code, `shared/`, packages without what no function uses.

And what never ships: a zip is copied to places where no key belongs.
"""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from ops.deployment.package.archive import Files
from ops.ui.output import Refused

# What no code in a function reaches, and why.
UNUSED = (
    "bin/",  # commands for a shell
    "tzdata/",  # time zones by name, which dateutil reads: all times here are UTC
    "tzdata-",  # the description of that package
    "pydantic/v1/",  # pydantic's API before version 2, for classes written for it
    "pydantic/mypy.py",  # the type checker's plugin
    "urllib3/contrib/emscripten/",  # for Python in a browser
)
_UNUSED_FOLDERS = {"test", "tests", "__pycache__"}
# Types for checkers, sources of what is compiled already, bytecode of other Pythons.
_UNUSED_SUFFIXES = {".pyi", ".c", ".cc", ".cpp", ".h", ".hpp", ".pxd", ".pyx", ".rs", ".pyc"}
_LICENCES = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "AUTHORS")

# Hidden files and folders are among them: .env, .git, .aws, .netrc, .repaint …
_SECRET_NAMES = (
    ".*",
    "*.env",
    "*credential*",
    "*secret*",
    "http-token",
    "id_rsa*",
    "id_ecdsa*",
    "id_ed25519*",
    "*.key",
    "*.jks",
    "*.p12",
    "*.pfx",
)
_SECRET_TEXTS = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY"
    rb"|\bAKLT[0-9A-Za-z]{12}"  # the beginning of Volcengine's access keys
    rb"|secret_?(?:access_?)?key[\"']?\s*[:=]",
    re.IGNORECASE,
)


def is_used(name: str) -> bool:
    """Return whether a file of a package is of use in a function, or is the package's licence."""
    path = PurePosixPath(name)
    if name.startswith(UNUSED):
        return False
    if path.parts[0].endswith(".dist-info"):
        # importlib.metadata reads versions from METADATA; a licence goes with its code.
        return (
            path.name == "METADATA"
            or path.parts[1] == "licenses"
            or path.name.upper().startswith(_LICENCES)
        )
    return not (
        path.name == "py.typed"
        or path.suffix in _UNUSED_SUFFIXES
        or _UNUSED_FOLDERS.intersection(path.parts[:-1])
    )


def code(root: Path, folder: Path) -> dict[str, Files]:
    """Return the files of the function's folder, which is the zip's root, and those of `shared/`.

    Raises Refused if index.py is missing, or if a file looks like a secret.
    """
    if not (root / folder / "index.py").is_file():
        raise Refused(f"{folder.as_posix()}/index.py is missing: the platform loads that file.")
    return {
        folder.as_posix(): _below(root / folder, root / folder),
        "shared": _below(root / "shared", root),
    }


def extras(root: Path, patterns: Iterable[str]) -> Files:
    """Return the files that globs name below `root`; a glob after `!` excludes files.

    A later pattern overrides an earlier one. Raises Refused if a pattern matches no file, or if a
    file looks like a secret.
    """
    chosen: dict[str, Path] = {}
    for pattern in patterns:
        found = _matches(root, pattern.removeprefix("!"))
        if pattern.startswith("!"):
            chosen = {name: path for name, path in chosen.items() if name not in found}
        elif found:
            chosen |= found
        else:
            raise Refused(f"package.patterns: {pattern!r} matches no file below {root}.")
    return {name: _read_extra(root, name, path) for name, path in chosen.items()}


def merged(sources: Mapping[str, Files]) -> Files:
    """Merge the files of all sources. Raises Refused if two have a file of the same name."""
    result: Files = {}
    origin: dict[str, str] = {}
    for source, files in sources.items():
        for name, content in files.items():
            if name in result:
                raise Refused(
                    f"{name} would be in the zip twice: from {origin[name]} and from {source}."
                )
            result[name], origin[name] = content, source
    return result


def _below(folder: Path, base: Path) -> Files:
    """Return the files below `folder`, named relative to `base`."""
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(base).as_posix()
        # Editors, systems and people put hidden files beside the code, .env among them.
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if hidden or not path.is_file() or not is_used(name):
            continue
        found[name] = path.read_bytes()
        if path.suffix != ".py":
            _check_secret(name, [name], found[name])
    return found


def _matches(root: Path, pattern: str) -> dict[str, Path]:
    # Python 3.13 finds files by a `**` at the end, earlier versions only folders.
    whole = f"{pattern}/*" if pattern.endswith("**") else pattern
    try:
        paths = {path.relative_to(root): path for path in root.glob(whole) if path.is_file()}
    except (ValueError, NotImplementedError):
        raise Refused(
            f"package.patterns: {pattern!r} is not a glob below {root}, such as presets.json or "
            "data/**/*.json."
        ) from None
    return {name.as_posix(): path for name, path in paths.items() if ".." not in name.parts}


def _read_extra(root: Path, name: str, path: Path) -> bytes:
    # A link may have a harmless name and lead to a key.
    root, real = root.resolve(), path.resolve()
    if not real.is_relative_to(root):
        raise Refused(f"package.patterns: {name} is a link to a file outside {root}.")
    content = path.read_bytes()
    _check_secret(name, [name, real.relative_to(root).as_posix()], content)
    return content


def _check_secret(name: str, paths: Iterable[str], content: bytes) -> None:
    """Raise Refused if a path or the content of the file `name` looks like a secret's."""
    parts = [part for path in paths for part in PurePosixPath(path.lower()).parts]
    if any(fnmatchcase(part, secret) for part in parts for secret in _SECRET_NAMES):
        raise Refused(
            f"{name} does not ship: its name is that of a hidden file or of a secret. Move or "
            f"rename it, or exclude it with '!{name}' in package.patterns."
        )
    if _SECRET_TEXTS.search(content):
        raise Refused(
            f"{name} does not ship: it contains an access key or a private key. Give the function "
            "a role, or set the key in its environment."
        )
