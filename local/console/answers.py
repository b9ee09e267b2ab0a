"""What every answer of the console is: JSON that any browser reads, and problems in a sentence."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.guard import REFUSAL, is_ours

_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Problem(Exception):
    """A request cannot be answered; the sentence says what is wrong and what to do."""

    def __init__(
        self, status: int, sentence: str, problems: list[dict[str, str]] | None = None
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.problems = problems


def text(value: Any) -> str:
    """Write a value as JSON in ASCII: what a function logged may hold half a character."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer a value as JSON."""
    return Response(text(value), status, headers, "application/json")


def told(problem: Problem) -> Response:
    """Answer a problem as RFC 9457 describes it."""
    title = HTTPStatus(problem.status).phrase
    document: dict[str, Any] = {
        "title": title,
        "status": problem.status,
        "detail": str(problem),
    }
    if problem.problems:
        document["problems"] = problem.problems
    return Response(text(document), problem.status, None, "application/problem+json")


async def on_problem(_: Request, error: Exception) -> Response:
    """Answer a Problem."""
    if not isinstance(error, Problem):
        raise TypeError("registered for problems only")
    return told(error)


async def on_refusal(_: Request, error: Exception) -> Response:
    """Answer what the router refuses."""
    if not isinstance(error, HTTPException):
        raise TypeError("registered for the router's refusals only")
    sentences = {
        404: "There is nothing at this address.",
        405: "This address does not take that method.",
    }
    return told(Problem(error.status_code, sentences.get(error.status_code, error.detail)))


async def on_failure(_: Request, __: Exception) -> Response:
    """Answer what should not have happened; the traceback is in the terminal."""
    return told(Problem(500, "The console failed; the terminal that runs it shows why."))


class Guarded:
    """Lets in this machine's own requests only, and puts the security headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Revalidated on every load, so that a file that was edited shows; data is never kept.
        caching = "no-store" if scope["path"].startswith("/api/") else "no-cache"

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in (*HEADERS.items(), ("Cache-Control", caching)):
                    headers.setdefault(name, value)
            await send(message)

        app = self._app if is_ours(HTTPConnection(scope)) else told(Problem(403, REFUSAL))
        await app(scope, receive, dressed)
