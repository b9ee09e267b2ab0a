"""Which objects are repainted: by their keys, then by the answer to a HEAD request."""

from pathlib import PurePosixPath
from typing import NamedTuple

from shared.clients.imagex_model import MAX_IMAGE_BYTES
from shared.clients.tos import ObjectInfo

SUPPORTED_SUFFIXES = (
    ".jpg", ".jpeg", ".png", ".apng", ".webp", ".bmp", ".heic", ".ico", ".avif",
)  # fmt: skip
SUPPORTED_TYPES = frozenset(
    f"image/{name}"
    for name in (
        "jpeg", "jpg", "png", "apng", "webp", "bmp", "x-ms-bmp", "heic", "avif",
        "x-icon", "vnd.microsoft.icon",
    )
)  # fmt: skip
# Types that clients send if they do not know the type: the key's suffix decides.
_UNKNOWN_TYPES = frozenset(
    ("", "application/octet-stream", "binary/octet-stream", "application/x-www-form-urlencoded")
)


class Filter(NamedTuple):
    """Which objects are uploads of this deployment, by their keys.

    `state_prefix` is the place of Repaint's own state, as `bucket/prefix/`; None if it is a file.
    """

    prefixes: tuple[str, ...]
    suffixes: tuple[str, ...]
    state_prefix: str | None

    def exclusion(self, bucket: str, key: str) -> str | None:
        """Return why an object is no upload, None if it is one."""
        if self.state_prefix and f"{bucket}/{key}".startswith(self.state_prefix):
            return f"The object belongs to Repaint's own state ({self.state_prefix})."
        if self.prefixes and not key.startswith(self.prefixes):
            return f"The key begins with none of REPAINT_PREFIXES ({', '.join(self.prefixes)})."
        if not key.lower().endswith(tuple(suffix.lower() for suffix in self.suffixes)):
            return f"The key ends with none of REPAINT_SUFFIXES ({', '.join(self.suffixes)})."
        return None


def head_problems(key: str, info: ObjectInfo) -> list[str]:
    """Return why an object cannot be repainted, a sentence for each reason."""
    problems = []
    if info.size == 0:
        problems.append("The object is empty (0 bytes).")
    if info.size > MAX_IMAGE_BYTES:
        problems.append(
            f"The object is {info.size} bytes; at most {MAX_IMAGE_BYTES} (35 MB) are allowed."
        )
    kind = info.content_type.partition(";")[0].strip().lower()
    suffix = PurePosixPath(key).suffix.lower()
    known = suffix in SUPPORTED_SUFFIXES if kind in _UNKNOWN_TYPES else kind in SUPPORTED_TYPES
    if not known:
        problems.append(
            f"The object's type is {kind or suffix or 'unknown'!r}; jpeg, png, webp, bmp, heic, "
            "apng, ico and avif are supported."
        )
    return problems
