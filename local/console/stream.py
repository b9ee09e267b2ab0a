"""The state as a stream of server-sent events: all of it first, then the changes.

The cloud is read only while there are listeners. Each listener compares what it sent last with the
state now: a slow one gets fewer events, and none is queued for it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.concurrency import run_in_threadpool

from local.console.responses import to_json
from local.console.state import State

_READ_SECONDS = 0.25
_HEARTBEAT_SECONDS = 15.0
_KINDS = ("queue", "records", "charges", "faults", "functions")

_log = logging.getLogger(__name__)


class StateStream:
    """The listeners, and the task that reads the state for them.

    `close` may be called from any thread.
    """

    def __init__(self, read: Callable[[], State]) -> None:
        self._read = read
        self._state: State = {}
        self._reading = asyncio.Lock()
        self._changed = asyncio.Event()
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self.listeners = 0

    @property
    def polling(self) -> bool:
        """Whether the state is read again and again."""
        return self._task is not None and not self._task.done()

    def close(self) -> None:
        """End every stream, and let no other begin."""
        self._closed = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake)

    async def stop(self) -> None:
        """End every stream, and wait for a read under way."""
        self.close()
        if self._task is not None:
            await self._task

    async def read(self) -> State:
        """Read the state, wake the listeners if it changed, and return it."""
        async with self._reading:
            state = await run_in_threadpool(self._read)
            if state != self._state:
                self._state = state
                self._wake()
        return self._state

    async def events(self) -> AsyncIterator[bytes]:
        """Stream the state to one listener until it leaves or the stream is closed."""
        self._loop = asyncio.get_running_loop()
        self.listeners += 1
        try:
            sent = await self.read()
            yield _event("state", sent)
            if not self.polling:
                self._task = asyncio.create_task(self._poll())
            while not self._closed:
                # In this order: a change from here on is sent in the next round.
                changed, now = self._changed, self._state
                for event in _differences(sent, now):
                    yield event
                sent = now
                try:
                    await asyncio.wait_for(changed.wait(), _HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield b": still here\n\n"
        finally:
            self.listeners -= 1

    async def _poll(self) -> None:
        while self.listeners and not self._closed:
            await asyncio.sleep(_READ_SECONDS)
            try:
                await self.read()
            except Exception:  # noqa: BLE001 - one failed read must not end the stream
                _log.exception("the cloud's state cannot be read")

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
    return f"event: {name}\ndata: {to_json(value)}\n\n".encode()
