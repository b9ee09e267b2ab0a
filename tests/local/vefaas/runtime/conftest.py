"""A platform, functions for it, their log, and a gate at which their handlers wait."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from local.vefaas.runtime import DeliverySettings, FunctionSpec, Platform

AT_ONCE = DeliverySettings(retry_delays=[0])
NOW = 1_750_000_000.0
PATIENCE = 30  # seconds, for events that are certain to come

Write = Callable[..., FunctionSpec]


class FunctionLog:
    """The functions' lines; a test can wait for one."""

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
    """Handlers wait here until the test lets them pass."""

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
def log() -> FunctionLog:
    return FunctionLog()


@pytest.fixture
def function(tmp_path: Path) -> Write:
    """Write a function's folder."""

    def write(code: str, name: str = "paint", **settings: Any) -> FunctionSpec:
        folder = tmp_path / "code" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "index.py").write_text(dedent(code))
        return FunctionSpec(name, folder, **settings)

    return write


@pytest.fixture
def platform(tmp_path: Path, log: FunctionLog) -> Iterator[Platform]:
    with Platform(tmp_path / "cloud", on_log=log) as platform:
        yield platform
