"""Checks that need each other, and the time limit of their requests."""

from contextlib import closing

import pytest

from ops.checks.check import Check, CheckFailed, CheckState, Finding, ok, run_checks, warning, wrong
from shared.errors import MaybeExecuted, NotExecuted
from tests.fakes import FakeClock
from tests.ops.checks.scripted import always, answered, client


def test_needs_and_after() -> None:
    """A check whose need is wrong is not run; one that only follows it is."""
    checks = [
        Check("first", lambda: wrong("It is wrong.", "Fix it.")),
        Check("second", lambda: ok("fine"), needs=("first",)),
        Check("third", lambda: ok("fine"), needs=("second",)),
        Check("fourth", lambda: ok("fine"), after=("first",)),
        Check("fifth", lambda: warning("Hm.", "Check."), after=("fourth",)),
        Check("sixth", lambda: ok("fine"), needs=("fifth",)),
    ]

    found = list(run_checks(checks, stop=lambda: None))

    assert [
        Finding("first", CheckState.WRONG, "It is wrong.", "Fix it."),
        Finding("second", CheckState.NOT_CHECKED, "Needs first, which is wrong."),
        Finding("third", CheckState.NOT_CHECKED, "Needs second, which was not checked."),
        Finding("fourth", CheckState.OK, "fine"),
        Finding("fifth", CheckState.WARNING, "Hm.", "Check."),
        Finding("sixth", CheckState.OK, "fine"),
    ] == found


def test_no_answer() -> None:
    """A check whose request gets no answer ends with a finding."""

    def find() -> Finding:
        raise MaybeExecuted("The connection broke.")

    [found] = run_checks([Check("it", find)], stop=lambda: None)

    assert (CheckState.WRONG, "The connection broke.") == (found.state, found.found)


def test_early_end() -> None:
    """A check can end early, anywhere below it, with its finding."""

    def find() -> Finding:
        raise CheckFailed(warning("Hm.", "Check."))

    assert Finding("it", CheckState.WARNING, "Hm.", "Check.") == Check("it", find).run()


def test_stop_on_interruption() -> None:
    """A caller that stops iterating stops the checks."""
    stopped: list[bool] = []
    checks = [Check("a", lambda: ok("")), Check("b", lambda: ok(""))]
    with closing(run_checks(checks, stop=lambda: stopped.append(True))) as found:
        next(found)

    assert [True] == stopped


def test_time_limit() -> None:
    """Once the time is up nothing is sent but what cleans up."""
    clock, script = FakeClock(), always(answered())
    limited = client(script, clock=clock)
    clock.advance(61)

    with pytest.raises(NotExecuted, match="time was up"):
        limited.storage("GET", "photos")
    limited.storage("DELETE", "photos", "key", cleanup=True)

    assert ["DELETE"] == [request.method for request in script.requests]
