"""A bucket's notification rules: the functions that are called for an object's events."""

import re
import secrets
from collections.abc import Iterator
from typing import Any

from local.tos.errors import invalid

MAX_RULES = 10
_EVENT = re.compile(r"tos:Object[A-Za-z]+:(\*|[A-Za-z]+)")


def validated(rules: Any) -> list[dict[str, Any]]:
    """Return the rules of a PUT in the form in which they are stored.

    Raises TosApiError, which names the rule and its problem.
    """
    if not isinstance(rules, list):
        raise invalid('"Rules" must be a list; send [] to remove every rule.')
    if len(rules) > MAX_RULES:
        raise invalid(f"A bucket has at most {MAX_RULES} rules; these are {len(rules)}.")
    kept = [_validated_rule(rule, number) for number, rule in enumerate(rules, 1)]
    names = [rule["RuleId"] for rule in kept]
    for number, rule in enumerate(kept):
        if rule["RuleId"] in names[:number]:
            raise invalid(f"Two rules have the RuleId {rule['RuleId']!r}; give each its own.")
        for other in kept[:number]:
            if _overlap(rule, other):
                raise invalid(
                    f"The rules {other['RuleId']!r} and {rule['RuleId']!r} name the same event "
                    "and overlap in prefix and suffix; narrow one of them."
                )
    return kept


def destinations(rules: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield each rule's id with each function that it calls."""
    for rule in rules:
        for destination in rule["Destination"]["VeFaaS"]:
            yield rule["RuleId"], destination["FunctionId"]


def _validated_rule(rule: Any, number: int) -> dict[str, Any]:
    if not isinstance(rule, dict):
        raise invalid(f"Rule {number} must be an object with Events and Destination.")
    # The official SDK writes RuleID and reads RuleId.
    name = rule.get("RuleId") or rule.get("RuleID") or f"rule-{secrets.token_hex(4)}"
    if not isinstance(name, str):
        raise invalid(f"The RuleId of rule {number} must be a string.")
    events = rule.get("Events")
    if not isinstance(events, list) or not events:
        raise invalid(f'Rule {name!r} needs "Events", such as ["tos:ObjectCreated:*"].')
    for event in events:
        if not isinstance(event, str) or not _EVENT.fullmatch(event):
            raise invalid(f"Rule {name!r}: {event!r} is not an event; write tos:ObjectCreated:*.")
    return {
        "RuleId": name,
        "Events": events,
        "Filter": {"TOSKey": {"FilterRules": list(_validated_filters(rule, name))}},
        "Destination": {"VeFaaS": list(_validated_functions(rule, name))},
    }


def _validated_filters(rule: dict[str, Any], name: str) -> Iterator[dict[str, str]]:
    tos_key = _member(_member(rule, "Filter", name), "TOSKey", name)
    filters = tos_key.get("FilterRules") or []
    if not isinstance(filters, list):
        raise invalid(f'Rule {name!r}: "FilterRules" must be a list.')
    seen = set()
    for item in filters:
        kind, value = (item.get("Name"), item.get("Value")) if isinstance(item, dict) else (0, 0)
        if kind not in ("prefix", "suffix") or not isinstance(value, str) or kind in seen:
            raise invalid(
                f'Rule {name!r}: a filter is {{"Name": "prefix" or "suffix", "Value": "…"}}, '
                "each name at most once."
            )
        seen.add(kind)
        yield {"Name": kind, "Value": value}


def _validated_functions(rule: dict[str, Any], name: str) -> Iterator[dict[str, str]]:
    destination = _member(rule, "Destination", name)
    functions = destination.get("VeFaaS")
    if not isinstance(functions, list) or not functions or set(destination) != {"VeFaaS"}:
        raise invalid(
            f'Rule {name!r} needs "Destination": {{"VeFaaS": [{{"FunctionId": "…"}}]}}; '
            "the local object storage has no other destination."
        )
    for function in functions:
        identifier = function.get("FunctionId") if isinstance(function, dict) else None
        if not isinstance(identifier, str) or not identifier:
            raise invalid(f"Rule {name!r}: a VeFaaS destination needs its FunctionId.")
        yield {"FunctionId": identifier}


def _member(parent: dict[str, Any], name: str, rule: str) -> dict[str, Any]:
    value = parent.get(name) or {}
    if not isinstance(value, dict):
        raise invalid(f'Rule {rule!r}: "{name}" must be an object.')
    return value


def _filter(rule: dict[str, Any], name: str) -> str:
    filters = rule["Filter"]["TOSKey"]["FilterRules"]
    return next((str(item["Value"]) for item in filters if item["Name"] == name), "")


def _covers(pattern: str, event: str) -> bool:
    return pattern == event or (pattern.endswith(":*") and event.startswith(pattern[:-1]))


def matches(rule: dict[str, Any], event: str, key: str) -> bool:
    """Check whether a rule is about an event of the object `key`."""
    return (
        any(_covers(pattern, event) for pattern in rule["Events"])
        and key.startswith(_filter(rule, "prefix"))
        and key.endswith(_filter(rule, "suffix"))
    )


def _overlap(one: dict[str, Any], two: dict[str, Any]) -> bool:
    prefix, other_prefix = _filter(one, "prefix"), _filter(two, "prefix")
    suffix, other_suffix = _filter(one, "suffix"), _filter(two, "suffix")
    return (
        any(_covers(a, b) or _covers(b, a) for a in one["Events"] for b in two["Events"])
        and (prefix.startswith(other_prefix) or other_prefix.startswith(prefix))
        and (suffix.endswith(other_suffix) or other_suffix.endswith(suffix))
    )
