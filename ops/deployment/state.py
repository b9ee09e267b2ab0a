"""What there is on the platform, and what there is to be: the values that a plan compares."""

import re
from dataclasses import dataclass, field
from typing import Any, Self

from ops.deployment.serverless_yml.service import Function, Logs, Service

_MARK = re.compile(
    r"Deployed by repaint: service (?P<service>[\w-]+), stage (?P<stage>[\w-]+), "
    r"code (?:sha256:(?P<code>[0-9a-f]{64})|not whole)",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Setup:
    """What a function is told, apart from its code."""

    memory_mb: int
    timeout_seconds: int
    max_concurrency: int
    """How many requests one instance takes at a time; 1 is the platform's exclusive mode."""
    role: str | None
    logs: Logs | None
    environment: dict[str, str] = field(repr=False)

    @classmethod
    def of(cls, function: Function) -> Self:
        """Return what serverless.yml wants a function to be told."""
        return cls(
            memory_mb=function.memory_mb,
            timeout_seconds=function.timeout_seconds,
            max_concurrency=function.max_concurrency,
            role=function.role,
            logs=function.logs,
            environment=function.environment,
        )


@dataclass(frozen=True, slots=True)
class Mark:
    """Whose function it is and which code it has, in the one text that the platform keeps for us.

    The platform tells no digest of a function's code: the SHA-256 of its zip is noted in the
    function's description and in that of each release. `code` None says that nothing is known.
    """

    service: str
    stage: str
    code: str | None = None

    def __str__(self) -> str:
        """Write it, to be read by people as well."""
        code = f"sha256:{self.code}" if self.code else "not whole"
        return f"Deployed by repaint: service {self.service}, stage {self.stage}, code {code}"

    def is_of(self, service: Service) -> bool:
        """Tell whether it is that of a service, in its stage."""
        return (self.service, self.stage) == (service.name, service.stage)

    @classmethod
    def read(cls, text: str | None) -> Self | None:
        """Read a description; None where it is none of ours."""
        found = _MARK.fullmatch(text or "")
        return cls(found["service"], found["stage"], found["code"]) if found else None


@dataclass(frozen=True, slots=True)
class Version:
    """A function's settings and the SHA-256 of its code; None where that is not known."""

    setup: Setup
    code: str | None


@dataclass(frozen=True, slots=True)
class Timer:
    """A timer that calls a function; `cron` is a crontab line of five fields."""

    id: str
    name: str
    cron: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class Deployed:
    """A function as the platform has it.

    `runtime` is the platform's own word for it, in which the version of Python is all that counts.
    `draft` is what the next release would release, `live` what runs, as `revision`: None and 0
    where nothing was ever released. `buckets` are those that its triggers tell of, and
    `has_other_triggers` whether there are any beside timers and buckets' rules.
    """

    id: str
    name: str
    runtime: str
    source_type: str
    mark: Mark | None
    draft: Version
    live: Version | None
    revision: int
    is_releasing: bool = False
    timers: tuple[Timer, ...] = ()
    buckets: frozenset[str] = frozenset()
    has_other_triggers: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """A bucket's notification rules as they were read, and the version that a write has to name."""

    rules: tuple[dict[str, Any], ...]
    version: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that was read: functions by their names, rules by bucket.

    The rules of a bucket that does not exist are None. `orphans` are the names of functions that
    were deployed for the same service and stage, and that nobody asked for.
    """

    functions: dict[str, Deployed]
    rules: dict[str, Rules | None]
    orphans: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """A function as it is to be; `code` is its zip."""

    function: Function
    sha256: str
    code: bytes = field(repr=False)

    @property
    def version(self) -> Version:
        """Return what is to run."""
        return Version(Setup.of(self.function), self.sha256)


def mark_of(service: Service, code: str | None = None) -> Mark:
    """Return the mark of a service's functions."""
    return Mark(service.name, service.stage, code)
