"""One run: the uploads, on a local cloud with failing services and killed workers."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from local.cloud import (
    SWEEP_FUNCTION,
    SWEEP_TIMER,
    UPLOAD_FUNCTION,
    UPLOADS_BUCKET,
    Cloud,
    Scale,
)
from local.vefaas.runtime import DeliverySettings
from shared.uploads.metadata import identity, recognised
from tests.chaos.evidence import ProbedBilling, StoredLedger
from tests.chaos.judge import Judge, Tally, digest, waiting_for_operator
from tests.chaos.plan import (
    FAULTS,
    RETRY_DELAYS,
    SETTLE_SECONDS,
    TIMEOUT_SECONDS,
    ChaosPlan,
    PlannedUpload,
    Store,
    picture,
    planned,
)


class Killer:
    """Kills workers at random moments, from entering the context to leaving it."""

    def __init__(self, cloud: Cloud, plan: ChaosPlan) -> None:
        self.kills = 0
        self._platform = cloud.platform
        self._every = plan.kill_every
        self._rng = random.Random(plan.seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="killer")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._rng.uniform(0.5, 1.5) * self._every):
            name = SWEEP_FUNCTION if self._rng.random() < 0.2 else UPLOAD_FUNCTION
            instances = self._platform._pool(name)._instances
            if self._rng.random() < 0.1:
                self.kills += len(instances)
                self._platform.kill(name)
            else:
                # One of several, as when a machine fails; the platform replaces it when needed.
                self.kills += 1
                self._rng.choice(instances).kill()


def run(plan: ChaosPlan, store: Store, folder: Path, report: Callable[[str, int], None]) -> Tally:
    """Do one run in `folder` and judge it; `report` gets the state and the number that ended."""
    environment = {
        "VEIMAGEX_TIMEOUT_SECONDS": f"{TIMEOUT_SECONDS}",
        "VEIMAGEX_SETTLE_SECONDS": f"{SETTLE_SECONDS}",
        "REPAINT_DEADLINE_SECONDS": "20",
        "REPAINT_LOG_LEVEL": "warning",
    }
    path = folder.resolve() / "ledger.sqlite" if store == "sqlite" else None
    if path:
        environment["REPAINT_LEDGER"] = f"sqlite://{path}"
    began = time.monotonic()
    billing = ProbedBilling(folder / "billing")
    with Cloud(
        folder,
        faults=FAULTS.model_copy(update={"seed": plan.seed, "qps": plan.qps}),
        delivery=DeliverySettings(
            duplicate_probability=0.1, retry_delays=RETRY_DELAYS, seed=plan.seed
        ),
        environment=environment,
        scale=Scale(plan.instances, plan.concurrency, sweep_seconds=2.0),
        billing=billing,
        paint=lambda image, _prompt, _seed: image,
    ) as cloud:
        ledger, earlier = StoredLedger(cloud.store, path), dict[str, str]()
        with Killer(cloud, plan) as killer:
            uploads: list[PlannedUpload] = []
            for uploaded in _put(cloud, plan):
                uploads = uploaded
                if not earlier and 2 * len(uploads) >= plan.uploads:
                    earlier = {i: digest(text) for i, text in ledger.documents(finished=True)}
                report(f"{len(uploads)} uploaded, {killer.kills} killed", ledger.ended())
            (timer,) = (t for t in cloud.platform.timers if t.name == SWEEP_TIMER)
            until = time.monotonic() + plan.rest_within
            # While the timer's lock is held, no tick runs: a run at rest stays at rest.
            while timer.running.acquire() and not _at_rest(cloud, ledger):
                if time.monotonic() > until:
                    break
                timer.running.release()
                report(f"waiting for {len(ledger.pending())} pending", ledger.ended())
                time.sleep(0.5)
        try:
            tally = Judge(cloud.store, billing, ledger, earlier).judge(uploads)
            tally.counts["dropped"] = len(cloud.platform.queue.snapshot().dropped)
        finally:
            timer.running.release()
    tally.counts["kills"] = killer.kills
    tally.counts["seconds"] = round(time.monotonic() - began)
    return tally


def _put(cloud: Cloud, plan: ChaosPlan) -> Iterator[list[PlannedUpload]]:
    """Put the planned uploads, no faster than they are processed; yield those put so far."""
    storage, done = cloud.runtime().storage(None), list[PlannedUpload]()

    def put(upload: PlannedUpload) -> PlannedUpload:
        metadata = {name: quote(value) for name, value in upload.metadata.items()}
        etag = storage.put(
            UPLOADS_BUCKET,
            upload.key,
            picture(upload.picture),
            content_type="image/png",
            metadata=metadata,
        )
        record_id = identity(UPLOADS_BUCKET, upload.key, etag, recognised(metadata))
        return replace(upload, etag=etag, id=record_id)

    waiting = planned(plan)
    with ThreadPoolExecutor(4) as pool:
        while waiting:
            queue = cloud.platform.queue.snapshot()
            busy = len(queue.waiting) + len(queue.in_flight) + len(queue.delayed)
            room = max(0, plan.backlog - busy)
            batch, waiting = waiting[:room], waiting[room:]
            done += pool.map(put, batch)
            yield done
            time.sleep(0.5)


def _at_rest(cloud: Cloud, ledger: StoredLedger) -> bool:
    """Return whether all that is left waits for an operator."""
    if not cloud.platform.idle():
        return False
    pending = ledger.pending()
    return pending.keys() == waiting_for_operator(pending)
