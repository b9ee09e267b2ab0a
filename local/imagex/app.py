"""The local veImageX: the API's actions behind their signature, and the pictures that it stores."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.imagex import admin, fault_responses
from local.imagex.billing import BillingRecords
from local.imagex.errors import IMAGEX_CODES, ModelError
from local.imagex.fault_responses import BrokenResponse
from local.imagex.faults import Faults
from local.imagex.generate import Generator, Painter
from local.imagex.read_actions import ACTIONS, ReadRequest
from local.imagex.request import NORMAL, ServiceProfile
from local.imagex.restyle import restyle
from local.imagex.source import SourceFetcher
from local.keys import KeyRing
from local.openapi import ApiError, Received, envelope, new_request_id, verify
from local.permissions import Authorizer, RequestedAction, denial
from shared.clock import Clock, SystemClock

SERVICE = "ImageX"
GENERATE = ("GetCVImageGenerateResult", "2023-05-01")


def application(
    billing: BillingRecords,
    keys: KeyRing,
    faults: Faults,
    *,
    service_id: str,
    domain: str,
    template: str,
    region: str = "cn-north-1",
    clock: Clock | None = None,
    resolve: Mapping[str, int] | None = None,
    reach_out: bool = False,
    overwrite_switch: bool = True,
    service_status: str = NORMAL,
    domain_status: str = NORMAL,
    paint: Painter = restyle,
    authorizer: Authorizer | None = None,
) -> Starlette:
    """Return the application; to be served by `local.server.Server`, which can hang up.

    `clock` dates the responses and the billing records. `resolve` maps host names of sources to
    ports on loopback; sources on other hosts are refused unless `reach_out`. `overwrite_switch` is
    the service's 重名覆盖上传; the two statuses are reported and have no other effect. `paint`
    stands in for the model. `authorizer` decides about
    the keys of roles.
    """
    clock = clock or SystemClock()
    service = ServiceProfile(
        service_id, domain, template, overwrite_switch, service_status, domain_status
    )
    sources = SourceFetcher(resolve, reach_out=reach_out)
    generator = Generator(billing, faults, service, sources, clock, paint)
    api = _ImagexApi(billing, keys, faults, generator, service, region, clock, authorizer)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await generator.stop()
        sources.close()

    return Starlette(
        routes=[
            Route("/", api.call, methods=["GET", "POST", "PUT", "DELETE"]),
            *admin.routes(billing, faults),
            Route("/{address:path}", api.picture, methods=["GET"]),
        ],
        middleware=[Middleware(_Dated, clock=clock)],
        lifespan=lifespan,
    )


@dataclass(frozen=True, slots=True)
class _ImagexApi:
    billing: BillingRecords
    keys: KeyRing
    faults: Faults
    generator: Generator
    service: ServiceProfile
    region: str
    clock: Clock
    authorizer: Authorizer | None

    async def call(self, request: Request) -> Response:
        """Answer one request to the API, and record it before the response is sent."""
        try:
            received = await Received.read(request)
        except ClientDisconnect:
            return Response()  # the client is gone, and sent no whole request
        query = dict(received.query)
        action, version = query.get("Action", ""), query.get("Version", "")
        at = self.clock.now()
        request_id = new_request_id(at)

        def wrapped(result: Any = None, error: ApiError | None = None) -> dict[str, Any]:
            return envelope(
                request_id, action, version, SERVICE, self.region, result=result, error=error
            )

        response: Response
        try:
            key = verify(received, self.keys, service=SERVICE, region=self.region, now=at)
            self._authorize(key, query)
            result = await self._dispatch(request, query, received.body, request_id)
            outcome, response = "OK", JSONResponse(wrapped(result))
        except ApiError as refusal:
            is_imagex = refusal.number in IMAGEX_CODES
            outcome = str(refusal.number) if is_imagex else refusal.code
            response = JSONResponse(wrapped(error=refusal), refusal.status)
        except ModelError as refusal:
            outcome = str(refusal.code)
            if self.faults.settings.model_errors == "error":
                error = refusal.as_gateway_error()
                response = JSONResponse(wrapped(error=error), error.status)
            else:
                failed = refusal.resp_json(request_id)
                response = JSONResponse(
                    wrapped({"ImageUrls": [], "StoreUris": [], "RespJson": failed})
                )
        except BrokenResponse as fault:
            outcome = fault.fault
            response = fault_responses.response(outcome, wrapped(fault.result))
        await run_in_threadpool(self.billing.record_call, action, at, outcome, request_id)
        return response

    def _authorize(self, access_key: str, query: Mapping[str, str]) -> None:
        # The resources have the names that the official client gives them in policies. A request
        # without a ServiceId is about any service.
        resource = f"ServiceId/{query.get('ServiceId') or '*'}"
        action = f"ImageX:{query.get('Action', 'Unknown')}"
        requested = [RequestedAction.of(action, self.region, resource)]
        if denied := denial(self.authorizer, self.keys, access_key, requested):
            raise ApiError("AccessDenied", denied)

    async def _dispatch(
        self, request: Request, query: Mapping[str, str], body: bytes, request_id: str
    ) -> dict[str, Any]:
        name = (query.get("Action", ""), query.get("Version", ""))
        expected = "POST" if name == GENERATE else "GET"
        if name != GENERATE and name not in ACTIONS:
            raise ApiError(
                "InvalidActionOrVersion", f"There is no action {name[0]!r}, version {name[1]!r}."
            )
        if request.method != expected:
            raise ApiError("MethodNotAllowed", f"{name[0]} is called by {expected}.")
        host = request.headers["host"]
        if name == GENERATE:
            return await self.generator.generate(body, query.get("ServiceId"), request_id, host)
        if self.faults.is_probe_failing():
            raise ApiError("InternalError", "Injected by the local stand-in's settings.")
        read = ReadRequest(self.billing, self.service, self.region, host, query)
        return await run_in_threadpool(read.answer, name)

    async def picture(self, request: Request) -> Response:
        """Return the picture at `/<StoreUri>~<template>`; templates change nothing here."""
        uri, _, template = request.path_params["address"].rpartition("~")
        file = await run_in_threadpool(self.billing.find_uri, uri)
        if file is None or template.partition(".")[0] != self.service.template.partition(".")[0]:
            return PlainTextResponse("There is no such picture.\n", 404)
        headers = {
            # A name may be overwritten: clients revalidate each time.
            "Cache-Control": "no-cache",
            "ETag": f'"{file.digest}"',
            "Last-Modified": formatdate(file.last_modified, usegmt=True),
            "X-Content-Type-Options": "nosniff",
        }
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        content = await run_in_threadpool(self.billing.picture, file)
        return Response(content, media_type=file.content_type, headers=headers)


class _Dated:
    """Sets the Date of every response by the application's clock: clients adjust theirs to it."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = formatdate(self._clock.now(), usegmt=True).encode()
                message["headers"] = [*message.get("headers", []), (b"date", date)]
            await send(message)

        await self._app(scope, receive, dated)
