"""What the console looks at and works on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from local import imagex
from local.vefaas.runtime import Platform, Timer
from shared.runtime import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of a cloud, and how it names things.

    `runtime` makes what the functions are made of, pointed to this cloud. `logs` is the folder
    of the functions' logs; `bucket` and `prefix` are where uploads are repainted; `sweep` is the
    name of the cloud's own timer that finishes what was parked. `addresses` tells where the
    servers listen.
    """

    platform: Platform
    book: imagex.BillingRecords
    faults: imagex.Faults
    runtime: Callable[[], Runtime]
    logs: Path
    bucket: str
    prefix: str
    template: str
    sweep: str
    addresses: Mapping[str, str]

    def sweep_timer(self) -> Timer | None:
        """Return the timer of the sweep: the cloud's own, or that of a function deployed for it.

        There is none in a cloud where none is deployed yet.
        """
        functions = self.platform.functions
        for timer in self.platform.timers:
            if timer.name == self.sweep or functions[timer.function_id].name.endswith("-sweep"):
                return timer
        return None
