"""Run an ASGI application on loopback, in a thread of its own."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from email.utils import formatdate
from types import TracebackType
from typing import Any, Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

Application = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[MutableMapping[str, Any]]],
        Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ],
    Awaitable[None],
]

LOOPBACK = "127.0.0.1"

CLOSE_CONNECTION = "repaint.close_connection"
"""The ASGI extension with which an application closes the connection once its output is sent.

It then waits for `http.disconnect` and returns.
"""


class _Protocol(H11Protocol):
    """uvicorn's HTTP; an application can close the connection, and set its own Date."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own does
        super().connection_made(transport)
        served = self.app

        async def application(scope: Any, receive: Any, send: Any) -> None:
            async def dated(message: Any) -> None:
                if message["type"] == "http.response.start":
                    headers = list(message.get("headers", []))
                    if not any(name.lower() == b"date" for name, _ in headers):
                        headers.append((b"date", formatdate(usegmt=True).encode()))
                    message = {**message, "headers": headers}
                await send(message)

            if scope["type"] == "http":
                scope["extensions"] = {CLOSE_CONNECTION: transport.close}
            await served(scope, receive, dated)

        self.app = application


class Server:
    """Serves an application at `address` while the context is entered.

    `port` 0 means any free one. Raises OSError if the port is taken.
    """

    def __init__(self, application: Application, port: int = 0) -> None:
        # Declared as TCP, it gets TCP_NODELAY from asyncio; else each response takes 40 ms more.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((LOOPBACK, port))
        self._socket.listen(1024)
        self.port: int = self._socket.getsockname()[1]
        self.address = f"http://{LOOPBACK}:{self.port}"
        self._server = uvicorn.Server(
            uvicorn.Config(
                application,
                http=_Protocol,  # on h11, pure Python: the same on every system
                date_header=False,  # uvicorn's would be sent beside an application's own
                log_config=None,
                access_log=False,
                lifespan="on",
                timeout_graceful_shutdown=2,
            )
        )
        # uvicorn installs signal handlers only in the main thread, so none here.
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )

    def __enter__(self) -> Self:
        # The socket listens already: a request that is sent now waits in its backlog.
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()
