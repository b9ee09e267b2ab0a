"""Send one HTTP request, and say of a failed one whether it may have been executed.

Nothing is sent twice here, no redirect is followed: whoever sends a request that costs money
decides for himself whether it goes out again.
"""

import ipaddress
import ssl
import threading
import weakref
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cached_property
from http.client import HTTPConnection, HTTPException, HTTPSConnection, InvalidURL
from selectors import EVENT_READ, DefaultSelector
from typing import Any, NamedTuple, Protocol
from urllib.parse import SplitResult, urlsplit

from shared.errors import MaybeExecuted, NotExecuted


@dataclass(frozen=True, slots=True)
class Request:
    """A request, ready to be sent. Its headers hold a signature: never log them."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)


class Response(NamedTuple):
    """An answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Timeouts(NamedTuple):
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
    """Sends over connections that stay open for the next request; safe to use from several threads.

    The standard library's own: importing another HTTP client takes an eighth of a cold start. And
    a path goes out as it was signed, where others tidy it first.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: defaultdict[tuple[str, str], list[HTTPConnection]] = defaultdict(list)
        # One that nobody closed closes with its last user.
        weakref.finalize(self, _close, self._idle)

    def send(self, request: Request, timeouts: Timeouts) -> Response:
        """Send `request` once; see `Transport`."""
        url = urlsplit(request.url)
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        connection = self._taken(url) or self._connected(url, timeouts.connect)
        try:
            connection.sock.settimeout(timeouts.read)
            connection.request(request.method, target, request.body or None, dict(request.headers))
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, HTTPException) as error:
            connection.close()
            raise MaybeExecuted(f"No whole answer from {_place(url)}: {_why(error)}") from error
        except BaseException:
            connection.close()
            raise
        if connection.sock is not None:  # else the other end has closed it, as it may
            with self._lock:
                self._idle[url.scheme, url.netloc].append(connection)
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Response(answer.status, headers, body)

    def close(self) -> None:
        """Close every connection that is not in use."""
        with self._lock:
            _close(self._idle)

    def _taken(self, url: SplitResult) -> HTTPConnection | None:
        """Take the connection that was used last, if one is still open."""
        while True:
            with self._lock:
                connections = self._idle[url.scheme, url.netloc]
                if not connections:
                    return None
                connection = connections.pop()
            if _is_quiet(connection):
                return connection
            connection.close()

    def _connected(self, url: SplitResult, seconds: float) -> HTTPConnection:
        """Connect, and set up TLS where the address asks for it; nothing is sent before."""
        try:
            host, port = url.hostname or "", url.port
            connection = (
                HTTPSConnection(host, port, timeout=seconds, context=self._tls)
                if url.scheme == "https"
                else HTTPConnection(host, port, timeout=seconds)
            )
            connection.connect()
        except (OSError, ValueError, InvalidURL) as error:  # the last two: no host is called that
            raise NotExecuted(f"No connection to {_place(url)}: {_why(error)}") from error
        return connection

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        # Once for all connections: reading the system's certificates takes 20 ms.
        return ssl.create_default_context()


def is_loopback_or_address(endpoint: str) -> bool:
    """Return whether an endpoint's host is `localhost` or an IP address, as in the local cloud."""
    host = urlsplit(endpoint).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return True


def _close(idle: Mapping[Any, list[HTTPConnection]]) -> None:
    for connections in idle.values():
        while connections:
            connections.pop().close()


def _is_quiet(connection: HTTPConnection) -> bool:
    """Tell whether nothing has come in on a connection that nobody uses: that would be its end."""
    with DefaultSelector() as selector:
        selector.register(connection.sock, EVENT_READ)
        return not selector.select(0)


def _place(url: SplitResult) -> str:
    """Name where a request went, without its query: that may hold a signature."""
    return f"{url.scheme}://{url.netloc}{url.path}"


def _why(error: Exception) -> str:
    # A few have no text, and one repeats the whole address.
    return type(error).__name__ if isinstance(error, InvalidURL) or not str(error) else str(error)
