"""A failed request says whether it may have been executed, shown on real sockets."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from shared.errors import MaybeExecuted, NotExecuted
from shared.transport import PooledTransport, Request, Timeouts

QUICK = Timeouts(connect=1.0, read=0.2)


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


@pytest.fixture
def transport() -> Iterator[PooledTransport]:
    transport = PooledTransport()
    yield transport
    transport.close()


def request(url: str) -> Request:
    return Request("POST", url, {"Host": "photos.localhost"}, b"{}")


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
