"""A delivery in a running process: its own work, and the time that the ledger adds."""

from contextlib import ExitStack

from bench.figures import Aim, Figure, Samples
from bench.folders import Kind
from bench.process import FunctionProcess
from bench.run import Run
from bench.services import Services
from local.imagex import FaultSettings

_BATCH = 20
_ROUND_TRIP_SECONDS = 0.010
_GENERATION_SECONDS = 12.0
_KINDS: tuple[Kind, ...] = ("ours", "alternative")


def measure(run: Run) -> list[Figure]:
    """Deliver uploads to both, in turns: with nothing to wait for, and at a real cloud's speed."""
    with Services(run.folder("warm")) as services, ExitStack() as stack:
        processes = {}
        for kind in _KINDS:
            environment = services.environment(kind, REPAINT_MAX_QPS="100000")
            process = FunctionProcess(run.folders.get(kind), environment)
            processes[kind] = stack.enter_context(process)
        cpu, requests = _work(run, services, processes)
        slow = _waits(run, services, processes)
    added = tuple(
        100 * (mine - other) / _GENERATION_SECONDS
        for mine, other in zip(slow["ours"], slow["alternative"], strict=True)
    )
    return [
        Figure("warm.cpu", "CPU time of a delivery", "ms", cpu["ours"], cpu["alternative"]),
        Figure(
            "warm.requests",
            "round trips of a delivery",
            "",
            requests["ours"],
            requests["alternative"],
        ),
        Figure(
            "warm.seconds",
            "a delivery with 10 ms a round trip and a generation of 12 s",
            "s",
            slow["ours"],
            slow["alternative"],
        ),
        Figure(
            "warm.ledger", "what the ledger's protection adds to 12 s", "%", added, (), Aim(1.0)
        ),
    ]


def _work(
    run: Run, services: Services, processes: dict[Kind, FunctionProcess]
) -> tuple[dict[Kind, Samples], dict[Kind, Samples]]:
    """Deliver batches with nothing to wait for; return one's milliseconds of CPU, and requests."""
    cpu: dict[Kind, Samples] = dict.fromkeys(_KINDS, ())
    requests: dict[Kind, Samples] = dict.fromkeys(_KINDS, ())
    rounds = run.rounds(10)
    for number in range(rounds + 1):  # the first one makes connections and does not count
        run.report(f"batch {number} of {rounds}, {_BATCH} deliveries each")
        for kind, process in processes.items():
            events = [services.upload(f"{kind}-{number}-{i}") for i in range(_BATCH)]
            before = services.requests()
            answer = process.handle(*events)
            if number:
                cpu[kind] += (1000 * answer["cpu_seconds"] / _BATCH,)
                requests[kind] += ((services.requests() - before) / _BATCH,)
    return cpu, requests


def _waits(
    run: Run, services: Services, processes: dict[Kind, FunctionProcess]
) -> dict[Kind, Samples]:
    """Deliver one upload at a time, with real latencies; return seconds."""
    found: dict[Kind, Samples] = dict.fromkeys(_KINDS, ())
    generation = run.scaled(int(_GENERATION_SECONDS), 1)
    services.faults.replace(FaultSettings(latency_seconds=generation))
    services.storage.round_trip_seconds = services.provider.round_trip_seconds = _ROUND_TRIP_SECONDS
    rounds = run.rounds(3)
    for number in range(rounds):
        run.report(f"generation {number + 1} of {rounds}, {generation} s each")
        for kind, process in processes.items():
            found[kind] += (process.handle(services.upload(f"{kind}-slow-{number}"))["seconds"],)
    return found
