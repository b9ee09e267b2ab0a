"""What a zip holds: a function's code, `shared/`, and the parts of the packages that it can use."""

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from ops.deployment.package.archive import Files
from ops.deployment.package.guard import check_content, check_name
from ops.deployment.package.wheels import Wheel
from ops.ui.output import Refused

# What no code that runs in a function reaches, and why.
UNUSED = (
    "tzdata/",  # time zones by name, of which dateutil asks: all that is read here is UTC
    "tzdata-",  # what describes that package
    "pydantic/v1/",  # pydantic's API before version 2, for classes written for it
    "pydantic/mypy.py",  # the type checker's plugin
    "urllib3/contrib/emscripten/",  # for Python in a browser
)
_UNUSED_FOLDERS = {"test", "tests", "__pycache__"}
# Types for checkers, sources of what is compiled already, others' compiled files.
_UNUSED_SUFFIXES = {".pyi", ".c", ".cc", ".cpp", ".h", ".hpp", ".pxd", ".pyx", ".rs", ".pyc"}
_LICENCES = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "AUTHORS")


def is_used(name: str) -> bool:
    """Tell whether a file of a package is of use in a function, or is its licence."""
    path = PurePosixPath(name)
    if name.startswith(UNUSED):
        return False
    if path.parts[0].endswith(".dist-info"):
        # METADATA is what importlib.metadata tells versions from; a licence goes with its code.
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


def packages(wheels: Iterable[Wheel]) -> dict[str, Files]:
    """Return the used files of each wheel, by its file's name."""
    found = {}
    for wheel in wheels:
        with zipfile.ZipFile(wheel.path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            found[wheel.path.name] = {name: archive.read(name) for name in names if is_used(name)}
    return found


def code(root: Path, folder: Path) -> dict[str, Files]:
    """Return what is in the function's folder, which lies at the zip's root, and in `shared/`.

    Raises Refused where there is no index.py, or a secret.
    """
    if not (root / folder / "index.py").is_file():
        raise Refused(f"{folder.as_posix()}/index.py is missing: the platform loads that file.")
    return {
        folder.as_posix(): _below(root / folder, root / folder),
        "shared": _below(root / "shared", root),
    }


def merged(sources: Mapping[str, Files]) -> Files:
    """Put everything together. Raises Refused where two have a file of the same name."""
    result: Files = {}
    origin: dict[str, str] = {}
    for source, files in sources.items():
        for name, content in files.items():
            if name in result:
                raise Refused(f"{name} would be in the zip twice: of {origin[name]}, of {source}.")
            result[name], origin[name] = content, source
    return result


def _below(folder: Path, base: Path) -> Files:
    """Return the files below `folder`, named as they lie below `base`."""
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(base).as_posix()
        # Hidden is what editors, systems and people put beside the code, .env among it.
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if hidden or not path.is_file() or not is_used(name):
            continue
        found[name] = path.read_bytes()
        if path.suffix != ".py":
            check_name(name, name)
            check_content(name, found[name])
    return found
