"""A function in a process of its own."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_CHILD = Path(__file__).with_name("child.py")
PYTHON = str(Path(sys.executable).resolve())
"""Python itself, not this virtual environment's: a function has its own packages and no others."""
# -B: modules that are not compiled stay so.
_COMMAND = [PYTHON, "-S", "-s", "-E", "-P", "-B"]


class FunctionProcess:
    """A function's process, from entering the context to leaving it."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8"}  # noqa: S108 - as on the platform
        self._environment |= environment

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [*_COMMAND, str(_CHILD), str(self._folder)],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def since_start(self) -> float:
        """Return the seconds since the process was started."""
        return time.perf_counter() - self._began

    @property
    def resident_bytes(self) -> int:
        """Return the memory that the process holds now, in bytes."""
        done = subprocess.run(  # noqa: S603 - on Linux and macOS
            ["/bin/ps", "-o", "rss=", "-p", str(self._process.pid)],
            capture_output=True,
            text=True,
            check=True,
        )
        return int(done.stdout) * 1024

    def check(self) -> None:
        """Check that the process runs. Raises RuntimeError if it has ended."""
        if self._process.poll() is not None:
            raise RuntimeError(f"The function in {self._folder} ended; its output is above.")

    def send(self, events: Sequence[Mapping[str, Any]], at_once: int = 1) -> None:
        """Have events handled; do not wait for it."""
        if self._process.stdin is None:
            raise AssertionError("it has a pipe")
        self._process.stdin.write(json.dumps({"events": events, "at_once": at_once}) + "\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Wait for the answer to what was sent. Raises RuntimeError if the process has ended."""
        if self._process.stdout is None:
            raise AssertionError("it has a pipe")
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The function in {self._folder} ended; its output is above.")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def handle(self, *events: Mapping[str, Any]) -> dict[str, Any]:
        """Have events handled one by one. Raises RuntimeError if one fails."""
        self.send(events)
        answer = self.answer()
        if answer["errors"]:
            raise RuntimeError(f"The function in {self._folder} failed: {answer['errors'][0]}")
        return answer
