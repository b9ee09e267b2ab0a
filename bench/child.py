"""Run a function's handler in this process, on events from stdin: `child.py FOLDER`.

Standard library only, and little of it: a module imported here is one less for the function.

A line of JSON on stdin has events, and how many of them to handle `at_once`. The answer, a line on
stdout, has the time that took and this process's use of CPU and memory since it began (seconds,
bytes), the results and the errors. The function's own output is discarded.
"""

import importlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any


class Context:
    """The handler's second argument."""

    request_id = "bench"


def main() -> None:
    """Import the function, then handle events until stdin ends."""
    before = time.perf_counter()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.path.insert(0, sys.argv[1])
    handler = importlib.import_module("index").handler
    import_seconds = time.perf_counter() - before
    for line in sys.stdin:
        command = json.loads(line)
        began, used = time.perf_counter(), time.process_time()
        results, errors = handled(handler, command["events"], command["at_once"])
        json.dump(
            {
                "seconds": time.perf_counter() - began,
                "cpu_seconds": time.process_time() - used,
                "import_seconds": import_seconds,
                "all_cpu_seconds": time.process_time(),
                "peak_bytes": peak_bytes(),
                "results": results,
                "errors": errors,
            },
            answers,
        )
        answers.write("\n")
        answers.flush()


def peak_bytes() -> int:
    """Return the most memory that this process ever held."""
    try:
        with open("/proc/self/status", encoding="ascii") as lines:  # noqa: PTH123 - no further import
            peak = next(line for line in lines if line.startswith("VmHWM:"))
        return int(peak.split()[1]) * 1024
    except OSError:  # not Linux, where the number below would be the parent's
        import resource  # noqa: PLC0415 - not before the function runs

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def handled(
    handler: Callable[[Any, Any], Any], events: list[Any], at_once: int
) -> tuple[list[Any], list[str]]:
    """Call the handler with every event, `at_once` at a time; return its results and errors."""
    results: list[Any] = []
    errors: list[str] = []
    left = list(reversed(events))

    def work() -> None:
        while left:
            try:
                event = left.pop()
            except IndexError:  # another thread was faster
                return
            try:
                results.append(handler(event, Context))
            except Exception as error:  # noqa: BLE001 - it is in the answer
                errors.append(f"{type(error).__name__}: {error}")

    if at_once == 1:
        work()
    else:
        threads = [threading.Thread(target=work) for _ in range(at_once)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return results, errors


if __name__ == "__main__":
    main()
