"""The local object storage as an application: verify, find who answers, say no in a sentence."""

import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from local import permissions
from local.keys import KeyRing
from local.tos import auth
from local.tos.addressing import AbsoluteForm, Address, address
from local.tos.answers import answer, empty
from local.tos.bucket_api import BucketApi
from local.tos.call import Body, Call
from local.tos.errors import TosError
from local.tos.notifications import Origin
from local.tos.object_api import ObjectApi
from local.tos.outbox import OnEvent, Outbox
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
    authorizer: permissions.Authorizer | None = None,
    clock: Clock = SystemClock(),  # noqa: B008 (it has no state)
) -> Starlette:
    """Return object storage as an application.

    `on_event` is called with an event's whole envelope and the id of a function, once for each
    function that a notification rule of the bucket sends it to: after the object is stored, in a
    worker thread, holding no lock. An event that it did not take is delivered at the next start.
    `is_released` says whether a function may be the destination of a rule; without it any may.
    `authorizer` decides what the keys of roles may do.
    """
    outbox = Outbox(store.index, on_event) if on_event else None

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if outbox:
            await run_in_threadpool(outbox.deliver_left)
        yield

    gateway = _Gateway(store, keys, region, outbox, is_released, authorizer, clock)
    starlette = Starlette(middleware=[Middleware(AbsoluteForm)], lifespan=lifespan)
    # What is routed by are host and query; every path is the key of some object.
    starlette.router.default = gateway
    return starlette


class _Gateway:
    """Answers every request."""

    def __init__(
        self,
        store: ObjectStore,
        keys: KeyRing,
        region: str,
        outbox: Outbox | None,
        is_released: Callable[[str], bool] | None,
        authorizer: permissions.Authorizer | None,
        clock: Clock,
    ) -> None:
        self._keys = keys
        self._authorizer = authorizer
        self._region = region
        self._clock = clock
        self._buckets = BucketApi(store, outbox, region, is_released)
        self._objects = ObjectApi(store, outbox)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, with a refusal if need be, never with a traceback."""
        if scope["type"] != "http":
            await Router().not_found(scope, receive, send)
            return
        request_id = secrets.token_hex(16)
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        body = Body(receive, headers)
        try:
            response = await self._answer(scope, headers, body, request_id)
        except ClientDisconnect:
            return
        except TosError as refusal:
            await body.drain()
            response = _refusal(refusal, request_id)
        except Exception:  # noqa: BLE001 (the last resort: no client sees a traceback)
            _log.exception("request %s failed", request_id)
            await body.drain()
            response = _refusal(
                TosError(
                    HTTPStatus.INTERNAL_SERVER_ERROR,
                    "InternalError",
                    "The local object storage failed; its log has the reason under the request id.",
                ),
                request_id,
            )
        if scope["method"] == "HEAD" and response.status_code >= HTTPStatus.BAD_REQUEST:
            # The official SDK waits for as many bytes as are announced, and HEAD brings none.
            response = empty(status=response.status_code)
        response.headers["x-tos-request-id"] = request_id
        response.headers["x-tos-id-2"] = "local"
        await response(scope, receive, send)

    async def _answer(
        self, scope: Scope, headers: dict[str, str], body: Body, request_id: str
    ) -> Response:
        where: Address = address(scope)
        arrived = auth.Arrived(scope["method"], where.host, where.key, where.query, headers)
        verified = auth.verify(arrived, self._keys, region=self._region, now=self._clock.now())
        source_ip = scope["client"][0] if scope["client"] else ""
        call = Call(
            method=scope["method"],
            bucket=where.bucket or "",
            key=where.key,
            query=where.query,
            headers=headers,
            body=body,
            payload_sha256=verified.payload_sha256,
            origin=Origin(self._region, request_id, source_ip, verified.access_key),
        )
        requested = permissions.of_tos(call)
        key = verified.access_key
        if denied := permissions.denial(self._authorizer, self._keys, key, requested):
            raise TosError(HTTPStatus.FORBIDDEN, "AccessDenied", denied)
        if where.bucket is None:
            return await self._buckets.service(call)
        if not where.key:
            return await self._buckets.bucket(call)
        return await self._objects.object(call)


def _refusal(refusal: TosError, request_id: str) -> Response:
    return answer(
        {
            "Code": refusal.code,
            "RequestId": request_id,
            "HostId": "local",
            "Message": refusal.message,
            "EC": refusal.ec,
        },
        status=refusal.status,
    )
