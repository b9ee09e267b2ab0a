"""The local veFaaS: deploy functions, deliver queued events to them, fire their timers."""

import json
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from local.keys import KeyRing
from local.vefaas.runtime.credential_files import CredentialFiles
from local.vefaas.runtime.function import FunctionSpec, FunctionState, Invocation
from local.vefaas.runtime.instance import Launcher, LogSink
from local.vefaas.runtime.pool import InstancePool
from local.vefaas.runtime.queue import DeliverySettings, EventQueue, QueuedEvent
from local.vefaas.runtime.threads import Threads
from local.vefaas.runtime.timer import Timer, schedule
from shared.clock import Clock, SystemClock

# The clock is read this often even if nothing is known to come due: it may be a test's, and a
# laptop's jumps when it wakes.
_POLL_SECONDS = 0.5


class Platform:
    """A veFaaS on this machine, from entering the context to leaving it.

    Its state is in `folder`: `queue.sqlite`, `logs/<function>.log`, `roles/<function>/credential`.
    Events in flight when it stopped, or died, are delivered again by the next platform there, once
    their function is deployed under the same name. Raises RuntimeError if one runs there now.
    `on_log` is called with a function's name and a line, in threads of its own.

    With `keys`, every function gets a credential file with a temporary key, which is replaced
    every `role_period_seconds` (the clock's, not scaled).
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock | None = None,
        keys: KeyRing | None = None,
        settings: DeliverySettings | None = None,
        python: str = sys.executable,
        on_log: LogSink | None = None,
        role_period_seconds: float = 3600,
    ) -> None:
        self._clock = clock or SystemClock()
        settings = settings or DeliverySettings()
        folder.mkdir(parents=True, exist_ok=True)
        self.queue = EventQueue(folder / "queue.sqlite", settings, self._clock)
        self._credentials: CredentialFiles | None = None
        if keys:
            self._credentials = CredentialFiles(
                folder / "roles", keys, self._clock, role_period_seconds
            )
        self.launcher = Launcher(folder / "logs", self._credentials, python, on_log)
        # Replaced, never changed: a reader needs no lock. By function id, in the order of their
        # first deployment.
        self._pools: Mapping[str, InstancePool] = {}
        self.timers: tuple[Timer, ...] = ()
        self._lock = threading.RLock()  # held while anything is started
        self._stopping = False
        self._threads = Threads()
        self._wake = threading.Event()
        self._settled = threading.Condition()
        self._dispatcher = threading.Thread(target=self._dispatch, name="faas-dispatcher")

    def __enter__(self) -> Self:
        self._dispatcher.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            # From here on no thread and no instance is started, and an attempt that ends with its
            # instance counts as interrupted, not as an error.
            self._stopping = True
        self._wake.set()
        self._dispatcher.join()
        for pool in self._pools.values():
            pool.close()
        self._threads.join()
        # After the threads: they write how their attempts ended.
        self.queue.close()
        if self._credentials:
            self._credentials.close()

    @property
    def functions(self) -> dict[str, FunctionSpec]:
        """The deployed functions, by id."""
        return {function_id: pool.spec for function_id, pool in self._pools.items()}

    @property
    def states(self) -> tuple[FunctionState, ...]:
        """The load of each function now, in the order of their deployment."""
        return tuple(pool.state for pool in self._pools.values())

    def deploy(self, spec: FunctionSpec) -> str:
        """Run a function, instead of the one that has its id if there is one; return its id.

        Its instances start at once. Requests in flight end in the old code.
        """
        with self._lock:
            if self._stopping:
                raise RuntimeError("The platform is shutting down: nothing can be deployed.")
            if spec.id in self._pools:
                self._pools[spec.id].replace(spec)
            else:
                pool = InstancePool(spec, self.launcher.start)
                self._pools = {**self._pools, spec.id: pool}
        self._wake.set()
        return spec.id

    def enqueue(self, function_id: str, event: Mapping[str, Any]) -> str:
        """Queue an event for a function; return its id in the queue. It is durable by then.

        Raises LookupError if no such function is deployed.
        """
        event_id = self.queue.enqueue(self._pool(function_id).spec.id, event)
        # Lost with a process that dies here; the next one reads the queue when it starts.
        self._wake.set()
        return event_id

    def invoke(
        self,
        function: str,
        event: Mapping[str, Any],
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Invocation:
        """Call a function, given by name or id, and return the result, error or not.

        `timeout` (seconds) replaces the function's own; a call waits as long for a slot if as many
        requests as allowed are in flight. Raises LookupError if there is no such function.
        """
        pool = self._pool(function)
        body = json.dumps(event).encode()
        if not pool.acquire(pool.spec.timeout_seconds if timeout is None else timeout):
            return Invocation.unavailable("No instance was free in time.")
        try:
            return pool.run(body, headers or {}, timeout)
        finally:
            pool.release()
            self._wake.set()

    def remove(self, function: str) -> None:
        """Stop a function and forget it, its timers and its queued events.

        Requests in flight are cut off. Raises LookupError if there is no such function.
        """
        with self._lock:
            pool = self._pool(function)
            self._pools = {key: each for key, each in self._pools.items() if each is not pool}
            self.timers = tuple(t for t in self.timers if t.function_id != pool.spec.id)
        pool.close()
        if self._credentials:
            self._credentials.remove(pool.spec.name)
        self._abandon(pool)

    def add_timer(
        self, function: str, name: str, every: float | str, payload: str = "", given_id: str = ""
    ) -> None:
        """Fire a timer every so many seconds, or by a crontab, first when that comes due.

        The function's timer of the same name is replaced. `given_id` is the timer's id instead of
        a random one. Raises LookupError for a function that is not deployed, ValueError for a
        schedule that is not supported.
        """
        function_id = self._pool(function).spec.id
        when = schedule(every, self.queue.settings.time_scale)
        timer = Timer(function_id, name, when, payload, when.next_after(self._clock.now()))
        timer.id = given_id or timer.id
        with self._lock:
            others = (t for t in self.timers if (t.function_id, t.name) != (function_id, name))
            self.timers = (*others, timer)
        self._wake.set()

    def remove_timer(self, timer_id: str) -> None:
        """Remove a timer, if there is one of that id."""
        with self._lock:
            self.timers = tuple(timer for timer in self.timers if timer.id != timer_id)

    def tick(self, name: str) -> Invocation:
        """Fire a timer, given by name or id, and return the result.

        A tick that is running ends first. Raises LookupError if there is no such timer.
        """
        for timer in self.timers:
            if name in {timer.name, timer.id}:
                timer.running.acquire()
                return self._fire(timer)
        raise LookupError(f"There is no timer {name!r}.")

    def kill(self, function: str) -> None:
        """Kill a function's instances and start new ones; requests in flight end as errors."""
        self._pool(function).kill()

    def idle(self) -> bool:
        """Return whether every queued event is done or dropped."""
        return self.queue.idle()

    def wait_idle(self, timeout: float = 60) -> bool:
        """Wait up to `timeout` seconds until every queued event is done or dropped."""
        with self._settled:
            return self._settled.wait_for(self.idle, timeout)

    def run_due(self) -> None:
        """Start what is due by the clock: attempts, ticks of timers and new credentials.

        The platform does so itself when something comes due, and at least twice a second.
        """
        with self._lock:
            if self._stopping:
                return
            if self._credentials:
                self._credentials.refresh_if_due()
            for timer in self.timers:
                if timer.claim_tick(self._clock.now()):
                    self._threads.start(self._fire, timer)
            for pool in self._pools.values():
                self._deliver_due(pool)
        self._notify_settled()  # a claim may have dropped events that were too old

    def _pool(self, function: str) -> InstancePool:
        for pool in self._pools.values():
            if function in {pool.spec.id, pool.spec.name}:
                return pool
        raise LookupError(f"No function {function!r} is deployed.")

    def _deliver_due(self, pool: InstancePool) -> None:
        while pool.acquire():
            event = self.queue.claim(pool.spec.id)
            if event is None:
                pool.release()
                return
            self._threads.start(self._deliver, pool, event)

    def _deliver(self, pool: InstancePool, event: QueuedEvent) -> None:
        try:
            headers = {"X-Faas-Request-Id": event.new_request_id()}
            ended = pool.run(json.dumps(event.event).encode(), headers, None)
        finally:
            pool.release()
        if ended.failure is None:
            # A process that dies before this write delivers the event again: at least once.
            self.queue.finish(event)
        elif not self._stopping:
            self.queue.fail(event, ended.failure)
            if pool.closed:
                self._abandon(pool)  # the function was removed meanwhile
        # Otherwise it stays in flight, and the next platform in this folder delivers it again.
        self._notify_settled()
        self._wake.set()

    def _abandon(self, pool: InstancePool) -> None:
        self.queue.abandon(pool.spec.id, "the function was deleted")
        self._notify_settled()

    def _notify_settled(self) -> None:
        with self._settled:
            self._settled.notify_all()

    def _fire(self, timer: Timer) -> Invocation:
        try:
            # Not queued: a tick that fails is not retried, the next one comes anyway.
            return self.invoke(timer.function_id, timer.event(self._clock.now()))
        except LookupError as error:  # the function was removed meanwhile
            return Invocation.unavailable(str(error))
        finally:
            timer.running.release()

    def _dispatch(self) -> None:
        while not self._stopping:
            self._wake.clear()  # before reading the queue: what comes in meanwhile sets it again
            self.run_due()
            moments = [timer.next_due for timer in self.timers]
            if (moment := self.queue.next_due()) is not None:
                moments.append(moment)
            now = self._clock.now()
            self._wake.wait(max(0.0, min([_POLL_SECONDS, *(each - now for each in moments)])))
