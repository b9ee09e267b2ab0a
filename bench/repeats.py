"""Deliveries with nothing to do: a duplicate, and an object outside the prefixes."""

from bench.figures import Aim, Figure, Samples
from bench.folders import Kind
from bench.process import FunctionProcess
from bench.run import Run
from bench.services import Services

_KINDS: tuple[Kind, ...] = ("ours", "alternative")


def measure(run: Run) -> list[Figure]:
    """Count requests and charges. A count needs no second round."""
    counted: dict[Kind, dict[str, Samples]] = {}
    with Services(run.folder("repeats")) as services:
        for kind in _KINDS:
            run.report(f"counting: {kind}")
            environment = services.environment(kind, REPAINT_PREFIXES="uploads/")
            with FunctionProcess(run.folders.get(kind), environment) as process:
                event = services.upload(f"{kind}-twice")
                elsewhere = services.upload(f"{kind}-elsewhere", prefix="elsewhere/")
                process.handle(event)
                repeated, repeated_charges = _counted(services, process, event)
                outside, outside_charges = _counted(services, process, elsewhere)
            counted[kind] = {
                "repeated": repeated,
                "repeated_charges": repeated_charges,
                "outside": outside,
                "outside_charges": outside_charges,
            }
    ours, theirs = (counted[kind] for kind in _KINDS)
    rows = (
        ("repeated", "round trips of a duplicate delivery", Aim(3)),
        ("repeated_charges", "generations that a duplicate delivery pays for", Aim(0)),
        ("outside", "round trips of a delivery outside the prefixes", Aim(0)),
        ("outside_charges", "generations that it pays for", Aim(0)),
    )
    return [
        Figure(f"repeats.{name}", what, "", ours[name], theirs[name], aim)
        for name, what, aim in rows
    ]


def _counted(
    services: Services, process: FunctionProcess, event: dict[str, object]
) -> tuple[Samples, Samples]:
    requests, (charges, _) = services.requests(), services.billing.totals()
    process.handle(event)
    return (services.requests() - requests,), (services.billing.totals()[0] - charges,)
