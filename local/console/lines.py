"""The functions' log lines, read from their files as they grow."""

import datetime as dt
import json
import math
from pathlib import Path
from typing import Any

# What is read at once, of a log that was there before as well: some thousand lines.
_MOST_BYTES = 2 * 1024 * 1024
# A line that holds more is shown cut off, whatever it is.
_MOST_CHARACTERS = 16 * 1024

Line = dict[str, Any]


class Lines:
    """Follows every log in a folder; each call of `new` returns what came since the last one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, int] = {}

    def new(self) -> list[Line]:
        """Return the lines that were written since the last call, oldest first."""
        found: list[Line] = []
        for path in sorted(self._folder.glob("*.log")):
            found += [parsed(line) for line in self._lines(path)]
        # Of several functions: by the time that each wrote.
        return sorted(found, key=lambda line: str(line.get("timestamp", "")))

    def _lines(self, path: Path) -> list[str]:
        size = path.stat().st_size
        known = self._read.get(path, 0)
        began = max(known, size - _MOST_BYTES)
        if size <= began:
            self._read[path] = size  # it may have been emptied
            return []
        with path.open("rb") as file:
            file.seek(began)
            content = file.read(size - began)
        # The last line may be half written: it is read with the next ones.
        whole = content.rfind(b"\n") + 1
        self._read[path] = began + whole
        lines = content[:whole].decode("utf-8", "replace").split("\n")[:-1]
        # What began behind what was read began in the middle of a line.
        return lines[1:] if began > known else lines


def parsed(line: str) -> Line:
    """Return a line as an object; what is no JSON object of an event becomes one's text."""
    plain: Line = {"event": line[:_MOST_CHARACTERS], "level": "info"}
    if len(line) > _MOST_CHARACTERS:
        return plain
    try:
        # A browser reads neither NaN nor Infinity.
        found = json.loads(line, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError):
        return plain
    if not isinstance(found, dict) or not isinstance(found.get("event"), str):
        return plain
    return {"level": "info", **found}


def text_in(line: Line, name: str) -> str:
    """Return the text in a line's field, an empty one where there is none."""
    value = line.get(name)
    return value if isinstance(value, str) else ""


def moment_of(line: Line) -> float | None:
    """Return when a line was written, in seconds since the epoch, if it tells."""
    try:
        return dt.datetime.fromisoformat(text_in(line, "timestamp")).timestamp()
    except ValueError:
        return None


def _finite(number: str) -> float:
    if not math.isfinite(found := float(number)):
        raise ValueError(number)
    return found
