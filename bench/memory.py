"""Memory: what each delivery in flight takes, and whether the picture's size matters."""

import time

from bench.figures import Aim, Figure, Samples
from bench.folders import Kind
from bench.front import PAID
from bench.process import FunctionProcess
from bench.run import Run
from bench.world import PICTURE, World

_KINDS: tuple[Kind, ...] = ("ours", "alternative")
_LARGEST = 35 * 1024 * 1024
_KIB, _MIB = 1024, 1024 * 1024


def measure(run: Run) -> list[Figure]:
    """Hold paid calls back, and look at the processes; have large pictures repainted."""
    at_once = run.scaled(256, 64)
    flight: dict[Kind, Samples] = dict.fromkeys(_KINDS, ())
    idle: dict[Kind, Samples] = dict.fromkeys(_KINDS, ())
    small: dict[Kind, Samples] = dict.fromkeys(_KINDS, ())
    large: dict[Kind, Samples] = dict.fromkeys(_KINDS, ())
    rounds = run.rounds(2)
    for number in range(rounds):
        for kind in _KINDS:
            run.tell(f"round {number + 1} of {rounds}: {at_once + 1} in flight, {kind}")
            with World(run.folder(f"one-{kind}-{number}")) as world:
                one = _in_flight(run, world, kind, 1)
            with World(run.folder(f"many-{kind}-{number}")) as world:
                all_of_them = _in_flight(run, world, kind, at_once + 1)
            idle[kind] += (one / _MIB,)
            flight[kind] += ((all_of_them - one) / at_once / _KIB,)
            run.tell(f"round {number + 1} of {rounds}: pictures of 1 kB and of 35 MB, {kind}")
            with World(run.folder(f"size-{kind}-{number}")) as world:
                small[kind] += (_most(run, world, kind, PICTURE) / _MIB,)
                padding = bytes(_LARGEST - len(PICTURE))
                large[kind] += (_most(run, world, kind, PICTURE + padding) / _MIB,)
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


def _in_flight(run: Run, world: World, kind: Kind, count: int) -> int:
    """Return what a process holds while so many paid calls are not answered, in bytes."""
    environment = world.environment(kind, REPAINT_MAX_QPS="100000")
    world.provider.hold()
    with FunctionProcess(run.folders.get(kind), environment) as process:
        process.send([world.upload(f"{count}-{i}") for i in range(count)], count)
        while world.provider.requests[PAID] < count:
            process.check()
            time.sleep(0.05)
        return process.resident_bytes


def _most(run: Run, world: World, kind: Kind, picture: bytes) -> int:
    """Return the most that a process ever holds while pictures are repainted, in bytes."""
    with FunctionProcess(run.folders.get(kind), world.environment(kind)) as process:
        uploads = [world.upload(f"{len(picture)}-{i}", picture) for i in range(2)]
        return int(process.handle(*uploads)["peak_bytes"])
