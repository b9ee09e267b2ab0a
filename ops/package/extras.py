"""What `package.patterns` of serverless.yml puts beside the code, such as presets.json.

A zip is copied to places where no key belongs: what looks like a secret is refused, by its name
or by what is in it.
"""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from ops.output import Refused
from ops.package.contents import Files

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
    rb"|\bAKLT[0-9A-Za-z]{12}"  # how Volcengine's access keys begin
    rb"|secret_?(?:access_?)?key[\"']?\s*[:=]",
    re.IGNORECASE,
)


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
        paths = [path for path in root.glob(whole) if path.is_file()]
        return {path.relative_to(root).as_posix(): path for path in paths if ".." not in path.parts}
    except (ValueError, NotImplementedError):
        raise Refused(
            f"package.patterns: {pattern!r} is no glob below {root}, such as presets.json or "
            "data/**/*.json."
        ) from None


def _read(root: Path, name: str, path: Path) -> bytes:
    # A link may have a harmless name, and lead to a key.
    real = path.resolve()
    if not real.is_relative_to(root.resolve()):
        raise Refused(f"package.patterns: {name} is a link that leads out of {root}.")
    content = path.read_bytes()
    for parts in (Path(name).parts, real.relative_to(root.resolve()).parts):
        if any(fnmatchcase(part.lower(), secret) for part in parts for secret in _SECRET_NAMES):
            raise Refused(
                f"package.patterns: {name} does not ship, as its name is that of a hidden file or "
                f"of a secret. Leave it out with '!{name}', or call it something else."
            )
    if _SECRET_TEXTS.search(content):
        raise Refused(
            f"package.patterns: {name} does not ship, as there is an access key or a private key "
            "in it. Give the function a role, or set the key in its environment."
        )
    return content
