"""The requests of checks: each is sent once, and all of them within one time limit.

The functions' own clients repeat failed requests. A conditional write that is repeated can be
refused because of its own first success, which would prove nothing about the store.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from typing_extensions import override

from ops.context import ServiceAccess
from shared.clients.http import Request, Response, Timeouts, Transport
from shared.clients.imagex import Imagex, StoredFile
from shared.clients.tos import Tos
from shared.clock import Clock
from shared.errors import NotExecuted
from shared.settings import DEFAULT_TOS_REGION, Settings

CLEANUP_SECONDS = 10.0
# From this difference on, requests are signed with the services' time: else all are refused.
MAX_CLOCK_SECONDS = 60.0


@dataclass
class TimeLimit(Transport):
    """A transport that sends nothing after the moment `until`, and waits no longer than that."""

    transport: Transport
    clock: Clock
    until: float

    @override
    def send(self, request: Request, timeouts: Timeouts) -> Response:
        left = self.until - self.clock.now()
        if left <= 0:
            raise NotExecuted("The doctor's time was up before this was asked.")
        shorter = Timeouts(min(timeouts.connect, left), min(timeouts.read, left))
        return self.transport.send(request, shorter)


class _Storage(Tos):
    """Object storage whose requests are sent once."""

    def send_once(
        self,
        method: str,
        bucket: str,
        key: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
        *,
        offset: float,
    ) -> Response:
        self._clock_offset = offset
        request = self._signed(method, bucket, key, query, headers, body)
        return self._transport.send(request, Timeouts())


class _Imagex(Imagex):
    """veImageX whose requests are sent once."""

    def send_once(
        self, action: str, version: str, query: Mapping[str, str], offset: float
    ) -> Response:
        self._clock_offset = offset
        return self._transport.send(self._signed("GET", action, version, query, b""), Timeouts())


class CheckClient:
    """Sends the requests of checks within `seconds`.

    Every method raises NoAnswer, those that sign CredentialsError. `offset` is how far the
    services' clocks are ahead of this machine's.
    """

    def __init__(self, settings: Settings, access: ServiceAccess, seconds: float) -> None:
        self.clock = access.clock
        self.offset = 0.0
        self.tos_region = settings.tos_region or DEFAULT_TOS_REGION
        self.tos_endpoint, self.tos_public_endpoint = settings.tos_endpoints(self.tos_region)
        self.imagex_endpoint = settings.imagex_endpoint()
        self._credentials = access.credentials
        self._transport = TimeLimit(access.transport, self.clock, until=self.clock.now() + seconds)
        self._imagex = _Imagex(
            endpoint=self.imagex_endpoint,
            region=settings.region,
            service_id=settings.service_id,
            credentials=self._credentials,
            transport=self._transport,
            clock=self.clock,
        )

    def server_now(self) -> float:
        """Return the time at the services."""
        return self.clock.now() + self.offset

    def stop(self) -> None:
        """Send nothing more but what cleans up."""
        self._transport.until = self.clock.now()

    def get(self, address: str) -> Response:
        """Send an unsigned request, to see which service answers, and the time there."""
        request = Request("GET", address, {"Host": urlsplit(address).netloc})
        return self._transport.send(request, Timeouts())

    def storage(
        self,
        method: str,
        bucket: str,
        key: str = "",
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        cleanup: bool = False,
    ) -> Response:
        """Send a request to object storage; one for `cleanup` has some time of its own."""
        until = self._transport.until + (CLEANUP_SECONDS if cleanup else 0.0)
        storage = _Storage(
            endpoint=self.tos_endpoint,
            public_endpoint=self.tos_public_endpoint,
            region=self.tos_region,
            credentials=self._credentials,
            transport=replace(self._transport, until=until),
            clock=self.clock,
            rng=random.Random(),  # noqa: S311 - jitter, not a secret
        )
        offset = self._signing_offset()
        return storage.send_once(
            method, bucket, key, query or {}, headers or {}, body, offset=offset
        )

    def imagex(self, action: str, version: str, **parameters: str) -> Response:
        """Call a reading action of veImageX for the service."""
        return self._imagex.send_once(action, version, parameters, self._signing_offset())

    def find_output(self, name: str) -> StoredFile | None:
        """Probe for an output as the functions do. Raises ProbeFailed."""
        return self._imagex.find_output(name)

    def _signing_offset(self) -> float:
        return self.offset if abs(self.offset) > MAX_CLOCK_SECONDS else 0.0
