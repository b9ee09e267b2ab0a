"""Bulk runs: no more items at once than asked for, and none taken before its turn."""

import threading
from collections.abc import Iterator

import pytest

from ops.ui.bulk import map_ordered, map_unordered


class Source:
    """Numbers, and how many of them were taken and not done yet, at most."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._lock = threading.Lock()
        self._open = 0
        self.most = 0

    def __iter__(self) -> Iterator[int]:
        for number in range(self._count):
            with self._lock:
                self._open += 1
                self.most = max(self.most, self._open)
            yield number

    def do(self, number: int) -> int:
        with self._lock:
            self._open -= 1
        return number * number


def test_map_unordered() -> None:
    """Each item is yielded with its answer, and no more are taken than run at once."""
    source = Source(50)

    done = dict(map_unordered(source.do, source, 4))

    assert {number: number * number for number in range(50)} == done
    assert source.most <= 4


def test_map_ordered() -> None:
    """The answers come in the order of the items."""
    gates = [threading.Event() for _ in range(6)]

    def wait(number: int) -> int:
        # The first of three is done last.
        if number % 3 < 2:
            gates[number + 1].wait()
        gates[number].set()
        return number

    assert list(range(6)) == list(map_ordered(wait, range(6), 3))


def test_goes_on() -> None:
    """Nothing more is begun once it is not to go on."""
    done: list[int] = []

    for _, answer in map_unordered(lambda n: n, range(100), 2, goes_on=lambda _: len(done) < 10):
        done.append(answer)

    assert 10 <= len(done) <= 12


@pytest.mark.parametrize("at_once", [1, 3])
def test_exception(at_once: int) -> None:
    """An exception is raised to the caller."""

    def fail(number: int) -> int:
        if number == 5:
            raise KeyError(number)
        return number

    with pytest.raises(KeyError):
        list(map_unordered(fail, range(9), at_once))
    with pytest.raises(KeyError):
        list(map_ordered(fail, range(9), at_once))
