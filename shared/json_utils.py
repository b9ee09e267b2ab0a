"""Read foreign JSON, with suspicion."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

_URL = re.compile(r"\s*[a-z][a-z0-9+.-]*://", re.ASCII | re.IGNORECASE)


def as_object(value: Any) -> dict[str, Any] | None:
    """Return the JSON object that `value` is or, as text or bytes, contains; else None."""
    if isinstance(value, (str, bytes, bytearray)):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) else None


def as_text(value: Any) -> str | None:
    """Return `value` if it is a text that is not empty; else None."""
    return value if isinstance(value, str) and value else None


def is_url(text: str) -> bool:
    """Return whether a text begins like an absolute URL of any scheme."""
    return _URL.match(text) is not None


def pointer_to(*places: str | int) -> str:
    """Return the JSON pointer (RFC 6901) of `places`, one inside the other."""
    return "".join(f"/{str(place).replace('~', '~0').replace('/', '~1')}" for place in places)


def texts_in(value: Any) -> Iterator[str]:
    """Iterate over the texts of a value of JSON's types."""
    # Without recursion: foreign JSON can be nested deeper than Python's stack.
    left = [value]
    while left:
        part = left.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict):
            left += reversed(part.values())
        elif isinstance(part, list):
            left += reversed(part)


def map_texts(value: Any, change: Callable[[str, str], str], pointer: str = "") -> Any:
    """Return a value of JSON's types with each text put through `change(pointer, text)`.

    Recursive: the value's depth must have been checked.
    """
    if isinstance(value, str):
        return change(pointer, value)
    if isinstance(value, dict):
        return {k: map_texts(v, change, pointer + pointer_to(k)) for k, v in value.items()}
    if isinstance(value, list):
        return [map_texts(v, change, pointer + pointer_to(n)) for n, v in enumerate(value)]
    return value


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
    """Return whether `text` can be encoded as UTF-8: JSON can have half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
