"""Cold start: the time from a new process to its first upload handled.

The provider answers at once.
"""

from statistics import median

from bench.figures import Aim, Figure, Samples, shown
from bench.folders import Kind
from bench.process import FunctionProcess
from bench.run import Run
from bench.services import Services

_KINDS: tuple[Kind, ...] = ("ours", "alternative", "floor", "least")


def measure(run: Run) -> list[Figure]:
    """Start each function anew, in turns: as deployed, and without compiled modules."""
    with Services(run.folder("cold")) as services:
        compiled = _starts(run, services, compiled=True, rounds=run.rounds(15))
        source = _starts(run, services, compiled=False, rounds=run.rounds(7))
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
            f"our import, times that of ssl and the three packages ({_ms(floor)})",
            "",
            _times(ours["import"], floor["import"]),
        ),
        Figure(
            "cold.least",
            f"our import, times that of ssl, structlog, pydantic and one model ({_ms(least)})",
            "",
            _times(ours["import"], least["import"]),
        ),
        Figure(
            "cold.nothing",
            "a function of these imports, which does nothing, times the alternative's upload",
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


def _ms(found: dict[str, Samples]) -> str:
    return shown((median(found["import"]),), "ms")


def _starts(
    run: Run, services: Services, *, compiled: bool, rounds: int
) -> dict[Kind, dict[str, Samples]]:
    found: dict[Kind, dict[str, Samples]] = {
        kind: {"wall": (), "cpu": (), "import": ()} for kind in _KINDS
    }
    # One round more than counts: the first one reads the files from the disk.
    for number in range(rounds + 1):
        run.report(f"start {number} of {rounds}" + ("" if compiled else ", without .pyc"))
        for kind in _KINDS if number % 2 == 0 else reversed(_KINDS):
            event = services.upload(f"{kind}-{compiled}-{number}")
            folder = run.folders.get(kind, compiled=compiled)
            with FunctionProcess(folder, services.environment(kind)) as process:
                answer = process.handle(event)
                wall = process.since_start()
            if number:
                times = {
                    "wall": wall,
                    "cpu": answer["all_cpu_seconds"],
                    "import": answer["import_seconds"],
                }
                for name, seconds in times.items():
                    found[kind][name] += (1000 * seconds,)
    return found
