"""The requests of checks: each is sent once, and all of them within one time limit.

The functions' own clients repeat failed requests. A conditional write that is repeated can be
refused because of its own first success, which would prove nothing about the store.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from typing_extensions import override

from ops.context import Connection
from shared.clients.http import Request, Response, Timeouts, Transport, is_loopback_or_address
from shared.clients.imagex import Imagex
from shared.clock import Clock
from shared.errors import NotExecuted
from shared.settings import DEFAULT_TOS_REGION, Settings
from shared.signing import canonical_query, object_path, openapi_headers, tos_headers

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


class CheckClient:
    """Sends the requests of checks within `seconds`.

    Every method raises NoAnswer, those that sign CredentialsError. `offset` is how far the
    services' clocks are ahead of this machine's.
    """

    def __init__(self, settings: Settings, connection: Connection, seconds: float) -> None:
        self.clock = connection.clock
        self.offset = 0.0
        self.tos_region = settings.tos_region or DEFAULT_TOS_REGION
        self.tos_endpoint, self.tos_public_endpoint = settings.tos_endpoints(self.tos_region)
        self.imagex_endpoint = settings.imagex_endpoint()
        self._settings = settings
        self._credentials = connection.credentials
        self._transport = TimeLimit(
            connection.transport, self.clock, until=self.clock.now() + seconds
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
        query = query or {}
        parts = urlsplit(self.tos_endpoint)
        host = f"{bucket}.{parts.netloc}"
        signed = tos_headers(
            method=method,
            host=host,
            key=key,
            query=query,
            headers=headers or {},
            credentials=self._credentials.get(),
            region=self.tos_region,
            now=self._signing_time(),
            payload_sha256=hashlib.sha256(body).hexdigest(),
        )
        # No DNS knows <bucket>.127.0.0.1: connect to the address, the Host header names the bucket.
        connect_to = parts.netloc if is_loopback_or_address(self.tos_endpoint) else host
        url = f"{parts.scheme}://{connect_to}{object_path(key)}"
        if query:
            url = f"{url}?{canonical_query(query)}"
        until = self._transport.until + (CLEANUP_SECONDS if cleanup else 0.0)
        transport = replace(self._transport, until=until)
        return transport.send(Request(method, url, signed, body), Timeouts())

    def imagex(self, action: str, version: str, **parameters: str) -> Response:
        """Call a reading action of veImageX for the service."""
        query = {
            "Action": action,
            "Version": version,
            "ServiceId": self._settings.service_id,
            **parameters,
        }
        headers = openapi_headers(
            method="GET",
            host=urlsplit(self.imagex_endpoint).netloc,
            path="/",
            query=query,
            content_type="application/json",
            body=b"",
            credentials=self._credentials.get(),
            region=self._settings.region,
            service="ImageX",
            now=self._signing_time(),
        )
        url = f"{self.imagex_endpoint}/?{canonical_query(query)}"
        return self._transport.send(Request("GET", url, headers), Timeouts())

    def functions_imagex(self) -> Imagex:
        """Return veImageX's client as the functions have it, within the same time limit."""
        return Imagex(
            endpoint=self.imagex_endpoint,
            region=self._settings.region,
            service_id=self._settings.service_id,
            credentials=self._credentials,
            transport=self._transport,
            clock=self.clock,
        )

    def _signing_time(self) -> float:
        far = abs(self.offset) > MAX_CLOCK_SECONDS
        return self.server_now() if far else self.clock.now()
