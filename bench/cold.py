"""Cold start: from a new process to the first upload handled, the provider answering at once."""

from statistics import median

from bench.figures import Aim, Figure, Samples, shown
from bench.folders import Kind
from bench.process import FunctionProcess
from bench.run import Run
from bench.world import World

_KINDS: tuple[Kind, ...] = ("ours", "alternative", "floor", "least")


def measure(run: Run) -> list[Figure]:
    """Start each function anew, in turns: as deployed, and without compiled modules."""
    with World(run.folder("cold")) as world:
        compiled = _starts(run, world, compiled=True, rounds=run.rounds(15))
        source = _starts(run, world, compiled=False, rounds=run.rounds(7))
    ours, theirs, floor, least = (compiled[kind] for kind in _KINDS)
    aim = Aim(0.80, "ratio")
    return [
        Figure(
            "cold.wall",
            "a new process, to the first upload handled",
            "ms",
            ours["wall"],
            theirs["wall"],
            aim,
        ),
        Figure("cold.cpu", "CPU time of that", "ms", ours["cpu"], theirs["cpu"], aim),
        Figure("cold.import", "the import alone", "ms", ours["import"], theirs["import"]),
        Figure(
            "cold.floor",
            f"our import, times that of ssl and the three packages ({_told(floor)})",
            "",
            _times(ours["import"], floor["import"]),
        ),
        Figure(
            "cold.least",
            f"our import, times that of ssl, structlog, pydantic and one model ({_told(least)})",
            "",
            _times(ours["import"], least["import"]),
        ),
        Figure(
            "cold.nothing",
            "a function of no more than these, which does nothing, times the alternative's upload",
            "",
            _times(least["wall"], theirs["wall"]),
        ),
        Figure(
            "cold.source",
            "the first upload, without .pyc in the zip",
            "ms",
            source["ours"]["wall"],
            source["alternative"]["wall"],
        ),
    ]


def _times(samples: Samples, others: Samples) -> Samples:
    return tuple(one / other for one, other in zip(samples, others, strict=True))


def _told(found: dict[str, Samples]) -> str:
    return shown((median(found["import"]),), "ms")


def _starts(
    run: Run, world: World, *, compiled: bool, rounds: int
) -> dict[Kind, dict[str, Samples]]:
    found: dict[Kind, dict[str, Samples]] = {
        kind: {"wall": (), "cpu": (), "import": ()} for kind in _KINDS
    }
    # One round more than counts: the first one reads the files from the disk.
    for number in range(rounds + 1):
        run.tell(f"start {number} of {rounds}" + ("" if compiled else ", without .pyc"))
        for kind in _KINDS if number % 2 == 0 else reversed(_KINDS):
            event = world.upload(f"{kind}-{compiled}-{number}")
            folder = run.folders.get(kind, compiled=compiled)
            with FunctionProcess(folder, world.environment(kind)) as process:
                answer = process.handle(event)
                wall = process.since_start()
            if number:
                told = {
                    "wall": wall,
                    "cpu": answer["all_cpu_seconds"],
                    "import": answer["import_seconds"],
                }
                for name, seconds in told.items():
                    found[kind][name] += (1000 * seconds,)
    return found
