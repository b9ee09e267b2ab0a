"""The functions' log lines, read from their files as they grow."""

import datetime as dt
import json
import math
from pathlib import Path
from typing import Any

# Read at once at most, also of a log that existed before: some thousand lines.
_MAX_BYTES = 2 * 1024 * 1024
# A longer line is cut off.
_MAX_CHARACTERS = 16 * 1024

Line = dict[str, Any]


class LogReader:
    """Follows every log in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._offsets: dict[Path, int] = {}

    def read(self) -> list[Line]:
        """Return the lines that were written since the last call, oldest first."""
        found: list[Line] = []
        for path in sorted(self._folder.glob("*.log")):
            found += [parse(line) for line in self._new_lines(path)]
        # Several functions wrote them: sort by the time in each.
        return sorted(found, key=lambda line: str(line.get("timestamp", "")))

    def _new_lines(self, path: Path) -> list[str]:
        size = path.stat().st_size
        known = self._offsets.get(path, 0)
        began = max(known, size - _MAX_BYTES)
        if size <= began:
            self._offsets[path] = size  # it may have been emptied
            return []
        with path.open("rb") as file:
            file.seek(began)
            content = file.read(size - began)
        # The last line may be half written: it is read with the next ones.
        whole = content.rfind(b"\n") + 1
        self._offsets[path] = began + whole
        lines = content[:whole].decode("utf-8", "replace").split("\n")[:-1]
        # If bytes were passed over, the first line is the rest of one.
        return lines[1:] if began > known else lines


def parse(line: str) -> Line:
    """Return a line as an object; one that is no JSON object of an event becomes its text."""
    plain: Line = {"event": line[:_MAX_CHARACTERS], "level": "info"}
    if len(line) > _MAX_CHARACTERS:
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
    """Return the text in a line's field, an empty one if there is none."""
    value = line.get(name)
    return value if isinstance(value, str) else ""


def moment_of(line: Line) -> float | None:
    """Return when a line was written, in seconds since the epoch, if it has a timestamp."""
    try:
        return dt.datetime.fromisoformat(text_in(line, "timestamp")).timestamp()
    except ValueError:
        return None


def _finite(number: str) -> float:
    if not math.isfinite(found := float(number)):
        raise ValueError(number)
    return found
