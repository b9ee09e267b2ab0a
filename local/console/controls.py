"""What the console does to the functions: fire the sweep's timer, kill a function's workers."""

import json
from typing import Any

from local.console.answers import Problem
from local.console.parts import Parts
from shared.json_utils import as_object


def sweep(parts: Parts) -> dict[str, Any]:
    """Fire the sweep's timer now and wait for its end; return its counts. Raises Problem."""
    timer = parts.sweep_timer()
    if timer is None:
        raise Problem(409, "No sweep is deployed.")
    ended = parts.platform.tick(timer.id)
    if ended.failure is not None:
        raise Problem(502, f"The sweep failed. {ended.failure}")
    counts = (as_object(json.loads(ended.body)) or {}).get("results")
    return counts if isinstance(counts, dict) else {}


def kill(parts: Parts, function: str) -> None:
    """Kill a function's workers now. Raises Problem where there is no such function."""
    names = [spec.name for spec in parts.platform.functions.values()]
    if function not in names:
        raise Problem(
            404, f"There is no function {function!r}; there are {', '.join(sorted(names))}."
        )
    parts.platform.kill(function)
