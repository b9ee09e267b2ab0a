"""Whether an object can be repainted at all, as far as a HEAD tells."""

from pathlib import PurePosixPath

from shared.clients.imagex_model import MAX_IMAGE_BYTES
from shared.clients.objects import ObjectInfo
from shared.settings import SUPPORTED_SUFFIXES

SUPPORTED_TYPES = frozenset(
    f"image/{name}"
    for name in (
        "jpeg", "jpg", "png", "apng", "webp", "bmp", "x-ms-bmp", "heic", "avif",
        "x-icon", "vnd.microsoft.icon",
    )
)  # fmt: skip
# What clients send that do not know the type: the key's suffix decides then.
_UNKNOWN_TYPES = frozenset(
    ("", "application/octet-stream", "binary/octet-stream", "application/x-www-form-urlencoded")
)


def problems_of(key: str, info: ObjectInfo) -> list[str]:
    """Return a sentence for each thing that makes an object unfit to be repainted."""
    problems = []
    if info.size == 0:
        problems.append("The object is empty (0 bytes).")
    if info.size > MAX_IMAGE_BYTES:
        problems.append(
            f"The object is {info.size} bytes; at most {MAX_IMAGE_BYTES} (35 MB) are possible."
        )
    kind = info.content_type.partition(";")[0].strip().lower()
    suffix = PurePosixPath(key).suffix.lower()
    known = suffix in SUPPORTED_SUFFIXES if kind in _UNKNOWN_TYPES else kind in SUPPORTED_TYPES
    if not known:
        problems.append(
            f"The object's type is {kind or suffix or 'not known'!r}; jpeg, png, webp, bmp, heic, "
            "apng, ico and avif are supported."
        )
    return problems
