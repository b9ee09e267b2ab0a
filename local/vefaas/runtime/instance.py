"""One instance of a function: a worker process, and how to call it."""

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

LOOPBACK = "127.0.0.1"
START_SECONDS = 60.0
STOP_SECONDS = 2.0
MARK_SECONDS = 2.0
_WORKER = Path(__file__).with_name("worker.py")
_TAIL_LINES = 40


class InstanceError(Exception):
    """An instance gave no answer; `kind` is `Timeout`, `InstanceDied` or `Unavailable`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Instance:
    """A worker process from construction until `stop` or `kill`.

    It starts to import index.py at once; the first call waits for that. Every line of its stdout
    and stderr is given to `on_line`, from a thread of this instance. `in_flight` is for its owner.
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
        # The parent listens and the child inherits: nobody else can take the port in between.
        with socket.create_server((LOOPBACK, 0), backlog=1024) as listener:
            self._port: int = listener.getsockname()[1]
            self._process = subprocess.Popen(  # noqa: S603 - runs the developer's own function
                # -P: the worker's own folder is not on sys.path, where queue.py would hide the
                # standard library's. -B: code changed within a second must not meet stale bytecode.
                [*python, "-P", "-B", str(_WORKER), str(listener.fileno())],
                cwd=folder,
                env={**environment, "_FAAS_RUNTIME_PORT": str(self._port)},
                stdin=subprocess.PIPE,  # closed by the system when this process dies: theirs to see
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(listener.fileno(),),
                # A group of its own: Ctrl-C reaches the cloud alone, and a kill the handler's
                # own children too.
                start_new_session=True,
            )
        # This process holds the address no longer: a dead worker refuses connections at once.
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
                self._request("GET", b"", {}, START_SECONDS, "its index.py was not imported")
                self._ready = True

    def call(self, body: bytes, headers: Mapping[str, str], timeout: float) -> dict[str, Any]:
        """Pass an event to the handler and return the worker's answer.

        Raises InstanceError; the process is dead by then, whatever the reason was.
        """
        self.wait_ready()
        mark, seen = secrets.token_hex(8), threading.Event()
        self._marks[mark] = seen
        try:
            marked = {**headers, "X-Faas-Log-Mark": mark}
            answer = self._request("POST", body, marked, timeout, "the handler did not return")
            # What the handler printed is told before its answer is.
            seen.wait(MARK_SECONDS)
        finally:
            del self._marks[mark]
        return answer

    def kill(self) -> None:
        """End the process, and those that it started, at once."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End the process: ask first, and kill it where it does not listen."""
        self._end(signal.SIGTERM)

    def _request(
        self, method: str, body: bytes, headers: Mapping[str, str], timeout: float, late: str
    ) -> dict[str, Any]:
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=timeout)
        try:
            connection.request(method, "/", body, dict(headers))
            document: dict[str, Any] = json.loads(connection.getresponse().read())
        except TimeoutError:
            self.kill()
            raise InstanceError(
                "Timeout", f"Task timed out: {late} within {timeout:g} seconds; instance killed."
            ) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise InstanceError("InstanceDied", self._obituary()) from error
        else:
            return document
        finally:
            connection.close()

    def _obituary(self) -> str:
        # The connection breaks while the process is still ending: its exit code comes a little
        # later. One that breaks connections and lives on is of no more use.
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
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
                self._process.wait(STOP_SECONDS)
                break
        if self._process.stdin is not None:
            self._process.stdin.close()
        # The pipe ends with its last holder; one that left the group may hold it for ever. And
        # `on_line` itself may decide to kill, from the reader's own thread.
        if threading.current_thread() is not self._reader:
            self._reader.join(STOP_SECONDS)

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
