"""A failed request says whether it may have been executed, shown on real sockets."""

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


def look(url: str) -> Request:
    return Request("GET", url, {})


def test_an_answer_comes_back_with_lower_case_headers(transport: PooledTransport) -> None:
    reply = b"HTTP/1.1 503 Busy\r\nX-Tos-Request-Id: r\r\nContent-Length: 2\r\n\r\nno"
    with server(lambda c: c.sendall(reply)) as url:
        answer = transport.send(request(url), QUICK)

    assert (503, "r", b"no") == (answer.status, answer.headers["x-tos-request-id"], answer.body)


def test_the_host_header_is_the_one_that_was_given(transport: PooledTransport) -> None:
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


def test_a_refused_connection_was_not_executed(transport: PooledTransport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(NotExecuted, match="No connection to http"):
        transport.send(request(f"http://127.0.0.1:{port}/"), QUICK)


def test_an_unknown_host_was_not_executed(transport: PooledTransport) -> None:
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
def test_a_cut_answer_may_have_been_executed(transport: PooledTransport, reply: bytes) -> None:
    with server(lambda c: c.sendall(reply)) as url, pytest.raises(MaybeExecuted) as caught:
        transport.send(request(url), QUICK)

    assert "hush" not in str(caught.value)


def test_a_reset_may_have_been_executed(transport: PooledTransport) -> None:
    def reset(connection: socket.socket) -> None:
        linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    with server(reset) as url, pytest.raises(MaybeExecuted):
        transport.send(request(url), QUICK)


def test_a_timeout_while_waiting_for_the_answer_may_have_been_executed(
    transport: PooledTransport,
) -> None:
    answered = threading.Event()
    with server(lambda _c: (answered.wait(), None)[1]) as url:
        with pytest.raises(MaybeExecuted):
            transport.send(request(url), QUICK)
        answered.set()


def test_a_redirect_is_not_followed(transport: PooledTransport) -> None:
    reply = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    with server(lambda c: c.sendall(reply)) as url:
        assert transport.send(request(url), QUICK).status == 302


def test_a_connection_serves_one_request_after_another(transport: PooledTransport) -> None:
    with Lasting(per_connection=2) as served:
        for _ in range(2):
            transport.send(look(f"http://127.0.0.1:{served.port}/"), QUICK)

    assert (1, 2) == (served.connections, len(served.requests))


def test_a_connection_that_the_other_end_has_closed_is_not_used_again(
    transport: PooledTransport,
) -> None:
    with Lasting(per_connection=1) as served:
        for _ in range(2):
            served.hung_up.clear()
            transport.send(look(f"http://127.0.0.1:{served.port}/"), QUICK)
            served.hung_up.wait()

    assert (2, 2) == (served.connections, len(served.requests))


def test_a_connection_on_which_an_answer_failed_is_not_used_again(
    transport: PooledTransport,
) -> None:
    with Lasting(per_connection=0) as served:
        for _ in range(2):
            with pytest.raises(MaybeExecuted):
                transport.send(look(f"http://127.0.0.1:{served.port}/"), QUICK)

    assert served.connections == 2


def test_a_path_goes_out_as_it_was_signed(transport: PooledTransport) -> None:
    with Lasting(per_connection=1) as served:
        transport.send(look(f"http://127.0.0.1:{served.port}/a/../b%2f//c?x=%7E"), QUICK)

    assert served.requests[0].startswith(b"GET /a/../b%2f//c?x=%7E HTTP/1.1\r\n")


def test_an_address_that_cannot_be_one_is_not_repeated_by_the_error(
    transport: PooledTransport,
) -> None:
    for host in ("a..b", "x" * 64, "127.0.0.1:no"):
        with pytest.raises(NotExecuted) as caught:
            transport.send(look(f"http://{host}/?X-Tos-Signature=hush"), QUICK)
        assert "hush" not in str(caught.value)

    with Lasting(per_connection=1) as served, pytest.raises(MaybeExecuted) as caught_later:
        transport.send(look(f"http://127.0.0.1:{served.port}/ ?X-Tos-Signature=hush"), QUICK)

    assert "hush" not in str(caught_later.value)


def test_https_works_where_the_certificate_is_the_systems(
    transport: PooledTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, tls = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    with Lasting(per_connection=2, tls=tls) as served:
        answers = [
            transport.send(look(f"https://127.0.0.1:{served.port}/"), QUICK) for _ in range(2)
        ]

    assert [200, 200] == [answer.status for answer in answers]
    assert served.connections == 1


def test_nothing_is_sent_to_who_has_a_strangers_certificate(transport: PooledTransport) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    with Lasting(per_connection=1, tls=tls) as served, pytest.raises(NotExecuted):
        transport.send(look(f"https://127.0.0.1:{served.port}/"), QUICK)

    assert served.requests == []


def test_who_forgets_to_close_leaves_nothing_open() -> None:
    transport = PooledTransport()
    with Lasting(per_connection=2) as served:
        transport.send(look(f"http://127.0.0.1:{served.port}/"), QUICK)
        # An open socket that is forgotten is a warning, and that is an error here.
        del transport
        assert served.hung_up.wait(5)
