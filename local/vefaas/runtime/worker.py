"""Serve one function in a worker process: import its index.py, and call its handler over HTTP.

Run as `python -P -B worker.py <file descriptor of a listening socket>` in the function's folder.
Standard library only: the function would find any other import too, and hide that it is missing
from the function's own folder or requirements.

A GET is answered as soon as index.py is imported; a POST of an event calls the handler.
"""

import importlib
import io
import json
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Handler = Callable[[Any, "Context"], Any]


class Context:
    """The handler's second argument; the platform documents `request_id` only."""

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id


class InvalidReturnError(Exception):
    """The handler returned a value that the platform cannot pass on."""


def end_with_parent() -> None:
    """End this process and its children once the parent's end of stdin is closed."""
    pipe = os.dup(0)
    # The handler's children must not read from that pipe.
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)

    def watch() -> None:
        while os.read(pipe, 1024):
            pass
        # The parent made this process the leader of a group of its own.
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def keep_lines_whole() -> None:
    """Write each printed line at once, with its end.

    Unbuffered, as the platform sets it, `print` writes the two apart, and text on stderr in between
    would land in the same line of the log.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True, write_through=False)


def load() -> Handler:
    """Import index.py from the working directory and return its handler."""
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - the path as text is what is wanted
    handler = getattr(importlib.import_module("index"), "handler", None)
    if not callable(handler):
        raise TypeError("index.py defines no function `handler(event, context)`.")
    found: Handler = handler
    return found


def checked(returned: Any) -> dict[str, Any]:
    """Return status, headers and body of a returned value. Raises InvalidReturnError."""
    if returned is None:
        returned = {}
    if not isinstance(returned, dict):
        raise InvalidReturnError(
            f"The handler returned {type(returned).__name__}; "
            "return None or a dict with statusCode, headers and body."
        )
    status = returned.get("statusCode", 200)
    headers = returned.get("headers") or {}
    body = returned.get("body")
    if isinstance(status, bool) or not isinstance(status, int):
        raise InvalidReturnError(f"statusCode is {status!r}; it must be a number such as 200.")
    if not isinstance(headers, dict):
        raise InvalidReturnError("headers must be a dict of names and values.")
    if body is not None and not isinstance(body, str):
        raise InvalidReturnError(f"body is {type(body).__name__}; it must be a string.")
    return {
        "status": status,
        "headers": {str(name): str(value) for name, value in headers.items()},
        "body": body or "",
    }


def answer(handler: Handler, event: Any, request_id: str) -> dict[str, Any]:
    """Call the handler; return its result, or its error whose traceback is printed."""
    try:
        return checked(handler(event, Context(request_id)))
    except BaseException as error:  # noqa: BLE001 - even a SystemExit ends the request, not the instance
        # One write: lines of two tracebacks that are printed at once must not mix.
        sys.stderr.write(traceback.format_exc())
        return {"error": {"type": type(error).__name__, "message": str(error)}}


def serve(listener: socket.socket, handler: Handler) -> None:
    """Answer requests, each in a thread of its own, until the process ends."""

    class Requests(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send({})

        def do_POST(self) -> None:
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            document = answer(handler, event, self.headers.get("X-Faas-Request-Id", ""))
            # After everything that the handler printed: its reader has read all of that.
            sys.stdout.flush()
            sys.stderr.flush()
            os.write(1, f"\x1f{self.headers.get('X-Faas-Log-Mark', '')}\n".encode())
            self._send(document)

        def _send(self, document: dict[str, Any]) -> None:
            body = json.dumps(document).encode()
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Keep the server's own lines out of the function's log."""

    server = ThreadingHTTPServer(listener.getsockname(), Requests, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.daemon_threads = True
    server.serve_forever()


def main() -> None:
    """Serve, or print why index.py cannot be loaded and exit with 1."""
    descriptor = int(sys.argv[1])
    # The handler's children must not keep the address open after this process.
    os.set_inheritable(descriptor, False)
    end_with_parent()
    keep_lines_whole()
    try:
        handler = load()
    except BaseException:  # noqa: BLE001 - a sys.exit() in index.py must be reported too
        sys.stderr.write(traceback.format_exc())
        sys.stderr.flush()
        sys.stdout.flush()
        os._exit(1)  # without waiting for threads that index.py may have started
    serve(socket.socket(fileno=descriptor), handler)


if __name__ == "__main__":
    main()
