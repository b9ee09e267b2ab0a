"""Kill a process, or break a request, at its n-th operation on the world outside."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.clients.http import Request, Response, Timeouts
from shared.clients.tos import Tos
from shared.errors import MaybeExecuted, NotExecuted
from shared.ledger import Ledger
from shared.ledger.sqlite import SqliteLedger
from shared.ledger.tos import TosLedger
from shared.runtime import Runtime
from tests.fakes import FakeCloud, World


class Killed(BaseException):
    """The process is dead: nothing after this line of it happens."""


Operation = Callable[[], Any]


@dataclass
class Plan:
    """The interruption of the n-th operation, counted from 1; `met` is set once it happened.

    A process that was killed does nothing more, whichever of its threads was killed.
    """

    at: int = 0
    what: Callable[[Operation], Any] | None = None
    count: int = 0
    met: bool = False
    is_dead: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def do(self, operation: Operation) -> Any:
        with self.lock:
            if self.is_dead:
                raise Killed
            self.count += 1
            is_due = self.count == self.at and self.what is not None
            self.met = self.met or is_due
        if not is_due or self.what is None:
            return operation()
        try:
            return self.what(operation)
        except Killed:
            self.is_dead = True
            raise


def killed_before(_operation: Operation) -> Any:
    raise Killed


def killed_after(operation: Operation) -> Any:
    operation()
    raise Killed


@dataclass
class PlannedTransport:
    """A transport whose requests are a plan's operations."""

    cloud: FakeCloud
    plan: Plan

    def send(self, request: Request, timeouts: Timeouts) -> Response:
        answer: Response = self.plan.do(lambda: self.cloud.send(request, timeouts))
        return answer


class PlannedLedger:
    """A ledger whose calls are a plan's operations."""

    def __init__(self, ledger: Ledger, plan: Plan) -> None:
        self._ledger = ledger
        self._plan = plan

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._ledger, name)

        def planned(*arguments: Any, **named: Any) -> Any:
            return self._plan.do(lambda: method(*arguments, **named))

        return method if name == "close" else planned


def process(world: World, plan: Plan | None = None) -> Runtime:
    """Start a process whose operations follow `plan`; so do the calls of a ledger in a file."""
    plan = plan or Plan()

    def open_ledger(place: str, storage: Tos) -> Ledger:
        scheme, _, rest = place.partition("://")
        if scheme == "sqlite":
            planned: Any = PlannedLedger(SqliteLedger(Path(rest)), plan)
            ledger: Ledger = planned
            return ledger
        bucket, _, prefix = rest.partition("/")
        return TosLedger(storage, bucket, prefix)

    return world.runtime(transport=PlannedTransport(world.cloud, plan), open_ledger=open_ledger)


KILLS: dict[str, Callable[[Operation], Any]] = {"before": killed_before, "after": killed_after}


def deliver_interrupted(world: World, event: dict[str, Any], plan: Plan) -> None:
    """Deliver to a process that follows `plan`; it may be killed."""
    try:
        world.deliver_all(event, process(world, plan))
    except Killed:
        assert plan.met


def on_requests_only(fault: Callable[[Operation], Any]) -> Callable[[Operation], Any]:
    """Break network requests only; a call of a ledger in a file cannot answer with 500."""

    def broken(operation: Operation) -> Any:
        if "planned" in operation.__qualname__:
            return operation()
        return fault(operation)

    return broken


def answers(status: int, body: bytes = b"") -> Callable[[Operation], Any]:
    """Answer with a status, without executing the request."""
    return lambda _operation: Response(status, {}, body)


def executes_but_answers(status: int, body: bytes = b"") -> Callable[[Operation], Any]:
    """Execute the request, but answer otherwise."""

    def broken(operation: Operation) -> Any:
        operation()
        return Response(status, {}, body)

    return broken


def garbled(operation: Operation) -> Any:
    """Execute the request, but answer with a damaged body."""
    answer = operation()
    return Response(answer.status, answer.headers, b"\x00<garbage>")


def conflict(_operation: Operation) -> Any:
    """Refuse for a reason of the store's own, as if another writer had been first."""
    return Response(409, {}, b'{"Code": "OperationAborted"}')


def refused(_operation: Operation) -> Any:
    raise NotExecuted("connection refused")


def cut_before(_operation: Operation) -> Any:
    raise MaybeExecuted("timed out, not executed")


def cut_after(operation: Operation) -> Any:
    operation()
    raise MaybeExecuted("reset, executed")


FAULTS: dict[str, Callable[[Operation], Any]] = {
    "refused": refused,
    "timeout, not executed": cut_before,
    "reset, executed": cut_after,
    **{f"{status}, not executed": answers(status) for status in (500, 502, 503, 504)},
    **{f"{status}, executed": executes_but_answers(status) for status in (500, 502, 503, 504)},
    "garbled, executed": garbled,
    "conflict, not executed": conflict,
    "garbage, executed": executes_but_answers(200, b"\x00<garbage>"),
    "truncated, executed": executes_but_answers(200, b'{"ResponseMetadata": {"Requ'),
}
