"""Remove secrets from texts and structures before they are logged or stored."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, quote

from shared.json_utils import as_object, is_url, texts_in

HIDDEN = "•••"
_SECRET_LENGTH = 20

_SECRET_NAMES = re.compile(
    r"secret|token|authorization|signature|password|credential|access.?key", re.IGNORECASE
)
# The secrets in URLs and headers, anywhere in a text, however often the text was escaped.
_SECRET_TEXTS = re.compile(
    r"(?P<before>(?<![A-Za-z])"
    r"(?:(?:X-)?(?:Tos-)?(?:Signature|Security-?Token|Credential)"
    r"|session_?token|(?:access_?key_?)?secret(?:_?access)?(?:_?key)?)"
    r"(?:=|%(?:25)*3D|\\*[\"']?\s*[:=]\s*\\*[\"']?)"
    r"|(?<![A-Za-z])(?:Bearer|Basic)\s+)"
    r"(?:(?!%(?:25)*26|\\u0026)[^&\s,\"'\\<>])+",
    re.IGNORECASE,
)
_USER_IN_URL = re.compile(r"(?<=://)[^/\s@]+:[^/\s@]+@")


def redact_text(text: str) -> str:
    """Replace signatures, tokens, keys and passwords in `text` by `•••`.

    Lone surrogates, which cannot be encoded, are escaped as well.
    """
    text = text.encode("utf-8", "backslashreplace").decode()
    text = _SECRET_TEXTS.sub(lambda found: found["before"] + HIDDEN, text)
    return _USER_IN_URL.sub(f"{HIDDEN}@", text)


def redact(value: Any, name: str = "") -> Any:
    """Replace the secrets in a value of JSON's types, by their names and by their form."""
    if name and _SECRET_NAMES.search(name) and value is not None:
        return HIDDEN
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {redact_text(str(key)): redact(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact(inner) for inner in value]
    return value


def shape_of(value: Any, levels: int = 20) -> Any:
    """Return a value of JSON's types with each value replaced by the name of its type.

    Of a list only the first item is shown. Text that is a JSON object is shown as
    `{"JSON text": <its shape>}`, everything deeper than `levels` as `…`.
    """
    if levels == 0:
        return "…"
    if isinstance(value, Mapping):
        return {str(name): shape_of(inner, levels - 1) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [shape_of(inner, levels - 1) for inner in value[:1]]
    inside = as_object(value)
    if inside is None:
        return type(value).__name__
    return {"JSON text": shape_of(inside, levels - 1)}


def hide_queries(text: str, value: Any) -> str:
    """Replace, in `text`, the queries of every URL in a value of JSON's types."""
    for url in texts_in(value):
        if is_url(url):
            text = hide_query(text, url)
    return text


def without_queries(value: Any) -> Any:
    """Return a value of JSON's types with the queries of its URLs removed."""
    if isinstance(value, str):
        return value.partition("?")[0] if is_url(value) else value
    if isinstance(value, dict):
        return {name: without_queries(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [without_queries(inner) for inner in value]
    return value


def hide_query(text: str, url: str) -> str:
    """Replace, in `text`, a URL's query, and its values that are long enough to be secrets."""
    query = url.partition("?")[2].partition("#")[0]
    if query:
        for form in (f"?{query}", quote(f"?{query}", safe="")):
            text = text.replace(form, HIDDEN)
    for value in parse_qs(query).values():
        for form in (value[0], quote(value[0], safe="")):
            if len(form) >= _SECRET_LENGTH:
                text = text.replace(form, HIDDEN)
    return text
