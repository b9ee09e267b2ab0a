"""A bucket's notification rules: which function hears of which object, and in what words."""

import json
import re
import secrets
import sqlite3
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local.tos.errors import invalid
from local.tos.records import Stored

MAX_RULES = 10
_EVENT = re.compile(r"tos:Object[A-Za-z]+:(\*|[A-Za-z]+)")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from, as its events tell it."""

    region: str
    request_id: str
    source_ip: str
    principal: str


@dataclass(frozen=True, slots=True)
class Notice:
    """One event for one function; `id` is its place in the outbox."""

    id: int
    function_id: str
    event: dict[str, Any]


def validated(rules: Any) -> list[dict[str, Any]]:
    """Return the rules of a PUT in the form in which they are kept.

    Raises TosError that names the rule and what is wrong with it.
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


def record(
    connection: sqlite3.Connection, name: str, stored: Stored, origin: Origin
) -> list[Notice]:
    """Put an event into the outbox for each function whose rule matches.

    Runs in the transaction that changes the object: an object without its event, or an event
    without its object, can then not be left behind by a process that dies.
    """
    (rules,) = connection.execute(
        "SELECT rules FROM buckets WHERE name = ?", (stored.bucket,)
    ).fetchone()
    notices = []
    for rule in json.loads(rules):
        if not _matches(rule, name, stored.key):
            continue
        event = _envelope(name, stored, rule["RuleId"], origin)
        for _, function in destinations([rule]):
            row = connection.execute(
                "INSERT INTO outbox (function, event) VALUES (?, ?) RETURNING id",
                (function, json.dumps(event)),
            ).fetchone()
            notices.append(Notice(row["id"], function, event))
    return notices


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
            raise invalid(f"Rule {name!r}: {event!r} is no event; write tos:ObjectCreated:*.")
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


def _matches(rule: dict[str, Any], event: str, key: str) -> bool:
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


def _envelope(name: str, stored: Stored, rule_id: str, origin: Origin) -> dict[str, Any]:
    moment = datetime.fromtimestamp(stored.modified, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    described: dict[str, Any] = {"eTag": stored.etag, "key": stored.key, "size": stored.size}
    if stored.version:
        described["versionId"] = stored.version
    return {
        "id": str(uuid.uuid4()),
        "source": f"trn:tos:::{stored.bucket}",
        "specversion": "1.0",
        "type": "faas.tos.event",
        "time": moment,
        "datacontenttype": "application/octet-stream",
        "data": {
            "events": [
                {
                    "eventName": name,
                    "eventSource": "tos",
                    "eventTime": moment,
                    "eventVersion": "1.0",
                    "tos": {
                        "tosSchemaVersion": "1.0",
                        "ruleId": rule_id,
                        "region": origin.region,
                        "bucket": {
                            "trn": f"trn:tos:::{stored.bucket}",
                            "name": stored.bucket,
                            "ownerIdentify": "local",
                        },
                        "object": described,
                        "requestParameters": {"sourceIPAddress": origin.source_ip},
                        "responseElements": {"requestId": origin.request_id},
                        "userIdentity": {"principalId": origin.principal},
                    },
                }
            ]
        },
    }
