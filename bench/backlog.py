"""Throughput of work that is done later: parked uploads by the sweep, a bucket by the backfill."""

import os
import re
import subprocess
import sys
import time

from bench.figures import Figure, Samples
from bench.fill import fill_bucket
from bench.process import FunctionProcess
from bench.run import Run
from bench.services import Services
from local.cloud import ROOT, UPLOADS_BUCKET

_MIB = 1024 * 1024
# Run inside the command's process, whose peak is measured.
_PEAK = (
    "import atexit, sys; from bench.child import peak_bytes;"
    "atexit.register(lambda: print('peak', peak_bytes(), file=sys.stderr));"
    "from ops.cli import main; main()"
)


def measure(run: Run) -> list[Figure]:
    """Run the sweep and the backfill; the provider answers at once."""
    parked, objects, listed = run.scaled(300, 30), run.scaled(300, 30), run.scaled(100_000, 2_000)
    run.report(f"parking {parked} uploads, for one tick of the sweep")
    rate, memory = _swept(run, parked)
    run.report(f"backfilling {objects} objects")
    done, done_memory = _backfilled(run, "backfill", objects, "--yes")
    run.report(f"planning a backfill of {listed:,} objects, half of them done")
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
    with Services(run.folder("swept")) as services:
        hurried = services.environment("ours", REPAINT_DEADLINE_SECONDS="5")
        with FunctionProcess(run.folders.get("ours"), hurried) as process:
            process.handle(*(services.upload(f"{number:04}") for number in range(uploads)))
        environment = services.environment("sweep", REPAINT_MAX_QPS="100000")
        with FunctionProcess(run.folders.get("sweep"), environment) as process:
            answer = process.handle({})
        if services.billing.totals()[1] != uploads:
            raise RuntimeError(f"The sweep left something: {answer['results']}")
        return (uploads / answer["seconds"],), (answer["peak_bytes"] / _MIB,)


def _backfilled(run: Run, name: str, objects: int, option: str) -> tuple[Samples, Samples]:
    folder = run.folder(name)
    with Services(folder / "services") as services:
        if option == "--dry-run":
            fill_bucket(services.store, objects, "ledger/done/")
        else:
            for number in range(objects):
                services.upload(f"{number:04}")
        environment = services.environment("ours", REPAINT_MAX_QPS="100000")
        began = time.perf_counter()
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-c", _PEAK, "backfill", UPLOADS_BUCKET, option, "--json"],
            cwd=folder,  # for its state
            env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        seconds = time.perf_counter() - began
        made = services.billing.totals()[1]
    if option == "--yes" and made != objects:
        raise RuntimeError(f"The backfill made {made} of {objects}: {done.stderr[-2000:]}")
    peak = re.findall(r"^peak (\d+)$", done.stderr, re.MULTILINE)[-1]
    return (objects / seconds,), (int(peak) / _MIB,)
