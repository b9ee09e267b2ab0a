"""Middleware in front of a service: it counts requests, delays each, and can hold some back."""

import asyncio
import threading
from collections import Counter
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Receive, Scope, Send

PAID = "GetCVImageGenerateResult"


class Middleware:
    """An ASGI application in front of another; its settings may change from any thread.

    Each request waits `round_trip_seconds` before it is passed on. The provider's own reads, of the
    presigned source, are neither counted nor delayed.
    """

    def __init__(self, application: ASGIApp) -> None:
        self._application = application
        self.round_trip_seconds = 0.0
        self.requests: Counter[str] = Counter()
        self._open = threading.Event()
        self._open.set()

    def hold(self) -> None:
        """Hold back paid calls from now on."""
        self._open.clear()

    def release(self) -> None:
        """Pass on the calls that were held back, and later ones."""
        self._open.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http":
            query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
            if "X-Tos-Signature" not in query:
                name = query.get("Action") or scope["method"]
                # All requests are handled in one thread, the server's.
                self.requests[name] += 1
                await asyncio.sleep(self.round_trip_seconds)
                while name == PAID and not self._open.is_set():  # noqa: ASYNC110 - another thread's event
                    await asyncio.sleep(0.01)
        await self._application(scope, receive, send)
