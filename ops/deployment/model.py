"""The current and the desired state of a deployment: the values that a plan compares."""

import re
from dataclasses import dataclass, field
from typing import Self

from typing_extensions import override

from ops.deployment.bucket_rules import BucketRules
from ops.deployment.serverless_yml import Function, Logs, Service

_MARK = re.compile(
    r"Deployed by repaint: service (?P<service>[\w-]+), stage (?P<stage>[\w-]+), "
    r"code (?:sha256:(?P<code>[0-9a-f]{64})|not whole)",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Setup:
    """A function's settings on the platform, apart from its code."""

    memory_mb: int
    timeout_seconds: int
    max_concurrency: int
    """Requests that one instance handles at the same time; 1 is the platform's exclusive mode."""
    role: str | None
    logs: Logs | None
    environment: dict[str, str] = field(repr=False)

    @classmethod
    def of(cls, function: Function) -> Self:
        """Return the settings that a function has in serverless.yml."""
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
    """The owner of a function and its code, in the one text that the platform keeps for us.

    The platform returns no digest of a function's code: the SHA-256 of its zip is in the
    description of the function and of each release. `code` is None if the code is unknown.
    """

    service: str
    stage: str
    code: str | None = None

    @classmethod
    def of(cls, service: Service, code: str | None = None) -> Self:
        """Return the mark of a service's functions."""
        return cls(service.name, service.stage, code)

    @override
    def __str__(self) -> str:
        code = f"sha256:{self.code}" if self.code else "not whole"
        return f"Deployed by repaint: service {self.service}, stage {self.stage}, code {code}"

    def is_of(self, service: Service) -> bool:
        """Return whether it is the mark of a service, in its stage."""
        return (self.service, self.stage) == (service.name, service.stage)

    @classmethod
    def read(cls, text: str | None) -> Self | None:
        """Read a description; None if it is not a mark."""
        found = _MARK.fullmatch(text or "")
        return cls(found["service"], found["stage"], found["code"]) if found else None


@dataclass(frozen=True, slots=True)
class Version:
    """A function's settings and the SHA-256 of its code, None if that is unknown."""

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

    `runtime` is the platform's name for it, of which only the version of Python matters. `draft` is
    the version that the next release would release, `live` the one that runs, as `revision`: None
    and 0 if nothing was ever released. `buckets` are named by its triggers; `has_other_triggers`
    if there are any beside timers and buckets' rules.
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
class Current:
    """The current state: functions by name, rules by bucket.

    The rules of a bucket that does not exist are None. `orphans` are the names of other functions
    that were deployed for the same service and stage.
    """

    functions: dict[str, Deployed]
    rules: dict[str, BucketRules | None]
    orphans: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Desired:
    """The desired state of a function; `code` is its zip."""

    function: Function
    sha256: str
    code: bytes = field(repr=False)

    @property
    def version(self) -> Version:
        """Return the version that shall run."""
        return Version(Setup.of(self.function), self.sha256)
