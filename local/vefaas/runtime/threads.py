"""Threads that are joined at the end."""

import threading
from collections.abc import Callable


class Threads:
    """Threads that each run one call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: list[threading.Thread] = []

    def start(self, call: Callable[..., object], *arguments: object) -> None:
        """Run `call(*arguments)` in a new thread."""
        thread = threading.Thread(target=call, args=arguments, name="faas-request")
        with self._lock:
            self._running = [each for each in self._running if each.is_alive()]
            self._running.append(thread)
            thread.start()

    def join(self) -> None:
        """Wait for every thread; none may be started any more."""
        with self._lock:
            running = list(self._running)
        for thread in running:
            thread.join()
