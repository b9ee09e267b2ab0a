"""What a trial works with: a function's own settings, and the services as reached from here."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from ops.checks.wire import Wire
from ops.deployment.apply import public_storage
from ops.deployment.serverless_yml.service import Function, Service
from shared.clients.credentials import FunctionCredentials
from shared.clients.http import PooledTransport
from shared.clients.tos import Tos
from shared.clock import Clock, SystemClock
from shared.settings import Settings, load_settings

_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Laboratory:
    """`wire` sends each request once and within a minute, `storage` as often as it takes."""

    settings: Settings
    wire: Wire
    storage: Tos
    clock: Clock


@contextmanager
def laboratory(
    environment: Mapping[str, str], service: Service, function: Function
) -> Iterator[Laboratory]:
    """Yield what a function of a service can be tried out with. Raises SettingsError, Refused."""
    address = public_storage(environment, service.region)
    settings = load_settings(function.environment).model_copy(
        update={"tos_endpoint": address, "tos_region": service.region}
    )
    clock, credentials, transport = SystemClock(), FunctionCredentials(), PooledTransport()
    wire = Wire(
        settings=settings,
        credentials=credentials,
        transport=transport,
        clock=clock,
        seconds=_SECONDS,
    )
    storage = Tos(
        endpoint=address,
        public_endpoint=address,
        region=service.region,
        credentials=credentials,
        transport=transport,
        clock=clock,
        rng=random.Random(),  # noqa: S311 - jitter, not a secret
    )
    try:
        yield Laboratory(settings, wire, storage, clock)
    finally:
        transport.close()
