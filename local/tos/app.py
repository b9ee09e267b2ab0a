"""Object storage as an application: verify, authorize, dispatch, and turn errors into responses."""

import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from local.keys import KeyRing
from local.permissions import Authorizer, denial
from local.tos import auth, responses
from local.tos.addressing import AbsoluteForm, address_of
from local.tos.bucket_api import BucketApi
from local.tos.errors import TosApiError
from local.tos.events import EventOrigin, EventOutbox, OnEvent
from local.tos.object_api import ObjectApi
from local.tos.permissions import requested_actions
from local.tos.request import RequestBody, TosRequest
from local.tos.store import ObjectStore
from shared.clock import Clock, SystemClock

_log = logging.getLogger(__name__)


def application(
    store: ObjectStore,
    keys: KeyRing,
    *,
    region: str = "cn-beijing",
    on_event: OnEvent | None = None,
    is_released: Callable[[str], bool] | None = None,
    authorizer: Authorizer | None = None,
    clock: Clock = SystemClock(),  # noqa: B008 (it has no state)
) -> Starlette:
    """Return object storage as an application.

    `on_event` is called with an event's whole envelope and the id of a function, once for each
    function that a notification rule of the bucket sends it to: after the object is stored, in a
    worker thread, holding no lock. An event for which it raised is delivered at the next start.
    `is_released` checks whether a function may be the destination of a rule; without it any may.
    `authorizer` decides about the keys of roles.
    """
    outbox = EventOutbox(store.index, on_event)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await run_in_threadpool(outbox.deliver_remaining)
        yield

    starlette = Starlette(middleware=[Middleware(AbsoluteForm)], lifespan=lifespan)
    # Requests are routed by host and query; every path is the key of some object.
    starlette.router.default = _Gateway(
        keys,
        region,
        authorizer,
        clock,
        BucketApi(store, outbox, region, is_released),
        ObjectApi(store, outbox),
        has_listener=on_event is not None,
    )
    return starlette


@dataclass(frozen=True, slots=True)
class _Gateway:
    keys: KeyRing
    region: str
    authorizer: Authorizer | None
    clock: Clock
    buckets: BucketApi
    objects: ObjectApi
    has_listener: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to every request, with an error if need be, never with a traceback."""
        if scope["type"] != "http":
            await Router().not_found(scope, receive, send)
            return
        request_id = secrets.token_hex(16)
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        body = RequestBody(receive, headers)
        try:
            response = await self._respond(scope, headers, body, request_id)
        except ClientDisconnect:
            return
        except TosApiError as refusal:
            await body.drain()
            response = _error(refusal, request_id)
        except Exception:  # noqa: BLE001 (the last resort: no client sees a traceback)
            _log.exception("request %s failed", request_id)
            await body.drain()
            response = _error(
                TosApiError(
                    HTTPStatus.INTERNAL_SERVER_ERROR,
                    "InternalError",
                    "The local object storage failed; its log has the reason under the request id.",
                ),
                request_id,
            )
        if scope["method"] == "HEAD" and response.status_code >= HTTPStatus.BAD_REQUEST:
            # The official SDK waits for as many bytes as are announced, and HEAD brings none.
            response = responses.empty(status=response.status_code)
        response.headers["x-tos-request-id"] = request_id
        response.headers["x-tos-id-2"] = "local"
        await response(scope, receive, send)

    async def _respond(
        self, scope: Scope, headers: dict[str, str], body: RequestBody, request_id: str
    ) -> Response:
        method, address = scope["method"], address_of(scope)
        now = self.clock.now()
        verified = auth.verify(method, address, headers, self.keys, region=self.region, now=now)
        source_ip = scope["client"][0] if scope["client"] else ""
        origin = EventOrigin(self.region, request_id, source_ip, verified.access_key)
        request = TosRequest(
            method=method,
            bucket=address.bucket,
            key=address.key,
            query=address.query,
            headers=headers,
            body=body,
            payload_sha256=verified.payload_sha256,
            origin=origin if self.has_listener else None,
        )
        requested = requested_actions(request, self.region)
        if denied := denial(self.authorizer, self.keys, verified.access_key, requested):
            raise TosApiError(HTTPStatus.FORBIDDEN, "AccessDenied", denied)
        if request.key:
            return await self.objects.object(request)
        return await (self.buckets.bucket if request.bucket else self.buckets.service)(request)


def _error(refusal: TosApiError, request_id: str) -> Response:
    return responses.json_body(
        {
            "Code": refusal.code,
            "RequestId": request_id,
            "HostId": "local",
            "Message": refusal.message,
            "EC": refusal.ec,
        },
        status=refusal.status,
    )
