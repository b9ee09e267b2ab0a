"""The steps that lead from the current state to the desired one. Nothing is changed here.

The order of steps is one that can be stopped anywhere, and each step can be repeated. A trigger
comes after its function's release, so that nothing calls a function that does not run; on removal
it goes first, since an upload that calls a missing function would be lost.

The code of a function is the one that its mark names. The mark is written in two calls, before and
after the code (see `apply.py`): it can be missing, but never wrong.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ops.deployment.bucket_rules import OurRule, Rule, merged, rule_problems, rules_of
from ops.deployment.model import Current, Deployed, Desired, Mark, Timer, Version
from ops.deployment.serverless_yml import Function, HttpEvent, ScheduleEvent, Service, TosEvent
from ops.deployment.serverless_yml.service import timer_name
from ops.deployment.vefaas import Platform
from shared.redaction import HIDDEN, redact_text

_PYTHON = re.compile(r"python(\d+\.\d+)")
_SHOWN_DIGITS = 16
_GATEWAY = (
    "{name} is called through an API gateway, which is connected in veFaaS's console: {name}, "
    "触发器, 创建触发器, API 网关."
)


@dataclass(frozen=True, slots=True)
class Change:
    """One field before and after, without secrets; None if it is absent."""

    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step; `what` names its subject for people."""

    action: Literal["create", "change", "release", "remove"]
    what: str
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PutFunction(Step):
    """Create a function or change its draft; upload its code only if that differs."""

    desired: Desired
    mark: Mark
    with_code: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFunction(Step):
    """Release a revision, 0 for a new one of the draft, and wait for it."""

    name: str
    revision: int
    mark: Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class PutTimer(Step):
    """Create a timer, or change it if it has an id."""

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
    """Steps in their order; with `problems` none is taken, `notes` are for information."""

    steps: tuple[Step, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def deploy_plan(service: Service, desired: Sequence[Desired], current: Current) -> Plan:
    """Return the plan that deploys these functions of a service."""
    functions = [each.function for each in desired]
    problems = [*_function_problems(service, desired, current)]
    problems += _rule_problems(service, functions, current)
    steps: list[Step] = []
    for each in desired:
        steps += _function_steps(service, each, current.functions.get(each.function.deployed_name))
    for function in functions:
        steps += _timer_steps(function, current.functions.get(function.deployed_name))
    names = [function.deployed_name for function in functions]
    for bucket in current.rules:
        steps += _rule_steps(bucket, rules_of(functions, bucket), names, current)
    return Plan(tuple(steps), tuple(problems), tuple(_notes(service, functions, current)))


def removal_plan(service: Service, names: Sequence[str], current: Current) -> Plan:
    """Return the plan that removes the functions of these names and their triggers.

    Buckets, the ledger and the images are not part of a deployment.
    """
    there = [current.functions[name] for name in names if name in current.functions]
    ours = [f for f in there if f.mark and f.mark.is_of(service)]
    steps: list[Step] = []
    # The rule of another's function stays with it; that of a function that is gone is removed.
    foreign = {f.name for f in there if f not in ours}
    for bucket in current.rules:
        of_rules = [name for name in names if name not in foreign]
        steps += _rule_steps(bucket, (), of_rules, current)
    for function in ours:
        steps += [_removed_timer(function.name, timer) for timer in function.timers]
        what = f"function {function.name}"
        steps.append(RemoveFunction(action="remove", what=what, name=function.name))
    problems = _removal_problems(ours, names, current)
    return Plan(tuple(steps), tuple(problems), tuple(_removal_notes(there, ours)))


def rollback_plan(
    service: Service, names: Sequence[str], current: Current, platform: Platform
) -> Plan:
    """Return the plan that releases each function's previous revision, read from `platform`.

    That is the newest of the older revisions that were released successfully.
    """
    steps, notes = [], []
    for name in names:
        there = current.functions.get(name)
        if there is None or there.live is None:
            notes.append(f"{name} is not deployed.")
            continue
        if there.mark is None or not there.mark.is_of(service):
            notes.append(_foreign(name))
            continue
        earlier = [n for n in platform.released(there.id) if 0 < n < there.revision]
        if not earlier:
            notes.append(f"{name} has no revision that was released before {there.revision}.")
            continue
        number = max(earlier)
        version = platform.revision(there.id, number)
        steps.append(
            ReleaseFunction(
                action="release",
                what=f"revision {number} of function {name}, instead of {there.revision}",
                changes=tuple(_version_changes(there.live, version, None)),
                name=name,
                revision=number,
                mark=Mark.of(service, version.code),
            )
        )
    return Plan(tuple(steps), notes=tuple(notes))


def buckets_of(functions: Sequence[Function]) -> list[str]:
    """Return the buckets whose objects call these functions."""
    events = (event for function in functions for event in function.events)
    return list(dict.fromkeys(event.bucket for event in events if isinstance(event, TosEvent)))


def _function_steps(service: Service, desired: Desired, current: Deployed | None) -> Iterator[Step]:
    function, version = desired.function, desired.version
    name = function.deployed_name
    draft, live = (current.draft, current.live) if current else (None, None)
    changes = tuple(_version_changes(draft, version, function))
    mark = Mark.of(service, desired.sha256)
    if draft != version:
        yield PutFunction(
            action="change" if current else "create",
            what=f"function {name}",
            changes=changes,
            desired=desired,
            mark=mark,
            with_code=draft is None or draft.code != desired.sha256,
        )
    if live != version:
        # The live version may be older than the draft: after a rollback, or a stop.
        to_release = tuple(_version_changes(live, version, function)) if live else ()
        yield ReleaseFunction(
            action="release",
            what=f"function {name}",
            changes=() if to_release == changes else to_release,
            name=name,
            revision=0,
            mark=mark,
        )


def _version_changes(
    before: Version | None, after: Version, function: Function | None
) -> Iterator[Change]:
    """Yield a change for each field that differs, named as in serverless.yml.

    `function` says which variables may be shown: its own that are not secrets. Other variables are
    known to the platform alone, and may be secrets.
    """

    def shown(name: str, value: str | None) -> str | None:
        if value is None:
            return None
        public = function and name in function.environment and name not in function.secrets
        return redact_text(value) if public else HIDDEN

    yield from _changes(_fields(before), _fields(after))
    old, new = before.setup.environment if before else {}, after.setup.environment
    for name in dict.fromkeys((*new, *old)):
        if old.get(name) != new.get(name):
            values = shown(name, old.get(name)), shown(name, new.get(name))
            yield Change(f"environment.{name}", *values)


def _changes(before: Mapping[str, str | None], after: Mapping[str, str | None]) -> Iterator[Change]:
    for field in dict.fromkeys((*after, *before)):
        if before.get(field) != after.get(field):
            yield Change(field, before.get(field), after.get(field))


def _fields(version: Version | None) -> dict[str, str | None]:
    if version is None:
        return {}
    setup = version.setup
    logs = setup.logs
    return {
        "code": f"sha256:{version.code[:_SHOWN_DIGITS]}" if version.code else None,
        "memorySize": str(setup.memory_mb),
        "timeout": str(setup.timeout_seconds),
        "maxConcurrency": str(setup.max_concurrency),
        "role": setup.role,
        "logs": f"{logs.project}/{logs.topic}" if logs else None,
    }


def _timer_steps(function: Function, current: Deployed | None) -> Iterator[Step]:
    name = function.deployed_name
    there = {timer.name: timer for timer in current.timers} if current else {}
    desired = {
        timer_name(function, event): event
        for event in function.events
        if isinstance(event, ScheduleEvent)
    }
    for timer, event in desired.items():
        before = there.get(timer)
        after = Timer(before.id if before else "", timer, event.cron, event.enabled)
        if before != after:
            yield PutTimer(
                action="change" if before else "create",
                what=f"timer {timer}",
                changes=tuple(_changes(_timer_fields(before), _timer_fields(after))),
                function=name,
                timer=after,
            )
    for timer, before in there.items():
        if timer not in desired and re.fullmatch(rf"{function.name}-[0-9a-f]{{8}}", timer):
            yield _removed_timer(name, before)


def _removed_timer(function: str, timer: Timer) -> RemoveTimer:
    return RemoveTimer(
        action="remove",
        what=f"timer {timer.name}",
        changes=tuple(_changes(_timer_fields(timer), {})),
        function=function,
        timer=timer,
    )


def _timer_fields(timer: Timer | None) -> dict[str, str]:
    return {"rate": timer.cron, "enabled": str(timer.enabled).lower()} if timer else {}


def _rule_steps(
    bucket: str, rules: Sequence[OurRule], names: Sequence[str], current: Current
) -> Iterator[PutRules]:
    """Yield the step that changes a bucket's rules, unless they are right."""
    there = current.rules.get(bucket)
    entries = there.rules if there else ()
    # A function that is not created yet has no id; no rule can be equal to this one.
    ids = {name: name for name in names} | {n: f.id for n, f in current.functions.items()}
    result = merged(entries, rules, ids, names)
    if result == list(entries):
        return
    called = {function_id: name for name, function_id in ids.items()}

    def shown(entry_list: Sequence[dict[str, object]]) -> dict[str, str]:
        ours = [rule for rule in map(Rule.read, entry_list) if rule.is_of(names)]
        return {
            rule.rule_id: f"{', '.join(rule.events)} {rule.prefix}*{rule.suffix} → "
            + ", ".join(called.get(f, f) for f in rule.functions)
            for rule in ours
        }

    yield PutRules(
        action="change",
        what=f"rules of bucket {bucket}",
        changes=tuple(_changes(shown(entries), shown(result))),
        bucket=bucket,
        rules=tuple(rules),
        names=tuple(names),
    )


def _function_problems(
    service: Service, desired: Sequence[Desired], current: Current
) -> Iterator[str]:
    keyless = [each.function.deployed_name for each in desired if not _has_key(each.function)]
    if keyless:
        yield (
            f"{', '.join(keyless)} would have no access key, and could not read any upload: "
            "export REPAINT_ROLE with the role that 'repaint policy' describes, which is role: "
            "below iam: in serverless.yml."
        )
    for each in desired:
        function = each.function
        there = current.functions.get(function.deployed_name)
        if there is None:
            continue
        if there.mark is None or not there.mark.is_of(service):
            whose = f"belongs to {there.mark.service}, {there.mark.stage}" if there.mark else ""
            yield (
                f"There is a function {there.name} that {whose or 'Repaint did not deploy'}: "
                "choose another name for service or stage, or remove it in the console."
            )
        elif there.source_type == "image" or not _same_python(there.runtime, function.runtime):
            yield (
                f"{there.name} has the runtime {there.runtime} with code from {there.source_type}, "
                f"and needs {function.runtime} with code from a zip: neither can be changed. "
                f"Remove it ({_removal_command(service, function.name)}) and deploy again."
            )


def _rule_problems(
    service: Service, functions: Sequence[Function], current: Current
) -> Iterator[str]:
    names = [function.deployed_name for function in functions]
    # A function that was renamed, or whose event was moved, leaves its rule behind: it is ours.
    fixes = {
        name: f"first {_removal_command(service, name)}, then deploy, then 'repaint backfill' for "
        "uploads in between"
        for name in current.orphans
    }
    for other in service.functions:
        if other.deployed_name not in names:
            fixes[other.deployed_name] = f"add --function {other.name}"
    for bucket, there in current.rules.items():
        rules = rules_of(functions, bucket)
        if there is not None:
            yield from rule_problems(bucket, there.rules, rules, names, fixes)
        elif rules:
            yield (
                f"You have no bucket {bucket} in the region of serverless.yml: create it, or "
                "correct bucket: or region: there."
            )


def _removal_problems(
    functions: Sequence[Deployed], names: Sequence[str], current: Current
) -> Iterator[str]:
    """Yield the rules of others that call these functions: others must remove them."""
    ids = {function.id: function.name for function in functions}
    for bucket, rules in current.rules.items():
        for rule in map(Rule.read, rules.rules if rules else ()):
            called = [ids[function_id] for function_id in rule.functions if function_id in ids]
            if called and not rule.is_of(names):
                yield (
                    f"The rule {rule.rule_id} of {bucket} is not Repaint's and calls "
                    f"{', '.join(called)}: remove it first, in the bucket's 事件通知 in the TOS "
                    "console."
                )


def _notes(service: Service, functions: Sequence[Function], current: Current) -> Iterator[str]:
    for function in functions:
        there = current.functions.get(function.deployed_name)
        if there and there.is_releasing:
            yield (
                f"{there.name} is being released: a deployment waits for that and compares again."
            )
        by_http = any(isinstance(event, HttpEvent) for event in function.events)
        if by_http and not (there and there.has_other_triggers):
            yield _GATEWAY.format(name=function.deployed_name)
    for name in current.orphans:
        yield (
            f"{name} is deployed and no longer in serverless.yml: "
            f"{_removal_command(service, name)} removes it."
        )


def _removal_notes(there: Sequence[Deployed], ours: Sequence[Deployed]) -> Iterator[str]:
    for function in there:
        if function not in ours:
            yield _foreign(function.name)
        elif function.has_other_triggers:
            yield (
                f"{function.name} has other triggers as well, such as an API gateway: they are "
                "kept, and call nothing any more."
            )
    if ours:
        yield (
            "Not removed: the buckets with all their objects, the ledger with unfinished uploads, "
            "and the images in veImageX."
        )


def _foreign(name: str) -> str:
    return f"{name} was not deployed for this service and stage: it is not changed."


def _removal_command(service: Service, name: str) -> str:
    """Return the command that removes a function: without the stage it would remove another's."""
    return f"'repaint remove --function {name} --stage {service.stage}'"


def _has_key(function: Function) -> bool:
    """Return whether a function has a role, or variables from which the SDK may get a key."""
    return function.role is not None or any(v.startswith("VOLC") for v in function.environment)


def _same_python(one: str, other: str) -> bool:
    """Compare the Pythons of runtimes: `python3.12/v1` is also `vefaas.base.python3.12.v1`."""
    return _PYTHON.findall(one) == _PYTHON.findall(other)
