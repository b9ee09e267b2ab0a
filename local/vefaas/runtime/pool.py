"""The instances of one deployed function: which one takes a request, and when one is replaced."""

import secrets
import threading
import time
from collections.abc import Callable, Mapping

from local.vefaas.runtime.function import FunctionSpec, FunctionState, Invocation
from local.vefaas.runtime.instance import Instance, InstanceError

_STATUS = {"Timeout": 504, "Unavailable": 503}


class InstancePool:
    """The running instances of a function.

    A slot is acquired first, so that an event is taken from the queue only if it can run. An
    instance that ended is replaced when it is needed next, so that code which cannot start is not
    started over and over.
    """

    def __init__(self, spec: FunctionSpec, start: Callable[[FunctionSpec], Instance]) -> None:
        self.spec = spec
        self._start = start
        self._changed = threading.Condition()
        self._busy = 0
        self._closed = False
        self._kills = 0
        self._instances = [start(spec) for _ in range(spec.instances)]
        self._retired: list[Instance] = []

    @property
    def state(self) -> FunctionState:
        """The function's load now."""
        with self._changed:
            everyone = self._instances + self._retired
            return FunctionState(
                self.spec.name,
                sum(instance.alive for instance in everyone),
                sum(instance.in_flight for instance in everyone),
                self._kills,
            )

    @property
    def closed(self) -> bool:
        """Whether it is stopped for good."""
        with self._changed:
            return self._closed

    def acquire(self, wait_seconds: float = 0) -> bool:
        """Acquire a slot within `wait_seconds`; return whether one was free."""
        with self._changed:
            free = self._changed.wait_for(
                lambda: self._closed or self._busy < self.spec.capacity, wait_seconds
            )
            if not free or self._closed:
                return False
            self._busy += 1
            return True

    def release(self) -> None:
        """Give a slot back."""
        with self._changed:
            self._busy -= 1
            self._changed.notify()

    def run(self, event: bytes, headers: Mapping[str, str], timeout: float | None) -> Invocation:
        """Call the handler with an event in JSON, in a slot that was acquired before."""
        request_id = headers.get("X-Faas-Request-Id") or secrets.token_hex(12)
        headers = {"Content-Type": "application/json", **headers, "X-Faas-Request-Id": request_id}
        began = time.monotonic()
        try:
            instance = self._take()
            try:
                seconds = self.spec.timeout_seconds if timeout is None else timeout
                answer = instance.call(event, headers, seconds)
            finally:
                self._give_back(instance)
        except InstanceError as error:
            answer = {"error": {"type": error.kind, "message": str(error)}}
        duration = time.monotonic() - began
        if failed := answer.get("error"):
            return Invocation(
                request_id=request_id,
                status_code=_STATUS.get(failed["type"], 500),
                error_type=failed["type"],
                error_message=failed["message"],
                duration_seconds=duration,
            )
        return Invocation(
            request_id=request_id,
            status_code=answer["status"],
            headers=answer["headers"],
            body=answer["body"],
            duration_seconds=duration,
        )

    def replace(self, spec: FunctionSpec) -> None:
        """Run new code from the next request on; requests in flight end in the old code."""
        with self._changed:
            self._require_open()
            fresh = [self._start(spec) for _ in range(spec.instances)]
            old, self._instances, self.spec = self._instances, fresh, spec
            idle = [instance for instance in old if not instance.in_flight]
            self._retired += [instance for instance in old if instance.in_flight]
            self._changed.notify_all()
        for instance in idle:
            instance.stop()

    def kill(self) -> None:
        """Kill every instance and start new ones; requests in flight end as errors."""
        with self._changed:
            if self._closed:
                return
            killed = self._instances + self._retired
            self._retired = []
            self._kills += 1
            self._instances = [self._start(self.spec) for _ in range(self.spec.instances)]
        for instance in killed:
            instance.kill()

    def close(self) -> None:
        """Stop every instance and start no other."""
        with self._changed:
            self._closed = True
            stopped = self._instances + self._retired
            self._changed.notify_all()
        for instance in stopped:
            instance.stop()

    def _take(self) -> Instance:
        with self._changed:
            self._require_open()
            instance = min(self._instances, key=lambda each: each.in_flight)
            if not instance.alive:
                position = self._instances.index(instance)
                instance.stop()  # it is dead: this closes its pipes
                try:
                    instance = self._instances[position] = self._start(self.spec)
                except OSError as error:
                    raise InstanceError(
                        "Unavailable", f"No instance could be started: {error}."
                    ) from error
            instance.in_flight += 1
            return instance

    def _give_back(self, instance: Instance) -> None:
        with self._changed:
            instance.in_flight -= 1
            ended = instance in self._retired and not instance.in_flight
            if ended:
                self._retired.remove(instance)
        if ended:
            instance.stop()

    def _require_open(self) -> None:
        if self._closed:
            # Nobody would stop a process that is started now.
            raise InstanceError("Unavailable", "The platform is shutting down.")
