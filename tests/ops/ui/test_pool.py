"""Working side by side: as many as asked for, no more taken than are worked on."""

import threading
from collections.abc import Iterator

import pytest

from ops.ui.pool import in_order, side_by_side


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


def test_each_is_done_and_yielded_with_what_came_of_it() -> None:
    source = Source(50)

    done = dict(side_by_side(source.do, source, 4))

    assert {number: number * number for number in range(50)} == done
    assert source.most <= 4


def test_answers_come_in_the_order_of_what_was_asked() -> None:
    gates = [threading.Event() for _ in range(6)]

    def wait(number: int) -> int:
        # The first of three is done last.
        if number % 3 < 2:
            gates[number + 1].wait()
        gates[number].set()
        return number

    assert list(range(6)) == list(in_order(wait, range(6), 3))


def test_nothing_more_is_begun_once_it_is_not_to_go_on() -> None:
    done: list[int] = []

    for _, answer in side_by_side(lambda n: n, range(100), 2, goes_on=lambda _: len(done) < 10):
        done.append(answer)

    assert 10 <= len(done) <= 12


@pytest.mark.parametrize("at_once", [1, 3])
def test_what_goes_wrong_comes_out(at_once: int) -> None:
    def fail(number: int) -> int:
        if number == 5:
            raise KeyError(number)
        return number

    with pytest.raises(KeyError):
        list(side_by_side(fail, range(9), at_once))
    with pytest.raises(KeyError):
        list(in_order(fail, range(9), at_once))
