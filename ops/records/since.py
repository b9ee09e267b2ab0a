"""Reading `--since`: a moment, or how long ago."""

import re
from datetime import datetime

from ops.ui.output import Refused

_AGO = re.compile(r"(\d{1,6})\s*([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def read_since(text: str, now: float) -> float:
    """Return what `text` means, in seconds since the epoch.

    A date or time without a zone is the machine's. Raises Refused where it is neither.
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
