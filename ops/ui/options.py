"""Options that several commands have."""

import re
from datetime import datetime
from typing import Annotated

import typer

from ops.ui.output import Refused

AsJson = Annotated[bool, typer.Option("--json", help="JSON for programs.")]
JsonLines = Annotated[
    bool, typer.Option("--json", help="JSON for programs: a line for each result, a summary.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan, and do nothing.")]
Concurrency = Annotated[int, typer.Option(min=1, max=256, help="How many at once.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", help="Write the functions' log to stderr, not to a file.")
]
SINCE_FORMS = "2026-11-01, 2026-11-01T08:00, or 90m, 24h, 7d."

_AGO = re.compile(r"(\d{1,6})\s*([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_since(text: str, now: float) -> float:
    """Return the moment that `--since` means, in seconds since the epoch.

    A date or time without a zone is in the machine's. Raises Refused if it is neither a moment nor
    a duration.
    """
    ago = _AGO.fullmatch(text.strip())
    if ago:
        return now - int(ago[1]) * _SECONDS[ago[2]]
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError, OSError):
        raise Refused(
            f"--since {text!r} is neither a moment (2026-11-01, 2026-11-01T08:00+08:00) nor how "
            "long ago (90m, 24h, 7d, 2w)."
        ) from None
