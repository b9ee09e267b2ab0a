"""The ledger's size: CPU time of a claim, a sweep and `repaint status` as end records pile up."""

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
from bench.services import Services
from local.cloud import ROOT
from shared.ledger import Cause, Ledger, Park, Record, State, Status
from shared.logs import build_log
from shared.runtime import Runtime

_PREFIX = "ledger/"
_PENDING = 100
_CLAIMS, _TICKS, _COMMANDS = 100, 15, 7
Store = Literal["tos", "sqlite"]
_STORES: tuple[Store, ...] = ("tos", "sqlite")


def measure(run: Run) -> list[Figure]:
    """Fill each store step by step, and measure at each step, with a hundred records pending."""
    sizes = (1_000, 10_000) if run.quick else (1_000, 100_000, 1_000_000)
    return [figure for store in _STORES for figure in _measured(run, store, sizes)]


def _measured(run: Run, store: Store, sizes: tuple[int, ...]) -> list[Figure]:
    found: dict[tuple[str, int], Samples] = {}
    folder = run.folder(f"ledger-{store}")
    with Services(folder) as services, _runtime(services, store) as runtime:
        ledger = runtime.ledger
        first = end_record(secrets.token_hex(16))
        _end(ledger, first)
        for _ in range(_PENDING):
            _park(ledger)
        filled = 1
        for stage, size in enumerate(sizes):
            run.report(f"{store}: filling up to {size:,} end records")
            if store == "tos":
                fill_objects(services.store, _PREFIX, first, size - filled, stage)
            else:
                fill_file(folder / "ledger.sqlite", first, size - filled, stage)
            filled = size
            run.report(f"{store}: measuring with {size:,}")
            found["claim", size] = _claims(ledger)
            found["sweep", size] = _timed(lambda: _tick(runtime), _TICKS)
            found["status", size] = _timed(lambda: _status(services, store), _COMMANDS)
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
def _runtime(services: Services, store: Store) -> Iterator[Runtime]:
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123 - it is no path of ours
        runtime = Runtime(_environment(services, store), log=build_log(nowhere))
        with closing(runtime):
            yield runtime


def _environment(services: Services, store: Store) -> dict[str, str]:
    place = f"sqlite://{services.folder}/ledger.sqlite" if store == "sqlite" else None
    environment = services.environment("ours")
    return {**environment, "REPAINT_LEDGER": place} if place else environment


def _cpu() -> float:
    """Return the seconds of CPU so far of this process, with its services, and of its commands."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _timed(do: Callable[[], None], times: int) -> Samples:
    """Do something `times` times; return the milliseconds of each."""
    samples = []
    for number in range(times + 1):
        began = _cpu()
        do()
        if number:  # the first one warms up
            samples.append(1000 * (_cpu() - began))
    return tuple(samples)


def _claims(ledger: Ledger) -> Samples:
    """Do what every new upload does in the ledger before it may pay; return milliseconds."""
    samples = []
    for _ in range(_CLAIMS):
        record = _new()
        began = _cpu()
        ledger.finished(record.id)
        entry = ledger.create(record)
        ledger.finished(record.id)
        samples.append(1000 * (_cpu() - began))
        if entry is None:
            raise AssertionError("the id is new")
        ledger.finish(entry, record.changed(state=State.SKIPPED))
    return tuple(samples)


def _tick(runtime: Runtime) -> None:
    counts = runtime.sweep.run(runtime.delivery())
    if counts["pending"] != _PENDING:
        raise AssertionError(f"{_PENDING} are pending: {counts}")


def _status(services: Services, store: Store) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ops", "status", "--json"],
        cwd=ROOT,
        env={**os.environ, **_environment(services, store)},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode != 1:  # records are in doubt
        raise AssertionError(f"`repaint status` ended with {done.returncode}")


def _new() -> Record:
    return end_record(secrets.token_hex(16)).changed(
        state=State.PENDING, image_urls=(), store_uris=(), updated_at=time.time()
    )


def _park(ledger: Ledger) -> None:
    """Park a record that is not due for a long time."""
    park = Park(status=Status.IN_DOUBT, cause=Cause.EXHAUSTED, due_at=time.time() + 1e6)
    ledger.create(_new().changed(park=park))


def _end(ledger: Ledger, record: Record) -> None:
    entry = ledger.create(record.changed(state=State.PENDING))
    if entry is None:
        raise AssertionError("the id is new")
    ledger.finish(entry, record)
