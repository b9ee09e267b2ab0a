"""Threads that are waited for at the end."""

import threading
from collections.abc import Callable


class Threads:
    """Threads that each do one piece of work; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[threading.Thread] = set()

    def start(self, work: Callable[..., object], *arguments: object) -> None:
        """Do `work(*arguments)` in a new thread."""

        def run() -> None:
            try:
                work(*arguments)
            finally:
                with self._lock:
                    self._running.discard(thread)

        thread = threading.Thread(target=run, name="faas-request")
        with self._lock:
            self._running.add(thread)
            thread.start()

    def join(self) -> None:
        """Wait for every thread; none may be started any more."""
        with self._lock:
            running = list(self._running)
        for thread in running:
            thread.join()
