"""Read JSON that somebody else wrote, with suspicion."""

import json
import re
from collections.abc import Iterator
from typing import Any

_ADDRESS = re.compile(r"\s*[a-z][a-z0-9+.-]*://", re.ASCII | re.IGNORECASE)


def as_object(value: Any) -> dict[str, Any] | None:
    """Return the JSON object that `value` is or, as text or bytes, holds; else None."""
    if isinstance(value, (str, bytes, bytearray)):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) else None


def as_text(value: Any) -> str | None:
    """Return `value` where it is a text that is not empty; else None."""
    return value if isinstance(value, str) and value else None


def is_address(text: str) -> bool:
    """Tell whether a text begins as an absolute address does, whatever its scheme."""
    return _ADDRESS.match(text) is not None


def pointer_to(*places: str | int) -> str:
    """Return the JSON pointer (RFC 6901) of what lies at `places`, one inside the other."""
    return "".join(f"/{str(place).replace('~', '~0').replace('/', '~1')}" for place in places)


def texts_in(value: Any, pointer: str = "") -> Iterator[tuple[str, str]]:
    """Go through the texts of a value of JSON's types, each with its JSON pointer."""
    # Without recursion: what somebody else wrote can be nested deeper than Python goes.
    left = [(pointer, value)]
    while left:
        place, part = left.pop()
        if isinstance(part, str):
            yield place, part
        elif isinstance(part, dict):
            left += [(place + pointer_to(k), inner) for k, inner in reversed(part.items())]
        elif isinstance(part, list):
            inside = [(place + pointer_to(n), inner) for n, inner in enumerate(part)]
            left += reversed(inside)


def depth_of(value: Any) -> int:
    """Return how many levels a value of JSON's types has; a number has one."""
    deepest, left = 0, [(1, value)]
    while left:
        depth, part = left.pop()
        deepest = max(deepest, depth)
        inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        left += [(depth + 1, within) for within in inner]
    return deepest


def is_utf8(text: str) -> bool:
    """Tell whether `text` can be written as UTF-8: JSON can smuggle in half characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
