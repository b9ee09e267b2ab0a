"""A bucket's notification rules: ours put among those of others, which stay as they are.

A rule is ours by its id, `<function>-<8 hexadecimal digits>` (see `serverless.service.rule_id`):
also where the function that it called is gone.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ops.deployment.notification import Rule
from ops.deployment.serverless_yml.layout import MOST_RULES, overlap
from ops.deployment.serverless_yml.service import Function, TosEvent, rule_id

_WHERE = "the bucket's 事件通知 in the TOS console"


@dataclass(frozen=True, slots=True)
class OurRule:
    """The rule of one event; `function` is the name of the one that it calls."""

    id: str
    event: TosEvent
    function: str

    def __str__(self) -> str:
        """Say what it sends where."""
        event = self.event
        return f"{', '.join(event.events)} {event.prefix}*{event.suffix} → {self.function}"


def rules_of(functions: Iterable[Function], bucket: str) -> list[OurRule]:
    """Return the rules that a bucket has to have."""
    return [
        OurRule(rule_id(function, event), event, function.deployed_name)
        for function in functions
        for event in function.events
        if isinstance(event, TosEvent) and event.bucket == bucket
    ]


def is_ours(entry: Mapping[str, Any], names: Iterable[str]) -> bool:
    """Tell whether a rule is that of one of the functions of these names."""
    found = Rule.read(dict(entry)).rule_id
    return any(re.fullmatch(rf"{re.escape(name)}-[0-9a-f]{{8}}", found) for name in names)


def merged(
    entries: Iterable[Mapping[str, Any]],
    wanted: Iterable[OurRule],
    ids: Mapping[str, str],
    names: Iterable[str],
) -> list[dict[str, Any]]:
    """Return the bucket's rules with `wanted` in the place of all that are ours.

    `ids` are the functions' by their names; `names` those whose rules are ours. What is right
    already stays letter for letter.
    """
    names = list(names)
    left = {rule.id: rule for rule in wanted}
    result = []
    for entry in entries:
        if not is_ours(entry, names):
            result.append(dict(entry))
            continue
        rule = left.pop(Rule.read(dict(entry)).rule_id, None)
        if rule is not None:
            same = says_the_same(entry, rule, ids.get(rule.function))
            result.append(dict(entry) if same else _document(rule, ids))
    return result + [_document(rule, ids) for rule in left.values()]


def says_the_same(entry: Mapping[str, Any], rule: OurRule, function_id: str | None) -> bool:
    """Tell whether what is there does what a rule of ours is to do."""
    found, event = Rule.read(dict(entry)), rule.event
    return (
        found.functions == (function_id,)
        and sorted(found.events) == sorted(event.events)
        and (found.prefix, found.suffix) == (event.prefix, event.suffix)
    )


def rule_problems(
    bucket: str,
    entries: Iterable[Mapping[str, Any]],
    wanted: Iterable[OurRule],
    names: Iterable[str],
    ways: Mapping[str, str],
) -> Iterator[str]:
    """Go through what object storage would refuse, with what to do about it.

    `ways` say what to do about the rules of this service's functions that are not in `names`.
    """
    names, wanted = list(names), list(wanted)
    others = [Rule.read(dict(entry)) for entry in entries if not is_ours(entry, names)]
    for rule in wanted:
        for other in others:
            event = TosEvent(bucket, other.events, other.prefix, other.suffix)
            if not overlap(rule.event, event):
                continue
            entry = {"RuleId": other.rule_id}
            owner = next((name for name in ways if is_ours(entry, [name])), None)
            if owner is not None:
                yield (
                    f"The rule {other.rule_id} of {bucket} calls {owner} and overlaps with {rule}, "
                    f"which object storage refuses: {ways[owner]}."
                )
            else:
                yield (
                    f"The rule {other} of {bucket} is another's and overlaps with {rule}, "
                    "which object storage refuses: give the event in serverless.yml another "
                    f"prefix, or change that rule in {_WHERE}."
                )
    if wanted and len(others) + len(wanted) > MOST_RULES:
        yield (
            f"{bucket} has {len(others)} rules of others and would get {len(wanted)}, and can have "
            f"{MOST_RULES}: leave out suffixes in serverless.yml, or remove rules in {_WHERE}."
        )


def _document(rule: OurRule, ids: Mapping[str, str]) -> dict[str, Any]:
    event = rule.event
    filters = [("prefix", event.prefix), ("suffix", event.suffix)]
    return {
        "RuleId": rule.id,
        "Events": list(event.events),
        "Filter": {
            "TOSKey": {
                "FilterRules": [{"Name": n, "Value": value} for n, value in filters if value]
            }
        },
        "Destination": {"VeFaaS": [{"FunctionId": ids[rule.function]}]},
    }
