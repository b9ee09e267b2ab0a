"""Memory: the use of each delivery in flight, and the influence of the picture's size."""

import time

from bench.figures import Aim, Figure, Samples
from bench.folders import Kind
from bench.middleware import PAID
from bench.process import FunctionProcess
from bench.run import Run
from bench.services import PICTURE, Services

_KINDS: tuple[Kind, ...] = ("ours", "alternative")
_LARGEST = 35 * 1024 * 1024
_KIB, _MIB = 1024, 1024 * 1024


def measure(run: Run) -> list[Figure]:
    """Measure processes while paid calls are held back, and while large pictures are repainted."""
    at_once = run.scaled(256, 64)
    flight: dict[Kind, Samples] = dict.fromkeys(_KINDS, ())
    idle: dict[Kind, Samples] = dict.fromkeys(_KINDS, ())
    small: dict[Kind, Samples] = dict.fromkeys(_KINDS, ())
    large: dict[Kind, Samples] = dict.fromkeys(_KINDS, ())
    rounds = run.rounds(2)
    for number in range(rounds):
        for kind in _KINDS:
            run.report(f"round {number + 1} of {rounds}: {at_once + 1} in flight, {kind}")
            with Services(run.folder(f"one-{kind}-{number}")) as services:
                one = _in_flight(run, services, kind, 1)
            with Services(run.folder(f"many-{kind}-{number}")) as services:
                all_of_them = _in_flight(run, services, kind, at_once + 1)
            idle[kind] += (one / _MIB,)
            flight[kind] += ((all_of_them - one) / at_once / _KIB,)
            run.report(f"round {number + 1} of {rounds}: pictures of 1 kB and of 35 MB, {kind}")
            with Services(run.folder(f"size-{kind}-{number}")) as services:
                small[kind] += (_most(run, services, kind, PICTURE) / _MIB,)
                padding = bytes(_LARGEST - len(PICTURE))
                large[kind] += (_most(run, services, kind, PICTURE + padding) / _MIB,)
    return [
        Figure(
            "memory.one",
            "a process with one delivery in flight",
            "MiB",
            idle["ours"],
            idle["alternative"],
        ),
        Figure(
            "memory.flight",
            f"each of {at_once} more in flight",
            "KiB",
            flight["ours"],
            flight["alternative"],
            Aim(256),
        ),
        Figure(
            "memory.size",
            "the most that repainting pictures of 1 kB takes",
            "MiB",
            small["ours"],
            small["alternative"],
        ),
        Figure(
            "memory.large",
            "the most that repainting pictures of 35 MB takes",
            "MiB",
            large["ours"],
            large["alternative"],
        ),
        Figure(
            "memory.growth",
            "ours with 35 MB, times ours with 1 kB",
            "",
            tuple(most / least for most, least in zip(large["ours"], small["ours"], strict=True)),
            (),
            Aim(1.05),
        ),
    ]


def _in_flight(run: Run, services: Services, kind: Kind, count: int) -> int:
    """Return the bytes that a process holds while `count` paid calls are unanswered."""
    environment = services.environment(kind, REPAINT_MAX_QPS="100000")
    services.provider.hold()
    with FunctionProcess(run.folders.get(kind), environment) as process:
        process.send([services.upload(f"{count}-{i}") for i in range(count)], count)
        while services.provider.requests[PAID] < count:
            process.check()
            time.sleep(0.05)
        return process.resident_bytes


def _most(run: Run, services: Services, kind: Kind, picture: bytes) -> int:
    """Return the most bytes that a process ever holds while pictures are repainted."""
    with FunctionProcess(run.folders.get(kind), services.environment(kind)) as process:
        uploads = [services.upload(f"{len(picture)}-{i}", picture) for i in range(2)]
        return int(process.handle(*uploads)["peak_bytes"])
