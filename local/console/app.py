"""The console's addresses: the page, what it shows, and what it can do."""

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

from local.console import controls, faults, intake
from local.console.answers import Guarded, Problem, answer, on_failure, on_problem, on_refusal
from local.console.intake import Intake
from local.console.live import Live
from local.console.parts import Parts
from local.console.state import State, Watch
from local.console.uploads import Upload
from local.samples import SAMPLE_PROMPTS, SAMPLES

_STATIC = Path(__file__).with_name("static")
_PICTURE_HEADERS = {"Content-Security-Policy": "default-src 'none'; sandbox"}


class Console:
    """The console of one cloud; its `application` is to be served by `local.server.Server`.

    Nothing is opened, read or looked at before the first request asks for it.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._faults = faults.read(parts.faults, parts.platform)
        self._opened: _Opened | None = None
        self._lock = threading.Lock()
        self.live = Live(self._look)
        self.application = Starlette(
            routes=[
                Route("/", self._page),
                Mount("/static", StaticFiles(directory=_STATIC)),
                Route("/api/state", self._state),
                Route("/api/events", self._events),
                Route("/api/uploads", self._upload, methods=["POST"]),
                Route("/api/uploads/{id}/before", partial(self._picture, Intake.before)),
                Route("/api/uploads/{id}/after", partial(self._picture, Intake.after)),
                Route("/api/uploads/{id}/again", self._again, methods=["POST"]),
                Route("/api/samples", self._samples, methods=["POST"]),
                Route("/api/samples/{name}", self._sample),
                Route("/api/sweep", self._sweep, methods=["POST"]),
                Route("/api/functions/{name}/kill", self._kill, methods=["POST"]),
                Route("/api/faults", self._set_faults, methods=["PUT"]),
                Route("/api/faults/reset", self._reset_faults, methods=["POST"]),
            ],
            middleware=[Middleware(Guarded)],
            exception_handlers={
                Problem: on_problem,
                HTTPException: on_refusal,
                ClientDisconnect: _on_leaving,
                Exception: on_failure,
            },
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        yield
        await self.live.stop()
        with self._lock:
            if self._opened is not None:
                self._opened.close()

    @property
    def _open(self) -> "_Opened":
        with self._lock:
            if self._opened is None:
                self._opened = _Opened(self._parts)
            return self._opened

    def _look(self) -> State:
        return self._open.watch.look()

    def _find(self, request: Request) -> Upload:
        found = self._open.watch.find(request.path_params["id"])
        if found is None:
            raise Problem(404, "There is no such upload, or there are too many newer ones.")
        return found

    async def _page(self, _: Request) -> Response:
        return FileResponse(_STATIC / "index.html")

    async def _state(self, _: Request) -> Response:
        return answer(await self.live.look())

    async def _events(self, _: Request) -> Response:
        return StreamingResponse(self.live.stream(), media_type="text/event-stream")

    async def _upload(self, request: Request) -> Response:
        body = await intake.picture(request.stream())
        name, given = request.query_params.get("name", ""), intake.given_in(request.query_params)
        return await _created(lambda: {"id": self._open.intake.upload(name, body, given)})

    async def _again(self, request: Request) -> Response:
        return await _created(lambda: {"id": self._open.intake.again(self._find(request))})

    async def _samples(self, _: Request) -> Response:
        return await _created(lambda: {"ids": self._open.intake.samples()})

    async def _picture(
        self, get: Callable[[Intake, Upload], tuple[bytes, str]], request: Request
    ) -> Response:
        body, kind = await run_in_threadpool(lambda: get(self._open.intake, self._find(request)))
        return Response(body, 200, _PICTURE_HEADERS, kind)

    async def _sample(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in SAMPLE_PROMPTS:
            raise Problem(404, f"There is no sample {name!r}.")
        return FileResponse(SAMPLES / name)

    async def _sweep(self, _: Request) -> Response:
        # Left behind where the server stops meanwhile: it ends when the platform does.
        counts = await anyio.to_thread.run_sync(controls.sweep, self._parts, abandon_on_cancel=True)
        return answer({"counts": counts})

    async def _kill(self, request: Request) -> Response:
        await run_in_threadpool(controls.kill, self._parts, request.path_params["name"])
        return Response(status_code=204)

    async def _set_faults(self, request: Request) -> Response:
        return self._put_faults(faults.parsed(await request.body()))

    async def _reset_faults(self, _: Request) -> Response:
        return self._put_faults(self._faults)

    def _put_faults(self, wanted: faults.Shown) -> Response:
        faults.replace(wanted, self._parts.faults, self._parts.platform)
        return answer(faults.read(self._parts.faults, self._parts.platform).model_dump())


class _Opened:
    """What reads and writes the cloud, with connections of its own."""

    def __init__(self, parts: Parts) -> None:
        self._runtime = parts.runtime()
        self.watch = Watch(parts, self._runtime)
        self.intake = Intake(parts, self._runtime)

    def close(self) -> None:
        """Close the connections."""
        self.intake.close()
        self._runtime.close()


async def _created(do: Callable[[], dict[str, object]]) -> Response:
    return answer(await run_in_threadpool(do), 201)


async def _on_leaving(_: Request, __: Exception) -> Response:
    return Response()  # nobody is there to read it
