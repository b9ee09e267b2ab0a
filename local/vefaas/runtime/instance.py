"""One instance of a function: a worker process, how it is started and how it is called."""

import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from local.vefaas.runtime.credential_files import CredentialFiles
from local.vefaas.runtime.function import FunctionSpec

LogSink = Callable[[str, str], None]

_LOOPBACK = "127.0.0.1"
_START_SECONDS = 60.0
_STOP_SECONDS = 2.0
_MARK_SECONDS = 2.0
_WORKER = Path(__file__).with_name("worker.py")
_TAIL_LINES = 40

# The function finds its credential file by this variable: the platform's own path,
# /var/run/secrets/iam/credential, exists on no laptop.
_CREDENTIAL_FILE_VARIABLE = "REPAINT_CREDENTIAL_FILE"

# A worker gets this and its own settings, and nothing of this process's environment.
_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/tmp",  # noqa: S108 - the platform's only writable folder
    "LANG": "C.UTF-8",
    "PYTHONUNBUFFERED": "1",
}


class InstanceError(Exception):
    """An instance returned nothing; `kind` is `Timeout`, `InstanceDied` or `Unavailable`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Instance:
    """A worker process from construction until `stop` or `kill`.

    It starts to import index.py at once; the first call waits for that. `on_line` is called with
    every line of its stdout and stderr, in a thread of this instance. `in_flight` is its owner's.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        *,
        python: tuple[str, ...],
        on_line: Callable[[str], None],
    ) -> None:
        self.in_flight = 0
        self._on_line = on_line
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._marks: dict[str, threading.Event] = {}
        self._ready = False
        self._ready_lock = threading.Lock()
        # The parent listens and the child inherits: no other process can take the port in between.
        with socket.create_server((_LOOPBACK, 0), backlog=1024) as listener:
            self._port: int = listener.getsockname()[1]
            self._process = subprocess.Popen(  # noqa: S603 - runs the developer's own function
                # -P keeps the worker's own folder off sys.path, where its queue.py would hide the
                # standard library's. -B: code that changed within a second must not meet stale
                # bytecode.
                [*python, "-P", "-B", str(_WORKER), str(listener.fileno())],
                cwd=folder,
                env={**environment, "_FAAS_RUNTIME_PORT": str(self._port)},
                stdin=subprocess.PIPE,  # the system closes it if this process dies
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(listener.fileno(),),
                # A group of its own: Ctrl-C reaches the cloud alone, a kill the handler's children
                # too.
                start_new_session=True,
            )
        # This process has closed its copy: a dead worker's port refuses connections at once.
        self._reader = threading.Thread(target=self._read, name="faas-log", daemon=True)
        self._reader.start()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def wait_ready(self) -> None:
        """Wait until index.py is imported. Raises InstanceError; the process is dead by then."""
        with self._ready_lock:
            if not self._ready:
                self._request("GET", b"", {}, _START_SECONDS, "its index.py was not imported")
                self._ready = True

    def call(self, body: bytes, headers: Mapping[str, str], timeout: float) -> dict[str, Any]:
        """Pass an event to the handler and return the worker's answer.

        Raises InstanceError; the process is dead by then, whatever the cause.
        """
        self.wait_ready()
        mark, seen = secrets.token_hex(8), threading.Event()
        self._marks[mark] = seen
        try:
            marked = {**headers, "X-Faas-Log-Mark": mark}
            answer = self._request("POST", body, marked, timeout, "the handler did not return")
            # The handler's lines are logged before its result is returned.
            seen.wait(_MARK_SECONDS)
        finally:
            del self._marks[mark]
        return answer

    def kill(self) -> None:
        """End the process and its children at once."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End the process with SIGTERM, or with SIGKILL if it does not end in time."""
        self._end(signal.SIGTERM)

    def _request(
        self, method: str, body: bytes, headers: Mapping[str, str], timeout: float, late: str
    ) -> dict[str, Any]:
        connection = http.client.HTTPConnection(_LOOPBACK, self._port, timeout=timeout)
        try:
            connection.request(method, "/", body, dict(headers))
            document: dict[str, Any] = json.loads(connection.getresponse().read())
        except TimeoutError:
            self.kill()
            raise InstanceError(
                "Timeout", f"Task timed out: {late} within {timeout:g} seconds; instance killed."
            ) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise InstanceError("InstanceDied", self._cause_of_death()) from error
        else:
            return document
        finally:
            connection.close()

    def _cause_of_death(self) -> str:
        # The connection breaks while the process is still ending: its exit code comes a little
        # later. A process that breaks connections and lives on is of no more use.
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        self.kill()
        code = self._process.returncode
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        tail = "\n".join(self._tail)
        return f"The instance ended ({how}) before it answered." + (
            f" Its last lines:\n{tail}" if tail else ""
        )

    def _end(self, number: signal.Signals) -> None:
        for attempt in (number, signal.SIGKILL):
            if self._process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(self._process.pid, attempt)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_SECONDS)
                break
        if self._process.stdin is not None:
            self._process.stdin.close()
        # The pipe ends with its last holder; a child that left the group may hold it for ever. And
        # `on_line` itself may kill the instance, in the reader's own thread.
        if threading.current_thread() is not self._reader:
            self._reader.join(_STOP_SECONDS)

    def _read(self) -> None:
        if self._process.stdout is None:  # pragma: no cover - it is a pipe, as asked for
            return
        with self._process.stdout as lines:
            for line in lines:
                text, marked, mark = line.decode(errors="replace").rstrip("\r\n").partition("\x1f")
                if marked:
                    seen = self._marks.get(mark)
                    if seen is not None:
                        seen.set()
                    if not text:
                        continue
                self._tail.append(text)
                self._on_line(text)


class Launcher:
    """Starts instances; their lines go to `<logs>/<function>.log` and to `on_log`.

    With `credentials`, an instance finds its function's credential file when it starts.
    """

    def __init__(
        self, logs: Path, credentials: CredentialFiles | None, python: str, on_log: LogSink | None
    ) -> None:
        self._logs = logs
        self._credentials = credentials
        self._python = python
        self._on_log = on_log
        logs.mkdir(parents=True, exist_ok=True)

    def log_path(self, name: str) -> Path:
        """Return the path of a function's log."""
        return self._logs / f"{name}.log"

    def start(self, spec: FunctionSpec) -> Instance:
        """Start one instance of a function. Raises OSError."""
        environment = dict(_ENVIRONMENT)
        if self._credentials and spec.role is not None:
            # Before the process starts: index.py may read the file while it is imported.
            file = self._credentials.add(spec.name, spec.role or spec.name)
            environment[_CREDENTIAL_FILE_VARIABLE] = str(file.absolute())
        environment |= spec.environment
        environment["_FAAS_FUNC_ID"] = spec.id
        environment["_FAAS_FUNC_TIMEOUT"] = f"{spec.timeout_seconds:g}"
        path = self.log_path(spec.name)

        def log(line: str) -> None:
            # One write of a whole line, appended: lines of several instances do not mix.
            with path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
            if self._on_log:
                self._on_log(spec.name, line)

        python = spec.python or (self._python,)
        return Instance(spec.folder, environment, python=python, on_line=log)
