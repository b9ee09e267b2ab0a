"""Which functions are deployed."""

import threading
from collections.abc import Callable

from local.vefaas.runtime.function import Function, FunctionSpec
from local.vefaas.runtime.instance import Instance


class Registry:
    """The functions that are deployed, in the order in which they first were; thread-safe."""

    def __init__(self, start: Callable[[FunctionSpec], Instance]) -> None:
        self._start = start
        self._lock = threading.RLock()
        self._functions: dict[str, Function] = {}

    def put(self, spec: FunctionSpec) -> None:
        """Run a function, instead of the one that has its id if there is one."""
        with self._lock:
            if spec.id in self._functions:
                self._functions[spec.id].replace(spec)
            else:
                self._functions[spec.id] = Function(spec, self._start)

    def take(self, function: str) -> Function:
        """Forget a function and return it. Raises LookupError where there is none."""
        with self._lock:
            return self._functions.pop(self.find(function).spec.id)

    def find(self, function: str) -> Function:
        """Return a function, given by name or id. Raises LookupError where there is none."""
        with self._lock:
            for found in self._functions.values():
                if function in {found.spec.id, found.spec.name}:
                    return found
        raise LookupError(f"No function {function!r} is deployed.")

    def all(self) -> list[Function]:
        """Return every function."""
        with self._lock:
            return list(self._functions.values())
