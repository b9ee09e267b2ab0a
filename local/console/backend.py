"""The cloud as the console sees it: what it reads and what it controls."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local import imagex
from local.console.responses import HttpProblem
from local.vefaas.runtime import Platform, Timer
from shared.json_utils import as_object
from shared.runtime import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """The services of a cloud, and its names.

    `runtime` builds what the functions work with, pointed to this cloud. `logs` is the folder of
    the functions' logs; uploads to `bucket` below `prefix` are repainted; `sweep` is the name of
    the cloud's own timer that finishes parked records. `addresses` are those of the servers.
    """

    platform: Platform
    billing: imagex.BillingRecords
    faults: imagex.Faults
    runtime: Callable[[], Runtime]
    logs: Path
    bucket: str
    prefix: str
    template: str
    sweep: str
    addresses: Mapping[str, str]

    def sweep_timer(self) -> Timer | None:
        """Return the timer of the sweep: the cloud's own, or that of a deployed function.

        There is none in a cloud to which no sweep is deployed yet.
        """
        functions = self.platform.functions
        for timer in self.platform.timers:
            if timer.name == self.sweep or functions[timer.function_id].name.endswith("-sweep"):
                return timer
        return None

    def run_sweep(self) -> dict[str, Any]:
        """Fire the sweep's timer, wait for its end and return its counts. Raises HttpProblem."""
        timer = self.sweep_timer()
        if timer is None:
            raise HttpProblem(409, "No sweep is deployed.")
        ended = self.platform.tick(timer.id)
        if ended.failure is not None:
            raise HttpProblem(502, f"The sweep failed. {ended.failure}")
        counts = (as_object(json.loads(ended.body)) or {}).get("results")
        return counts if isinstance(counts, dict) else {}

    def kill(self, function: str) -> None:
        """Kill a function's workers. Raises HttpProblem if there is no such function."""
        names = sorted(spec.name for spec in self.platform.functions.values())
        if function not in names:
            raise HttpProblem(
                404, f"There is no function {function!r}; there are {', '.join(names)}."
            )
        self.platform.kill(function)
