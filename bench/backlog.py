"""What is worked off later: by the sweep what was parked, by `repaint backfill` a whole bucket."""

import os
import re
import subprocess
import sys
import time

from bench.figures import Figure, Samples
from bench.fill import fill_bucket
from bench.process import FunctionProcess
from bench.run import Run
from bench.world import World
from local.cloud import ROOT, UPLOADS_BUCKET

_MIB = 1024 * 1024
# Run inside the command's process, whose peak it is.
_PEAK = (
    "import atexit, sys; from bench.child import peak_bytes;"
    "atexit.register(lambda: print('peak', peak_bytes(), file=sys.stderr));"
    "from ops.cli import main; main()"
)


def measure(run: Run) -> list[Figure]:
    """Have both work off what there is, the provider answering at once."""
    parked, objects, listed = run.scaled(300, 30), run.scaled(300, 30), run.scaled(100_000, 2_000)
    run.tell(f"parking {parked} uploads, for one tick of the sweep")
    rate, memory = _swept(run, parked)
    run.tell(f"backfilling {objects} objects")
    done, done_memory = _backfilled(run, "backfill", objects, "--yes")
    run.tell(f"planning a backfill of {listed:,} objects, half of them done")
    planned, plan_memory = _backfilled(run, "plan", listed, "--dry-run")
    return [
        Figure("backlog.sweep", "parked uploads, finished by the sweep", "a second", rate),
        Figure("backlog.sweep_memory", "the most memory that the sweep takes", "MiB", memory),
        Figure("backlog.backfill", "objects, repainted by the backfill", "a second", done),
        Figure(
            "backlog.backfill_memory", "the most memory that the backfill takes", "MiB", done_memory
        ),
        Figure("backlog.plan", f"{listed:,} objects, planned by the backfill", "a second", planned),
        Figure("backlog.plan_memory", "the most memory that planning takes", "MiB", plan_memory),
    ]


def _swept(run: Run, uploads: int) -> tuple[Samples, Samples]:
    with World(run.folder("swept")) as world:
        hurried = world.environment("ours", REPAINT_DEADLINE_SECONDS="5")
        with FunctionProcess(run.folders.get("ours"), hurried) as process:
            process.handle(*(world.upload(f"{number:04}") for number in range(uploads)))
        environment = world.environment("sweep", REPAINT_MAX_QPS="100000")
        with FunctionProcess(run.folders.get("sweep"), environment) as process:
            answer = process.handle({})
        if world.book.totals()[1] != uploads:
            raise RuntimeError(f"The sweep left something: {answer['results']}")
        return (uploads / answer["seconds"],), (answer["peak_bytes"] / _MIB,)


def _backfilled(run: Run, name: str, objects: int, option: str) -> tuple[Samples, Samples]:
    folder = run.folder(name)
    with World(folder / "world") as world:
        if option == "--dry-run":
            fill_bucket(world.store, objects, "ledger/done/")
        else:
            for number in range(objects):
                world.upload(f"{number:04}")
        environment = world.environment("ours", REPAINT_MAX_QPS="100000")
        began = time.perf_counter()
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-c", _PEAK, "backfill", UPLOADS_BUCKET, option, "--json"],
            cwd=folder,  # where it keeps what it remembers
            env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        seconds = time.perf_counter() - began
        made = world.book.totals()[1]
    if option == "--yes" and made != objects:
        raise RuntimeError(f"The backfill made {made} of {objects}: {done.stderr[-2000:]}")
    peak = re.findall(r"^peak (\d+)$", done.stderr, re.MULTILINE)[-1]
    return (objects / seconds,), (int(peak) / _MIB,)
