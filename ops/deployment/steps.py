"""What a plan is made of: steps, each of which can be taken again, and what they change."""

from dataclasses import dataclass
from typing import Literal

from ops.deployment.rules import OurRule
from ops.deployment.state import Mark, Timer, Wanted

Action = Literal["create", "change", "release", "remove"]


@dataclass(frozen=True, slots=True)
class Change:
    """One field, before and after, as both may be shown; None where it is not there."""

    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something to do: `what` names it for people."""

    action: Action
    what: str
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PutFunction(Step):
    """Make a function, or change what its next release takes; its code only where it differs."""

    wanted: Wanted
    mark: Mark
    with_code: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFunction(Step):
    """Release a revision, 0 for a new one of what the function is, and wait for it."""

    name: str
    revision: int
    mark: Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class PutTimer(Step):
    """Make a timer, or where it has an id let that one be so."""

    function: str
    timer: Timer


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveTimer(Step):
    """Remove a timer."""

    function: str
    timer: Timer


@dataclass(frozen=True, slots=True, kw_only=True)
class PutRules(Step):
    """Put the rules of the functions `names` into a bucket, and remove others of theirs."""

    bucket: str
    rules: tuple[OurRule, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveFunction(Step):
    """Remove a function with its revisions."""

    name: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in their order; `problems` are in the way of any, `notes` are worth knowing."""

    steps: tuple[Step, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
