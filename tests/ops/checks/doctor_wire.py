"""What the doctor's checks are tested with: a transport that answers as told."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from ops.checks.wire import Wire
from shared.clients.credentials import CredentialSource
from shared.clients.http import Request, Response, Timeouts, Transport
from shared.clock import SystemClock
from shared.settings import load_settings
from tests.fakes import ENVIRONMENT, FakeClock, StaticCredentials


class Script:
    """A transport that answers as told, and keeps what was asked."""

    def __init__(self, answer: Callable[[Request], Response]) -> None:
        self._answer = answer
        self.asked: list[Request] = []

    def send(self, request: Request, timeouts: Timeouts) -> Response:
        assert timeouts.connect <= 3
        self.asked.append(request)
        return self._answer(request)


def wire(
    transport: Transport,
    settings: Mapping[str, str] | None = None,
    clock: FakeClock | SystemClock | None = None,
    credentials: CredentialSource | None = None,
) -> Wire:
    return Wire(
        settings=load_settings({**ENVIRONMENT, **(settings or {})}),
        credentials=credentials or StaticCredentials(),
        transport=transport,
        clock=clock or FakeClock(),
        seconds=60,
    )


def answered(status: int = 200, document: Any = None, **headers: str) -> Response:
    return Response(status, headers, b"" if document is None else json.dumps(document).encode())


def always(answer: Response) -> Script:
    return Script(lambda _: answer)


DENIED = answered(403, {"Code": "AccessDenied", "Message": "no"})
