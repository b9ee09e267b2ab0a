"""The instances of a function: slots, timeouts, kills, new code."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import dedent

from local.vefaas.runtime import FunctionState, Platform
from local.vefaas.runtime.instance import Instance
from tests.local.vefaas.runtime.conftest import AT_ONCE, PATIENCE, Gate, Write


def test_dead_instance(platform: Platform, function: Write) -> None:
    """An instance that died is replaced for the next request."""
    platform.deploy(
        function("""
        import os

        def handler(event, context):
            if event["die"]:
                os._exit(3)
            return {"body": str(os.getpid())}
        """)
    )
    before = platform.invoke("paint", {"die": False})
    died = platform.invoke("paint", {"die": True})
    after = platform.invoke("paint", {"die": False})
    assert "exit code 3" in str(died.error_message)
    assert after.failure is None
    assert before.body != after.body


def test_timeout(platform: Platform, function: Write, gate: Gate) -> None:
    """A call past its timeout is an error, and its instance is killed."""
    code = gate.code + dedent("""
        def handler(event, context):
            if event.get("slow"):
                gate()
            return {"body": "quick"}
        """)
    platform.deploy(function(code, timeout_seconds=0.3))
    slow = platform.invoke("paint", {"slow": True})
    # The handler's connection ended with its process.
    assert b"" == gate.arrive().recv(1)
    quick = platform.invoke("paint", {}, timeout=PATIENCE)
    assert (504, "Timeout") == (slow.status_code, slow.error_type)
    assert "quick" == quick.body


def test_timeout_of_another_request(tmp_path: Path, function: Write, gate: Gate) -> None:
    """A timeout interrupts the instance's other requests: they are retried."""
    code = gate.code + dedent("""
        def handler(event, context):
            gate()
        """)
    with Platform(tmp_path / "cloud", settings=AT_ONCE) as platform:
        function_id = platform.deploy(function(code))
        platform.enqueue(function_id, {})
        gate.arrive()
        assert "Timeout" == platform.invoke("paint", {}, timeout=1.0).error_type
        gate.arrive()  # the invocation that timed out
        gate.arrive().send(b"!")  # the second attempt
        assert platform.wait_idle(PATIENCE)
        assert (1, ()) == (platform.queue.snapshot().done, platform.queue.snapshot().dropped)


def test_concurrent_requests(tmp_path: Path, function: Write) -> None:
    """Requests of one instance run at the same time, up to its limit."""
    code = """
        import os, threading
        together = threading.Barrier(3)

        def handler(event, context):
            together.wait(30)
            return {"body": f"{os.getpid()} {context.request_id}"}
        """
    with Platform(tmp_path / "cloud") as platform, ThreadPoolExecutor(3) as callers:
        platform.deploy(function(code, max_concurrency=3))
        answers = list(callers.map(lambda _: platform.invoke("paint", {}), range(3)))
    assert [None] * 3 == [answer.failure for answer in answers]
    assert 1 == len({answer.body.split()[0] for answer in answers})
    assert {answer.request_id for answer in answers} == {
        answer.body.split()[1] for answer in answers
    }


def test_capacity(platform: Platform, function: Write, gate: Gate) -> None:
    """No more events are in flight than instances and concurrency allow."""
    code = gate.code + "def handler(event, context): gate()\n"
    function_id = platform.deploy(function(code, instances=2, max_concurrency=1))
    for n in range(3):
        platform.enqueue(function_id, {"n": n})
    first, second = gate.arrive(), gate.arrive()
    platform.run_due()
    assert [0, 1] == [each.event["n"] for each in platform.queue.snapshot().in_flight]
    assert [2] == [each.event["n"] for each in platform.queue.snapshot().waiting]
    busy = platform.invoke("paint", {}, timeout=0.01)
    assert (503, "Unavailable") == (busy.status_code, busy.error_type)
    first.send(b"!")
    gate.arrive().send(b"!")
    second.send(b"!")
    assert platform.wait_idle(PATIENCE)


def test_state(tmp_path: Path, function: Write, gate: Gate) -> None:
    """A function's state counts its instances, requests in flight and kills."""
    code = gate.code + "def handler(event, context): gate()\n"
    with Platform(tmp_path / "cloud", settings=AT_ONCE) as platform:
        function_id = platform.deploy(function(code, instances=2))
        idle = platform.states
        platform.enqueue(function_id, {})
        gate.arrive()
        busy = platform.states
        platform.kill("paint")
        gate.arrive()
        (after,) = platform.states

    assert (FunctionState("paint", 2, 0, 0),) == idle
    assert (FunctionState("paint", 2, 1, 0),) == busy
    assert (2, 1) == (after.instances, after.kills)


def test_new_code(tmp_path: Path, function: Write, gate: Gate) -> None:
    """A new deployment runs its code; requests in flight end in the old code."""
    code = gate.code + dedent("""
        import os

        def handler(event, context):
            gate()
            return {"body": "1" + os.environ.get("COLOUR", "")}
        """)
    with Platform(tmp_path / "cloud") as platform, ThreadPoolExecutor(1) as callers:
        first_id = platform.deploy(function(code))
        old = callers.submit(platform.invoke, "paint", {})
        in_old = gate.arrive()
        new_spec = function(
            code.replace('"1"', '"2"').replace("    gate()", "    pass"),
            environment={"COLOUR": "r"},
        )
        second_id = platform.deploy(new_spec)
        new = platform.invoke("paint", {})
        in_old.send(b"!")
        assert ("1", "2r") == (old.result().body, new.body)
        # The old instance ends with its last request.
        assert b"" == in_old.recv(1)
    assert first_id == second_id
    assert {first_id: new_spec} == platform.functions


def test_stubborn_workers(tmp_path: Path, function: Write, gate: Gate) -> None:
    """At its end, the platform kills workers that ignore SIGTERM, with their children."""
    code = gate.code + dedent("""
        import signal, subprocess, sys
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

        def handler(event, context):
            with socket.create_connection(PORT) as gate:
                subprocess.run(["sleep", "600"], pass_fds=[gate.fileno()])
        """).replace("PORT", repr(gate._listener.getsockname()))
    with Platform(tmp_path / "cloud") as platform:
        platform.enqueue(platform.deploy(function(code)), {})
        in_child = gate.arrive()
    assert b"" == in_child.recv(1)


def test_kill_from_log(function: Write) -> None:
    """An instance can be killed in the call that receives its lines."""
    spec = function("print('loaded')\ndef handler(event, context): pass")
    killed = threading.Event()

    def kill(_: str) -> None:
        started.wait(PATIENCE)
        instance.kill()
        killed.set()

    started = threading.Event()
    instance = Instance(
        spec.folder, {"PYTHONUNBUFFERED": "1"}, python=(sys.executable,), on_line=kill
    )
    started.set()
    assert killed.wait(PATIENCE)
    assert not instance.alive
    instance.stop()
