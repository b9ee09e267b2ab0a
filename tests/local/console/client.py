"""What the tests of the console's server talk to it with: real HTTP, as a browser would."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3

CAT = (Path(__file__).parents[3] / "examples" / "images" / "chelsea.png").read_bytes()
PATIENCE_SECONDS = 30.0

Event = tuple[str, Any]


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: urllib3.HTTPHeaderDict

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class Client:
    """A client of the console at `address`."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.host = address.removeprefix("http://")
        self._pool = urllib3.PoolManager(retries=False, timeout=PATIENCE_SECONDS)

    def close(self) -> None:
        self._pool.clear()

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        found = self._pool.request(method, self.address + path, body=body, headers=headers)
        return Answer(found.status, found.data, found.headers)

    def state(self) -> Any:
        return self.ask("GET", "/api/state").document

    def upload(self, name: str = "cat.png", body: bytes = CAT, **given: object) -> str:
        answer = self.ask("POST", f"/api/uploads?{urlencode({'name': name, **given})}", body)
        assert 201 == answer.status, answer.body
        return str(answer.document["id"])

    @contextmanager
    def events(self) -> Iterator[Iterator[Event]]:
        """Listen to the stream; each event as its name and its data."""
        answer = self._pool.request("GET", f"{self.address}/api/events", preload_content=False)
        assert 200 == answer.status
        try:
            yield _events(answer)
        finally:
            answer.close()


def _events(answer: urllib3.BaseHTTPResponse) -> Iterator[Event]:
    name = ""
    for line in _lines(answer):
        kind, _, value = line.partition(": ")
        if kind == "event":
            name = value
        elif kind == "data":
            yield name, json.loads(value)


def _lines(answer: urllib3.BaseHTTPResponse) -> Iterator[str]:
    left = b""
    for piece in answer.stream(64 * 1024):
        *whole, left = (left + piece).split(b"\n")
        yield from (line.decode() for line in whole)


def until(events: Iterator[Event], kind: str, holds: Callable[[Any], bool]) -> list[Any]:
    """Return the values of one kind of event up to the one for which `holds` is true."""
    seen = []
    for name, value in events:
        if name == kind:
            seen.append(value)
            if holds(value):
                return seen
    raise AssertionError(f"The stream ended after {seen}.")


def ends(events: Iterator[Event], upload_id: str, stage: str = "generated") -> list[Any]:
    """Return an upload's events up to the one in which it is at `stage`."""

    def holds(upload: Any) -> bool:
        return bool(upload["id"] == upload_id and upload["stage"] == stage)

    return [each for each in until(events, "upload", holds) if each["id"] == upload_id]
