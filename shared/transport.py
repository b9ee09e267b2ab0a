"""Send one HTTP request, and say of a failed one whether it may have been executed.

Nothing is sent twice here, no redirect is followed: whoever sends a request that costs money
decides for himself whether it goes out again.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Protocol

import urllib3

from shared.errors import MaybeExecuted, NotExecuted

# urllib3 logs whole addresses when an answer is odd, and an address can hold a signature. What it
# has to say comes as exceptions as well.
logging.getLogger("urllib3").addHandler(logging.NullHandler())
logging.getLogger("urllib3").propagate = False


@dataclass(frozen=True, slots=True)
class Request:
    """A request, ready to be sent. Its headers hold a signature: never log them."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait for a connection, and then for each piece of the answer, in seconds."""

    connect: float = 3.0
    read: float = 10.0


def time_of(answer: Response) -> float | None:
    """Return what time it is at the other end (seconds since the epoch), if it says so."""
    try:
        return parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return None


class Transport(Protocol):
    """What sends requests."""

    def send(self, request: Request, timeouts: Timeouts) -> Response:
        """Send `request` once.

        Raises NotExecuted where nothing was sent, MaybeExecuted where something was and no whole
        answer came back.
        """
        ...


class PooledTransport:
    """Sends through one pool of connections; safe to use from several threads."""

    def __init__(self, *, connections_per_host: int = 64) -> None:
        self._pool = urllib3.PoolManager(num_pools=16, maxsize=connections_per_host, retries=False)

    def send(self, request: Request, timeouts: Timeouts) -> Response:
        """Send `request` once; see `Transport`."""
        try:
            answer = self._pool.request(
                request.method,
                request.url,
                headers=dict(request.headers),
                body=request.body or None,
                timeout=urllib3.Timeout(connect=timeouts.connect, read=timeouts.read),
                redirect=False,
            )
        except (urllib3.exceptions.ConnectTimeoutError, urllib3.exceptions.LocationValueError) as e:
            # A refused connection and an unknown host are connect errors as well.
            raise NotExecuted(f"No connection to {_place(request.url)}: {e}") from e
        except urllib3.exceptions.HTTPError as e:
            # Among these an error in setting up TLS, which looks like one later on: take it for
            # the worse.
            raise MaybeExecuted(f"No whole answer from {_place(request.url)}: {e}") from e
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Response(answer.status, headers, answer.data)

    def close(self) -> None:
        """Close every connection."""
        self._pool.clear()


def _place(url: str) -> str:
    """Name where a request went, without its query: that may hold a signature."""
    return url.partition("?")[0]
