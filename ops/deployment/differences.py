"""Which fields of a function differ, and how: without a secret."""

from collections.abc import Iterator

from ops.deployment.serverless_yml.service import Function
from ops.deployment.state import Setup, Version
from ops.deployment.steps import Change
from shared.redaction import HIDDEN, redact_text

_SHOWN_DIGITS = 16


def differences(
    before: Version | None, after: Version, function: Function | None
) -> tuple[Change, ...]:
    """Return a change for each field, named as in serverless.yml.

    `function` tells which variables may be shown: those that it has and that are no secrets. Of
    others only the platform knows the value, and whether that is one nobody can tell.
    """
    return tuple(_differences(before, after, function))


def _differences(
    before: Version | None, after: Version, function: Function | None
) -> Iterator[Change]:
    old = _fields(before) if before else {}
    new = _fields(after)
    for field, value in new.items():
        if old.get(field) != value:
            yield Change(field, old.get(field), value)
    was = before.setup.environment if before else {}
    variables = after.setup.environment
    for name in dict.fromkeys((*variables, *was)):
        if was.get(name) != variables.get(name):
            yield Change(
                f"environment.{name}",
                _shown(name, was.get(name), function),
                _shown(name, variables.get(name), function),
            )


def _fields(version: Version) -> dict[str, str | None]:
    setup: Setup = version.setup
    logs = setup.logs
    return {
        "code": f"sha256:{version.code[:_SHOWN_DIGITS]}" if version.code else None,
        "memorySize": str(setup.memory_mb),
        "timeout": str(setup.timeout_seconds),
        "maxConcurrency": str(setup.max_concurrency),
        "role": setup.role,
        "logs": f"{logs.project}/{logs.topic}" if logs else None,
    }


def _shown(name: str, value: str | None, function: Function | None) -> str | None:
    if value is None:
        return None
    may_be_shown = function and name in function.environment and name not in function.secrets
    return redact_text(value) if may_be_shown else HIDDEN
