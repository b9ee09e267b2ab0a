"""A receiver of notices on this machine, written as anybody would write one."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from standardwebhooks import Webhook, WebhookVerificationError

from tests.inbox import SECRET, TOKENS


class Receiver:
    """Takes events whose signature is right; `refused` says why it did not take others.

    While it `hangs`, it answers nobody, and hangs up on them once that is over.
    """

    def __init__(self) -> None:
        self.events: list[BaseCloudEvent] = []
        self.refused: list[str] = []
        self._changed = threading.Condition()
        self._answers = threading.Event()
        self._answers.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def environment(self) -> dict[str, str]:
        """The settings that make a deployment tell it."""
        return {
            "REPAINT_WEBHOOK_URL": f"http://127.0.0.1:{self._server.server_port}/{TOKENS[0]}"
            f"?token={TOKENS[1]}",
            "REPAINT_WEBHOOK_SECRET": SECRET,
        }

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._answers.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def hang(self) -> None:
        self._answers.clear()

    def recover(self) -> None:
        self._answers.set()

    def wait_for(self, count: int) -> list[BaseCloudEvent]:
        """Wait until so many events have come; return all."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.events) >= count, 60), self.refused
            return self.events

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if not receiver._answers.is_set():
                    receiver._answers.wait()
                    self.close_connection = True
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                try:
                    Webhook(SECRET).verify(body, headers)
                    event = from_http_event(HTTPMessage(headers, body))
                except (WebhookVerificationError, ValueError) as error:
                    receiver.refused.append(str(error))
                    self.send_error(400)
                    return
                with receiver._changed:
                    receiver.events.append(event)
                    receiver._changed.notify_all()
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Keep the tests' output theirs."""

        return Handler
