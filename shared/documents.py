"""Read JSON that somebody else wrote, with suspicion."""

import json
from typing import Any


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


def is_utf8(text: str) -> bool:
    """Tell whether `text` can be written as UTF-8: JSON can smuggle in half characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
