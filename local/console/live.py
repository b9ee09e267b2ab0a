"""The state as a stream of server-sent events: all of it first, then what changed.

The cloud is looked at only while somebody listens. Each listener compares what it sent last with
what is so now: a slow one gets fewer events, and none is queued for it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.concurrency import run_in_threadpool

from local.console.answers import text
from local.console.state import State

_LOOK_SECONDS = 0.25
_BEAT_SECONDS = 15.0
_KINDS = ("queue", "records", "charges", "faults", "functions")

_log = logging.getLogger(__name__)


class Live:
    """The listeners, and the one who looks for them; `close` may be called from any thread."""

    def __init__(self, look: Callable[[], State]) -> None:
        self._look = look
        self._state: State = {}
        self._looking = asyncio.Lock()
        self._changed = asyncio.Event()
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self.listeners = 0

    @property
    def watching(self) -> bool:
        """Whether the cloud is being looked at, again and again."""
        return self._task is not None and not self._task.done()

    def close(self) -> None:
        """End every stream, and let no other begin."""
        self._closed = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake)

    async def stop(self) -> None:
        """End every stream, and wait for a look that is being taken."""
        self.close()
        if self._task is not None:
            await self._task

    async def look(self) -> State:
        """Look at the cloud, tell the listeners, and return its state."""
        async with self._looking:
            state = await run_in_threadpool(self._look)
            if state != self._state:
                self._state = state
                self._wake()
        return self._state

    async def stream(self) -> AsyncIterator[bytes]:
        """Stream the state to one listener until it leaves or the stream is closed."""
        self._loop = asyncio.get_running_loop()
        self.listeners += 1
        try:
            sent = await self.look()
            yield _event("state", sent)
            if not self.watching:
                self._task = asyncio.create_task(self._watch())
            while not self._closed:
                # Taken before looking: what changes from here on is told in the next round.
                changed, now = self._changed, self._state
                for event in _differences(sent, now):
                    yield event
                sent = now
                try:
                    await asyncio.wait_for(changed.wait(), _BEAT_SECONDS)
                except TimeoutError:
                    yield b": still here\n\n"
        finally:
            self.listeners -= 1

    async def _watch(self) -> None:
        while self.listeners and not self._closed:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                await self.look()
            except Exception:  # noqa: BLE001 - one look that fails must not end all that follow
                _log.exception("the cloud could not be looked at")

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def _differences(old: State, new: State) -> list[bytes]:
    if old is new:
        return []
    known = {upload["id"]: upload for upload in old["uploads"]}
    fresh = [u for u in reversed(new["uploads"]) if known.get(u["id"]) != u]
    found = [_event("upload", upload) for upload in fresh]
    return found + [_event(kind, new[kind]) for kind in _KINDS if old[kind] != new[kind]]


def _event(name: str, value: Any) -> bytes:
    return f"event: {name}\ndata: {text(value)}\n\n".encode()
