"""What the control plane keeps, and how its answers write a moment.

Every record has an `id` and the `function_id` that it belongs to. Moments are in seconds since the
epoch; `config` and `resource` are in the platform's words.
"""

import time
from dataclasses import dataclass
from typing import Any

INITIAL = -1
"""The revision that is live before the first release (document 6662/1327338)."""

PENDING, IN_PROGRESS, DONE, FAILED = "pending", "inprogress", "done", "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function as it is now: what a release of revision 0 would release.

    `code` is the digest of its zip, empty where none was uploaded yet; `stable` is the revision
    that is live.
    """

    id: str
    function_id: str
    name: str
    runtime: str
    config: dict[str, Any]
    resource: dict[str, int]
    code: str = ""
    code_size: int = 0
    created: float
    updated: float
    stable: int = INITIAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A function as it was when it was released."""

    id: str
    function_id: str
    number: int
    config: dict[str, Any]
    code: str
    code_size: int
    description: str
    created: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release from the revision `source` to `target`; `finished` is 0 while it is under way."""

    id: str
    function_id: str
    source: int
    target: int
    status: str = IN_PROGRESS
    message: str = "Function release is in progress"
    error_code: str = ""
    logs: str = ""
    description: str
    started: float
    finished: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """A timer trigger."""

    id: str
    function_id: str
    name: str
    config: dict[str, Any]
    created: float
    updated: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """An address where a function's zip can be put until `expires`; `code` once it was."""

    id: str
    function_id: str
    token: str
    size: int
    expires: float
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Install:
    """A run of the dependencies' installation; `log` is why it failed, empty where it did not."""

    id: str
    function_id: str
    log: str
    created: float
    finished: float


def moment(at: float) -> str:
    """Write a moment as most answers do."""
    return f"{short_moment(at)}.{int(at % 1 * 1000):03d} +0000 UTC"


def short_moment(at: float) -> str:
    """Write a moment as a release's answers do."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at))
