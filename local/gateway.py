"""The API gateway on a laptop: HTTP in, the platform's event to the function, its answer out."""

from collections.abc import Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.faas import Invocation

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def application(invoke: Callable[[Mapping[str, Any]], Invocation]) -> Starlette:
    """Return the gateway; `invoke` calls the function behind it."""

    async def forward(request: Request) -> Response:
        body = await request.body()
        event = {
            "httpMethod": request.method,
            "path": request.url.path,
            "pathParameters": {},
            "queryStringParameters": dict(request.query_params),
            "headers": dict(request.headers),
            # The platform documents a string and no flag for anything else.
            "body": body.decode("utf-8", "replace"),
        }
        answer = await run_in_threadpool(invoke, event)
        headers = {k: v for k, v in answer.headers.items() if k.lower() != "content-length"}
        body_out = answer.body if answer.error_type is None else "The function failed."
        return Response(body_out, answer.status_code, headers)

    return Starlette(routes=[Route("/{path:path}", forward, methods=METHODS)])
