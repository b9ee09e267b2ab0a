"""Send one HTTP request; an error states whether the request may have been executed.

Nothing is sent twice here, no redirect is followed: the sender of a request that costs money
decides whether it goes out again.

The answer's head is read here and not by `http.client`: that one silently drops every header after
a name that it does not accept (one that is not ASCII or has a blank), and an object's prompt would
be lost with them. A truncated answer is an error, never a shorter answer.
"""

import ipaddress
import socket
import ssl
import threading
import time
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from selectors import EVENT_READ, DefaultSelector
from typing import NamedTuple, Protocol
from urllib.parse import SplitResult, urlsplit

from typing_extensions import override

from shared.errors import MaybeExecuted, NotExecuted

_MAX_LINE_BYTES = 64 * 1024
_MAX_HEAD_BYTES = 256 * 1024
_MAX_BODY_BYTES = 256 * 1024 * 1024
# The other end closes an idle connection sooner or later; after that time it is not used.
_IDLE_SECONDS = 20.0
_CHUNK = 64 * 1024
_NO_BODY = (204, 304)


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Request:
    """A request, ready to be sent. Its headers have a signature: never log them.

    `before_first_byte` is called once the connection is open, with nothing that can wait between
    its return and the first byte; what it raises comes out of `send`, and nothing is sent. `sent`
    is called once the request is written. With `fresh` it goes over a new connection.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    before_first_byte: Callable[[], None] = field(default=_nothing, repr=False)
    sent: Callable[[], None] = field(default=_nothing, repr=False)
    fresh: bool = False


class Response(NamedTuple):
    """An answer. Header names are lower case; values are latin-1, as HTTP has them."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Timeouts(NamedTuple):
    """Limits in seconds.

    `connect` is for name resolution, connection and TLS together, `read` for each piece of the
    answer, `whole` for the whole answer.
    """

    connect: float = 3.0
    read: float = 10.0
    whole: float = 60.0


def time_of(answer: Response) -> float | None:
    """Return the time at the other end (seconds since the epoch), if the answer has it."""
    return _moment(answer.headers.get("date"))


def last_modified_of(answer: Response) -> float | None:
    """Return when the object was last changed (seconds since the epoch), if the answer has it."""
    return _moment(answer.headers.get("last-modified"))


def _moment(text: str | None) -> float | None:
    if text is None:
        return None
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - slow to import

    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None


class Transport(Protocol):
    """Sends requests."""

    def send(self, request: Request, timeouts: Timeouts) -> Response:
        """Send `request` once.

        Raises NotExecuted if nothing was sent, MaybeExecuted if something was and no whole answer
        came back.
        """
        ...


class _Connection:
    """An open connection, with the bytes of the next answer that were read ahead."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.used_at = 0.0
        self._read = bytearray()
        self._read_seconds = 0.0
        self._deadline = 0.0
        self._monotonic: Callable[[], float] = time.monotonic

    def send(self, data: bytes, timeouts: Timeouts) -> None:
        self.sock.settimeout(timeouts.read)
        self.sock.sendall(data)

    def begin_answer(self, timeouts: Timeouts, monotonic: Callable[[], float]) -> None:
        self._read_seconds, self._monotonic = timeouts.read, monotonic
        self._deadline = monotonic() + timeouts.whole

    def line(self) -> bytes:
        """Return the next line without its line end."""
        while (end := self._read.find(b"\n")) < 0:
            if len(self._read) > _MAX_LINE_BYTES:
                raise _AnswerError("a line of its head is too long")
            self._more()
        line = bytes(self._read[:end]).removesuffix(b"\r")
        del self._read[: end + 1]
        return line

    def exactly(self, size: int) -> bytes:
        while len(self._read) < size:
            self._more()
        data = bytes(self._read[:size])
        del self._read[:size]
        return data

    def rest(self) -> bytes:
        """Return everything up to the connection's end."""
        try:
            while True:
                if len(self._read) > _MAX_BODY_BYTES:
                    raise _AnswerError("it is too long")
                self._more()
        except _EndOfStreamError:
            return bytes(self._read)

    def is_quiet(self) -> bool:
        """Return whether nothing has come in on an idle connection: that would be its end."""
        if self._read:
            return False
        with DefaultSelector() as selector:
            selector.register(self.sock, EVENT_READ)
            return not selector.select(0)

    def close(self) -> None:
        self.sock.close()

    def _more(self) -> None:
        left = self._deadline - self._monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long")
        self.sock.settimeout(min(self._read_seconds, left))
        try:
            data = self.sock.recv(_CHUNK)
        except TimeoutError:
            raise TimeoutError("the answer took too long") from None
        if not data:
            raise _EndOfStreamError("the connection was closed before the answer's end")
        self._read += data


class _AnswerError(Exception):
    """An answer that is not HTTP, or that cannot be read whole."""


class _EndOfStreamError(_AnswerError):
    """The other end closed the connection."""


class PooledTransport(Transport):
    """Sends over connections that stay open for the next request.

    Written here because importing an HTTP client takes an eighth of a cold start, and because other
    clients normalise the path that was signed. Time and name resolution are passed in.
    """

    def __init__(
        self,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        resolve: Callable[[str, int], list[tuple[int, tuple[str, int]]]] | None = None,
    ) -> None:
        self._monotonic = monotonic
        self._resolve = resolve or _resolve
        self._lock = threading.Lock()
        self._idle: defaultdict[tuple[str, str], list[_Connection]] = defaultdict(list)
        # Without a call of `close`, the connections are closed with the last reference.
        weakref.finalize(self, _close, self._idle)

    @override
    def send(self, request: Request, timeouts: Timeouts) -> Response:
        url = urlsplit(request.url)
        place = (url.scheme, url.netloc)
        # Built before the connection is open: nothing may wait after `before_first_byte`.
        data = _written(request, url)
        connection = None if request.fresh else self._take_idle(place)
        connection = connection or self._connect(url, timeouts.connect)
        try:
            request.before_first_byte()
        except BaseException:
            connection.close()
            raise
        try:
            connection.send(data, timeouts)
            request.sent()
            connection.begin_answer(timeouts, self._monotonic)
            answer, reusable = _read_answer(connection, request.method)
        except (OSError, _AnswerError, ValueError) as error:
            connection.close()
            # The cause, such as a restart at the other end, broke the idle connections as well.
            self._drop_idle(place)
            raise MaybeExecuted(f"No whole answer from {_place(url)}: {_why(error)}") from error
        except BaseException:
            connection.close()
            raise
        if reusable:
            connection.used_at = self._monotonic()
            with self._lock:
                self._idle[place].append(connection)
        else:
            connection.close()
        return answer

    def close(self) -> None:
        """Close every connection that is not in use."""
        with self._lock:
            _close(self._idle)

    def _take_idle(self, place: tuple[str, str]) -> _Connection | None:
        """Take the connection that was used last, if it is young and still open.

        A process may be frozen for hours between two requests, and its connections are dropped
        meanwhile without notice: trusting them would cost a timeout, or a call of unknown outcome,
        for each.
        """
        now = self._monotonic()
        with self._lock:
            connections = self._idle[place]
            connection = connections.pop() if connections else None
        if connection is None:
            return None
        if now - connection.used_at < _IDLE_SECONDS and connection.is_quiet():
            return connection
        # It was used last: the others are older.
        connection.close()
        self._drop_idle(place)
        return None

    def _drop_idle(self, place: tuple[str, str]) -> None:
        with self._lock:
            connections = self._idle.pop(place, [])
        for connection in connections:
            connection.close()

    def _connect(self, url: SplitResult, seconds: float) -> _Connection:
        """Connect within `seconds`, name resolution and TLS included; nothing is sent before."""
        until = self._monotonic() + seconds
        try:
            host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
            sock = self._open(self._addresses(host, port, seconds), until)
            if url.scheme == "https":
                sock.settimeout(self._left(until))
                sock = self._tls.wrap_socket(sock, server_hostname=host)
        except (OSError, ValueError) as error:  # the last: the host is not valid
            raise NotExecuted(f"No connection to {_place(url)}: {_why(error)}") from error
        return _Connection(sock)

    def _addresses(self, host: str, port: int, seconds: float) -> list[tuple[int, tuple[str, int]]]:
        """Resolve a host's name, for at most `seconds`: the system's resolver has no timeout."""
        found: list[list[tuple[int, tuple[str, int]]]] = []
        failed: list[Exception] = []

        def resolve() -> None:
            try:
                found.append(self._resolve(host, port))
            except (OSError, ValueError) as error:
                failed.append(error)

        thread = threading.Thread(target=resolve, name=f"resolve {host}", daemon=True)
        thread.start()
        thread.join(seconds)
        if failed:
            raise failed[0]
        if not found:
            raise TimeoutError(f"the name {host} was not resolved within {seconds:g} seconds")
        return found[0]

    def _open(
        self, addresses: Iterable[tuple[int, tuple[str, int]]], until: float
    ) -> socket.socket:
        """Connect to the first address that accepts, before `until` (monotonic)."""
        problem: OSError = OSError("the name has no address")
        for family, address in addresses:
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.settimeout(self._left(until))
                sock.connect(address)
                # Requests are written in one piece: waiting for more data would only delay them.
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                sock.close()
                problem = error
            else:
                return sock
        raise problem

    def _left(self, until: float) -> float:
        left = until - self._monotonic()
        if left <= 0:
            raise TimeoutError("it took too long")
        return left

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


def _resolve(host: str, port: int) -> list[tuple[int, tuple[str, int]]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address[:2]) for family, _, _, _, address in found]  # type: ignore[misc]


def _written(request: Request, url: SplitResult) -> bytes:
    """Return a request's bytes. Raises NotExecuted if a part would break out of its line."""
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    given = {name.lower() for name in request.headers}
    lines = [f"{request.method} {target} HTTP/1.1"]
    if "host" not in given:
        lines.append(f"Host: {url.netloc}")
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    if "content-length" not in given and (request.body or request.method in ("POST", "PUT")):
        lines.append(f"Content-Length: {len(request.body)}")
    lines.append("Accept-Encoding: identity")
    if not target.isascii() or any(c <= " " or c == "\x7f" for c in target):
        raise NotExecuted(f"No request to {_place(url)}: its path has a blank or is not ASCII.")
    if any("\r" in line or "\n" in line or "\0" in line for line in lines):
        raise NotExecuted(f"No request to {_place(url)}: a header has a line end.")
    try:
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    except UnicodeEncodeError:
        raise NotExecuted(f"No request to {_place(url)}: a header is not latin-1.") from None
    return head + request.body


def _read_answer(connection: _Connection, method: str) -> tuple[Response, bool]:
    """Read a whole answer; return it, and whether the connection can be used again."""
    while True:
        version, status, headers = _read_head(connection)
        # 1xx come before the answer: 100 Continue, 102 Processing, 103 Early Hints.
        if status >= 200:
            break
    tokens = {t.strip().lower() for t in headers.get("connection", "").split(",")}
    keeps = "close" not in tokens and (version != b"HTTP/1.0" or "keep-alive" in tokens)
    if method == "HEAD" or status in _NO_BODY:
        return Response(status, headers, b""), keeps
    if headers.get("transfer-encoding", "").strip().lower() == "chunked":
        return Response(status, headers, _read_chunks(connection)), keeps
    if "transfer-encoding" in headers:
        raise _AnswerError("its transfer encoding is unknown")
    length = headers.get("content-length")
    if length is None:
        return Response(status, headers, connection.rest()), False
    return Response(status, headers, connection.exactly(_size(length, 10))), keeps


def _read_head(connection: _Connection) -> tuple[bytes, int, dict[str, str]]:
    version, _, rest = connection.line().partition(b" ")
    code = rest[:3]
    if not version.startswith(b"HTTP/1.") or not code.isdigit() or rest[3:4] not in (b"", b" "):
        raise _AnswerError("it does not begin like an HTTP/1.1 answer")
    headers: dict[str, str] = {}
    total = 0
    while line := connection.line():
        total += len(line)
        if total > _MAX_HEAD_BYTES:
            raise _AnswerError("its head is too long")
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise _AnswerError("a line of its head has no colon")
        key, value = name.strip().lower(), value.strip(" \t")
        if key == "content-length" and headers.get(key, value) != value:
            raise _AnswerError("it has two lengths")
        headers[key] = (
            f"{headers[key]}, {value}" if key in headers and key != "content-length" else value
        )
    return version, int(code), headers


def _read_chunks(connection: _Connection) -> bytes:
    body = bytearray()
    while size := _size(connection.line().partition(b";")[0].decode("latin-1"), 16):
        body += connection.exactly(size)
        if len(body) > _MAX_BODY_BYTES:
            raise _AnswerError("it is too long")
        if connection.line():
            raise _AnswerError("a chunk is longer than its length")
    while connection.line():  # trailers
        pass
    return bytes(body)


def _size(text: str, base: int) -> int:
    """Parse a length, which is digits only: int() accepts signs, blanks and underscores as well."""
    digits = text.strip(" \t")
    if not digits.isascii() or not digits.isalnum():
        raise _AnswerError("a length in it is not a number")
    try:
        size = int(digits, base)
    except ValueError:
        raise _AnswerError("a length in it is not a number") from None
    if size > _MAX_BODY_BYTES:
        raise _AnswerError("it is too long")
    return size


def _close(idle: Mapping[tuple[str, str], list[_Connection]]) -> None:
    for connections in idle.values():
        while connections:
            connections.pop().close()


def _place(url: SplitResult) -> str:
    """Return a request's URL without its query, which may have a signature."""
    return f"{url.scheme}://{url.netloc}{url.path}"


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__
