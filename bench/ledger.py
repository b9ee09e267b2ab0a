"""The ledger's size: what a claim, a sweep and `repaint status` take as end records pile up."""

import os
import resource
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Literal

from bench.figures import Aim, Figure, Samples
from bench.fill import end_record, fill_file, fill_objects
from bench.run import Run
from bench.world import World
from local.cloud import ROOT
from shared.ledger import Ledger, Record
from shared.logs import build_log
from shared.runtime import Runtime

_PREFIX = "ledger/"
_PENDING = 100
_CLAIMS, _TICKS, _LOOKS = 100, 15, 7
Store = Literal["tos", "sqlite"]
_STORES: tuple[Store, ...] = ("tos", "sqlite")
_STATUS = (ROOT / "ops" / "status").exists()


def measure(run: Run) -> list[Figure]:
    """Fill each store step by step, and measure at each step; a hundred records are pending."""
    sizes = (1_000, 10_000) if run.quick else (1_000, 100_000, 1_000_000)
    return [figure for store in _STORES for figure in _measured(run, store, sizes)]


def _measured(run: Run, store: Store, sizes: tuple[int, ...]) -> list[Figure]:
    found: dict[tuple[str, int], Samples] = {}
    folder = run.folder(f"ledger-{store}")
    with World(folder) as world, _runtime(world, store) as runtime:
        ledger = runtime.shared_ledger("the benchmark")
        first = end_record(secrets.token_hex(16))
        _end(ledger, first)
        for _ in range(_PENDING):
            _park(ledger)
        filled = 1
        for stage, size in enumerate(sizes):
            run.tell(f"{store}: filling up to {size:,} end records")
            if store == "tos":
                fill_objects(world.store, _PREFIX, first, size - filled, stage)
            else:
                fill_file(folder / "ledger.sqlite", first, size - filled, stage)
            filled = size
            run.tell(f"{store}: measuring with {size:,}")
            found["claim", size] = _claims(ledger)
            found["sweep", size] = _timed(lambda: _tick(runtime, ledger), _TICKS)
            if _STATUS:
                found["status", size] = _timed(lambda: _status(world, store), _LOOKS)
    names = {"claim": "a claim", "sweep": "a tick of the sweep", "status": "`repaint status`"}
    least, most = sizes[0], sizes[-1]
    return [
        Figure(
            f"ledger.{store}.{name}.{size}",
            f"{store}, {size:,} end records: {names[name]}",
            "ms",
            samples,
            found[name, least],
            Aim(2.0, "ratio") if size == most else None,
        )
        for (name, size), samples in found.items()
        if size != least
    ]


@contextmanager
def _runtime(world: World, store: Store) -> Iterator[Runtime]:
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123 - it is no path of ours
        runtime = Runtime(_environment(world, store), log=build_log(nowhere))
        with closing(runtime):
            yield runtime


def _environment(world: World, store: Store) -> dict[str, str]:
    place = f"sqlite://{world.folder}/ledger.sqlite" if store == "sqlite" else None
    environment = world.environment("ours")
    return {**environment, "REPAINT_LEDGER": place} if place else environment


def _cpu() -> float:
    """Return the seconds of CPU so far of this process, the services' as well, and its commands."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _timed(do: Callable[[], None], times: int) -> Samples:
    """Do something so many times; return milliseconds."""
    samples = []
    for number in range(times + 1):
        began = _cpu()
        do()
        if number:  # the first one warms up
            samples.append(1000 * (_cpu() - began))
    return tuple(samples)


def _claims(ledger: Ledger) -> Samples:
    """Do what every new upload asks of the ledger before it may pay; return milliseconds."""
    samples = []
    for _ in range(_CLAIMS):
        record = _new()
        began = _cpu()
        ledger.finished(record.id)
        entry = ledger.create(record)
        ledger.finished(record.id)
        samples.append(1000 * (_cpu() - began))
        if entry is None:
            raise AssertionError("nobody else has that id")
        ledger.finish(entry, record.changed(state="skipped"))
    return tuple(samples)


def _tick(runtime: Runtime, ledger: Ledger) -> None:
    counts = runtime.sweep.run(ledger, deadline=time.time() + 120, log=runtime.log)
    if counts["pending"] != _PENDING:
        raise AssertionError(f"{_PENDING} are pending: {counts}")


def _status(world: World, store: Store) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ops", "status", "--json"],
        cwd=ROOT,
        env={**os.environ, **_environment(world, store)},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode != 1:  # it says that something is in doubt, and something is
        raise AssertionError(f"`repaint status` ended with {done.returncode}")


def _new() -> Record:
    return end_record(secrets.token_hex(16)).changed(
        state="pending", image_urls=(), store_uris=(), updated_at=time.time()
    )


def _park(ledger: Ledger) -> None:
    """Leave a record pending that is not due for a long time."""
    ledger.create(_new().changed(parked="in_doubt", cause="exhausted", due_at=time.time() + 1e6))


def _end(ledger: Ledger, record: Record) -> None:
    entry = ledger.create(record.changed(state="pending"))
    if entry is None:
        raise AssertionError("nobody else has that id")
    ledger.finish(entry, record)
