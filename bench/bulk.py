"""Many uploads at once: how soon all are done, what is lost, and what is paid for twice.

All of the cloud's times are shortened equally: a provider of 5 calls a second and 12 seconds
becomes one of 20 and 3. One instance, 64 deliveries at once; what fails, the platform delivers
again, ten times at most. How far apart its retries come is not documented: once they double from 1
second to 60, once they stay a second apart. Judged is by the provider's book.
"""

import time
from collections import Counter
from dataclasses import dataclass

from bench.figures import Aim, Figure, Samples
from bench.folders import Kind
from bench.process import PYTHON
from bench.run import Run
from bench.world import World
from local.imagex import FaultSettings
from local.vefaas.runtime import DeliverySettings, FunctionSpec, Platform
from local.vefaas.runtime.queue import RetryDelays, doubling

SCALE = 4.0
QPS, LATENCY = 5.0 * SCALE, 12.0 / SCALE
_TIMEOUT, _DEADLINE, _SWEEP = 35.0 / SCALE, 120.0 / SCALE, 60.0
_AT_ONCE = 64
_PATIENCE = 600.0
_REFUSED = ("FlowLimitExceeded", "50429")
_KINDS: tuple[Kind, ...] = ("ours", "alternative")


@dataclass(frozen=True, slots=True)
class Case:
    """So many uploads, and what goes wrong with them."""

    name: str
    told: str
    uploads: int
    retry_delays: RetryDelays = doubling
    duplicates: float = 0.0
    lost_answers: float = 0.0
    lost_requests: float = 0.0


@dataclass(frozen=True, slots=True)
class Done:
    """How a case ended: the seconds from the start to each image; the rest are counts."""

    moments: Samples
    charges: int
    lost: int
    paid_again: int
    refused: int


def ideal(uploads: int) -> float:
    """Return in which seconds a steady pace of QPS has so many uploads done."""
    return uploads / QPS + LATENCY


def measure(run: Run) -> list[Figure]:
    """Upload to both, in turns, in each case."""
    many, fewer = run.scaled(500, 60), run.scaled(250, 30)
    calm = Case("calm", f"{many} uploads", many)
    brief = Case("brief", f"{many} uploads, retries a second apart", many, retry_delays=(1.0,))
    hard = Case(
        "hard", f"{fewer} uploads, 10 % delivered twice, 7 % of the calls not answered", fewer,
        duplicates=0.1, lost_answers=0.05, lost_requests=0.02,
    )  # fmt: skip
    done: dict[str, dict[Kind, list[Done]]] = {}
    for case in (calm, brief, hard):
        done[case.name] = {kind: [] for kind in _KINDS}
        for number in range(run.rounds(2)):
            for kind in _KINDS if number % 2 == 0 else reversed(_KINDS):
                done[case.name][kind].append(_bulk(run, kind, case, number))
    ours, theirs = (done["calm"][kind] for kind in _KINDS)
    last, their_last = (tuple(each.moments[-1] for each in rounds) for rounds in (ours, theirs))
    return [
        Figure("calm.time", f"{calm.told}: all done", "s", last, their_last),
        Figure(
            "calm.ideal", f"{calm.told}: ours, times a steady pace's {ideal(many):g} s", "",
            tuple(moment / ideal(many) for moment in last), (), Aim(1.10),
        ),
        Figure(
            "calm.moments", f"{calm.told}: an image, from the start of all", "s",
            ours[0].moments, theirs[0].moments,
        ),
        *(figure for case in (calm, brief, hard) for figure in _counts(case, done[case.name])),
    ]  # fmt: skip


def _counts(case: Case, done: dict[Kind, list[Done]]) -> list[Figure]:
    def figure(name: str, what: str, aim: Aim | None = None) -> Figure:
        ours, theirs = (tuple(float(getattr(each, name)) for each in done[kind]) for kind in _KINDS)
        return Figure(f"{case.name}.{name}", f"{case.told}: {what}", "", ours, theirs, aim)

    return [
        figure("lost", "lost", Aim(0)),
        figure("paid_again", "paid for again", Aim(0)),
        figure("charges", "generations paid for"),
        figure("refused", "calls refused for their pace"),
    ]


def _bulk(run: Run, kind: Kind, case: Case, number: int) -> Done:
    folder = run.folder(f"bulk-{case.name}-{kind}-{number}")
    faults = FaultSettings(
        qps=QPS,
        latency_seconds=LATENCY,
        lose_answer=case.lost_answers,
        lose_request=case.lost_requests,
        seed=1 + number,
    )
    delivery = DeliverySettings(
        duplicate_probability=case.duplicates,
        retry_delays=case.retry_delays,
        seed=1 + number,
        time_scale=SCALE,
    )
    with (
        World(folder, faults) as world,
        Platform(
            folder / "faas",
            keys=world.keys,
            settings=delivery,
            python=PYTHON,
            on_log=lambda _function, _line: None,
        ) as platform,
    ):
        function = _deployed(run, platform, world, kind)
        if kind == "ours":
            _deployed(run, platform, world, "sweep")
            platform.add_timer("bench-sweep", "sweep", _SWEEP)
        events = [world.upload(f"{number:04}") for number in range(case.uploads)]
        began = time.time()
        for event in events:
            platform.enqueue(function, event)
        while not platform.idle() or world.is_pending():
            if time.time() > began + _PATIENCE:
                raise RuntimeError(f"The bulk of {kind} does not come to an end.")
            time.sleep(0.2)
            _, images = world.book.totals()
            run.tell(f"{case.name}: {images} images of {case.uploads} uploads by {kind}")
        return judged(world, case.uploads, began)


def _deployed(run: Run, platform: Platform, world: World, kind: Kind) -> str:
    environment = world.environment(
        kind,
        VEIMAGEX_TIMEOUT_SECONDS=f"{_TIMEOUT}",
        VEIMAGEX_SETTLE_SECONDS=f"{_TIMEOUT}",
        REPAINT_MAX_QPS=f"{QPS}",
        REPAINT_LOG_LEVEL="warning",
    )
    del environment["REPAINT_CREDENTIAL_FILE"]  # the platform has one for each function
    spec = FunctionSpec(
        f"bench-{kind}",
        run.folders.get(kind),
        environment,
        timeout_seconds=_DEADLINE,
        max_concurrency=_AT_ONCE,
    )
    return platform.deploy(spec)


def judged(world: World, uploads: int, began: float) -> Done:
    """Read in the provider's book what became of the uploads."""
    charges = world.book.charges()
    made = {charge.source: charge.at for charge in reversed(charges) if charge.stored}
    paid = Counter(charge.source for charge in charges)
    return Done(
        moments=tuple(sorted(at - began for at in made.values())),
        charges=paid.total(),
        lost=uploads - len(made),
        paid_again=paid.total() - len(paid),
        refused=sum(call.outcome in _REFUSED for call in world.book.calls()),
    )
