"""What is to be done so that the platform has what serverless.yml says. Nothing is called here.

The order is one in which it can be stopped anywhere: what calls a function comes after the function
has been released, so that nothing calls what does not run.

A function's code counts as what its mark says. The mark is written in two calls, before the code
and after it (see `work.py`), so it can say less than is there and never more.
"""

import re
from collections.abc import Iterator, Sequence

from ops.deployment.differences import differences
from ops.deployment.notification import Rule
from ops.deployment.rules import OurRule, is_ours, merged, rule_problems, rules_of
from ops.deployment.serverless_yml.service import (
    Function,
    HttpEvent,
    ScheduleEvent,
    Service,
    TosEvent,
    timer_name,
)
from ops.deployment.state import Deployed, Found, Timer, Wanted, mark_of
from ops.deployment.steps import (
    Change,
    Plan,
    PutFunction,
    PutRules,
    PutTimer,
    ReleaseFunction,
    RemoveTimer,
    Step,
)

_PYTHON = re.compile(r"python(\d+\.\d+)")
_GATEWAY = (
    "{name} is called through an API gateway, which is connected in veFaaS's console: {name}, "
    "触发器, 创建触发器, API 网关."
)


def deploy_plan(service: Service, wanted: Sequence[Wanted], found: Found) -> Plan:
    """Return what is to be done for these functions of a service."""
    functions = [each.function for each in wanted]
    problems = [*_in_the_way(service, wanted, found), *_rule_problems(service, functions, found)]
    steps: list[Step] = []
    for each in wanted:
        steps += _function_steps(service, each, found.functions.get(each.function.deployed_name))
    for function in functions:
        steps += _timer_steps(function, found.functions.get(function.deployed_name))
    steps += _rule_steps(functions, found)
    return Plan(tuple(steps), tuple(problems), tuple(_notes(service, functions, found)))


def rules_step(
    bucket: str, rules: Sequence[OurRule], names: Sequence[str], found: Found
) -> PutRules | None:
    """Return what is to be done to a bucket's rules; None where they are right."""
    there = found.rules.get(bucket)
    entries = there.rules if there else ()
    # One that is still to be made has no id; nothing that is there can be equal to this one.
    ids = {name: name for name in names} | {n: f.id for n, f in found.functions.items()}
    result = merged(entries, rules, ids, names)
    if result == list(entries):
        return None
    called = {function_id: name for name, function_id in ids.items()}

    def shown(entry_list: Sequence[dict[str, object]]) -> dict[str, str]:
        read = [Rule.read(entry) for entry in entry_list if is_ours(entry, names)]
        return {
            rule.rule_id: f"{', '.join(rule.events)} {rule.prefix}*{rule.suffix} → "
            + ", ".join(called.get(f, f) for f in rule.functions)
            for rule in read
        }

    before, after = shown(entries), shown(result)
    changes = [
        Change(name, before.get(name), after.get(name))
        for name in dict.fromkeys((*after, *before))
        if before.get(name) != after.get(name)
    ]
    return PutRules(
        action="change",
        what=f"rules of bucket {bucket}",
        changes=tuple(changes),
        bucket=bucket,
        rules=tuple(rules),
        names=tuple(names),
    )


def _function_steps(service: Service, wanted: Wanted, found: Deployed | None) -> Iterator[Step]:
    function, version = wanted.function, wanted.version
    name = function.deployed_name
    draft, live = (found.draft, found.live) if found else (None, None)
    changes = differences(draft, version, function)
    mark = mark_of(service, wanted.sha256)
    if draft != version:
        yield PutFunction(
            action="change" if found else "create",
            what=f"function {name}",
            changes=changes,
            wanted=wanted,
            mark=mark,
            with_code=draft is None or draft.code != wanted.sha256,
        )
    if live != version:
        # What runs may be older than what was changed last: after a rollback, or a stop.
        to_release = differences(live, version, function) if live else ()
        yield ReleaseFunction(
            action="release",
            what=f"function {name}",
            changes=() if to_release == changes else to_release,
            name=name,
            revision=0,
            mark=mark,
        )


def _timer_steps(function: Function, found: Deployed | None) -> Iterator[Step]:
    name = function.deployed_name
    there = {timer.name: timer for timer in found.timers} if found else {}
    wanted = {
        timer_name(function, event): event
        for event in function.events
        if isinstance(event, ScheduleEvent)
    }
    for timer, event in wanted.items():
        before = there.get(timer)
        after = Timer(before.id if before else "", timer, event.cron, event.enabled)
        if before != after:
            yield PutTimer(
                action="change" if before else "create",
                what=f"timer {timer}",
                changes=_timer_changes(before, after),
                function=name,
                timer=after,
            )
    for timer, before in there.items():
        if timer not in wanted and re.fullmatch(rf"{function.name}-[0-9a-f]{{8}}", timer):
            yield removed_timer(name, before)


def removed_timer(function: str, timer: Timer) -> RemoveTimer:
    """Return the step that removes a timer of a function."""
    return RemoveTimer(
        action="remove",
        what=f"timer {timer.name}",
        changes=_timer_changes(timer, None),
        function=function,
        timer=timer,
    )


def _timer_changes(before: Timer | None, after: Timer | None) -> tuple[Change, ...]:
    def fields(timer: Timer | None) -> dict[str, str]:
        return {"rate": timer.cron, "enabled": str(timer.enabled).lower()} if timer else {}

    old, new = fields(before), fields(after)
    return tuple(
        Change(field, old.get(field), new.get(field))
        for field in ("rate", "enabled")
        if old.get(field) != new.get(field)
    )


def _rule_steps(functions: Sequence[Function], found: Found) -> Iterator[Step]:
    names = [function.deployed_name for function in functions]
    for bucket in found.rules:
        step = rules_step(bucket, rules_of(functions, bucket), names, found)
        if step is not None:
            yield step


def _rule_problems(service: Service, functions: Sequence[Function], found: Found) -> Iterator[str]:
    names = [function.deployed_name for function in functions]
    # One that was renamed or whose event was moved leaves its rule behind: it is no stranger's.
    ways = {
        name: f"first {_removing(service, name)}, then deploy, then 'repaint backfill' for what "
        "was uploaded in between"
        for name in found.orphans
    }
    for other in service.functions:
        if other.deployed_name not in names:
            ways[other.deployed_name] = f"say --function {other.name} as well"
    for bucket, there in found.rules.items():
        rules = rules_of(functions, bucket)
        if there is not None:
            yield from rule_problems(bucket, there.rules, rules, names, ways)
        elif rules:
            yield (
                f"There is no bucket {bucket} of yours in the region of serverless.yml: create it, "
                "or correct bucket: or region: there."
            )


def _in_the_way(service: Service, wanted: Sequence[Wanted], found: Found) -> Iterator[str]:
    keyless = [each.function.deployed_name for each in wanted if not _has_key(each.function)]
    if keyless:
        yield (
            f"{', '.join(keyless)} would have no access key, and could not read a single upload: "
            "export REPAINT_ROLE with the role that 'repaint policy' describes, which is role: "
            "below iam: in serverless.yml."
        )
    for each in wanted:
        function = each.function
        there = found.functions.get(function.deployed_name)
        if there is None:
            continue
        if there.mark is None or not there.mark.is_of(service):
            whose = f"belongs to {there.mark.service}, {there.mark.stage}" if there.mark else ""
            yield (
                f"There is a function {there.name} that {whose or 'Repaint did not deploy'}: write "
                "another name for service or stage, or remove that function in the console."
            )
        elif there.source_type == "image" or not _same_python(there.runtime, function.runtime):
            yield (
                f"{there.name} has the runtime {there.runtime} with code from {there.source_type}, "
                f"and is to have {function.runtime} from a zip: neither can be changed. Remove it "
                f"({_removing(service, function.name)}) and deploy again."
            )


def _has_key(function: Function) -> bool:
    """Tell whether a function has a role, or variables from which the SDK may get a key."""
    return function.role is not None or any(v.startswith("VOLC") for v in function.environment)


def _same_python(one: str, other: str) -> bool:
    """Tell whether two runtimes are one: `python3.12/v1` is also `vefaas.base.python3.12.v1`."""
    return _PYTHON.findall(one) == _PYTHON.findall(other)


def _notes(service: Service, functions: Sequence[Function], found: Found) -> Iterator[str]:
    for function in functions:
        there = found.functions.get(function.deployed_name)
        if there and there.is_releasing:
            yield f"{there.name} is being released: a deployment waits for that, and looks again."
        by_http = any(isinstance(event, HttpEvent) for event in function.events)
        if by_http and not (there and there.has_other_triggers):
            yield _GATEWAY.format(name=function.deployed_name)
    for name in found.orphans:
        yield (
            f"{name} was deployed and is in serverless.yml no more: {_removing(service, name)} "
            "removes it."
        )


def _removing(service: Service, name: str) -> str:
    """Return the command that removes a function: with the stage, or another's would be removed."""
    return f"'repaint remove --function {name} --stage {service.stage}'"


def buckets_of(functions: Sequence[Function]) -> list[str]:
    """Return the buckets whose objects call these functions."""
    events = (event for function in functions for event in function.events)
    return list(dict.fromkeys(event.bucket for event in events if isinstance(event, TosEvent)))
