"""What `package.patterns` of serverless.yml puts beside the code, such as presets.json."""

from collections.abc import Iterable
from pathlib import Path

from ops.deployment.package.archive import Files
from ops.deployment.package.guard import check_content, check_name
from ops.ui.output import Refused


def extras(root: Path, patterns: Iterable[str]) -> Files:
    """Return the files that the globs name below `root`; `!` before one leaves out.

    A later pattern goes over an earlier one. Raises Refused for a pattern that names nothing, and
    for a file that must not ship.
    """
    chosen: dict[str, Path] = {}
    for pattern in patterns:
        found = _matches(root, pattern.removeprefix("!"))
        if pattern.startswith("!"):
            chosen = {name: path for name, path in chosen.items() if name not in found}
        elif found:
            chosen |= found
        else:
            raise Refused(f"package.patterns: {pattern!r} names no file below {root}.")
    return {name: _read(root, name, path) for name, path in chosen.items()}


def _matches(root: Path, pattern: str) -> dict[str, Path]:
    # Python 3.13 finds files by a `**` at the end, those before only folders.
    whole = f"{pattern}/*" if pattern.endswith("**") else pattern
    try:
        paths = {path.relative_to(root): path for path in root.glob(whole) if path.is_file()}
    except (ValueError, NotImplementedError):
        raise Refused(
            f"package.patterns: {pattern!r} is no glob below {root}, such as presets.json or "
            "data/**/*.json."
        ) from None
    return {name.as_posix(): path for name, path in paths.items() if ".." not in name.parts}


def _read(root: Path, name: str, path: Path) -> bytes:
    # A link may have a harmless name, and lead to a key.
    root, real = root.resolve(), path.resolve()
    if not real.is_relative_to(root):
        raise Refused(f"package.patterns: {name} is a link that leads out of {root}.")
    content = path.read_bytes()
    for place in (name, real.relative_to(root).as_posix()):
        check_name(name, place)
    check_content(name, content)
    return content
