"""What stands in front of a service: it counts requests, lets each wait, and can hold some back."""

import asyncio
import threading
from collections import Counter
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Receive, Scope, Send

PAID = "GetCVImageGenerateResult"


class Front:
    """An application in front of another; its settings may change from any thread.

    `round_trip_seconds` is what each request waits before it is passed on. Not counted, and not
    delayed, is what the provider reads by itself: the address that was signed for it.
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
        """Let those go that were held back, and hold back no more."""
        self._open.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http":
            query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
            if "X-Tos-Signature" not in query:
                name = query.get("Action") or scope["method"]
                # All requests come in one thread, the server's.
                self.requests[name] += 1
                await asyncio.sleep(self.round_trip_seconds)
                while name == PAID and not self._open.is_set():  # noqa: ASYNC110 - another thread's event
                    await asyncio.sleep(0.01)
        await self._application(scope, receive, send)
