"""What never ships: a zip is copied to places where no key belongs."""

import re
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from ops.ui.output import Refused

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


def check_name(name: str, place: str) -> None:
    """See that `place`, what the file `name` is or leads to, does not look like a secret's.

    Raises Refused where it does.
    """
    parts = PurePosixPath(place.lower()).parts
    if any(fnmatchcase(part, secret) for part in parts for secret in _SECRET_NAMES):
        raise Refused(
            f"{name} does not ship, as its name is that of a hidden file or of a secret: move it "
            f"away, call it something else, or leave it out with '!{name}' in package.patterns."
        )


def check_content(name: str, content: bytes) -> None:
    """See that there is no key in a file. Raises Refused, which does not show it."""
    if _SECRET_TEXTS.search(content):
        raise Refused(
            f"{name} does not ship, as there is an access key or a private key in it. Give the "
            "function a role, or set the key in its environment."
        )
