"""The console's HTTP routes: the page, the state that it shows, and its actions."""

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio.to_thread
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from local.console import faults, pictures
from local.console.backend import Backend
from local.console.card import UploadCard
from local.console.pictures import Pictures
from local.console.responses import HttpProblem, LocalOnly, json_response, on_error
from local.console.state import State, StateReader
from local.console.stream import StateStream
from local.samples import SAMPLE_PROMPTS, SAMPLES

_STATIC = Path(__file__).with_name("static")
_PICTURE_HEADERS = {"Content-Security-Policy": "default-src 'none'; sandbox"}


class Console:
    """The console of one cloud; `application` is to be served by `local.server.Server`.

    Nothing is opened or read before the first request.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._initial_faults = faults.read(backend)
        self._connection: _Connection | None = None
        self._lock = threading.Lock()
        self.stream = StateStream(self._read_state)
        self.application = Starlette(
            routes=[
                Route("/", self._page),
                Mount("/static", StaticFiles(directory=_STATIC)),
                Route("/api/state", self._state),
                Route("/api/events", self._events),
                Route("/api/uploads", self._upload, methods=["POST"]),
                Route("/api/uploads/{id}/before", partial(self._picture, Pictures.before)),
                Route("/api/uploads/{id}/after", partial(self._picture, Pictures.after)),
                Route("/api/uploads/{id}/again", self._run_again, methods=["POST"]),
                Route("/api/samples", self._upload_samples, methods=["POST"]),
                Route("/api/samples/{name}", self._sample),
                Route("/api/sweep", self._sweep, methods=["POST"]),
                Route("/api/functions/{name}/kill", self._kill, methods=["POST"]),
                Route("/api/faults", self._set_faults, methods=["PUT"]),
                Route("/api/faults/reset", self._reset_faults, methods=["POST"]),
            ],
            middleware=[Middleware(LocalOnly)],
            exception_handlers={
                HttpProblem: on_error,
                HTTPException: on_error,
                ClientDisconnect: _on_disconnect,
                Exception: on_error,
            },
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        yield
        await self.stream.stop()
        with self._lock:
            if self._connection is not None:
                self._connection.close()

    @property
    def _connected(self) -> "_Connection":
        with self._lock:
            if self._connection is None:
                self._connection = _Connection(self._backend)
            return self._connection

    def _read_state(self) -> State:
        return self._connected.state.read()

    def _find(self, request: Request) -> UploadCard:
        found = self._connected.state.find(request.path_params["id"])
        if found is None:
            raise HttpProblem(404, "There is no such upload, or there are too many newer ones.")
        return found

    async def _page(self, _: Request) -> Response:
        return FileResponse(_STATIC / "index.html")

    async def _state(self, _: Request) -> Response:
        return json_response(await self.stream.read())

    async def _events(self, _: Request) -> Response:
        return StreamingResponse(self.stream.events(), media_type="text/event-stream")

    async def _upload(self, request: Request) -> Response:
        body, query = await pictures.read_picture(request.stream()), request.query_params
        name, settings = query.get("name", ""), pictures.settings_in(query)
        return await _created(lambda: {"id": self._connected.pictures.upload(name, body, settings)})

    async def _run_again(self, request: Request) -> Response:
        return await _created(
            lambda: {"id": self._connected.pictures.run_again(self._find(request))}
        )

    async def _upload_samples(self, _: Request) -> Response:
        return await _created(lambda: {"ids": self._connected.pictures.upload_samples()})

    async def _picture(
        self, get: Callable[[Pictures, UploadCard], tuple[bytes, str]], request: Request
    ) -> Response:
        body, kind = await run_in_threadpool(
            lambda: get(self._connected.pictures, self._find(request))
        )
        return Response(body, 200, _PICTURE_HEADERS, kind)

    async def _sample(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in SAMPLE_PROMPTS:
            raise HttpProblem(404, f"There is no sample {name!r}.")
        return FileResponse(SAMPLES / name)

    async def _sweep(self, _: Request) -> Response:
        # Left behind if the server stops meanwhile: it ends when the platform does.
        counts = await anyio.to_thread.run_sync(self._backend.run_sweep, abandon_on_cancel=True)
        return json_response({"counts": counts})

    async def _kill(self, request: Request) -> Response:
        await run_in_threadpool(self._backend.kill, request.path_params["name"])
        return Response(status_code=204)

    async def _set_faults(self, request: Request) -> Response:
        return self._apply_faults(faults.parse(await request.body()))

    async def _reset_faults(self, _: Request) -> Response:
        return self._apply_faults(self._initial_faults)

    def _apply_faults(self, wanted: faults.FaultControls) -> Response:
        faults.apply(wanted, self._backend)
        return json_response(faults.read(self._backend).model_dump())


class _Connection:
    """The readers and writers of the cloud, with connections of their own."""

    def __init__(self, backend: Backend) -> None:
        self._runtime = backend.runtime()
        self.state = StateReader(backend, self._runtime)
        self.pictures = Pictures(backend, self._runtime)

    def close(self) -> None:
        """Close the connections."""
        self.pictures.close()
        self._runtime.close()


async def _created(do: Callable[[], dict[str, object]]) -> Response:
    return json_response(await run_in_threadpool(do), 201)


async def _on_disconnect(_: Request, __: Exception) -> Response:
    return Response()  # nobody is there to read it
