"""The local veFaaS: deploy functions, deliver queued events to them, fire their timers."""

import json
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from local.keys import KeyRing
from local.vefaas.runtime.delivery import Delivery, DeliverySettings, QueueSnapshot
from local.vefaas.runtime.function import Function, FunctionSpec, FunctionState, Invocation
from local.vefaas.runtime.launcher import Launcher, LogSink
from local.vefaas.runtime.queue import EventQueue
from local.vefaas.runtime.registry import Registry
from local.vefaas.runtime.role import RoleFiles
from local.vefaas.runtime.threads import Threads
from local.vefaas.runtime.timer import Timer, Timers
from shared.clock import Clock, SystemClock

# The clock is looked at this often even if nothing is known to come due: it may be a test's, and
# a laptop's jumps when it wakes.
_LOOK_SECONDS = 0.5


class Platform:
    """A veFaaS on this machine, from entering the context to leaving it.

    Its state is in `folder`: `queue.sqlite`, `logs/<function>.log`, `roles/<function>/credential`.
    What was in flight when it stopped, or died, is delivered again by the next one there, once
    its function is deployed under the same name. Raises RuntimeError where one runs there now.
    `on_log` gets a function's name and a line, from threads of its own.

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
        self._queue = EventQueue(folder / "queue.sqlite", settings, self._clock)
        self._roles: RoleFiles | None = None
        if keys:
            self._roles = RoleFiles(folder / "roles", keys, self._clock, role_period_seconds)
        self.launcher = Launcher(folder / "logs", self._roles, python, on_log)
        self._functions = Registry(self.launcher.start)
        self.timers = Timers(self._clock, settings.time_scale)
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
        for function in self._functions.all():
            function.close()
        self._threads.join()
        # After the threads: they write how their deliveries ended.
        self._queue.close()
        if self._roles:
            self._roles.close()

    @property
    def functions(self) -> dict[str, FunctionSpec]:
        """What is deployed, by function id."""
        return {function.spec.id: function.spec for function in self._functions.all()}

    @property
    def states(self) -> tuple[FunctionState, ...]:
        """How each function runs now, in the order in which they were deployed."""
        return tuple(function.state for function in self._functions.all())

    @property
    def queue(self) -> QueueSnapshot:
        """What the event queue holds now."""
        return self._queue.snapshot()

    @property
    def events(self) -> EventQueue:
        """The event queue itself, for who looks into it or changes its rules."""
        return self._queue

    def deploy(self, spec: FunctionSpec) -> str:
        """Run a function, instead of the one that has its name if there is one; return its id.

        Its instances start at once. Requests in flight end in the old code.
        """
        with self._lock:
            if self._stopping:
                raise RuntimeError("The platform is shutting down: nothing can be deployed.")
            self._functions.put(spec)
        self._wake.set()
        return spec.id

    def enqueue(self, function_id: str, event: Mapping[str, Any]) -> str:
        """Queue an event for a function; it is durable when this returns its delivery's id.

        Raises LookupError where no such function was deployed.
        """
        delivery_id = self._queue.enqueue(self._functions.find(function_id).spec.id, event)
        # Lost with a process that dies here; the next one looks by itself.
        self._wake.set()
        return delivery_id

    def invoke(
        self,
        function: str,
        event: Mapping[str, Any],
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Invocation:
        """Call a function, given by name or id, and wait for its answer, error or not.

        `timeout` (seconds) stands in for the function's own; a call waits as long for a place
        where as many requests as allowed are in flight. Raises LookupError where there is no
        such function.
        """
        found = self._functions.find(function)
        body = json.dumps(event).encode()
        if not found.reserve(found.spec.timeout_seconds if timeout is None else timeout):
            return Invocation("", 503, {}, "", "Unavailable", "No instance was free in time.")
        try:
            return found.run(body, headers or {}, timeout)
        finally:
            found.release()
            self._wake.set()

    def remove(self, function: str) -> None:
        """Stop a function and forget it, its timers and what is queued for it.

        What is in flight is cut off. Raises LookupError where there is no such function.
        """
        found = self._functions.take(function)
        self.timers.remove_of(found.spec.id)
        found.close()
        if self._roles:
            self._roles.remove(found.spec.name)
        self._abandon(found)

    def add_timer(
        self, function: str, name: str, every: float | str, payload: str = "", given_id: str = ""
    ) -> None:
        """Fire a timer every so many seconds, or as a crontab says, first when that comes round.

        The function's timer of the same name is replaced. `given_id` is the timer's id instead of
        one made up. Raises LookupError for a function that is not deployed, ValueError for a
        schedule that is not supported, with what is.
        """
        self.timers.add(self._functions.find(function).spec.id, name, every, payload, given_id)
        self._wake.set()

    def tick(self, name: str) -> Invocation:
        """Fire a timer now, after its tick that may be running, and return how it ended.

        It is given by name or id. Raises LookupError where there is none.
        """
        timer = self.timers.find(name)
        timer.running.acquire()
        return self._fire(timer)

    def kill(self, function: str) -> None:
        """Kill a function's instances now and start new ones; what is in flight is an error."""
        self._functions.find(function).kill()

    def idle(self) -> bool:
        """Say whether every queued event is done or dropped."""
        return self._queue.idle()

    def wait_idle(self, timeout: float = 60) -> bool:
        """Wait up to `timeout` seconds until every queued event is done or dropped."""
        with self._settled:
            return self._settled.wait_for(self.idle, timeout)

    def run_due(self) -> None:
        """Start what is due by the clock: deliveries, timers and new credentials.

        The platform does so by itself whenever something comes due, and at least twice a second.
        """
        with self._lock:
            if self._stopping:
                return
            if self._roles:
                self._roles.refresh_if_due()
            for timer in self.timers.take_due():
                self._threads.start(self._fire, timer)
            for function in self._functions.all():
                self._deliver_due(function)
        with self._settled:
            self._settled.notify_all()  # a claim may have dropped what was too old

    def _deliver_due(self, function: Function) -> None:
        while function.reserve():
            delivery = self._queue.claim(function.spec.id)
            if delivery is None:
                function.release()
                return
            self._threads.start(self._deliver, function, delivery)

    def _deliver(self, function: Function, delivery: Delivery) -> None:
        try:
            headers = {"X-Faas-Request-Id": delivery.new_request_id()}
            ended = function.run(json.dumps(delivery.event).encode(), headers, None)
        finally:
            function.release()
        if ended.failure is None:
            # A process that dies before this write delivers the event again: at least once.
            self._queue.finish(delivery)
        elif not self._stopping:
            self._queue.fail(delivery, ended.failure)
            if function.closed:
                self._abandon(function)  # it was removed meanwhile
        # Otherwise it stays in flight, and the next platform in this folder delivers it again.
        with self._settled:
            self._settled.notify_all()
        self._wake.set()

    def _abandon(self, function: Function) -> None:
        self._queue.abandon(function.spec.id, "the function was deleted")
        with self._settled:
            self._settled.notify_all()

    def _fire(self, timer: Timer) -> Invocation:
        try:
            # Not queued: a tick that fails is not retried, the next one comes anyway.
            return self.invoke(timer.function_id, timer.event(self._clock.now()))
        except LookupError as error:  # it was removed meanwhile
            return Invocation("", 503, {}, "", "Unavailable", str(error))
        finally:
            timer.running.release()

    def _dispatch(self) -> None:
        while not self._stopping:
            self._wake.clear()  # before looking: what comes in meanwhile sets it again
            self.run_due()
            moments = [timer.next_due for timer in self.timers]
            moments += [moment for moment in [self._queue.next_due()] if moment is not None]
            now = self._clock.now()
            self._wake.wait(max(0.0, min([_LOOK_SECONDS, *(each - now for each in moments)])))
