"""The checks of the endpoints and of the clock."""

import socket
import ssl
from email.utils import formatdate

import pytest

from ops.checks.check import CheckState
from ops.checks.endpoints import Endpoints
from shared.clients.http import Request, Response
from shared.errors import MaybeExecuted, NoAnswer, NotExecuted
from tests.fakes import START, FakeClock
from tests.ops.checks.scripted import Script, always, answered, client


def dated(seconds: float) -> Response:
    return Response(403, {"date": formatdate(seconds, usegmt=True), "x-tos-request-id": "r"}, b"")


@pytest.mark.parametrize(
    ("ahead", "state", "sentence"),
    [
        (0, CheckState.OK, "Within a second or two"),
        (1, CheckState.OK, "Within a second or two"),
        (10, CheckState.WARNING, "behind that of object storage"),
        (-10, CheckState.WARNING, "ahead of that of object storage"),
        (-1000, CheckState.WRONG, "every signature"),
    ],
)
def test_clock(ahead: int, state: CheckState, sentence: str) -> None:
    """The clock is compared with the services'."""
    clock = FakeClock()
    script = Script(lambda _: dated(clock.now() + ahead))
    endpoints = Endpoints(client(script, clock=clock))
    endpoints.storage()

    finding = endpoints.clock()

    assert state is finding.state
    assert sentence in finding.found


def test_signing_with_wrong_clock() -> None:
    """If this clock is far off, later requests are signed with the services' time."""
    script = Script(lambda _: dated(START + 3600))
    corrected = client(script)
    endpoints = Endpoints(corrected)
    endpoints.storage()
    endpoints.clock()
    corrected.storage("GET", "photos")

    # 2025-10-09T08:53:20Z is where the clock stands.
    assert "20251009T095320Z" == script.requests[-1].headers["x-tos-date"]


def test_clock_without_answers() -> None:
    """Without any answer the clock is not checked."""
    assert CheckState.NOT_CHECKED is Endpoints(client(always(answered()))).clock().state


def failing(error: NoAnswer, cause: Exception | None) -> Script:
    def fail(_: Request) -> Response:
        raise error from cause

    return Script(fail)


@pytest.mark.parametrize(
    ("error", "cause", "sentence"),
    [
        (NotExecuted(), socket.gaierror("unknown"), "not known to DNS"),
        (NotExecuted(), ConnectionRefusedError(), "the connection was refused"),
        (NotExecuted(), TimeoutError(), "No connection to tos.example.com within"),
        (NotExecuted(), ssl.SSLError("bad certificate"), "No encrypted connection"),
        (NotExecuted("The doctor's time was up."), None, "The doctor's time was up."),
        (MaybeExecuted(), TimeoutError(), "does not answer within"),
        (MaybeExecuted("Cut off."), ConnectionResetError(), "Cut off."),
    ],
)
def test_unreachable_endpoint(error: NoAnswer, cause: Exception | None, sentence: str) -> None:
    """The ways of not reaching a service are distinguished."""
    finding = Endpoints(client(failing(error, cause))).storage()

    assert CheckState.WRONG is finding.state
    assert sentence in finding.found
    assert finding.fix


def test_internal_endpoint() -> None:
    """If the internal endpoint cannot be reached, later checks use the public one."""

    def answer(request: Request) -> Response:
        if "ivolces.com" in request.url:
            raise NotExecuted("No.") from TimeoutError()
        return dated(START)

    script = Script(answer)
    internal = client(script, {"TOS_ENDPOINT": "https://tos-cn-beijing.ivolces.com"})

    finding = Endpoints(internal).storage()
    internal.storage("GET", "photos")

    assert CheckState.WARNING is finding.state
    assert "internal address" in finding.found
    assert "https://photos.tos-cn-beijing.volces.com/" == script.requests[-1].url
