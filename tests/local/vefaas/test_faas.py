"""The local veFaaS with real worker processes; every case deploys a small real function."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from local.keys import KeyRing
from local.vefaas.runtime import (
    DeliverySettings,
    FunctionSpec,
    FunctionState,
    Platform,
    queued_event_id,
)
from local.vefaas.runtime.instance import Instance

PATIENCE = 30  # seconds that a test waits at most for what is certain to come
AT_ONCE = DeliverySettings(retry_delays=[0])
HOUR = 3600.0

Write = Callable[..., FunctionSpec]


class HeldClock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.moment = 1_750_000_000.0

    def now(self) -> float:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += seconds


class Log:
    """The functions' lines, and a way to wait for one."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._changed = threading.Condition()

    def __call__(self, function: str, line: str) -> None:
        with self._changed:
            self.lines.append(f"{function}| {line}")
            self._changed.notify_all()

    def count(self, text: str) -> int:
        return sum(text in line for line in self.lines)

    def wait_for(self, text: str, times: int = 1) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.count(text) >= times, PATIENCE), self.lines


class Gate:
    """Where handlers wait: the test sees one come, and lets it pass."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE)
        self._waiting: list[socket.socket] = []
        self.code = dedent(f"""
            import socket
            def gate():
                with socket.create_connection({self._listener.getsockname()!r}) as gate:
                    return gate.recv(1)
            """)

    def arrive(self) -> socket.socket:
        waiting, _ = self._listener.accept()
        waiting.settimeout(PATIENCE)
        self._waiting.append(waiting)
        return waiting

    def close(self) -> None:
        for each in [*self._waiting, self._listener]:
            each.close()


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.close()


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def function(tmp_path: Path) -> Write:
    """Write a function's folder."""

    def write(code: str, name: str = "paint", **settings: Any) -> FunctionSpec:
        folder = tmp_path / "code" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "index.py").write_text(dedent(code))
        return FunctionSpec(name, folder, **settings)

    return write


def test_what_a_handler_returns_is_the_answer(tmp_path: Path, function: Write) -> None:
    spec = function("""
        import shared.brush

        def handler(event, context):
            body = shared.brush.paint(event["colour"]) + " for " + context.request_id
            return {"statusCode": 201, "headers": {"X-Brush": 3}, "body": body}
        """)
    (spec.folder / "shared").mkdir()
    (spec.folder / "shared" / "brush.py").write_text(
        "def paint(colour): return 'painted ' + colour"
    )
    with Platform(tmp_path / "cloud") as platform:
        platform.deploy(spec)
        answer = platform.invoke("paint", {"colour": "红"}, headers={"X-Faas-Request-Id": "r1"})

    assert (201, {"X-Brush": "3"}, "painted 红 for r1") == (
        answer.status_code,
        answer.headers,
        answer.body,
    )
    assert answer.failure is None
    assert "r1" == answer.request_id


def test_a_handler_may_return_nothing(tmp_path: Path, function: Write) -> None:
    with Platform(tmp_path / "cloud") as platform:
        function_id = platform.deploy(function("def handler(event, context): pass"))
        answer = platform.invoke(function_id, {})
    assert (200, "", None) == (answer.status_code, answer.body, answer.failure)
    assert answer.request_id


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        ("'done'", "The handler returned str; return None or a dict"),
        ("{'statusCode': '200'}", "statusCode is '200'; it must be a number"),
        ("{'headers': ['a']}", "headers must be a dict"),
        ("{'body': {'a': 1}}", "body is dict; it must be a string"),
    ],
)
def test_what_cannot_be_passed_back_is_an_error_that_says_so(
    tmp_path: Path, function: Write, returned: str, expected: str
) -> None:
    with Platform(tmp_path / "cloud") as platform:
        platform.deploy(function(f"def handler(event, context): return {returned}"))
        answer = platform.invoke("paint", {})
    assert (500, "InvalidReturnError") == (answer.status_code, answer.error_type)
    assert expected in str(answer.error_message)


def test_an_exception_is_an_error_and_its_traceback_is_in_the_log(
    tmp_path: Path, function: Write, log: Log
) -> None:
    with Platform(tmp_path / "cloud", on_log=log) as platform:
        platform.deploy(
            function("""
            import sys

            def handler(event, context):
                if event["exit"]:
                    sys.exit("leaving")
                raise ValueError("no such colour")
            """)
        )
        answers = [platform.invoke("paint", {"exit": each}) for each in (False, True)]
        log.wait_for("SystemExit: leaving")
    assert ["ValueError: no such colour", "SystemExit: leaving"] == [
        answer.failure for answer in answers
    ]
    assert 2 == log.count("paint| Traceback (most recent call last):")


def test_a_status_from_400_on_counts_as_an_error_and_is_passed_on(
    tmp_path: Path, function: Write
) -> None:
    with Platform(tmp_path / "cloud") as platform:
        platform.deploy(
            function('def handler(e, c): return {"statusCode": e["status"], "body": "why"}')
        )
        answers = [platform.invoke("paint", {"status": status}) for status in (399, 400, 500)]
    assert [399, 400, 500] == [answer.status_code for answer in answers]
    assert [
        None,
        "The handler answered with status 400: why",
        "The handler answered with status 500: why",
    ] == [answer.failure for answer in answers]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import no_such_brush", "ModuleNotFoundError: No module named 'no_such_brush'"),
        ("def handler(event, context) return", "SyntaxError"),
        ("brush = 3", "index.py defines no function `handler(event, context)`"),
        ("import sys\nsys.exit('no brush')", "SystemExit: no brush"),
    ],
    ids=["import", "syntax", "no handler", "exit"],
)
def test_code_that_cannot_be_loaded_is_an_error_with_its_traceback(
    tmp_path: Path, function: Write, code: str, expected: str
) -> None:
    with Platform(tmp_path / "cloud") as platform:
        platform.deploy(function(code))
        answer = platform.invoke("paint", {})
    assert "InstanceDied" == answer.error_type
    assert "exit code 1" in str(answer.error_message)
    assert expected in str(answer.error_message)


def test_an_instance_that_died_is_replaced_for_the_next_request(
    tmp_path: Path, function: Write
) -> None:
    with Platform(tmp_path / "cloud") as platform:
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


def test_lines_of_stdout_and_stderr_reach_the_log_and_its_file(
    tmp_path: Path, function: Write, log: Log
) -> None:
    with Platform(tmp_path / "cloud", on_log=log) as platform:
        platform.deploy(
            function("""
            import subprocess, sys
            print("loaded")

            def handler(event, context):
                print("one\\ntwö")
                print("three", file=sys.stderr)
                subprocess.run(["echo", "four"], check=True)
            """)
        )
        platform.invoke("paint", {})
        log.wait_for("four")
    expected = ["loaded", "one", "twö", "three", "four"]
    assert [f"paint| {line}" for line in expected] == log.lines
    file = tmp_path / "cloud" / "logs" / "paint.log"
    assert expected == file.read_text(encoding="utf-8").splitlines()


def test_a_call_past_its_timeout_is_an_error_and_takes_its_instance_with_it(
    tmp_path: Path, function: Write, gate: Gate
) -> None:
    code = gate.code + dedent("""
        def handler(event, context):
            if event.get("slow"):
                gate()
            return {"body": "quick"}
        """)
    with Platform(tmp_path / "cloud") as platform:
        platform.deploy(function(code, timeout_seconds=0.3))
        slow = platform.invoke("paint", {"slow": True})
        # The handler's connection ended with its process.
        assert b"" == gate.arrive().recv(1)
        quick = platform.invoke("paint", {}, timeout=PATIENCE)
    assert (504, "Timeout") == (slow.status_code, slow.error_type)
    assert "quick" == quick.body


def test_a_timeout_makes_the_other_deliveries_of_its_instance_come_again(
    tmp_path: Path, function: Write, gate: Gate
) -> None:
    code = gate.code + dedent("""
        def handler(event, context):
            gate()
        """)
    with Platform(tmp_path / "cloud", settings=AT_ONCE) as platform:
        function_id = platform.deploy(function(code))
        platform.enqueue(function_id, {})
        gate.arrive()
        assert "Timeout" == platform.invoke("paint", {}, timeout=0.3).error_type
        gate.arrive()  # the invocation that timed out
        gate.arrive().send(b"!")  # the second attempt
        assert platform.wait_idle(PATIENCE)
        assert (1, ()) == (platform.queue.snapshot().done, platform.queue.snapshot().dropped)


def test_requests_of_one_instance_run_at_the_same_time_up_to_its_limit(
    tmp_path: Path, function: Write
) -> None:
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


def test_no_more_deliveries_run_than_instances_and_concurrency_allow(
    tmp_path: Path, function: Write, gate: Gate
) -> None:
    code = gate.code + "def handler(event, context): gate()\n"
    with Platform(tmp_path / "cloud") as platform:
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


def test_queued_events_are_delivered_and_done(tmp_path: Path, function: Write, log: Log) -> None:
    with Platform(tmp_path / "cloud", on_log=log) as platform:
        function_id = platform.deploy(function("def handler(e, c): print('got', e['n'])"))
        for n in range(5):
            platform.enqueue(function_id, {"n": n})
        assert platform.wait_idle(PATIENCE)
        assert platform.idle()
        assert 5 == platform.queue.snapshot().done
        log.wait_for("got", 5)
    assert {f"paint| got {n}" for n in range(5)} == set(log.lines)


def test_an_event_for_an_unknown_function_is_refused(tmp_path: Path) -> None:
    with (
        Platform(tmp_path / "cloud") as platform,
        pytest.raises(LookupError, match="No function 'fnx' is deployed"),
    ):
        platform.enqueue("fnx", {})


def test_with_certain_copies_every_event_is_delivered_twice(
    tmp_path: Path, function: Write, log: Log
) -> None:
    settings = DeliverySettings(duplicate_probability=1.0, seed=3)
    with Platform(tmp_path / "cloud", settings=settings, on_log=log) as platform:
        function_id = platform.deploy(function("def handler(e, c): print('got', e['n'])"))
        for n in range(4):
            platform.enqueue(function_id, {"n": n})
        assert platform.wait_idle(PATIENCE)
        log.wait_for("got", 8)
    assert [2] * 4 == [log.count(f"got {n}") for n in range(4)]


@pytest.mark.parametrize("error", ["raise KeyError('colour')", "return {'statusCode': 500}"])
def test_an_event_that_always_fails_is_tried_eleven_times_and_then_dropped(
    tmp_path: Path, function: Write, log: Log, error: str
) -> None:
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


def test_an_event_that_fails_for_six_hours_is_dropped(tmp_path: Path, function: Write) -> None:
    clock = HeldClock()

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


def test_a_delivery_whose_instance_is_killed_is_an_error_and_comes_again(
    tmp_path: Path, function: Write, gate: Gate
) -> None:
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


def test_a_function_tells_its_instances_what_is_in_flight_and_how_often_it_was_killed(
    tmp_path: Path, function: Write, gate: Gate
) -> None:
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


def test_a_deliverys_requests_tell_by_their_ids_that_they_are_its_own(
    tmp_path: Path, function: Write, log: Log
) -> None:
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


def test_a_platform_that_stops_leaves_what_was_in_flight_to_the_next(
    tmp_path: Path, function: Write, gate: Gate
) -> None:
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


def test_a_platform_that_is_killed_leaves_no_worker_and_loses_no_event(
    tmp_path: Path, function: Write, gate: Gate
) -> None:
    spec = function(gate.code + "def handler(event, context): gate()\n")
    program = f"""
import os, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
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


def test_a_worker_gets_its_own_environment_and_nothing_of_ours(
    tmp_path: Path, function: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOLCENGINE_SECRET_KEY", "ours")
    spec = function(
        """
        import json, os, sys

        def handler(event, context):
            state = {"environment": dict(os.environ), "cwd": os.getcwd(), "path": sys.path[0],
                     "stdin": sys.stdin.read(), "prefix": sys.prefix}
            return {"body": json.dumps(state)}
        """,
        environment={"REPAINT_LOG_LEVEL": "debug"},
        timeout_seconds=20,
    )
    with Platform(tmp_path / "cloud") as platform:
        function_id = platform.deploy(spec)
        state = json.loads(platform.invoke("paint", {}).body)
    environment = state["environment"]
    assert 0 < int(environment.pop("_FAAS_RUNTIME_PORT"))
    environment.pop("LC_CTYPE", None)  # the interpreter's own doing on some systems
    assert {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": "/tmp",
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "REPAINT_LOG_LEVEL": "debug",
        "_FAAS_FUNC_ID": function_id,
        "_FAAS_FUNC_TIMEOUT": "20",
    } == environment
    folder = str(spec.folder.resolve())
    assert (folder, folder, "", sys.prefix) == (
        state["cwd"],
        state["path"],
        state["stdin"],
        state["prefix"],
    )


def test_the_worker_itself_brings_nothing_but_the_standard_library(
    tmp_path: Path, function: Write
) -> None:
    with Platform(tmp_path / "cloud") as platform:
        platform.deploy(
            function("""
            import queue, sys
            assert hasattr(queue, "SimpleQueue")

            def handler(event, context):
                roots = {name.partition(".")[0] for name in sys.modules}
                foreign = roots - sys.stdlib_module_names - {"index", "__main__"}
                return {"body": " ".join(name for name in foreign if not name.startswith("_"))}
            """)
        )
        loaded = platform.invoke("paint", {}).body.split()
    assert "local" not in loaded
    assert "shared" not in loaded


def test_a_role_file_holds_a_temporary_key_that_is_replaced_and_later_revoked(
    tmp_path: Path, function: Write
) -> None:
    keys, clock = KeyRing(), HeldClock()
    seen = []
    with Platform(tmp_path / "cloud", clock=clock, keys=keys) as platform:
        platform.deploy(
            function("""
            import os

            def handler(event, context):
                with open(os.environ["REPAINT_CREDENTIAL_FILE"]) as file:
                    return {"body": file.read()}
            """)
        )
        file = tmp_path / "cloud" / "roles" / "paint" / "credential"
        assert 0o600 == stat.S_IMODE(file.stat().st_mode)
        for _ in range(3):
            clock.sleep(HOUR)
            platform.run_due()
            seen.append(json.loads(platform.invoke("paint", {}).body))
        first, second, third = (keys.find(each["access_key_id"]) for each in seen)
        assert first is None
        # Replaced by now, but still good for one period.
        assert second is not None
        assert third is not None
        assert [third.access_key, third.secret_key, third.session_token] == list(seen[2].values())
        assert third.session_token is not None
    assert ["access_key_id", "secret_access_key", "session_token"] == list(seen[0])
    assert not file.exists()
    assert keys.find(third.access_key) is None


def test_a_timer_fires_on_its_period_with_its_payload(
    tmp_path: Path, function: Write, log: Log
) -> None:
    clock = HeldClock()
    with Platform(tmp_path / "cloud", clock=clock, on_log=log) as platform:
        platform.deploy(
            function("""
            import json

            def handler(event, context):
                print("tick", json.dumps(event))
            """)
        )
        platform.add_timer("paint", "sweep", 60, "all of them")
        platform.run_due()
        assert 0 == log.count("tick")
        clock.sleep(60)
        log.wait_for("tick")
        (timer,) = platform.timers
        assert (clock.now() + 60, 0) == (timer.next_due, timer.skipped)
    event = json.loads(log.lines[0].partition("tick ")[2])
    assert ("faas.timer.event", f"/faas/event/timer/{timer.id}", "all of them", "1.0") == (
        event["type"],
        event["source"],
        event["data"],
        event["specversion"],
    )
    assert "2025-06-15T15:07:40Z" == event["time"]


def test_a_timers_tick_is_skipped_while_the_one_before_still_runs(
    tmp_path: Path, function: Write, gate: Gate
) -> None:
    clock = HeldClock()
    with Platform(tmp_path / "cloud", clock=clock) as platform:
        platform.deploy(function(gate.code + "def handler(event, context): gate()\n"))
        platform.add_timer("paint", "sweep", "* * * * *")
        clock.sleep(60)
        running = gate.arrive()
        clock.sleep(60)
        platform.run_due()
        assert 1 == next(iter(platform.timers)).skipped
        running.send(b"!")


def test_a_tick_can_be_asked_for_and_its_failure_is_not_retried(
    tmp_path: Path, function: Write, log: Log
) -> None:
    with Platform(tmp_path / "cloud", settings=AT_ONCE, on_log=log) as platform:
        platform.deploy(function("def handler(event, context): raise OSError(event['data'])"))
        platform.add_timer("paint", "sweep", 3600, "no")
        assert "OSError: no" == platform.tick("sweep").failure
        assert platform.idle()
        with pytest.raises(LookupError, match="no timer 'mop'"):
            platform.tick("mop")
        log.wait_for("OSError: no")
    assert 1 == log.count("OSError: no")


def test_deploying_again_runs_the_new_code_and_lets_the_old_requests_end(
    tmp_path: Path, function: Write, gate: Gate
) -> None:
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


def test_leaving_the_platform_ends_workers_that_ignore_it_and_their_children(
    tmp_path: Path, function: Write, gate: Gate
) -> None:
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


def test_an_instance_needs_no_owner_to_be_killed_from_its_own_log(
    function: Write,
) -> None:
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


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"name": "a b"}, "use 4 to 64 letters"),
        ({"timeout_seconds": 901}, "not above 900"),
        ({"max_concurrency": 0}, "between 1 and 1000"),
        ({"instances": 0}, "1 or more"),
    ],
)
def test_what_the_platform_would_refuse_is_refused(
    function: Write, wrong: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ValueError, match=expected):
        function("", **wrong)


def test_a_folder_without_an_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no index\.py"):
        FunctionSpec("paint", tmp_path)
