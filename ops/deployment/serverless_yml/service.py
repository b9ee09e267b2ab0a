"""What serverless.yml says, resolved and checked: the values that every command works with."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from ops.ui.output import Refused
from shared.redaction import HIDDEN, redact_text


@dataclass(frozen=True, slots=True)
class TosEvent:
    """Call the function for what happens to a bucket's objects: one notification rule.

    A list of suffixes in the file becomes one of these for each; an empty `prefix` or `suffix`
    means any.
    """

    bucket: str
    events: tuple[str, ...]
    prefix: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class HttpEvent:
    """Call the function for requests that come through an API gateway; `ANY` is every method."""

    path: str = "/"
    method: str = "ANY"


@dataclass(frozen=True, slots=True)
class ScheduleEvent:
    """Call the function at set times: `cron` is a crontab line of five fields."""

    cron: str
    enabled: bool = True


Event = TosEvent | HttpEvent | ScheduleEvent


@dataclass(frozen=True, slots=True)
class Logs:
    """The log topic (TLS) that a function's lines go to."""

    project: str
    topic: str


@dataclass(frozen=True, slots=True)
class Function:
    """One function as it is to be: everything that the platform is told of it."""

    name: str
    """Its name in the file, such as `upload`."""
    deployed_name: str
    """Its name on the platform, `<service>-<stage>-<name>`: 4–64 letters, digits, `-`, `_`."""
    handler: str
    """As written: `functions/upload/index.handler`."""
    folder: Path
    """The handler's folder, relative to the file's: `functions/upload`."""
    runtime: str
    memory_mb: int
    timeout_seconds: int
    max_concurrency: int
    """How many requests one instance takes at a time."""
    environment: dict[str, str] = field(repr=False)
    """The provider's variables and, over them, its own. May hold secrets: see `shown`."""
    secrets: frozenset[str]
    """The names of those variables whose values are never shown."""
    role: str | None
    """The name or TRN of the role that it works with."""
    logs: Logs | None
    events: tuple[Event, ...]

    def shown(self) -> dict[str, str]:
        """Return the environment as it may be printed: `•••` for what is secret."""
        return {
            name: HIDDEN if name in self.secrets else redact_text(value)
            for name, value in self.environment.items()
        }


@dataclass(frozen=True, slots=True)
class Service:
    """A whole serverless.yml for one stage."""

    path: Path
    """Where the file is; its folder is the root of all paths in it."""
    name: str
    stage: str
    region: str
    functions: tuple[Function, ...]
    package_patterns: tuple[str, ...]
    """What is packed beside the code, as globs; one that begins with `!` leaves out."""

    @property
    def root(self) -> Path:
        """The folder that paths in the file are relative to."""
        return self.path.parent

    def function(self, name: str) -> Function:
        """Return the function `name` as the file calls it. Raises Refused where there is none."""
        for function in self.functions:
            if function.name == name:
                return function
        known = ", ".join(function.name for function in self.functions)
        raise Refused(f"{self.path.name} has no function {name!r}: it has {known}.")


def deployed_name(service: str, stage: str, function: str) -> str:
    """Return a function's name on the platform."""
    return f"{service}-{stage}-{function}"


def rule_id(function: Function, event: TosEvent) -> str:
    """Return the id of the bucket's notification rule for an event.

    It goes by what the event says, not by its place in the file: moving it changes nothing.
    """
    said = "\n".join((event.bucket, *sorted(event.events), "", event.prefix, event.suffix))
    return f"{function.deployed_name}-{hashlib.sha256(said.encode()).hexdigest()[:8]}"


def timer_name(function: Function, event: ScheduleEvent) -> str:
    """Return the name of the timer for an event, among those of the function; as a rule's id."""
    said = hashlib.sha256(event.cron.encode()).hexdigest()[:8]
    return f"{function.name}-{said}"
