"""A function as it is deployed, and the result of calling it."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9_-]{4,64}")


@dataclass(frozen=True)
class FunctionSpec:
    """A folder with index.py at its root, and how to run it.

    `role` names the role whose credentials the function gets: the function's own name if it is
    empty, no credentials if it is None. `python` is an interpreter with its options, instead of the
    platform's; `given_id` an id instead of the one made from the name.

    Raises ValueError for values that the platform refuses, FileNotFoundError without an index.py.
    """

    name: str
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float = 120
    max_concurrency: int = 8
    instances: int = 1
    role: str | None = ""
    python: tuple[str, ...] = ()
    given_id: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"{self.name!r} cannot name a function: use 4 to 64 letters, digits, '-' and '_'."
            )
        if not 0 < self.timeout_seconds <= 900:
            raise ValueError("timeout_seconds must lie above 0 and not above 900.")
        if not 1 <= self.max_concurrency <= 1000:
            raise ValueError("max_concurrency must lie between 1 and 1000.")
        if self.instances < 1:
            raise ValueError("instances must be 1 or more.")
        if not (self.folder / "index.py").is_file():
            raise FileNotFoundError(
                f"{self.folder} holds no index.py: it must be at the root of the function's folder."
            )

    @property
    def id(self) -> str:
        """The function's id, made from its name: a restarted cloud finds its queue again."""
        return self.given_id or "fn" + hashlib.sha256(self.name.encode()).hexdigest()[:10]

    @property
    def capacity(self) -> int:
        """The number of requests that may be in flight at once."""
        return self.instances * self.max_concurrency


@dataclass(frozen=True)
class FunctionState:
    """The load of a function now: living instances, requests in flight, kills since it started."""

    name: str
    instances: int
    in_flight: int
    kills: int


@dataclass(frozen=True)
class Invocation:
    """The result of one call of a function.

    `error_type` is set if the handler returned nothing: the name of the exception that it raised,
    `Timeout`, `InstanceDied` or `Unavailable`; the status is then one of 500 to 599.
    """

    request_id: str
    status_code: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    error_type: str | None = None
    error_message: str | None = None
    duration_seconds: float = 0.0

    @classmethod
    def unavailable(cls, message: str) -> "Invocation":
        """Return the result of a call that no instance could take."""
        return cls("", 503, error_type="Unavailable", error_message=message)

    @property
    def failure(self) -> str | None:
        """The reason why this counts as an error; None for a success."""
        if self.error_type is not None:
            return f"{self.error_type}: {self.error_message}"
        if self.status_code >= 400:
            return f"The handler answered with status {self.status_code}: {self.body[:500]}"
        return None
