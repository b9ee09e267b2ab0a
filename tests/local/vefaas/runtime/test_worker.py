"""What a worker does with a handler: its results, errors, lines, environment."""

import json
import sys
from pathlib import Path

import pytest

from local.vefaas.runtime import Platform
from tests.local.vefaas.runtime.conftest import FunctionLog, Write


def test_returned_response(platform: Platform, function: Write) -> None:
    """A handler's status, headers and body are the result of the call."""
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
    platform.deploy(spec)
    answer = platform.invoke("paint", {"colour": "红"}, headers={"X-Faas-Request-Id": "r1"})

    assert (201, {"X-Brush": "3"}, "painted 红 for r1") == (
        answer.status_code,
        answer.headers,
        answer.body,
    )
    assert answer.failure is None
    assert "r1" == answer.request_id


def test_no_response(platform: Platform, function: Write) -> None:
    """A handler may return nothing."""
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
def test_invalid_response(
    platform: Platform, function: Write, returned: str, expected: str
) -> None:
    """A value that cannot be passed on is an error, with the reason."""
    platform.deploy(function(f"def handler(event, context): return {returned}"))
    answer = platform.invoke("paint", {})
    assert (500, "InvalidReturnError") == (answer.status_code, answer.error_type)
    assert expected in str(answer.error_message)


def test_exception(platform: Platform, function: Write, log: FunctionLog) -> None:
    """An exception is an error, and its traceback is in the log."""
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


def test_error_status(platform: Platform, function: Write) -> None:
    """A status from 400 on counts as an error, and is passed on."""
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
def test_unloadable_code(platform: Platform, function: Write, code: str, expected: str) -> None:
    """Code that cannot be loaded is an error with its traceback."""
    platform.deploy(function(code))
    answer = platform.invoke("paint", {})
    assert "InstanceDied" == answer.error_type
    assert "exit code 1" in str(answer.error_message)
    assert expected in str(answer.error_message)


def test_output_lines(
    platform: Platform, tmp_path: Path, function: Write, log: FunctionLog
) -> None:
    """Lines on stdout and stderr reach the log and its file."""
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


def test_environment(platform: Platform, function: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker gets its function's variables, and none of this process's."""
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


def test_standard_library_only(platform: Platform, function: Write) -> None:
    """The worker itself imports the standard library only."""
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
