"""Which objects are repainted: by their keys, then by the answer to a HEAD request."""

from pathlib import PurePosixPath

from shared.clients.imagex_model import MAX_IMAGE_BYTES
from shared.clients.tos import ObjectInfo
from shared.settings import SUPPORTED_SUFFIXES, Settings

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


def outside(settings: Settings, bucket: str, key: str) -> str | None:
    """Return why this deployment ignores an object, None if it does not."""
    scheme, _, place = settings.ledger.partition("://")
    if scheme == "tos" and f"{bucket}/{key}".startswith(place):
        return f"The object belongs to Repaint's own state ({place})."
    if settings.prefixes and not key.startswith(settings.prefixes):
        return f"The key begins with none of REPAINT_PREFIXES ({', '.join(settings.prefixes)})."
    if not key.lower().endswith(tuple(suffix.lower() for suffix in settings.suffixes)):
        return f"The key ends with none of REPAINT_SUFFIXES ({', '.join(settings.suffixes)})."
    return None


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
