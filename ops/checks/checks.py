"""What a check finds, and how checks that need each other run side by side."""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from shared.errors import CredentialsError, NoAnswer


class State(StrEnum):
    """How it stands with what was checked."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, in a sentence; `mend` says what to do about it, empty where nothing."""

    name: str
    state: State
    found: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What one look tells; the name of the check makes it a finding."""

    state: State
    found: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at.

    It is looked at once everything in `needs` was found usable, and not at all where something
    was not; and after everything in `after`, however that ended.
    """

    name: str
    look: Callable[[], Told]
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


def ok(found: str) -> Told:
    """All is well."""
    return Told(State.OK, found)


def warning(found: str, mend: str) -> Told:
    """Questionable, or not to be found out."""
    return Told(State.WARNING, found, mend)


def wrong(found: str, mend: str) -> Told:
    """Wrong: it would fail, or cost what it should not."""
    return Told(State.WRONG, found, mend)


def not_checked(found: str, mend: str = "") -> Told:
    """Tell why something was not looked at."""
    return Told(State.NOT_CHECKED, found, mend)


def run(checks: Sequence[Check], *, stop: Callable[[], None]) -> Generator[Finding, None, None]:
    """Run the checks side by side; yield what they find in the order in which they are given.

    What a check needs or follows is given before it. Where nobody listens any more, as after an
    interruption, `stop` is called, and the looks under way end and clean up behind them.
    """
    # A place for each: one that waits for what it needs keeps nobody else waiting.
    with ThreadPoolExecutor(max_workers=max(1, len(checks))) as pool:
        found: dict[str, Future[Finding]] = {}
        for check in checks:
            found[check.name] = pool.submit(_examine, check, dict(found))
        try:
            for future in found.values():
                yield future.result()
        except BaseException:
            stop()
            raise


def _examine(check: Check, found: dict[str, Future[Finding]]) -> Finding:
    for name in check.after:
        found[name].result()
    for name in check.needs:
        needed = found[name].result()
        if needed.state is State.WRONG:
            return Finding(check.name, State.NOT_CHECKED, f"Needs {name}, which is wrong.")
        if needed.state is State.NOT_CHECKED:
            return Finding(check.name, State.NOT_CHECKED, f"Needs {name}, which was not checked.")
    try:
        told = check.look()
    except NoAnswer as error:
        told = wrong(str(error), "Run the doctor again; if it stays so, look at the network.")
    except CredentialsError as error:
        told = wrong(str(error), "See credentials.")
    return Finding(check.name, told.state, told.found, told.mend)
