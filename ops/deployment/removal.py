"""What is to be done so that nothing of a deployment is left. Nothing is called here.

Rules go first: an upload that calls a function which is gone would be lost. Buckets, the ledger and
the images are no part of a deployment.
"""

from collections.abc import Iterator, Sequence

from ops.deployment.notification import Rule
from ops.deployment.plan import removed_timer, rules_step
from ops.deployment.rules import is_ours
from ops.deployment.serverless_yml.service import Service
from ops.deployment.state import Deployed, Found
from ops.deployment.steps import Plan, RemoveFunction, Step


def removal_plan(service: Service, names: Sequence[str], found: Found) -> Plan:
    """Return what is to be done to remove the functions of these names."""
    there = [found.functions[name] for name in names if name in found.functions]
    ours = [f for f in there if f.mark and f.mark.is_of(service)]
    steps: list[Step] = []
    # What calls another's function of the same name stays with it; of one that is gone it goes.
    others = {f.name for f in there if f not in ours}
    of_rules = [name for name in names if name not in others]
    for bucket in found.rules:
        step = rules_step(bucket, (), of_rules, found)
        if step is not None:
            steps.append(step)
    for function in ours:
        steps += [removed_timer(function.name, timer) for timer in function.timers]
        steps.append(
            RemoveFunction(action="remove", what=f"function {function.name}", name=function.name)
        )
    return Plan(tuple(steps), tuple(_problems(ours, names, found)), tuple(_notes(there, ours)))


def _problems(functions: Sequence[Deployed], names: Sequence[str], found: Found) -> Iterator[str]:
    """Go through the rules of others that call these functions: theirs to remove."""
    ids = {function.id: function.name for function in functions}
    for bucket, rules in found.rules.items():
        for entry in rules.rules if rules else ():
            rule = Rule.read(entry)
            called = [ids[function_id] for function_id in rule.functions if function_id in ids]
            if called and not is_ours(entry, names):
                yield (
                    f"The rule {rule.rule_id} of {bucket} is not Repaint's and calls "
                    f"{', '.join(called)}: remove it first, in the bucket's 事件通知 in the TOS "
                    "console."
                )


def _notes(there: Sequence[Deployed], ours: Sequence[Deployed]) -> Iterator[str]:
    for function in there:
        if function not in ours:
            yield f"{function.name} was not deployed for this service and stage: it stays."
        elif function.has_other_triggers:
            yield (
                f"{function.name} has other triggers as well, such as an API gateway: they stay, "
                "and lead nowhere."
            )
    if ours:
        yield (
            "What stays: the buckets with all that is in them, the ledger with what is unfinished, "
            "and the images in veImageX."
        )
