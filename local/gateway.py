"""The local API gateway: an HTTP request becomes the platform's event, its result the response."""

from collections.abc import Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from local.vefaas.runtime import FunctionSpec, Invocation

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def upstream(functions: Mapping[str, FunctionSpec]) -> str:
    """Return the id of the function that the gateway calls.

    It is the last deployed one whose name ends with `-http`: there is no API here that creates a
    route. Raises LookupError if there is none.
    """
    found = [key for key, spec in functions.items() if spec.name.endswith("-http")]
    if not found:
        raise LookupError("No function whose name ends with '-http' is deployed.")
    return found[-1]


def application(invoke: Callable[[Mapping[str, Any]], Invocation]) -> Starlette:
    """Return the gateway; `invoke` calls its upstream function."""

    async def forward(request: Request) -> Response:
        body = await request.body()
        event = {
            "httpMethod": request.method,
            "path": request.url.path,
            "pathParameters": {},
            "queryStringParameters": dict(request.query_params),
            "headers": dict(request.headers),
            # The platform documents a string, and no flag for binary data.
            "body": body.decode("utf-8", "replace"),
        }
        try:
            answer = await run_in_threadpool(invoke, event)
        except LookupError as error:
            return PlainTextResponse(str(error), 503)
        headers = {k: v for k, v in answer.headers.items() if k.lower() != "content-length"}
        body_out = answer.body if answer.error_type is None else "The function failed."
        return Response(body_out, answer.status_code, headers)

    return Starlette(routes=[Route("/{path:path}", forward, methods=_METHODS)])
