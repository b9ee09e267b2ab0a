"""Deliveries that need nothing done: one that came before, and one outside the prefixes."""

from bench.figures import Aim, Figure, Samples
from bench.folders import Kind
from bench.process import FunctionProcess
from bench.run import Run
from bench.world import World

_KINDS: tuple[Kind, ...] = ("ours", "alternative")


def measure(run: Run) -> list[Figure]:
    """Count what is asked and what is paid. A count needs no second round."""
    counted: dict[Kind, dict[str, Samples]] = {}
    with World(run.folder("repeats")) as world:
        for kind in _KINDS:
            run.tell(f"counting: {kind}")
            environment = world.environment(kind, REPAINT_PREFIXES="uploads/")
            with FunctionProcess(run.folders.get(kind), environment) as process:
                event = world.upload(f"{kind}-twice")
                elsewhere = world.upload(f"{kind}-elsewhere", prefix="elsewhere/")
                process.handle(event)
                repeated, repeated_charges = _counted(world, process, event)
                outside, outside_charges = _counted(world, process, elsewhere)
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
    world: World, process: FunctionProcess, event: dict[str, object]
) -> tuple[Samples, Samples]:
    asked, (charges, _) = world.requests(), world.book.totals()
    process.handle(event)
    return (world.requests() - asked,), (world.book.totals()[0] - charges,)
