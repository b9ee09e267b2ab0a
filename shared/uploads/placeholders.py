"""Placeholders in a preset's texts: `{prompt}`, `{filename}`, `{stem}`, `{any-metadata-key}`.

`{{` and `}}` stand for the braces themselves.
"""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

OF_KEY = ("filename", "stem")

_PART = re.compile(r"\{\{|\}\}|\{(?P<name>[^{}]*)\}|[{}]")
_NAME = re.compile(r"(?![0-9]+$)[a-z0-9-]+")
_WRITE = "write {prompt}, {filename}, {stem} or the name of a metadata key (a-z, 0-9 and -)"


def placeholder_problem(text: str) -> str | None:
    """Say what is wrong with the placeholders of a text, or return None where nothing is."""
    for part in _PART.finditer(text):
        if part[0] in ("{", "}"):
            return f"a {part[0]!r} stands alone: write {part[0] * 2!r} for the brace itself"
        if part["name"] is not None and not _NAME.fullmatch(part["name"]):
            return f"{part[0]!r} is no placeholder: {_WRITE}"
    return None


def names_in(text: str) -> list[str]:
    """Return the names of a text's placeholders, each once, in their order."""
    found = (part["name"] for part in _PART.finditer(text))
    return list(dict.fromkeys(name for name in found if name is not None))


def values_for(key: str, metadata: Mapping[str, str], default_prompt: str | None) -> dict[str, str]:
    """Return what placeholders stand for; what is empty is not there.

    `metadata` as `metadata.decoded` returns it.
    """
    filename = key.rpartition("/")[2]
    values = {name: value.strip() for name, value in metadata.items()}
    values |= {
        "prompt": values.get("prompt") or default_prompt or "",
        "filename": filename,
        "stem": PurePosixPath(filename).stem,
    }
    return {name: value for name, value in values.items() if value}


def expand(text: str, values: Mapping[str, str]) -> str:
    """Put values in the place of placeholders; what a value holds is not expanded again."""
    return _PART.sub(
        lambda part: part[0][0] if part["name"] is None else values[part["name"]], text
    )
