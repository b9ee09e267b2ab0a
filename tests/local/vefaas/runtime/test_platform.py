"""Queued events: delivered, retried, dropped, and kept when the platform stops."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local.vefaas.runtime import DeliverySettings, Platform, queued_event_id
from tests.fakes import FakeClock
from tests.local.vefaas.runtime.conftest import AT_ONCE, NOW, PATIENCE, FunctionLog, Gate, Write

HOUR = 3600.0


def test_queued_events(platform: Platform, function: Write, log: FunctionLog) -> None:
    """Queued events are delivered, and then done."""
    function_id = platform.deploy(function("def handler(e, c): print('got', e['n'])"))
    for n in range(5):
        platform.enqueue(function_id, {"n": n})
    assert platform.wait_idle(PATIENCE)
    assert platform.idle()
    assert 5 == platform.queue.snapshot().done
    log.wait_for("got", 5)
    assert {f"paint| got {n}" for n in range(5)} == set(log.lines)


def test_unknown_function(tmp_path: Path) -> None:
    """An event for an unknown function is refused."""
    with (
        Platform(tmp_path / "cloud") as platform,
        pytest.raises(LookupError, match="No function 'fnx' is deployed"),
    ):
        platform.enqueue("fnx", {})


def test_duplicates(tmp_path: Path, function: Write, log: FunctionLog) -> None:
    """With a duplicate probability of 1 every event is delivered twice."""
    settings = DeliverySettings(duplicate_probability=1.0, seed=3)
    with Platform(tmp_path / "cloud", settings=settings, on_log=log) as platform:
        function_id = platform.deploy(function("def handler(e, c): print('got', e['n'])"))
        for n in range(4):
            platform.enqueue(function_id, {"n": n})
        assert platform.wait_idle(PATIENCE)
        log.wait_for("got", 8)
    assert [2] * 4 == [log.count(f"got {n}") for n in range(4)]


@pytest.mark.parametrize("error", ["raise KeyError('colour')", "return {'statusCode': 500}"])
def test_retries_used_up(tmp_path: Path, function: Write, log: FunctionLog, error: str) -> None:
    """An event that always fails is dropped after eleven attempts."""
    with Platform(tmp_path / "cloud", settings=AT_ONCE, on_log=log) as platform:
        function_id = platform.deploy(
            function(f"""
            def handler(event, context):
                print("attempt")
                {error}
            """)
        )
        platform.enqueue(function_id, {"n": 1})
        assert platform.wait_idle(PATIENCE)
        log.wait_for("attempt", 11)
        (dropped,) = platform.queue.snapshot().dropped
    assert 11 == log.count("attempt")
    assert 11 == dropped.attempt
    assert "10 retries used up" == dropped.dropped_because
    assert dropped.last_error is not None


def test_six_hours(tmp_path: Path, function: Write) -> None:
    """An event that fails for six hours is dropped."""
    clock = FakeClock(NOW)

    def two_hours(_: int) -> float:
        clock.sleep(2 * HOUR + 1)
        return 0

    settings = DeliverySettings(retry_delays=two_hours)
    with Platform(tmp_path / "cloud", clock=clock, settings=settings) as platform:
        function_id = platform.deploy(function("def handler(event, context): 1 / 0"))
        platform.enqueue(function_id, {})
        assert platform.wait_idle(PATIENCE)
        (dropped,) = platform.queue.snapshot().dropped
    assert (3, "older than 21600 seconds") == (dropped.attempt, dropped.dropped_because)
    assert "ZeroDivisionError: division by zero" == dropped.last_error


def test_killed_instance(tmp_path: Path, function: Write, gate: Gate) -> None:
    """An event whose instance is killed is an error, and is retried."""
    code = gate.code + "def handler(event, context): gate()\n"
    with Platform(tmp_path / "cloud", settings=AT_ONCE) as platform:
        function_id = platform.deploy(function(code))
        platform.enqueue(function_id, {})
        in_flight = gate.arrive()
        platform.kill("paint")
        assert b"" == in_flight.recv(1)
        gate.arrive()
        (retried,) = platform.queue.snapshot().in_flight
        assert 2 == retried.attempt
        assert "SIGKILL" in str(retried.last_error)


def test_request_ids(tmp_path: Path, function: Write, log: FunctionLog) -> None:
    """The ids of an event's requests hold the event's own id."""
    code = """
        def handler(event, context):
            print("asked by", context.request_id)
            1 / event["n"]
        """
    with Platform(tmp_path / "cloud", settings=AT_ONCE, on_log=log) as platform:
        function_id = platform.deploy(function(code))
        delivery_id = platform.enqueue(function_id, {"n": 0})
        log.wait_for("asked by", 2)

    ids = [line.partition("asked by ")[2] for line in log.lines if "asked by " in line]
    assert {delivery_id} == {queued_event_id(each) for each in ids}
    assert len(ids) == len(set(ids))


def test_stopped_platform(tmp_path: Path, function: Write, gate: Gate) -> None:
    """A platform that stops leaves its events in flight to the next one."""
    spec = function(gate.code + "def handler(event, context): gate()\n")
    with Platform(tmp_path / "cloud") as platform:
        delivery_id = platform.enqueue(platform.deploy(spec), {"n": 1})
        gate.arrive()
    with Platform(tmp_path / "cloud") as platform:
        assert not platform.idle()
        platform.deploy(spec)
        waiting = gate.arrive()
        (again,) = platform.queue.snapshot().in_flight
        assert (delivery_id, {"n": 1}, 1, None) == (
            again.id,
            again.event,
            again.attempt,
            again.last_error,
        )
        waiting.send(b"!")
        assert platform.wait_idle(PATIENCE)
        assert 1 == platform.queue.snapshot().done


def test_killed_platform(tmp_path: Path, function: Write, gate: Gate) -> None:
    """A platform that is killed leaves no worker, and loses no event."""
    spec = function(gate.code + "def handler(event, context): gate()\n")
    program = f"""
import os, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[4])!r})
from local.vefaas.runtime import FunctionSpec, Platform
with Platform(Path({str(tmp_path / "cloud")!r})) as platform:
    platform.enqueue(platform.deploy(FunctionSpec("paint", Path({str(spec.folder)!r}))), {{"n": 1}})
    sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) as cloud:
        in_worker = gate.arrive()
        os.kill(cloud.pid, signal.SIGKILL)
        # The worker's connection ends with the worker, which nobody but itself has ended.
        assert b"" == in_worker.recv(1)
    with Platform(tmp_path / "cloud") as platform:
        platform.deploy(spec)
        gate.arrive().send(b"!")
        assert platform.wait_idle(PATIENCE)
        assert 1 == platform.queue.snapshot().done
