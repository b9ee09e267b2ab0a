"""Check that the services answer at their endpoints, and that their clocks agree with this one."""

import socket
import ssl
import threading
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

from ops.checks.check import Finding, not_checked, ok, warning, wrong
from ops.checks.client import MAX_CLOCK_SECONDS, CheckClient
from shared.clients.http import Response, time_of
from shared.errors import NoAnswer, NotExecuted
from shared.json_utils import as_object
from shared.redaction import redact_text

_DOUBTFUL_CLOCK_SECONDS = 2.0
# A `Date` is cut to the second: on average the time was half a second later.
_CUT_SECONDS = 0.5


class _Endpoint(NamedTuple):
    """A service's address, the variable that sets it, and how to recognise the service."""

    address: str
    variable: str
    service: str
    is_it: Callable[[Response], bool]


class _Sample(NamedTuple):
    service: str
    offset: float
    round_trip: float


class Endpoints:
    """Asks the services without a signature, and compares their clocks."""

    def __init__(self, client: CheckClient) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._samples: list[_Sample] = []

    def storage(self) -> Finding:
        """Ask at TOS_ENDPOINT.

        An internal endpoint cannot be reached from outside of its region, which is right for the
        functions: the later checks use the public one then.
        """
        address, public = self._client.tos_endpoint, self._client.tos_public_endpoint
        endpoint = _Endpoint(address, "TOS_ENDPOINT", "object storage", _is_object_storage)
        host = urlsplit(address).hostname or ""
        try:
            return self._ask(endpoint)
        except NoAnswer as error:
            is_internal = host.endswith("ivolces.com") and public != address
            if not (is_internal and _is_unreachable(error)):
                return _explain(error, endpoint)
            self._client.tos_endpoint = public
            return warning(
                f"{host} is the region's internal address and cannot be reached from here. The "
                f"later checks use {urlsplit(public).netloc}.",
                "Nothing, if the functions run in that region's network; else take TOS_ENDPOINT "
                "out of the settings.",
            )

    def public_storage(self) -> Finding:
        """Ask at TOS_PUBLIC_ENDPOINT, from which veImageX reads the sources."""
        address, service = self._client.tos_public_endpoint, "public object storage"
        return self._reach(_Endpoint(address, "TOS_PUBLIC_ENDPOINT", service, _is_object_storage))

    def imagex(self) -> Finding:
        """Ask at VEIMAGEX_ENDPOINT."""
        address = self._client.imagex_endpoint
        return self._reach(_Endpoint(address, "VEIMAGEX_ENDPOINT", "veImageX", _is_gateway))

    def clock(self) -> Finding:
        """Compare this machine's clock with the services', and set the client's offset."""
        with self._lock:
            samples = list(self._samples)
        if not samples:
            return not_checked("No service answered with its time.")
        # The fastest answer is the most exact one.
        self._client.offset = min(samples, key=lambda sample: sample.round_trip).offset
        worst = max(samples, key=lambda sample: abs(sample.offset))
        off = abs(worst.offset)
        if off <= _DOUBTFUL_CLOCK_SECONDS:
            services = " and ".join(sorted(sample.service for sample in samples))
            return ok(f"Within a second or two of {services}.")
        direction = "behind" if worst.offset > 0 else "ahead of"
        found = f"This clock is {off:.0f} s {direction} that of {worst.service}."
        fix = "Let the machine set its clock from the network (timedatectl set-ntp true)."
        if off <= MAX_CLOCK_SECONDS:
            return warning(f"{found} Instances compare the ends of leases by their clocks.", fix)
        return wrong(
            f"{found} Leases end at the wrong moment, and from 15 minutes on every signature is "
            "refused.",
            fix,
        )

    def _reach(self, endpoint: _Endpoint) -> Finding:
        try:
            return self._ask(endpoint)
        except NoAnswer as error:
            return _explain(error, endpoint)

    def _ask(self, endpoint: _Endpoint) -> Finding:
        host = urlsplit(endpoint.address).netloc
        before = self._client.clock.now()
        answer = self._client.get(f"{endpoint.address}/")
        after = self._client.clock.now()
        theirs = time_of(answer)
        if theirs is not None:
            offset = theirs + _CUT_SECONDS - (before + after) / 2
            with self._lock:
                self._samples.append(_Sample(endpoint.service, offset, after - before))
        if not endpoint.is_it(answer):
            return warning(
                f"Something answers at {host} (HTTP {answer.status}), but not as "
                f"{endpoint.service} does.",
                f"Check {endpoint.variable}, and whether a proxy stands in between.",
            )
        return ok(f"{host} answers within {1000 * (after - before):.0f} ms.")


def _is_object_storage(answer: Response) -> bool:
    return "x-tos-request-id" in answer.headers


def _is_gateway(answer: Response) -> bool:
    return "ResponseMetadata" in (as_object(answer.body) or {})


def _is_unreachable(error: NoAnswer) -> bool:
    """Return whether no connection was made; if only TLS failed, one was."""
    cause = error.__cause__
    return (
        isinstance(error, NotExecuted)
        and isinstance(cause, OSError)
        and not isinstance(cause, ssl.SSLError)
    )


def _explain(error: NoAnswer, endpoint: _Endpoint) -> Finding:
    """Distinguish an unknown name, a closed port, a bad certificate and silence."""
    cause, variable, host = error.__cause__, endpoint.variable, urlsplit(endpoint.address).netloc
    if isinstance(cause, socket.gaierror):
        return wrong(
            f"The name {host} is not known to DNS.",
            f"Check the spelling of {variable} and of the region, and this machine's DNS.",
        )
    if isinstance(cause, ConnectionRefusedError):
        return wrong(
            f"Nothing listens at {host}: the connection was refused.",
            f"Check the host and the port in {variable}.",
        )
    if _is_unreachable(error):
        return wrong(
            f"No connection to {host} within 3 seconds.",
            "Check for a firewall or a missing route; in a private network, for its way out.",
        )
    if isinstance(cause, ssl.SSLError):
        reason = redact_text(str(cause)).rstrip(".")
        if isinstance(cause, ssl.SSLCertVerificationError):
            reason = f"its certificate is not accepted ({cause.verify_message})"
        return wrong(
            f"No encrypted connection to {host}: {reason}.",
            f"Check that {variable} names the service itself, that no proxy opens the connection, "
            "and the machine's clock and certificates.",
        )
    if isinstance(cause, TimeoutError):
        return wrong(
            f"{host} accepts the connection and does not answer within 10 seconds.",
            f"Check the scheme and the port in {variable}; run the doctor again.",
        )
    return wrong(
        redact_text(str(error)),
        f"Check {variable}, above all its scheme; run the doctor again.",
    )
