"""What `deploy`, `remove` and `rollback` work with: the platform and the buckets of a service."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer
from pydantic import TypeAdapter, ValidationError

from ops.deployment.buckets import Buckets, TosBuckets
from ops.deployment.platform import Platform
from ops.deployment.progress import Progress
from ops.deployment.reading import read
from ops.deployment.releasing import wait
from ops.deployment.sdk import Client
from ops.deployment.serverless_yml.service import Service
from ops.deployment.state import Deployed, Found
from ops.deployment.steps import Plan
from ops.deployment.vefaas import Vefaas
from ops.deployment.work import Work
from ops.ui.output import Refused
from shared.clients.credentials import FunctionCredentials
from shared.clients.http import PooledTransport
from shared.clock import Clock, SystemClock
from shared.settings import Endpoint

if TYPE_CHECKING:
    from ops.context import Choice

_ENDPOINT: TypeAdapter[str] = TypeAdapter(Endpoint)


@dataclass(frozen=True, slots=True)
class Connection:
    """The platform and the buckets in a service's region."""

    service: Service
    platform: Platform
    buckets: Buckets
    clock: Clock
    progress: Progress

    def found(
        self, names: Sequence[str] | None, of_events: Sequence[str], *, settle: bool
    ) -> Found:
        """Read what there is; where `settle`, after waiting for releases that are under way."""
        found = read(self.platform, self.buckets, self.service, names, of_events)
        under_way = [f for f in found.functions.values() if f.is_releasing]
        if not settle or not under_way:
            return found
        with self.progress.moving():
            for function in under_way:
                self._wait(function)
        return read(self.platform, self.buckets, self.service, names, of_events)

    def carry_out(self, plan: Plan, found: Found) -> None:
        """Take the steps of a plan, and tell of each."""
        ids = {name: function.id for name, function in found.functions.items()}
        work = Work(self.platform, self.buckets, ids, clock=self.clock, tell=self.progress)
        try:
            with self.progress.moving():
                work.carry_out(plan, self.progress.done)
        except KeyboardInterrupt:
            self.progress("Stopped. What was done stays done: run the same command to go on.")
            raise

    def _wait(self, function: Deployed) -> None:
        self.progress(f"{function.name} is being released already: waiting for that")
        try:
            wait(self.platform, function.id, function.name, self.clock, self.progress)
        except Refused as refused:
            # How another's release ended changes what there is to do, and not whether.
            self.progress(str(refused))


@contextmanager
def connected(context: typer.Context, service: Service, *, quiet: bool) -> Iterator[Connection]:
    """Connect to where VEFAAS_ENDPOINT and TOS_ENDPOINT lead, else to the service's region.

    Raises Refused where one of them cannot be an address.
    """
    choice: Choice = context.obj
    environment = choice.environment()
    credentials, transport = FunctionCredentials(), PooledTransport()
    platform = Vefaas(Client(service.region, _given(environment, "VEFAAS_ENDPOINT"), credentials))
    tos = public_storage(environment, service.region)
    clock = SystemClock()
    buckets = TosBuckets(
        endpoint=tos,
        public_endpoint=tos,
        region=service.region,
        credentials=credentials,
        transport=transport,
        clock=clock,
        rng=random.Random(),  # noqa: S311 - jitter, not a secret
    )
    try:
        yield Connection(service, platform, buckets, clock, Progress(quiet=quiet))
    finally:
        platform.close()
        transport.close()


def public_storage(environment: Mapping[str, str], region: str) -> str:
    """Return object storage's address as it is reached from here.

    The functions may be given the region's internal one, which is out of reach. Raises Refused
    where it cannot be an address.
    """
    given = _given(environment, "TOS_PUBLIC_ENDPOINT") or _given(environment, "TOS_ENDPOINT")
    return (given or f"https://tos-{region}.volces.com").replace("ivolces.com", "volces.com")


def _given(environment: Mapping[str, str], name: str) -> str | None:
    value = environment.get(name, "").strip()
    try:
        return _ENDPOINT.validate_python(value) if value else None
    except ValidationError as error:
        said = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise Refused(f"{name} is wrong: {said}.") from None
