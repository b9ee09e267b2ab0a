"""The stand-in's own routes, `/_local/…`: faults and billing records, for this machine alone."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.guard import REFUSAL, is_ours
from local.imagex.billing import BillingRecords
from local.imagex.faults import Faults, FaultSettings

Endpoint = Callable[[Request], Awaitable[Response]]


def routes(billing: BillingRecords, faults: Faults) -> list[Route]:
    """Return the stand-in's own routes."""

    async def show_faults(_: Request) -> Response:
        return JSONResponse(faults.settings.model_dump(mode="json"))

    async def replace_faults(request: Request) -> Response:
        try:
            settings = FaultSettings.model_validate_json(await request.body())
        except ValidationError as error:
            problems = json.loads(error.json(include_url=False, include_context=False))
            return JSONResponse({"problems": problems}, 400)
        faults.replace(settings)
        return JSONResponse(settings.model_dump(mode="json"))

    async def charges(_: Request) -> Response:
        entries = await run_in_threadpool(billing.charges)
        return JSONResponse([asdict(entry) for entry in entries])

    async def calls(_: Request) -> Response:
        entries = await run_in_threadpool(billing.calls)
        return JSONResponse([asdict(entry) for entry in entries])

    return [
        Route("/_local/faults", _guarded(show_faults), methods=["GET"]),
        Route("/_local/faults", _guarded(replace_faults), methods=["PUT"]),
        Route("/_local/charges", _guarded(charges), methods=["GET"]),
        Route("/_local/calls", _guarded(calls), methods=["GET"]),
    ]


def _guarded(endpoint: Endpoint) -> Endpoint:
    async def guarded(request: Request) -> Response:
        if not is_ours(request):
            return JSONResponse({"problem": REFUSAL}, 403)
        return await endpoint(request)

    return guarded
