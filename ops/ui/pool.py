"""Work on many things side by side, without holding more of them than are worked on."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_LOOK_SECONDS = 0.2


def side_by_side(
    do: Callable[[Item], Answer],
    items: Iterable[Item],
    at_once: int,
    *,
    goes_on: Callable[[int], bool] = lambda _running: True,
) -> Iterator[tuple[Item, Answer]]:
    """Do it to each item, `at_once` of them at a time; yield each as soon as it is done.

    `goes_on` is asked again and again, with the number of those that are being worked on, whether
    more is to be begun. What `do` raises comes out of here.
    """
    left = iter(items)
    running: dict[Future[Answer], Item] = {}
    with ThreadPoolExecutor(at_once) as threads:
        while True:
            while goes_on(len(running)) and len(running) < at_once:
                try:
                    item = next(left)
                except StopIteration:
                    break
                running[threads.submit(do, item)] = item
            if not running:
                return
            # Not for ever: a thread that waits does not see ctrl-C.
            done, _ = wait(running, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                yield running.pop(future), future.result()


def in_order(do: Callable[[Item], Answer], items: Iterable[Item], at_once: int) -> Iterator[Answer]:
    """Do it to each item, `at_once` of them at a time; yield what comes of it in their order.

    No more is held than that many answers. What `do` raises comes out of here.
    """
    running: deque[Future[Answer]] = deque()
    with ThreadPoolExecutor(at_once) as threads:
        for item in items:
            running.append(threads.submit(do, item))
            if len(running) == at_once:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
