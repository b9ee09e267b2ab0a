"""A deployed function: its specification, its instances, and who may use them when."""

import hashlib
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.vefaas.runtime.instance import Instance, InstanceError

_NAME = re.compile(r"[A-Za-z0-9_-]{4,64}")


@dataclass(frozen=True)
class FunctionSpec:
    """What is deployed: a folder with index.py at its root, and how to run it.

    `role` is whose credentials it gets: that of its own name where it is empty, nobody's where it
    is None. `python` is the interpreter and its options instead of the platform's; `given_id` the
    id instead of one made of the name.

    Raises ValueError for what the platform would refuse, FileNotFoundError without an index.py.
    """

    name: str
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float = 120
    max_concurrency: int = 8
    instances: int = 1
    role: str | None = ""
    python: tuple[str, ...] = ()
    given_id: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"{self.name!r} cannot name a function: use 4 to 64 letters, digits, '-' and '_'."
            )
        if not 0 < self.timeout_seconds <= 900:
            raise ValueError("timeout_seconds must lie above 0 and not above 900.")
        if not 1 <= self.max_concurrency <= 1000:
            raise ValueError("max_concurrency must lie between 1 and 1000.")
        if self.instances < 1:
            raise ValueError("instances must be 1 or more.")
        if not (self.folder / "index.py").is_file():
            raise FileNotFoundError(
                f"{self.folder} holds no index.py: it must be at the root of the function's folder."
            )

    @property
    def id(self) -> str:
        """The function's id: made of its name, so that a restarted cloud finds its queue again."""
        return self.given_id or "fn" + hashlib.sha256(self.name.encode()).hexdigest()[:10]

    @property
    def capacity(self) -> int:
        """How many requests may be in flight at once."""
        return self.instances * self.max_concurrency


@dataclass(frozen=True)
class Invocation:
    """How one call of a function ended.

    `error_type` is set where the handler gave no answer: the name of the exception that it
    raised, `Timeout`, `InstanceDied` or `Unavailable`; the status is then one of 500 to 599.
    """

    request_id: str
    status_code: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    error_type: str | None = None
    error_message: str | None = None
    duration_seconds: float = 0.0

    @property
    def failure(self) -> str | None:
        """Why this counts as an error, in one text; None where it is a success."""
        if self.error_type is not None:
            return f"{self.error_type}: {self.error_message}"
        if self.status_code >= 400:
            return f"The handler answered with status {self.status_code}: {self.body[:500]}"
        return None


@dataclass(frozen=True)
class FunctionState:
    """How a function runs now: living instances, requests in flight, kills since it started."""

    name: str
    instances: int
    in_flight: int
    kills: int


class Function:
    """One deployed function; safe to use from several threads.

    A place is reserved first, so that a delivery is taken from the queue only when it can run.
    An instance that ended is replaced when it is needed next, so that code which cannot start
    is not started over and over.
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
        """How it runs now."""
        with self._changed:
            everyone = self._instances + self._retired
            return FunctionState(
                self.spec.name,
                sum(instance.alive for instance in everyone),
                sum(instance.in_flight for instance in everyone),
                self._kills,
            )

    def reserve(self, wait_seconds: float = 0) -> bool:
        """Take a place, waiting so long for one; say whether there was one."""
        with self._changed:
            free = self._changed.wait_for(
                lambda: self._closed or self._busy < self.spec.capacity, wait_seconds
            )
            if not free or self._closed:
                return False
            self._busy += 1
            return True

    def release(self) -> None:
        """Give a reserved place back."""
        with self._changed:
            self._busy -= 1
            self._changed.notify()

    def run(self, event: bytes, headers: Mapping[str, str], timeout: float | None) -> Invocation:
        """Call the handler with an event in JSON, in a place that was reserved before."""
        request_id = headers.get("X-Faas-Request-Id") or secrets.token_hex(12)
        headers = {
            "Content-Type": "application/json",
            **headers,
            "X-Faas-Request-Id": request_id,
        }
        began = time.monotonic()
        try:
            instance = self._lease()
            try:
                seconds = self.spec.timeout_seconds if timeout is None else timeout
                answer = instance.call(event, headers, seconds)
            finally:
                self._return(instance)
        except InstanceError as error:
            answer = {"error": {"type": error.kind, "message": str(error)}}
        failed = answer.get("error")
        duration = time.monotonic() - began
        if failed:
            status = {"Timeout": 504, "Unavailable": 503}.get(failed["type"], 500)
            return Invocation(
                request_id=request_id,
                status_code=status,
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
        """Run new code from the next request on; requests in flight end where they began."""
        with self._changed:
            self._require_open()
            fresh = [self._start(spec) for _ in range(spec.instances)]
            old, self._instances, self.spec = self._instances, fresh, spec
            done = [instance for instance in old if not instance.in_flight]
            self._retired += [instance for instance in old if instance.in_flight]
            self._changed.notify_all()
        for instance in done:
            instance.stop()

    @property
    def closed(self) -> bool:
        """Whether it is stopped for good."""
        with self._changed:
            return self._closed

    def kill(self) -> None:
        """Kill every instance and start new ones; what is in flight ends as an error."""
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

    def _lease(self) -> Instance:
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

    def _require_open(self) -> None:
        if self._closed:
            # A process started now would be nobody's to stop.
            raise InstanceError("Unavailable", "The platform is shutting down.")

    def _return(self, instance: Instance) -> None:
        with self._changed:
            instance.in_flight -= 1
            ended = instance in self._retired and not instance.in_flight
            if ended:
                self._retired.remove(instance)
        if ended:
            instance.stop()
