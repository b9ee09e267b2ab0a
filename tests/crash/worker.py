"""Run deliveries and sweeps, each in a process of its own that can be killed or frozen.

Started as `python -m tests.crash.worker` with a deployment's settings in its environment. Reads
one command a line from stdin, and writes JSON lines to stdout: first those of the process that it
starts, last how that process ended (`ended`: `exit 0` or the name of a signal).

    {"do": "deliver", "event": {…}, "shift": 60, "fault": {"at": 3, "when": "after",
                                                           "signal": "SIGSTOP"}}
    {"do": "sweep", "shift": 60}                  the clock of a process is ahead by `shift` seconds
    {"do": "resume", "pid": 4711, "shift": 60}     wake a frozen process; its clock has moved
    {"do": "race", "events": [{…}, …], "processes": 8}

A process is forked from this one, which opens nothing and starts no thread: it shares no
connection, file or memory with another.
"""

import json
import mmap
import multiprocessing
import os
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import parse_qs, urlsplit

from shared.clients.http import PooledTransport, Request, Response, Timeouts, Transport
from shared.clients.tos import Tos
from shared.ledger import Ledger
from shared.ledger.sqlite import SqliteLedger
from shared.ledger.tos import TosLedger
from shared.logs import build_log
from shared.runtime import Runtime
from shared.uploads.events import Unreadable, parse_uploads

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier

Answer = TypeVar("Answer")

# A process that hangs is ended by SIGALRM, and the test fails.
PATIENCE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Fault:
    """The signal that a process gets at its n-th operation, before or after it."""

    at: int
    when: str
    signal: str


class SharedShift:
    """The seconds that a process's clock is ahead; the process that forked it can change them."""

    def __init__(self, seconds: float) -> None:
        self._memory = mmap.mmap(-1, 8)
        self.set(seconds)

    def set(self, seconds: float) -> None:
        struct.pack_into("d", self._memory, 0, seconds)

    def get(self) -> float:
        return float(struct.unpack_from("d", self._memory)[0])


class ShiftedClock:
    """The machine's clock, shifted: for a process that starts later, or was frozen meanwhile."""

    def __init__(self, shift: SharedShift) -> None:
        self._shift = shift

    def now(self) -> float:
        return time.time() + self._shift.get()

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds))


class Operations:
    """Counts a process's operations on the world outside, and sends it a signal at one of them."""

    def __init__(self, fault: Fault | None) -> None:
        self._fault = fault
        self._lock = threading.Lock()
        self.names: list[str] = []

    def run(self, name: str, do: Callable[[], Answer]) -> Answer:
        with self._lock:
            self.names.append(name)
            number = len(self.names)
        self._signal(number, "before", name)
        try:
            return do()
        finally:
            self._signal(number, "after", name)

    def _signal(self, number: int, when: str, name: str) -> None:
        fault = self._fault
        if fault is not None and (fault.at, fault.when) == (number, when):
            emit(struck=name)
            os.kill(os.getpid(), signal.Signals[fault.signal])


class CountedTransport:
    """A transport whose requests are operations."""

    def __init__(self, transport: Transport, operations: Operations) -> None:
        self._transport = transport
        self._operations = operations

    def send(self, request: Request, timeouts: Timeouts) -> Response:
        parts = urlsplit(request.url)
        name = parse_qs(parts.query).get("Action", [f"{request.method} {parts.path}"])[0]
        return self._operations.run(name, lambda: self._transport.send(request, timeouts))


class CountedLedger:
    """A ledger in a file, whose calls are operations."""

    def __init__(self, ledger: Ledger, operations: Operations) -> None:
        self._ledger = ledger
        self._operations = operations

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._ledger, name)

        def counted(*arguments: Any, **named: Any) -> Any:
            return self._operations.run(name, lambda: method(*arguments, **named))

        return method if name == "close" else counted


class Process:
    """The objects of one process."""

    def __init__(self, shift: SharedShift, fault: Fault | None = None) -> None:
        signal.alarm(PATIENCE_SECONDS)
        self.operations = Operations(fault)
        self._pool = PooledTransport()
        self.runtime = Runtime(
            os.environ,
            # stdout is for the results.
            log=build_log(sys.stderr, "error"),
            clock=ShiftedClock(shift),
            transport=CountedTransport(self._pool, self.operations),
            open_ledger=self._open_ledger,
        )

    def deliver(self, event: Any) -> None:
        """Process an event with one upload, as `functions/upload` does."""
        (upload,) = parse_uploads(event)
        if isinstance(upload, Unreadable):
            raise TypeError(upload.reason)
        (result,) = self.runtime.pipeline.handle(upload, self.runtime.delivery())
        emit(result=result._asdict())

    def sweep(self) -> None:
        """Run one tick, as `functions/sweep` does."""
        emit(result=self.runtime.sweep.run(self.runtime.delivery()))

    def close(self) -> None:
        self.runtime.close()
        self._pool.close()

    def _open_ledger(self, place: str, tos: Tos) -> Ledger:
        scheme, _, rest = place.partition("://")
        if scheme == "sqlite":
            opened = self.operations.run("open", lambda: SqliteLedger(Path(rest)))
            return cast("Ledger", CountedLedger(opened, self.operations))
        bucket, _, prefix = rest.partition("/")
        return TosLedger(tos, bucket, prefix)


def emit(**document: Any) -> None:
    """Write a line in one call, so short that lines of several processes do not mix."""
    os.write(1, json.dumps(document).encode() + b"\n")


def fork(do: Callable[[], None]) -> int:
    """Run `do` in a new process; return its id."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        do()
        status = 0
    except BaseException:  # noqa: BLE001 - nothing of the parent's code may run
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


def wait(pid: int) -> str:
    """Wait until a process ends or is frozen; return how it ended."""
    _, status = os.waitpid(pid, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        return signal.Signals(os.WSTOPSIG(status)).name
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return f"exit {os.WEXITSTATUS(status)}"


def race(events: list[Any], processes: int) -> None:
    """Have several processes handle each of `events` at the same moment."""
    barrier: Barrier = multiprocessing.get_context("fork").Barrier(processes)

    def run() -> None:
        for event in events:
            # New each time: nothing is open, and no call waits for a slot.
            process = Process(SharedShift(0.0))
            barrier.wait(PATIENCE_SECONDS)
            process.deliver(event)
            process.close()

    pids = [fork(run) for _ in range(processes)]
    ends = sorted({wait(pid) for pid in pids})
    emit(ended=", ".join(ends), pid=0)


def main() -> None:
    frozen: dict[int, SharedShift] = {}
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "race":
            race(command["events"], command["processes"])
            continue
        if command["do"] == "resume":
            pid, shift = command["pid"], frozen.pop(command["pid"])
            shift.set(command["shift"])
            os.kill(pid, signal.SIGCONT)
        else:
            shift = SharedShift(command["shift"])
            pid = fork(partial(execute, command, shift))
        ended = wait(pid)
        if ended == "SIGSTOP":
            frozen[pid] = shift
        emit(ended=ended, pid=pid)
    for pid in frozen:
        os.kill(pid, signal.SIGKILL)
        wait(pid)


def execute(command: dict[str, Any], shift: SharedShift) -> None:
    """Run a command, in the process that was forked for it."""
    fault = command.get("fault")
    process = Process(shift, Fault(**fault) if fault else None)
    if command["do"] == "deliver":
        process.deliver(command["event"])
    else:
        process.sweep()
    emit(operations=process.operations.names)
    process.close()


if __name__ == "__main__":
    main()
