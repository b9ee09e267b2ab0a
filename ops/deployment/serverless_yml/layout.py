"""What the platform would refuse, and what is not there: names, folders, rules that overlap."""

from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import combinations
from typing import NamedTuple

from ops.deployment.serverless_yml.document import Document, Place
from ops.deployment.serverless_yml.problems import Problem
from ops.deployment.serverless_yml.service import Function, ScheduleEvent, Service, TosEvent

_LONGEST_NAME = 64
MOST_RULES = 10


class _Rule(NamedTuple):
    function: Function
    event: TosEvent
    line: int


def layout_problems(service: Service, document: Document) -> Iterator[Problem]:
    """Go through what is wrong, each at its line."""
    for function in service.functions:
        place: Place = ("functions", function.name)
        if len(function.deployed_name) > _LONGEST_NAME:
            yield Problem(
                document.line(place),
                f"the name {function.deployed_name} has {len(function.deployed_name)} letters",
                f"write shorter names for service, stage or function: {_LONGEST_NAME} are allowed",
            )
        if not (service.root / function.folder / "index.py").is_file():
            there = [
                found.parent.relative_to(service.root).as_posix()
                for found in sorted(service.root.glob("functions/*/index.py"))
            ]
            near = get_close_matches(function.folder.as_posix(), there, n=1) or there
            yield Problem(
                document.line((*place, "handler")),
                f"there is no {function.folder.as_posix()}/index.py beside this file",
                f"did you mean {near[0]}/index.handler?" if near else "create it",
            )
        times = Counter(e.cron for e in function.events if isinstance(e, ScheduleEvent))
        for cron, number in times.items():
            if number > 1:
                yield Problem(
                    document.line((*place, "events")),
                    f"{function.name} has the schedule {cron} {number} times",
                    "keep one of them",
                )
    yield from _rule_problems(
        [
            _Rule(function, event, document.line(("functions", function.name, "events")))
            for function in service.functions
            for event in function.events
            if isinstance(event, TosEvent)
        ]
    )


def _rule_problems(rules: list[_Rule]) -> Iterator[Problem]:
    for bucket, number in Counter(rule.event.bucket for rule in rules).items():
        if number > MOST_RULES:
            last = [rule for rule in rules if rule.event.bucket == bucket][MOST_RULES]
            yield Problem(
                last.line,
                f"{bucket} gets {number} rules, and can have {MOST_RULES}",
                "leave out suffixes: the functions leave other files alone",
            )
    for one, other in combinations(rules, 2):
        if overlap(one.event, other.event):
            yield Problem(
                other.line,
                f"{_shown(other.event)} of {other.function.name} overlaps with {_shown(one.event)} "
                f"of {one.function.name} (line {one.line}), which the platform refuses",
                "write prefixes of which neither begins with the other",
            )


def overlap(one: TosEvent, other: TosEvent) -> bool:
    """Tell whether one object's event could be told by both."""
    return (
        one.bucket == other.bucket
        and any(_same(a, b) for a in one.events for b in other.events)
        and (one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix))
        and (one.suffix.endswith(other.suffix) or other.suffix.endswith(one.suffix))
    )


def _same(one: str, other: str) -> bool:
    kind, _, way = one.rpartition(":")
    other_kind, _, other_way = other.rpartition(":")
    return kind == other_kind and (way == other_way or "*" in (way, other_way))


def _shown(event: TosEvent) -> str:
    return f"{event.bucket}/{event.prefix}*{event.suffix}"
