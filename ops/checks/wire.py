"""The doctor's requests: each is sent once, and all of them within one time limit.

The functions' own clients repeat what failed; a conditional write that is repeated can be refused
by its own first success, which would tell nothing about the store.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from shared.clients.credentials import CredentialSource
from shared.clients.http import Request, Response, Timeouts, Transport, is_loopback_or_address
from shared.clients.imagex import Imagex
from shared.clock import Clock
from shared.errors import NotExecuted
from shared.settings import DEFAULT_TOS_REGION, Settings
from shared.signing import canonical_query, object_path, openapi_headers, tos_headers

CLEANING_SECONDS = 10.0
# From here on the difference of the clocks is made up for, so that the rest can be checked.
WRONG_CLOCK_SECONDS = 60.0


@dataclass
class Limited:
    """A transport that sends nothing after the moment `until`, and waits no longer than that."""

    transport: Transport
    clock: Clock
    until: float

    def send(self, request: Request, timeouts: Timeouts) -> Response:
        """Send `request` once; see `Transport`. Raises NotExecuted where the time is up."""
        left = self.until - self.clock.now()
        if left <= 0:
            raise NotExecuted("The doctor's time was up before this was asked.")
        shorter = Timeouts(min(timeouts.connect, left), min(timeouts.read, left))
        return self.transport.send(request, shorter)


class Wire:
    """Sends the doctor's requests; safe to use from several threads.

    Every method raises NoAnswer, those that sign CredentialsError. `seconds` is the time that all
    of it may take. `offset` is by how much the others' clocks are ahead of this machine's.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        credentials: CredentialSource,
        transport: Transport,
        clock: Clock,
        seconds: float,
    ) -> None:
        self.clock = clock
        self.offset = 0.0
        self.tos_region = settings.tos_region or DEFAULT_TOS_REGION
        self.tos_endpoint, self.tos_public_endpoint = settings.tos_endpoints(self.tos_region)
        self.imagex_endpoint = settings.imagex_endpoint()
        self._settings = settings
        self._credentials = credentials
        self._limited = Limited(transport, clock, clock.now() + seconds)

    def server_now(self) -> float:
        """Return what time it is at the services."""
        return self.clock.now() + self.offset

    def stop(self) -> None:
        """Let nothing more be sent, but for what cleans up."""
        self._limited.until = self.clock.now()

    def knock(self, address: str) -> Response:
        """Ask at an address without signing, only to see who answers, and what time it is there."""
        request = Request("GET", address, {"Host": urlsplit(address).netloc})
        return self._limited.send(request, Timeouts())

    def storage(
        self,
        method: str,
        bucket: str,
        key: str = "",
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        cleaning: bool = False,
    ) -> Response:
        """Send a request to object storage; one that is `cleaning` has some time of its own."""
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
            now=self._now(),
            payload_sha256=hashlib.sha256(body).hexdigest(),
        )
        # No DNS knows <bucket>.127.0.0.1: connect to the address, the Host header names the bucket.
        connect_to = parts.netloc if is_loopback_or_address(self.tos_endpoint) else host
        url = f"{parts.scheme}://{connect_to}{object_path(key)}"
        if query:
            url = f"{url}?{canonical_query(query)}"
        until = self._limited.until + (CLEANING_SECONDS if cleaning else 0.0)
        limited = replace(self._limited, until=until)
        return limited.send(Request(method, url, signed, body), Timeouts())

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
            now=self._now(),
        )
        url = f"{self.imagex_endpoint}/?{canonical_query(query)}"
        return self._limited.send(Request("GET", url, headers), Timeouts())

    def functions_imagex(self) -> Imagex:
        """Return veImageX as the functions use it, within the same time."""
        return Imagex(
            endpoint=self.imagex_endpoint,
            region=self._settings.region,
            service_id=self._settings.service_id,
            credentials=self._credentials,
            transport=self._limited,
            clock=self.clock,
        )

    def _now(self) -> float:
        far = abs(self.offset) > WRONG_CLOCK_SECONDS
        return self.clock.now() + (self.offset if far else 0.0)
