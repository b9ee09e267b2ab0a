"""A resolved and valid serverless.yml: the values that every command works with."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr

from ops.ui.output import Refused
from shared.redaction import HIDDEN, redact_text
from shared.settings import Settings


@dataclass(frozen=True, slots=True)
class TosEvent:
    """Call the function for changes to a bucket's objects: one notification rule.

    A list of suffixes in the file becomes one event for each; an empty `prefix` or `suffix` matches
    any key.
    """

    bucket: str
    events: tuple[str, ...]
    prefix: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class HttpEvent:
    """Call the function for requests through an API gateway; `ANY` is every method."""

    path: str = "/"
    method: str = "ANY"


@dataclass(frozen=True, slots=True)
class ScheduleEvent:
    """Call the function at fixed times: `cron` is a crontab line of five fields."""

    cron: str
    enabled: bool = True


Event = TosEvent | HttpEvent | ScheduleEvent


@dataclass(frozen=True, slots=True)
class Logs:
    """The log topic (TLS) of a function's lines."""

    project: str
    topic: str


@dataclass(frozen=True, slots=True)
class Function:
    """One function as it shall be on the platform."""

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
    """Requests that one instance handles at the same time."""
    environment: dict[str, str] = field(repr=False)
    """The provider's variables, overridden by its own. May hold secrets: print `shown()`."""
    secrets: frozenset[str]
    """The names of the variables whose values are never shown."""
    role: str | None
    """The name or TRN of its role."""
    logs: Logs | None
    events: tuple[Event, ...]

    def shown(self) -> dict[str, str]:
        """Return the environment as it may be printed: `•••` for a secret."""
        return {
            name: HIDDEN if name in self.secrets else redact_text(value)
            for name, value in self.environment.items()
        }


@dataclass(frozen=True, slots=True)
class Service:
    """A whole serverless.yml for one stage."""

    path: Path
    """The file's path; its folder is the root of all paths in it."""
    name: str
    stage: str
    region: str
    functions: tuple[Function, ...]
    package_patterns: tuple[str, ...]
    """Files to pack beside the code, as globs; one that begins with `!` excludes files."""

    @property
    def root(self) -> Path:
        """The folder that paths in the file are relative to."""
        return self.path.parent

    def function(self, name: str) -> Function:
        """Return the function of that name in the file. Raises Refused if there is none."""
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

    It depends on the event's content, not on its place in the file: moving it changes nothing.
    """
    content = "\n".join((event.bucket, *sorted(event.events), "", event.prefix, event.suffix))
    return f"{function.deployed_name}-{_short_digest(content)}"


def timer_name(function: Function, event: ScheduleEvent) -> str:
    """Return the name of an event's timer, which like a rule's id depends on its content."""
    return f"{function.name}-{_short_digest(event.cron)}"


def is_secret(variable: str) -> bool:
    """Return whether a variable's value is never shown. Rather one too many than one too few."""
    return variable in _SECRET_SETTINGS or any(word in variable.upper() for word in _SECRET_WORDS)


def _short_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _has_secret(annotation: Any) -> bool:
    """Return whether a type is SecretStr or contains it: optional, annotated or in a list."""
    return annotation is SecretStr or any(_has_secret(part) for part in get_args(annotation))


_SECRET_SETTINGS = frozenset(
    field.alias or name
    for name, field in Settings.model_fields.items()
    if _has_secret(field.annotation)
)
_SECRET_WORDS = ("SECRET", "TOKEN", "PASSWORD", "KEY")
