"""Whether the two services answer from here, and whether their clocks agree with this one."""

import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from ops.checks.checks import Told, not_checked, ok, warning, wrong
from ops.checks.wire import WRONG_CLOCK_SECONDS, Wire
from shared.clients.http import Response, time_of
from shared.errors import NoAnswer, NotExecuted
from shared.json_utils import as_object
from shared.redaction import redact_text

_DOUBTFUL_CLOCK_SECONDS = 2.0
# A `Date` is cut to the second: on average the time was half a second later.
_CUT_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class _Sample:
    who: str
    offset: float
    round_trip: float


class Reach:
    """Knocks at the services' doors, without a signature, and compares the clocks."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._lock = threading.Lock()
        self._samples: list[_Sample] = []

    def storage(self) -> Told:
        """Knock where object storage is called.

        From outside of a region its internal endpoint is out of reach, which is as it should be:
        what follows is asked at the public one then.
        """
        endpoint, public = self._wire.tos_endpoint, self._wire.tos_public_endpoint
        host = urlsplit(endpoint).hostname or ""
        try:
            return self._knock(endpoint, "TOS_ENDPOINT", "object storage", _is_object_storage)
        except NoAnswer as error:
            if not (
                _is_out_of_reach(error) and host.endswith("ivolces.com") and public != endpoint
            ):
                return _explained(error, urlsplit(endpoint).netloc, "TOS_ENDPOINT")
            self._wire.tos_endpoint = public
            return warning(
                f"{host} is the region's internal address and out of reach from here. What follows "
                f"is asked at {urlsplit(public).netloc}.",
                "Nothing, where the functions run in that region's network; else take "
                "TOS_ENDPOINT out of the settings.",
            )

    def public_storage(self) -> Told:
        """Knock where veImageX reads the sources from."""
        return self._reached(
            self._wire.tos_public_endpoint,
            "TOS_PUBLIC_ENDPOINT",
            "public object storage",
            _is_object_storage,
        )

    def imagex(self) -> Told:
        """Knock at veImageX."""
        return self._reached(
            self._wire.imagex_endpoint, "VEIMAGEX_ENDPOINT", "veImageX", _is_gateway
        )

    def clock(self) -> Told:
        """Compare this machine's clock with what the answers said, and tell the wire."""
        with self._lock:
            samples = list(self._samples)
        if not samples:
            return not_checked("No service told its time.")
        # The fastest answer tells the most exactly.
        best = min(samples, key=lambda sample: sample.round_trip)
        self._wire.offset = best.offset
        worst = max(samples, key=lambda sample: abs(sample.offset))
        off = abs(worst.offset)
        direction = "behind" if worst.offset > 0 else "ahead of"
        found = f"This clock is {off:.0f} s {direction} that of {worst.who}."
        if off <= _DOUBTFUL_CLOCK_SECONDS:
            return ok(f"Within a second or two of {' and '.join(sorted(s.who for s in samples))}.")
        mend = "Let the machine set its clock from the network (timedatectl set-ntp true)."
        if off <= WRONG_CLOCK_SECONDS:
            return warning(
                f"{found} Instances compare the ends of leases by their clocks.",
                mend,
            )
        return wrong(
            f"{found} Leases end at the wrong moment, and from 15 minutes on every signature is "
            "refused.",
            mend,
        )

    def _reached(
        self, endpoint: str, variable: str, who: str, is_it: Callable[[Response], bool]
    ) -> Told:
        try:
            return self._knock(endpoint, variable, who, is_it)
        except NoAnswer as error:
            return _explained(error, urlsplit(endpoint).netloc, variable)

    def _knock(
        self, endpoint: str, variable: str, who: str, is_it: Callable[[Response], bool]
    ) -> Told:
        host = urlsplit(endpoint).netloc
        before = self._wire.clock.now()
        answer = self._wire.knock(f"{endpoint}/")
        after = self._wire.clock.now()
        theirs = time_of(answer)
        if theirs is not None:
            offset = theirs + _CUT_SECONDS - (before + after) / 2
            with self._lock:
                self._samples.append(_Sample(who, offset, after - before))
        if not is_it(answer):
            return warning(
                f"Something answers at {host} (HTTP {answer.status}), and not as {who} does.",
                f"Check {variable}, and whether a proxy stands in between.",
            )
        return ok(f"{host} answers within {1000 * (after - before):.0f} ms.")


def _is_object_storage(answer: Response) -> bool:
    return "x-tos-request-id" in answer.headers


def _is_gateway(answer: Response) -> bool:
    return "ResponseMetadata" in (as_object(answer.body) or {})


def _is_out_of_reach(error: NoAnswer) -> bool:
    """Tell whether no connection was made: one on which only TLS failed was."""
    cause = error.__cause__
    return (
        isinstance(error, NotExecuted)
        and isinstance(cause, OSError)
        and not isinstance(cause, ssl.SSLError)
    )


def _explained(error: NoAnswer, host: str, variable: str) -> Told:
    """Tell a name that is not known, a closed door, a bad certificate and silence apart."""
    cause = error.__cause__
    if isinstance(cause, socket.gaierror):
        return wrong(
            f"The name {host} is not known to DNS.",
            f"Check the spelling of {variable} and of the region, and this machine's DNS.",
        )
    if isinstance(cause, ConnectionRefusedError):
        return wrong(
            f"Nobody listens at {host}: the connection was refused.",
            f"Check the host and the port in {variable}.",
        )
    if _is_out_of_reach(error):
        return wrong(
            f"No connection to {host} within 3 seconds.",
            "Look for a firewall or a missing route; in a private network, for its way out.",
        )
    if isinstance(cause, ssl.SSLError):
        return wrong(
            f"No encrypted connection to {host}: {_reason(cause)}.",
            f"Check that {variable} names the service itself, that no proxy opens the connection, "
            "and the machine's clock and certificates.",
        )
    if isinstance(cause, TimeoutError):
        return wrong(
            f"{host} takes the connection and does not answer within 10 seconds.",
            f"Check the scheme and the port in {variable}; run the doctor again.",
        )
    return wrong(
        redact_text(str(error)),
        f"Check {variable}, the scheme above all; run the doctor again.",
    )


def _reason(cause: ssl.SSLError) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted ({cause.verify_message})"
    return redact_text(str(cause)).rstrip(".")
