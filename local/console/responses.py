"""The console's responses: JSON, problems of RFC 9457, and the security headers of all of them."""

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

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_SENTENCES = {
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
}


class HttpProblem(Exception):
    """A request cannot be answered; the sentence describes the problem and its fix."""

    def __init__(
        self, status: int, sentence: str, problems: list[dict[str, str]] | None = None
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.problems = problems


def to_json(value: Any) -> str:
    """Return a value as JSON in ASCII: a function's log may hold half a character."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def json_response(
    value: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a response with a value as JSON."""
    return Response(to_json(value), status, headers, "application/json")


async def on_error(_: Request, error: Exception) -> Response:
    """Return the response to an HttpProblem, to the router's refusal or to a bug."""
    if isinstance(error, HTTPException):
        sentence = _SENTENCES.get(error.status_code, error.detail)
        error = HttpProblem(error.status_code, sentence)
    if not isinstance(error, HttpProblem):
        error = HttpProblem(500, "The console failed; the terminal that runs it shows why.")
    return _problem_response(error)


class LocalOnly:
    """Refuses requests from elsewhere, and adds the security headers to every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Revalidated on every load, so that an edited file shows; data is never cached.
        caching = "no-store" if scope["path"].startswith("/api/") else "no-cache"

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in (*_HEADERS.items(), ("Cache-Control", caching)):
                    headers.setdefault(name, value)
            await send(message)

        refused = _problem_response(HttpProblem(403, REFUSAL))
        app = self._app if is_ours(HTTPConnection(scope)) else refused
        await app(scope, receive, send_with_headers)


def _problem_response(problem: HttpProblem) -> Response:
    document: dict[str, Any] = {
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": str(problem),
    }
    if problem.problems:
        document["problems"] = problem.problems
    return Response(to_json(document), problem.status, None, "application/problem+json")
