"""A failed request states whether it may have been executed, on real sockets."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest
import trustme

from shared.clients.http import PooledTransport, Request, Timeouts
from shared.errors import MaybeExecuted, NotExecuted

QUICK = Timeouts(connect=1.0, read=0.2)
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@contextmanager
def server(react: Callable[[socket.socket], None]) -> Iterator[str]:
    """Listen, and let `react` deal with the first connection once a request has come in."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                react(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/path?X-Tos-Signature=hush"
        thread.join()


@dataclass
class Lasting:
    """A server that answers so many requests on each connection, then hangs up on it."""

    per_connection: int
    tls: ssl.SSLContext | None = None
    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    hung_up: threading.Event = field(default_factory=threading.Event)

    def serve(self, listening: socket.socket) -> None:
        with suppress(OSError):  # the end of the test takes away what it listens on
            while True:
                plain, _ = listening.accept()
                self.connections += 1
                with suppress(OSError), self._secured(plain) as peer:
                    for _ in range(self.per_connection):
                        self.requests.append(peer.recv(65536))
                        peer.sendall(EMPTY)
                self.hung_up.set()

    def _secured(self, plain: socket.socket) -> socket.socket:
        return self.tls.wrap_socket(plain, server_side=True) if self.tls else plain

    def __enter__(self) -> Self:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self.serve, args=(self._listening,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()


@pytest.fixture
def transport() -> Iterator[PooledTransport]:
    transport = PooledTransport()
    yield transport
    transport.close()


def request(url: str) -> Request:
    return Request("POST", url, {"Host": "photos.localhost"}, b"{}")


def get(url: str) -> Request:
    return Request("GET", url, {})


def test_lower_case_headers(transport: PooledTransport) -> None:
    """An answer's header names are lower case."""
    reply = b"HTTP/1.1 503 Busy\r\nX-Tos-Request-Id: r\r\nContent-Length: 2\r\n\r\nno"
    with server(lambda c: c.sendall(reply)) as url:
        answer = transport.send(request(url), QUICK)

    assert (503, "r", b"no") == (answer.status, answer.headers["x-tos-request-id"], answer.body)


def test_host_header(transport: PooledTransport) -> None:
    """The given Host header is sent."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                seen.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        transport.send(request(f"http://127.0.0.1:{listening.getsockname()[1]}/"), QUICK)
        thread.join()

    assert b"\r\nHost: photos.localhost\r\n" in seen[0]


def test_refused_connection(transport: PooledTransport) -> None:
    """A refused connection was not executed."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(NotExecuted, match="No connection to http"):
        transport.send(request(f"http://127.0.0.1:{port}/"), QUICK)


def test_unknown_host(transport: PooledTransport) -> None:
    """A request to an unknown host was not executed."""
    with pytest.raises(NotExecuted):
        transport.send(request("http://nowhere.invalid/"), QUICK)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(b"", id="closed without a byte"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab", id="body cut off"),
        pytest.param(b"\x00\x01\x02garbage\r\n\r\n", id="garbage"),
    ],
)
def test_cut_answer(transport: PooledTransport, reply: bytes) -> None:
    """A request with a truncated answer may have been executed."""
    with server(lambda c: c.sendall(reply)) as url, pytest.raises(MaybeExecuted) as caught:
        transport.send(request(url), QUICK)

    assert "hush" not in str(caught.value)


def test_reset(transport: PooledTransport) -> None:
    """A request whose connection was reset may have been executed."""

    def reset(connection: socket.socket) -> None:
        linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    with server(reset) as url, pytest.raises(MaybeExecuted):
        transport.send(request(url), QUICK)


def test_read_timeout(
    transport: PooledTransport,
) -> None:
    """A request whose answer timed out may have been executed."""
    answered = threading.Event()
    with server(lambda _c: (answered.wait(), None)[1]) as url:
        with pytest.raises(MaybeExecuted):
            transport.send(request(url), QUICK)
        answered.set()


def test_redirect(transport: PooledTransport) -> None:
    """A redirect is not followed."""
    reply = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    with server(lambda c: c.sendall(reply)) as url:
        assert transport.send(request(url), QUICK).status == 302


def test_reused_connection(transport: PooledTransport) -> None:
    """A connection serves one request after another."""
    with Lasting(per_connection=2) as served:
        for _ in range(2):
            transport.send(get(f"http://127.0.0.1:{served.port}/"), QUICK)

    assert (1, 2) == (served.connections, len(served.requests))


def test_closed_connection(
    transport: PooledTransport,
) -> None:
    """A connection that the other end closed is not used again."""
    with Lasting(per_connection=1) as served:
        for _ in range(2):
            served.hung_up.clear()
            transport.send(get(f"http://127.0.0.1:{served.port}/"), QUICK)
            served.hung_up.wait()

    assert (2, 2) == (served.connections, len(served.requests))


def test_failed_connection(
    transport: PooledTransport,
) -> None:
    """A connection with a failed answer is not used again."""
    with Lasting(per_connection=0) as served:
        for _ in range(2):
            with pytest.raises(MaybeExecuted):
                transport.send(get(f"http://127.0.0.1:{served.port}/"), QUICK)

    assert served.connections == 2


def test_signed_path(transport: PooledTransport) -> None:
    """A path is sent as it was signed."""
    with Lasting(per_connection=1) as served:
        transport.send(get(f"http://127.0.0.1:{served.port}/a/../b%2f//c?x=%7E"), QUICK)

    assert served.requests[0].startswith(b"GET /a/../b%2f//c?x=%7E HTTP/1.1\r\n")


def test_invalid_url(
    transport: PooledTransport,
) -> None:
    """An error does not repeat an invalid URL."""
    for host in ("a..b", "x" * 64, "127.0.0.1:no"):
        with pytest.raises(NotExecuted) as caught:
            transport.send(get(f"http://{host}/?X-Tos-Signature=hush"), QUICK)
        assert "hush" not in str(caught.value)

    with pytest.raises(NotExecuted) as caught_later:
        transport.send(get("http://127.0.0.1:1/ ?X-Tos-Signature=hush"), QUICK)

    assert "hush" not in str(caught_later.value)


def test_https(transport: PooledTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTPS works with the system's certificates."""
    authority, tls = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    with Lasting(per_connection=2, tls=tls) as served:
        answers = [
            transport.send(get(f"https://127.0.0.1:{served.port}/"), QUICK) for _ in range(2)
        ]

    assert [200, 200] == [answer.status for answer in answers]
    assert served.connections == 1


def test_unknown_certificate(transport: PooledTransport) -> None:
    """Nothing is sent to a server with an unknown certificate."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    with Lasting(per_connection=1, tls=tls) as served, pytest.raises(NotExecuted):
        transport.send(get(f"https://127.0.0.1:{served.port}/"), QUICK)

    assert served.requests == []


def test_forgotten_close() -> None:
    """Without a call of close, no connection stays open."""
    transport = PooledTransport()
    with Lasting(per_connection=2) as served:
        transport.send(get(f"http://127.0.0.1:{served.port}/"), QUICK)
        # An open socket that is forgotten is a warning, and that is an error here.
        del transport
        assert served.hung_up.wait(5)


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "name",
    [
        "x-tos-meta-作者",
        "x-tos-meta-shot by",
        "x-tos-meta-größe",
        "x-tos-meta-a(b)",
        "x-tos-meta-\x01",
    ],
)
def test_odd_header_name(transport: PooledTransport, name: str) -> None:
    """A header name that is not ASCII, or has a blank, hides none of the headers after it."""
    reply = HEAD + f"{name}: me\r\nx-tos-meta-prompt: 猫\r\nContent-Length: 0\r\n\r\n".encode()
    with server(lambda c: c.sendall(reply)) as url:
        answer = transport.send(request(url), QUICK)

    assert "猫" == answer.headers["x-tos-meta-prompt"].encode("latin-1").decode()


def test_many_headers(transport: PooledTransport) -> None:
    """Also the last of several hundred headers is read."""
    lines = b"".join(b"x-tos-meta-%d: v\r\n" % n for n in range(500))
    reply = HEAD + lines + b"x-tos-meta-prompt: a cat\r\nContent-Length: 0\r\n\r\n"
    with server(lambda c: c.sendall(reply)) as url:
        answer = transport.send(request(url), QUICK)

    assert "a cat" == answer.headers["x-tos-meta-prompt"]


@pytest.mark.parametrize("code", [100, 102, 103, 199])
def test_interim_answer(transport: PooledTransport, code: int) -> None:
    """News before the answer, 1xx, are not the answer."""
    interim = b"HTTP/1.1 %d News\r\nLink: x\r\n\r\n" % code
    reply = interim * 2 + b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok"
    with server(lambda c: c.sendall(reply)) as url:
        answer = transport.send(request(url), QUICK)

    assert (201, b"ok") == (answer.status, answer.body)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(HEAD + b"x: " + b"y" * 2_000_000, id="endless line"),
        pytest.param(HEAD + b"x: y\r\n" * 60_000, id="endless head"),
        pytest.param(HEAD + b"no colon\r\n\r\n", id="no colon"),
        pytest.param(HEAD + b"Content-Length: 9223372036854775808\r\n\r\n", id="huge length"),
        pytest.param(HEAD + b"Content-Length: -1\r\n\r\n", id="negative length"),
        pytest.param(HEAD + b"Content-Length: +1\r\n\r\nx", id="signed length"),
        pytest.param(HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx", id="two lengths"),
        pytest.param(HEAD + b"Transfer-Encoding: gzip\r\n\r\nx", id="unknown encoding"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", id="no chunk size"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", id="cut chunk"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n", id="long chunk"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", id="no last chunk"),
        pytest.param(b"HTTP/1.1 20 OK\r\n\r\n", id="short status"),
        pytest.param(b"HTTP/2 200\r\n\r\n", id="another version"),
        pytest.param(HEAD, id="no end of the head"),
    ],
)
def test_unreadable_answer(transport: PooledTransport, reply: bytes) -> None:
    """An answer that was not read whole is an error, never a shorter answer."""

    def answers(connection: socket.socket) -> None:
        with suppress(OSError):
            connection.sendall(reply)

    with server(answers) as url, pytest.raises(MaybeExecuted):
        transport.send(request(url), QUICK)


def test_chunked_answer(transport: PooledTransport) -> None:
    """Chunks are put together; their extensions and trailers are read over."""
    reply = (
        HEAD
        + b"Transfer-Encoding: Chunked\r\n\r\n2;x=y\r\nab\r\nA\r\n0123456789\r\n0\r\nT: r\r\n\r\n"
    )
    with server(lambda c: c.sendall(reply)) as url:
        answer = transport.send(request(url), QUICK)

    assert b"ab0123456789" == answer.body


def test_drip(transport: PooledTransport) -> None:
    """An answer that comes byte by byte does not outlast the limit of the whole answer."""
    slow = Timeouts(connect=1.0, read=5.0, whole=0.3)

    def drip(connection: socket.socket) -> None:
        with suppress(OSError):
            connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n")
            while True:
                connection.sendall(b"x")
                threading.Event().wait(0.05)

    with server(drip) as url, pytest.raises(MaybeExecuted, match="took too long"):
        transport.send(request(url), slow)


def test_nothing_before_the_gate(transport: PooledTransport) -> None:
    """What is raised once the connection is open comes out, and no byte was sent."""
    received: list[bytes] = []

    class TooLateError(Exception):
        pass

    def gate() -> None:
        raise TooLateError

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(5.0)

        def serve() -> None:
            with suppress(TimeoutError):
                connection, _ = listening.accept()
                with connection:
                    received.append(connection.recv(10))

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        with pytest.raises(TooLateError):
            transport.send(Request("POST", url, {}, b"{}", before_first_byte=gate), QUICK)
        thread.join()

    assert [b""] == received


def test_slow_resolver() -> None:
    """A resolver that does not answer costs no more than the limit for connecting."""
    held = threading.Event()

    def resolve(_host: str, _port: int) -> list[tuple[int, tuple[str, int]]]:
        held.wait(30.0)
        return []

    transport = PooledTransport(resolve=resolve)
    with pytest.raises(NotExecuted, match=r"not resolved within 0\.2 seconds"):
        transport.send(request("http://slow.example.com/"), Timeouts(connect=0.2))
    held.set()


def test_addresses_share_one_limit() -> None:
    """Several addresses that do not answer have one time limit together."""
    now = [0.0]

    def resolve(_host: str, _port: int) -> list[tuple[int, tuple[str, int]]]:
        now[0] += 3.5  # the time that connecting to one of them would take
        return [(socket.AF_INET, ("127.0.0.1", 9))] * 10

    transport = PooledTransport(monotonic=lambda: now[0], resolve=resolve)
    with pytest.raises(NotExecuted, match="took too long"):
        transport.send(request("http://slow.example.com/"), Timeouts(connect=3.0))


def test_old_connections_are_not_used() -> None:
    """After a long pause, such as a freeze, every idle connection of a host is closed unused."""
    now = [0.0]
    with Lasting(5) as peer:
        transport = PooledTransport(monotonic=lambda: now[0])
        url = f"http://127.0.0.1:{peer.port}/"
        for _ in range(2):
            transport.send(get(url), QUICK)
        assert 1 == peer.connections
        now[0] += 3600.0
        transport.send(get(url), QUICK)
        transport.close()

    assert 2 == peer.connections


class BlackHole:
    """A server that answers on every connection, until the first eight fall silent."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/"
        self._accepted: list[socket.socket] = []
        self.silent = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self._accepted.append(connection)
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with suppress(OSError):
            while connection.recv(65536):
                if not (self.silent.is_set() and connection in self._accepted[:8]):
                    connection.sendall(EMPTY)

    @property
    def connections(self) -> int:
        return len(self._accepted)

    def close(self) -> None:
        self._listening.close()
        for connection in self._accepted:
            connection.close()


def test_first_failure_drops_the_pool() -> None:
    """Of many idle connections that went dead, one fails and none of the others is used."""
    peer, transport, barrier = BlackHole(), PooledTransport(), threading.Barrier(8)

    def warm() -> None:
        barrier.wait()
        transport.send(get(peer.url), Timeouts(connect=5.0, read=5.0))

    threads = [threading.Thread(target=warm) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    peer.silent.set()
    failures = 0
    for _ in range(10):
        try:
            transport.send(get(peer.url), QUICK)
        except MaybeExecuted:
            failures += 1
    transport.close()
    peer.close()

    assert failures <= 1


def test_fresh_connection() -> None:
    """A request that asks for one goes over a new connection."""
    peer, transport = BlackHole(), PooledTransport()
    transport.send(get(peer.url), QUICK)
    transport.send(Request("GET", peer.url, {}, fresh=True), QUICK)
    transport.close()
    peer.close()

    assert 2 == peer.connections


@pytest.mark.parametrize(
    "headers",
    [{"X": "a\r\nHost: evil.example"}, {"X\n": "a"}, {"X": "a\0"}, {"X": "猫"}],
)
def test_no_request_splitting(transport: PooledTransport, headers: dict[str, str]) -> None:
    """A header cannot break out of its line; nothing is sent."""
    with pytest.raises(NotExecuted, match="No request"):
        transport.send(Request("GET", "http://127.0.0.1:1/", headers), QUICK)
