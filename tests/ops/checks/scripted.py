"""The checks' client on a transport whose answers a test defines."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from typing_extensions import override

from ops.checks.client import CheckClient
from ops.context import ServiceAccess
from shared.clients.credentials import CredentialSource
from shared.clients.http import Request, Response, Timeouts, Transport
from shared.clock import Clock
from shared.settings import load_settings
from tests.fakes import ENVIRONMENT, FakeClock, StaticCredentials


class Script(Transport):
    """A transport that answers with a function, and keeps the requests."""

    def __init__(self, answer: Callable[[Request], Response]) -> None:
        self._answer = answer
        self.requests: list[Request] = []

    @override
    def send(self, request: Request, timeouts: Timeouts) -> Response:
        assert timeouts.connect <= 3
        self.requests.append(request)
        return self._answer(request)


def client(
    transport: Transport,
    settings: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    credentials: CredentialSource | None = None,
) -> CheckClient:
    connection = ServiceAccess(credentials or StaticCredentials(), transport, clock or FakeClock())
    return CheckClient(load_settings({**ENVIRONMENT, **(settings or {})}), connection, seconds=60)


def answered(status: int = 200, document: Any = None, **headers: str) -> Response:
    return Response(status, headers, b"" if document is None else json.dumps(document).encode())


def always(answer: Response) -> Script:
    return Script(lambda _: answer)


DENIED = answered(403, {"Code": "AccessDenied", "Message": "no"})
