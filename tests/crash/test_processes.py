"""Processes that are killed, freeze and race each other, on the local cloud.

Every delivery and every sweep is a process of its own (`tests/crash/worker.py`), killed or
stopped by a signal. The provider's billing records are the judge. No test waits until a lease is
over: a later process gets a clock that is ahead.
"""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from io import BytesIO
from itertools import count, pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import pytest
from PIL import Image

from local.cloud import STATE_BUCKET, UPLOADS_BUCKET, Cloud, FixedCredentials
from local.imagex import Charge, FaultSettings
from shared.ledger import Ledger, Record
from shared.runtime import Runtime
from shared.uploads.metadata import identity
from tests.crash.worker import Fault

ROOT = Path(__file__).parents[2]
PAY, PROBE = "GetCVImageGenerateResult", "GetImageStorageFiles"
# Longer than any call on a busy machine: time limits are not tested here.
CALL_SECONDS = 30.0
# Past the end of a lease. Ten times that is still within the 15 minutes that a signature's time
# may be off.
LATER = 45.0
ROUNDS = 100
BUSY = {"Another delivery is working on it.", "Another delivery of it ended just now."}

When = Literal["before", "after"]
Event = dict[str, Any]
# After all deliveries, with every lease over.
LAST = 10 * LATER + 300.0

both_moments = pytest.mark.parametrize("when", ["before", "after"])


def tiny_picture() -> bytes:
    stream = BytesIO()
    Image.new("RGB", (8, 8), "orange").save(stream, "PNG")
    return stream.getvalue()


PICTURE = tiny_picture()
PROMPT = "a cat"


@dataclass(frozen=True)
class ProcessEnd:
    """How a process ended, or `SIGSTOP`, and the provider's calls meanwhile.

    `result` and `operations` are empty if it did not get that far, `struck` is the operation at
    which it got its signal.
    """

    how: str
    pid: int
    result: dict[str, Any] | None
    operations: list[str]
    struck: str | None
    calls: list[str]

    @property
    def status(self) -> str | None:
        return self.result["status"] if self.result else None


class Worker:
    """The worker process; see `tests.crash.worker`."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.worker"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            # At the end of its input it kills the processes that it froze, and ends.
            self._process.communicate(timeout=60)
        finally:
            if self._process.returncode != 0:
                with suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()

    def send(self, **command: Any) -> list[dict[str, Any]]:
        """Send a command; return the answers, up to the one with `ended`."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(command) + "\n")
        stdin.flush()
        lines: list[dict[str, Any]] = []
        while not (lines and "ended" in lines[-1]):
            line = stdout.readline()
            assert line, "the worker is gone"
            lines.append(json.loads(line))
        return lines


@dataclass
class Stage:
    """A deployment on the local cloud, with a ledger of its own.

    `ends` has the end records by the key of their upload, as they were first read.
    """

    cloud: Cloud
    worker: Worker
    ledger: Ledger
    numbers: Iterator[int]
    uploads: list[Event] = field(default_factory=list)
    ends: dict[str, Record] = field(default_factory=dict)

    def upload(self) -> Event:
        """Put a new object without triggering the bucket's rule; return its event."""
        key = f"uploads/{next(self.numbers)}.png"
        headers = {"x-tos-meta-prompt": PROMPT, "content-type": "image/png"}
        stored, _ = self.cloud.store.put(UPLOADS_BUCKET, key, PICTURE, headers)
        source = {"bucket": {"name": UPLOADS_BUCKET}, "object": {"key": key, "eTag": stored.etag}}
        entry = {"eventName": "tos:ObjectCreated:Put", "tos": source}
        event = {"type": "faas.tos.event", "data": {"events": [entry]}}
        self.uploads.append(event)
        return event

    def deliver(self, event: Event, shift: float = 0.0, fault: Fault | None = None) -> ProcessEnd:
        end = self._run(do="deliver", event=event, shift=shift, fault=fault and asdict(fault))
        self.end_record(event)
        return end

    def sweep(self, shift: float, fault: Fault | None = None) -> ProcessEnd:
        return self._run(do="sweep", shift=shift, fault=fault and asdict(fault))

    def resume(self, frozen: ProcessEnd, shift: float) -> ProcessEnd:
        return self._run(do="resume", pid=frozen.pid, shift=shift)

    def _run(self, **command: Any) -> ProcessEnd:
        seen = len(self.cloud.billing.calls())
        lines = self.worker.send(**command)
        answers = {name: value for line in lines for name, value in line.items()}
        return ProcessEnd(
            how=answers["ended"],
            pid=answers["pid"],
            result=answers.get("result"),
            operations=answers.get("operations", []),
            struck=answers.get("struck"),
            calls=[call.action for call in self.cloud.billing.calls()[seen:]],
        )

    def is_claimed(self, event: Event) -> bool:
        return self.ledger.pending(record_id_of(event)) is not None

    def end_record(self, event: Event) -> Record | None:
        """Return an upload's end record; check that it has not changed."""
        end = self.ledger.finished(record_id_of(event))
        if end is None:
            assert key_of(event) not in self.ends
            return None
        assert end == self.ends.setdefault(key_of(event), end)
        return end

    def charges(self, event: Event) -> list[Charge]:
        key = key_of(event)
        return [c for c in self.cloud.billing.charges() if c.source.endswith(f"/{key}")]

    def sweep_all(self, shift: float) -> None:
        for tick in range(4):
            assert "exit 0" == self.sweep(shift + tick * LATER).how
            if not list(self.ledger.pending_ids()):
                return
        pytest.fail(f"pending after sweeping: {list(self.ledger.pending_ids())}")

    def settle(self, shift: float) -> None:
        """Sweep, and check the promises for every upload by the billing records."""
        self.sweep_all(shift)
        for event in self.uploads:
            assert self.end_record(event) is not None, key_of(event)
            again = self.deliver(event, LAST)
            assert ("exit 0", "duplicate", []) == (again.how, again.status, again.calls), again
        self.sweep_all(LAST)
        for event in self.uploads:
            end = self.end_record(event)
            assert end is not None
            (charge,) = self.charges(event)
            assert ("generated", (charge.store_uri,)) == (end.state, end.store_uris)
            assert charge.stored
            assert self.cloud.billing.find(charge.output) is not None


def key_of(event: Event) -> str:
    return str(event["data"]["events"][0]["tos"]["object"]["key"])


def record_id_of(event: Event) -> str:
    etag = event["data"]["events"][0]["tos"]["object"]["eTag"]
    return identity(UPLOADS_BUCKET, key_of(event), etag, {"prompt": PROMPT})


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    faults = FaultSettings(latency_seconds=0.0)
    with Cloud(tmp_path_factory.mktemp("cloud"), faults=faults) as cloud:
        yield cloud


@pytest.fixture(params=["tos", "sqlite"])
def stage(
    request: pytest.FixtureRequest, cloud: Cloud, tmp_path: Path, numbers: Iterator[int]
) -> Iterator[Stage]:
    place = f"tos://{STATE_BUCKET}/{tmp_path.name}/"
    if request.param == "sqlite":
        place = f"sqlite://{tmp_path}/ledger.db"
    role = tmp_path / "credential"
    key = cloud.credentials
    role.write_text(
        json.dumps({"access_key_id": key.access_key, "secret_access_key": key.secret_key})
    )
    environment = {
        **cloud.settings,
        "REPAINT_LEDGER": place,
        "REPAINT_CREDENTIAL_FILE": str(role),
        "VEIMAGEX_TIMEOUT_SECONDS": str(CALL_SECONDS),
        "VEIMAGEX_SETTLE_SECONDS": str(CALL_SECONDS),
    }
    with ExitStack() as stack:
        runtime = Runtime(environment, credentials=FixedCredentials(key))
        stack.callback(runtime.close)
        worker = stack.enter_context(Worker(environment))
        yield Stage(cloud, worker, runtime.ledger, numbers)


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    """Number the objects: all tests of a process share the billing records."""
    return count(1)


def paid_blindly(calls: list[str]) -> bool:
    """Return whether calls for one upload have two paid ones without a probe in between."""
    relevant = [call for call in calls if call in (PAY, PROBE)]
    return any(pair == (PAY, PAY) for pair in pairwise(relevant))


@both_moments
def test_process_killed(stage: Stage, when: When) -> None:
    """A process killed at any operation leaves an upload that is finished and paid once."""
    for number in count(1):
        event = stage.upload()
        first = stage.deliver(event, fault=Fault(number, when, "SIGKILL"))
        where = (number, when, first.struck)
        if first.how != "SIGKILL":
            break
        was_claimed = stage.is_claimed(event)
        second = stage.deliver(event, LATER)
        assert second.status in ("generated", "duplicate"), (where, second)
        assert not paid_blindly(first.calls + second.calls), where
        if was_claimed and PAY in second.calls:
            assert PROBE in second.calls[: second.calls.index(PAY)], (where, second)
        assert stage.end_record(event) is not None, where

    assert ("exit 0", "generated", [PAY]) == (first.how, first.status, first.calls)
    assert len(first.operations) == number - 1 > 5
    stage.settle(2 * LATER)


@both_moments
def test_sweep_finishes(stage: Stage, when: When) -> None:
    """The sweep alone finishes what was claimed, and pays once."""
    for number in count(1):
        event = stage.upload()
        first = stage.deliver(event, fault=Fault(number, when, "SIGKILL"))
        where = (number, when, first.struck)
        if first.how != "SIGKILL":
            break
        if stage.is_claimed(event):
            second = stage.sweep(LATER)
            assert not paid_blindly(first.calls + second.calls), where
            assert stage.end_record(event) is not None, where
        elif stage.end_record(event) is None:
            # It was killed before the claim: only a delivery knows of this upload.
            assert "generated" == stage.deliver(event, LATER).status, where
    stage.settle(2 * LATER)


@pytest.mark.parametrize("repair", ["delivery", "sweep"])
@both_moments
def test_second_process_killed(stage: Stage, when: When, repair: str) -> None:
    """A second process, killed at any operation of its recovery, pays nothing twice."""
    # The first one is killed in the worst places: before its paid call, and after its answer.
    pay = stage.deliver(stage.upload()).operations.index(PAY) + 1

    def run(event: Event, shift: float, fault: Fault | None = None) -> ProcessEnd:
        if repair == "sweep":
            return stage.sweep(shift, fault)
        return stage.deliver(event, shift, fault)

    for first_when in ("before", "after"):
        for number in count(1):
            event = stage.upload()
            first = stage.deliver(event, fault=Fault(pay, first_when, "SIGKILL"))
            assert ("SIGKILL", PAY) == (first.how, first.struck)
            second = run(event, LATER, Fault(number, when, "SIGKILL"))
            third = run(event, 2 * LATER)
            where = (first_when, number, when, second.struck)
            assert "exit 0" == third.how, where
            assert not paid_blindly(first.calls + second.calls + third.calls), where
            assert stage.end_record(event) is not None, where
            if second.how != "SIGKILL":
                break
        assert "exit 0" == second.how
        assert number > 5
    stage.settle(3 * LATER)


@pytest.mark.parametrize("processes", [2, 8])
def test_race(stage: Stage, processes: int) -> None:
    """Of processes that handle one event at the same moment, one pays."""
    events = [stage.upload() for _ in range(ROUNDS)]
    *lines, end = stage.worker.send(do="race", events=events, processes=processes)

    assert "exit 0" == end["ended"]
    results = [line["result"] for line in lines]
    assert processes * ROUNDS == len(results)
    charged = Counter(urlsplit(c.source).path[1:] for c in stage.cloud.billing.charges())
    for event in events:
        assert 1 == charged[key_of(event)]
        statuses = Counter(r["status"] for r in results if r["key"] == key_of(event))
        assert 1 == statuses.pop("generated")
        assert statuses.keys() <= {"duplicate", "incomplete"}
    assert {r["reason"] for r in results if r["status"] == "incomplete"} <= BUSY
    assert [] == list(stage.ledger.pending_ids())


@both_moments
def test_frozen_owner(stage: Stage, when: When) -> None:
    """An owner frozen past its lease neither pays nor changes the end."""
    # Right before the paid call is the next test's.
    pay = stage.deliver(stage.upload()).operations.index(PAY) + 1
    for number in count(1):
        if (number, when) == (pay, "before"):
            continue
        event = stage.upload()
        frozen = stage.deliver(event, fault=Fault(number, when, "SIGSTOP"))
        where = (number, when, frozen.struck)
        if frozen.how != "SIGSTOP":
            break
        other = stage.deliver(event, LATER)
        assert other.status in ("generated", "duplicate"), (where, other)
        assert stage.end_record(event) is not None, where
        (charge,) = stage.charges(event)

        woken = stage.resume(frozen, LATER)

        assert "exit 0" == woken.how, where
        assert PAY not in woken.calls, where
        assert [charge] == stage.charges(event), where
        assert not paid_blindly(frozen.calls + other.calls + woken.calls), where
        assert stage.end_record(event) is not None, where
    assert number > 5
    stage.settle(2 * LATER)


def test_frozen_before_send(stage: Stage) -> None:
    """An owner frozen right before its call changes no end."""
    # No client can close this instant: resumed, it sends, and the provider charges once more. The
    # end is that of the other owner, whose probe found nothing.
    pay = stage.deliver(stage.upload()).operations.index(PAY) + 1
    event = stage.upload()
    frozen = stage.deliver(event, fault=Fault(pay, "before", "SIGSTOP"))
    assert ("SIGSTOP", PAY) == (frozen.how, frozen.struck)
    other = stage.deliver(event, LATER)
    assert ("generated", [PROBE, PAY]) == (other.status, other.calls)

    woken = stage.resume(frozen, LATER)

    assert "exit 0" == woken.how
    end = stage.end_record(event)
    assert end is not None
    first, *late = stage.charges(event)
    assert (first.store_uri,) == end.store_uris
    assert len(late) <= 1
    stage.sweep_all(2 * LATER)
    again = stage.deliver(event, LAST)
    assert ("duplicate", []) == (again.status, again.calls)


@pytest.mark.parametrize("pause", [1, 2, 3, 10, 60])
@both_moments
def test_redeliveries(stage: Stage, when: When, pause: int) -> None:
    """Redeliveries at any spacing after a kill lose nothing."""
    pay = stage.deliver(stage.upload()).operations.index(PAY) + 1
    event = stage.upload()
    killed = stage.deliver(event, fault=Fault(pay, when, "SIGKILL"))
    assert "SIGKILL" == killed.how

    again = [stage.deliver(event, shift=float(number * pause)) for number in range(1, 11)]

    assert all("exit 0" == end.how for end in again)
    assert {end.status for end in again} <= {"generated", "duplicate", "incomplete"}
    assert not paid_blindly([call for end in (killed, *again) for call in end.calls])
    stage.settle(10.0 * pause + LATER)
