"""Broken HTTP responses: a closed connection, half a body, a proxy's error page."""

import json
from typing import Any

from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from local.server import CLOSE_CONNECTION


class BrokenResponse(Exception):
    """The client gets no valid response: `fault` names how, `result` is the one it would be."""

    def __init__(self, fault: str, result: dict[str, Any] | None = None) -> None:
        super().__init__(fault)
        self.fault = fault
        self.result = result


def response(fault: str, whole: dict[str, Any]) -> Response:
    """Return the response that `fault` makes of `whole`, the JSON of the intact one."""
    body = json.dumps(whole).encode()
    if fault == "garbage":
        # Half of the JSON, so that it looks intact at first sight.
        return Response(body[: len(body) // 2], media_type="application/json")
    if fault == "truncated":
        return _Cut(body)
    if fault.startswith("http_"):
        status = int(fault.removeprefix("http_"))
        page = f"<html><body><h1>{status}</h1><hr>a proxy on the way</body></html>"
        return HTMLResponse(page, status)
    return _Closed()


class _Closed(Response):
    """No response: the connection closes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del send
        await _hang_up(scope, receive)


class _Cut(Response):
    """A response that ends before the length that it announces."""

    def __init__(self, whole: bytes) -> None:
        super().__init__(whole, media_type="application/json")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(headers)
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        await _hang_up(scope, receive)


async def _hang_up(scope: Scope, receive: Receive) -> None:
    scope["extensions"][CLOSE_CONNECTION]()
    # If this returned while the connection is open, the server would send an error of its own.
    while (await receive())["type"] != "http.disconnect":
        pass
