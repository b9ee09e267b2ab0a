"""The notification rules of buckets, which call functions: ours merged with those of others.

A rule is ours by its id, `<function>-<8 hexadecimal digits>` (see `rule_id`), also if the function
that it called is gone. Rules of others are never changed.

A PUT replaces every rule of a bucket. It names the version that was read, so that a change in
between is refused instead of undone; then everything is read and merged anew.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

from typing_extensions import override

from ops.deployment.serverless_yml.checks import MAX_RULES, overlap
from ops.deployment.serverless_yml.service import Function, TosEvent, rule_id
from shared.clients.tos import Tos
from shared.errors import MaybeExecuted, ObjectMissing, TosError
from shared.json_utils import as_object

_ATTEMPTS = 5
_QUERY = {"notification_v2": ""}
_CONSOLE = "the bucket's 事件通知 in the TOS console"

Merge = Callable[[tuple[dict[str, Any], ...]], list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; empty `prefix` and `suffix` match any key, `functions` are the ids it calls."""

    rule_id: str
    events: tuple[str, ...]
    prefix: str
    suffix: str
    functions: tuple[str, ...]

    @override
    def __str__(self) -> str:
        return f"{self.rule_id} ({self.prefix}*{self.suffix} → {', '.join(self.functions)})"

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> Self:
        """Read one entry of `Rules`; a missing or malformed part counts as empty."""
        filters = {
            str(f.get("Name")): str(f.get("Value") or "")
            for f in _list(_dict(_dict(entry, "Filter"), "TOSKey"), "FilterRules")
            if isinstance(f, dict)
        }
        functions = _list(_dict(entry, "Destination"), "VeFaaS")
        return cls(
            # The official SDK writes RuleID and reads RuleId.
            rule_id=str(entry.get("RuleId") or entry.get("RuleID") or "a rule without a name"),
            events=tuple(str(event) for event in _list(entry, "Events")),
            prefix=filters.get("prefix", ""),
            suffix=filters.get("suffix", ""),
            functions=tuple(str(f.get("FunctionId")) for f in functions if isinstance(f, dict)),
        )

    def is_of(self, names: Iterable[str]) -> bool:
        """Return whether it is the rule of one of the functions of these names."""
        return any(
            re.fullmatch(rf"{re.escape(name)}-[0-9a-f]{{8}}", self.rule_id) for name in names
        )


@dataclass(frozen=True, slots=True)
class OurRule:
    """The rule of one event; `function` is the name of the one that it calls."""

    id: str
    event: TosEvent
    function: str

    @override
    def __str__(self) -> str:
        event = self.event
        return f"{', '.join(event.events)} {event.prefix}*{event.suffix} → {self.function}"

    def equals(self, rule: Rule, function_id: str | None) -> bool:
        """Return whether `rule` does the same, `function_id` being the function's."""
        return (
            rule.functions == (function_id,)
            and sorted(rule.events) == sorted(self.event.events)
            and (rule.prefix, rule.suffix) == (self.event.prefix, self.event.suffix)
        )

    def entry(self, function_id: str) -> dict[str, Any]:
        """Return the rule as an entry of `Rules`."""
        filters = (("prefix", self.event.prefix), ("suffix", self.event.suffix))
        used = [{"Name": name, "Value": value} for name, value in filters if value]
        return {
            "RuleId": self.id,
            "Events": list(self.event.events),
            "Filter": {"TOSKey": {"FilterRules": used}},
            "Destination": {"VeFaaS": [{"FunctionId": function_id}]},
        }


@dataclass(frozen=True, slots=True)
class BucketRules:
    """A bucket's rules, and the version that a write must name."""

    rules: tuple[dict[str, Any], ...]
    version: str | None


class Buckets(Protocol):
    """The buckets of a region. Every method raises TosError, NoAnswer or CredentialsError."""

    def rules(self, bucket: str) -> BucketRules | None:
        """Return a bucket's rules; None if the bucket does not exist."""
        ...

    def set_rules(self, bucket: str, rules: list[dict[str, Any]], version: str | None) -> None:
        """Replace every rule of a bucket, if `version` is still their version."""
        ...


class TosBuckets(Tos, Buckets):
    """The buckets of object storage."""

    @override
    def rules(self, bucket: str) -> BucketRules | None:
        try:
            answer = self._send("GET", bucket, "", query=_QUERY)
        except ObjectMissing as missing:
            # A bucket whose rules were never set may be answered with 404 as well.
            return None if missing.code == "NoSuchBucket" else BucketRules((), None)
        document = as_object(answer.body)
        rules = [] if document is None else document.get("Rules") or []
        if document is None or not all(isinstance(rule, dict) for rule in rules):
            raise MaybeExecuted(f"The rules of {bucket} cannot be read.")
        return BucketRules(tuple(rules), document.get("Version") or None)

    @override
    def set_rules(self, bucket: str, rules: list[dict[str, Any]], version: str | None) -> None:
        document = {"Rules": rules, **({"Version": version} if version else {})}
        headers = {"content-type": "application/json"}
        body = json.dumps(document, ensure_ascii=False).encode()
        self._send("PUT", bucket, "", query=_QUERY, headers=headers, body=body)


def rules_of(functions: Iterable[Function], bucket: str) -> list[OurRule]:
    """Return the rules that a bucket needs for these functions."""
    return [
        OurRule(rule_id(function, event), event, function.deployed_name)
        for function in functions
        for event in function.events
        if isinstance(event, TosEvent) and event.bucket == bucket
    ]


def merged(
    entries: Iterable[Mapping[str, Any]],
    wanted: Iterable[OurRule],
    ids: Mapping[str, str],
    names: Iterable[str],
) -> list[dict[str, Any]]:
    """Return the bucket's rules with `wanted` in the place of all that are ours.

    `ids` are the functions' ids by name; `names` are the functions whose rules are ours. A rule
    that is right already stays as it is, byte for byte.
    """
    names = list(names)
    left = {rule.id: rule for rule in wanted}
    result = []
    for entry in entries:
        found = Rule.read(entry)
        if not found.is_of(names):
            result.append(dict(entry))
        elif rule := left.pop(found.rule_id, None):
            same = rule.equals(found, ids.get(rule.function))
            result.append(dict(entry) if same else rule.entry(ids[rule.function]))
    return result + [rule.entry(ids[rule.function]) for rule in left.values()]


def rule_problems(
    bucket: str,
    entries: Iterable[Mapping[str, Any]],
    wanted: Iterable[OurRule],
    names: Iterable[str],
    fixes: Mapping[str, str],
) -> Iterator[str]:
    """Yield what object storage would refuse, and how to fix it.

    `fixes` are for the rules of this service's functions that are not in `names`.
    """
    names, wanted = list(names), list(wanted)
    others = [rule for rule in map(Rule.read, entries) if not rule.is_of(names)]
    for ours in wanted:
        for other in others:
            event = TosEvent(bucket, other.events, other.prefix, other.suffix)
            if not overlap(ours.event, event):
                continue
            owner = next((name for name in fixes if other.is_of([name])), None)
            if owner is not None:
                yield (
                    f"The rule {other.rule_id} of {bucket} calls {owner} and overlaps with {ours}, "
                    f"which object storage refuses: {fixes[owner]}."
                )
            else:
                yield (
                    f"The rule {other} of {bucket} is not Repaint's and overlaps with {ours}, "
                    "which object storage refuses: choose another prefix for the event in "
                    f"serverless.yml, or change that rule in {_CONSOLE}."
                )
    if wanted and len(others) + len(wanted) > MAX_RULES:
        yield (
            f"{bucket} has {len(others)} rules of others and needs {len(wanted)} more, and can "
            f"have {MAX_RULES}: remove suffixes in serverless.yml, or rules in {_CONSOLE}."
        )


def change_rules(buckets: Buckets, bucket: str, merge: Merge) -> None:
    """Write the rules that `merge` returns for a bucket's current rules, if they differ.

    If somebody else changes them meanwhile, they are merged anew. Raises TosError.
    """
    refusal: TosError | None = None
    before: BucketRules | None = None
    for _ in range(_ATTEMPTS):
        found = buckets.rules(bucket) or BucketRules((), None)
        if refusal is not None and found == before:
            raise refusal  # for another reason than a change by somebody else
        rules = merge(found.rules)
        if rules == list(found.rules):
            return
        try:
            buckets.set_rules(bucket, rules, found.version)
        except TosError as error:
            refusal, before = error, found
        else:
            return
    raise refusal or AssertionError("no attempt, no refusal")


def _dict(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    inner = value.get(name)
    return inner if isinstance(inner, dict) else {}


def _list(value: Mapping[str, Any], name: str) -> list[Any]:
    inner = value.get(name)
    return inner if isinstance(inner, list) else []
