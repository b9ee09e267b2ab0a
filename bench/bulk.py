"""Many uploads at once: the time until all are done, and how many are lost or paid for twice.

All of the cloud's times are shortened equally: a provider of 5 calls a second and 12 seconds
becomes one of 20 and 3. One instance, 64 deliveries at once; the platform delivers again what
fails, ten times at most. The pauses between its retries are not documented: in one case they double
from 1 second to 60, in another they stay at 1 second. The counts come from the provider's billing
records.
"""

import time
from collections import Counter
from dataclasses import dataclass

from bench.figures import Aim, Figure, Samples
from bench.folders import Kind
from bench.process import PYTHON
from bench.run import Run
from bench.services import Services
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
    """A number of uploads, and the failures they meet."""

    name: str
    title: str
    uploads: int
    retry_delays: RetryDelays = doubling
    duplicates: float = 0.0
    lost_answers: float = 0.0
    lost_requests: float = 0.0


@dataclass(frozen=True, slots=True)
class Done:
    """A case's result. `moments` are seconds from the start to each image; the rest are counts."""

    moments: Samples
    charges: int
    lost: int
    paid_again: int
    refused: int


def ideal(uploads: int) -> float:
    """Return the seconds that so many uploads take at a steady rate of QPS."""
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
        Figure("calm.time", f"{calm.title}: all done", "s", last, their_last),
        Figure(
            "calm.ideal", f"{calm.title}: ours, times a steady rate's {ideal(many):g} s", "",
            tuple(moment / ideal(many) for moment in last), (), Aim(1.10),
        ),
        Figure(
            "calm.moments", f"{calm.title}: an image, from the start of all", "s",
            ours[0].moments, theirs[0].moments,
        ),
        *(figure for case in (calm, brief, hard) for figure in _counts(case, done[case.name])),
    ]  # fmt: skip


def _counts(case: Case, done: dict[Kind, list[Done]]) -> list[Figure]:
    def figure(name: str, what: str, aim: Aim | None = None) -> Figure:
        ours, theirs = (tuple(float(getattr(each, name)) for each in done[kind]) for kind in _KINDS)
        return Figure(f"{case.name}.{name}", f"{case.title}: {what}", "", ours, theirs, aim)

    return [
        figure("lost", "lost", Aim(0)),
        figure("paid_again", "paid for again", Aim(0)),
        figure("charges", "generations paid for"),
        figure("refused", "calls refused by the rate limit"),
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
        Services(folder, faults) as services,
        Platform(
            folder / "faas",
            keys=services.keys,
            settings=delivery,
            python=PYTHON,
            on_log=lambda _function, _line: None,
        ) as platform,
    ):
        function = _deployed(run, platform, services, kind)
        if kind == "ours":
            _deployed(run, platform, services, "sweep")
            platform.add_timer("bench-sweep", "sweep", _SWEEP)
        events = [services.upload(f"{number:04}") for number in range(case.uploads)]
        began = time.time()
        for event in events:
            platform.enqueue(function, event)
        while not platform.idle() or services.is_pending():
            if time.time() > began + _PATIENCE:
                raise RuntimeError(f"The bulk of {kind} does not come to an end.")
            time.sleep(0.2)
            _, images = services.billing.totals()
            run.report(f"{case.name}: {images} images of {case.uploads} uploads by {kind}")
        return result_of(services, case.uploads, began)


def _deployed(run: Run, platform: Platform, services: Services, kind: Kind) -> str:
    environment = services.environment(
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


def result_of(services: Services, uploads: int, began: float) -> Done:
    """Count the results of the uploads in the provider's billing records."""
    charges = services.billing.charges()
    made = {charge.source: charge.at for charge in reversed(charges) if charge.stored}
    paid = Counter(charge.source for charge in charges)
    return Done(
        moments=tuple(sorted(at - began for at in made.values())),
        charges=paid.total(),
        lost=uploads - len(made),
        paid_again=paid.total() - len(paid),
        refused=sum(call.outcome in _REFUSED for call in services.billing.calls()),
    )
