"""What deploying asks of the function platform; `vefaas.py` has it from the real one."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from ops.deployment.state import Deployed, Mark, Setup, Timer, Version
from shared.errors import RepaintError


class Refusal(RepaintError):
    """The platform refused a call, with its code and its reason."""

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class State(StrEnum):
    """How far a release is (6662/1327338); pending is one that never began."""

    PENDING = "pending"
    IN_PROGRESS = "inprogress"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Release:
    """How a function's newest release goes.

    `record` is its id, empty where the platform does not tell; `log` what an instance wrote that
    did not start.
    """

    state: State
    record: str
    revision: int
    message: str = ""
    log: str = ""

    @property
    def is_under_way(self) -> bool:
        """Whether it has begun and not ended."""
        return self.state is State.IN_PROGRESS


@dataclass(frozen=True, slots=True)
class Listed:
    """A function in the list of all."""

    id: str
    name: str
    mark: Mark | None


class Platform(Protocol):
    """The functions of one account in one region.

    Every method raises Refusal, NoAnswer or CredentialsError. What changes something is sent once.
    """

    def functions(self) -> list[Listed]:
        """Return every function of the account."""
        ...

    def deployed(self, function_id: str) -> Deployed:
        """Return a function as it is."""
        ...

    def revision(self, function_id: str, number: int) -> Version:
        """Return a revision of a function."""
        ...

    def create(self, name: str, runtime: str, setup: Setup, mark: Mark, code: bytes) -> str:
        """Make a function; return its id."""
        ...

    def change(self, function_id: str, setup: Setup, mark: Mark, code: bytes | None) -> None:
        """Change what the next release takes; where `code` is None, that stays."""
        ...

    def release(self, function_id: str, revision: int, mark: Mark) -> Release:
        """Begin to release a revision; 0 makes one of what the function is now."""
        ...

    def release_state(self, function_id: str) -> Release:
        """Return how the newest release goes."""
        ...

    def released(self, function_id: str) -> list[int]:
        """Return the revisions whose releases went well."""
        ...

    def create_timer(self, function_id: str, name: str, cron: str, *, enabled: bool) -> None:
        """Make a timer."""
        ...

    def change_timer(self, function_id: str, timer: Timer) -> None:
        """Let the timer of that id be so."""
        ...

    def remove_timer(self, function_id: str, timer_id: str) -> None:
        """Remove a timer."""
        ...

    def remove(self, function_id: str) -> None:
        """Remove a function that nothing calls any more."""
        ...
