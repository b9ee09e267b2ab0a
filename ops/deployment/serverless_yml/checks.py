"""Checks of a service as a whole: names, folders, rules that overlap, the functions' settings."""

from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import combinations
from typing import Any

from ops.deployment.serverless_yml.document import Place, Problem
from ops.deployment.serverless_yml.service import Function, ScheduleEvent, Service, TosEvent
from ops.deployment.serverless_yml.variables import Variables
from shared.errors import SettingsError
from shared.processing.claims import WRITE_SECONDS
from shared.settings import DEFAULT_TOS_REGION, Settings, load_settings

MAX_RULES = 10
"""The notification rules that a bucket can have."""
LEDGER = "REPAINT_LEDGER"
DEADLINE = "REPAINT_DEADLINE_SECONDS"
_MAX_NAME = 64
_PROVIDER: Place = ("provider", "environment")
_SETTINGS = frozenset(field.alias or name for name, field in Settings.model_fields.items())
_OUR_PREFIXES = ("REPAINT_", "VEIMAGEX_", "TOS_")
_PLATFORM_PREFIX = "_FAAS_"
_ACCESS_KEYS = ("VOLCENGINE_ACCESS_KEY", "VOLCENGINE_SECRET_KEY", "VOLCENGINE_SESSION_TOKEN")


def service_problems(service: Service, variables: Variables) -> Iterator[Problem]:
    """Yield the problems, each at its line; one may be yielded more than once.

    The functions' environment is checked unless `variables` leave it out.
    """
    yield from _Names(service, variables).problems()
    if variables.with_settings:
        yield from _Environment(service, variables).problems()


def overlap(one: TosEvent, other: TosEvent) -> bool:
    """Return whether a change to one object could match both events."""
    return (
        one.bucket == other.bucket
        and any(_same_kind(a, b) for a in one.events for b in other.events)
        and (one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix))
        and (one.suffix.endswith(other.suffix) or other.suffix.endswith(one.suffix))
    )


class _Checks:
    def __init__(self, service: Service, variables: Variables) -> None:
        self._service = service
        self._variables = variables

    def _at(self, place: Place, wrong: str, fix: str) -> Problem:
        return Problem(self._variables.document.line(place), wrong, fix)


class _Names(_Checks):
    """What the platform would refuse or not find."""

    def problems(self) -> Iterator[Problem]:
        for function in self._service.functions:
            yield from self._function(function)
        yield from self._rules()

    def _function(self, function: Function) -> Iterator[Problem]:
        place: Place = ("functions", function.name)
        name = function.deployed_name
        if len(name) > _MAX_NAME:
            yield self._at(
                place,
                f"the name {name} has {len(name)} letters",
                f"choose shorter names for service, stage or function: {_MAX_NAME} are allowed",
            )
        root, folder = self._service.root, function.folder.as_posix()
        if not (root / folder / "index.py").is_file():
            handlers = sorted(root.glob("functions/*/index.py"))
            there = [path.parent.relative_to(root).as_posix() for path in handlers]
            near = get_close_matches(folder, there, n=1) or there
            yield self._at(
                (*place, "handler"),
                f"there is no {folder}/index.py beside this file",
                f"did you mean {near[0]}/index.handler?" if near else "create it",
            )
        times = Counter(e.cron for e in function.events if isinstance(e, ScheduleEvent))
        for cron, number in times.items():
            if number > 1:
                yield self._at(
                    (*place, "events"),
                    f"{function.name} has the schedule {cron} {number} times",
                    "keep one of them",
                )

    def _rules(self) -> Iterator[Problem]:
        rules = [
            (event, function)
            for function in self._service.functions
            for event in function.events
            if isinstance(event, TosEvent)
        ]
        for bucket, number in Counter(event.bucket for event, _ in rules).items():
            if number > MAX_RULES:
                last = [function for event, function in rules if event.bucket == bucket][MAX_RULES]
                yield self._at(
                    ("functions", last.name, "events"),
                    f"{bucket} would have {number} rules, and can have {MAX_RULES}",
                    "remove suffixes: the functions ignore other files",
                )
        for (one, of_one), (other, of_other) in combinations(rules, 2):
            if overlap(one, other):
                line = self._variables.document.line(("functions", of_one.name, "events"))
                yield self._at(
                    ("functions", of_other.name, "events"),
                    f"{_shown(other)} of {of_other.name} overlaps with {_shown(one)} of "
                    f"{of_one.name} (line {line}), which the platform refuses",
                    "choose prefixes of which neither begins with the other",
                )


class _Environment(_Checks):
    """The functions' environment, validated as their own settings before it is deployed."""

    def problems(self) -> Iterator[Problem]:
        functions = self._service.functions
        for function in functions:
            for variable in function.environment:
                yield from self._variable(function, variable)
            yield from self._ledger(function)
        yield from self._settings()
        yield from self._unknown_secrets()
        if len({function.environment.get(LEDGER) for function in functions}) > 1:
            yield self._at(
                _PROVIDER,
                f"{LEDGER} is not the same for every function: one would not find what another "
                "parks",
                "set it once, here",
            )

    def _variable(self, function: Function, variable: str) -> Iterator[Problem]:
        place = self._place(function, variable)
        if variable in function.secrets and place in self._variables.literal:
            # The value is not repeated: it would be in a terminal's history and in a log.
            yield self._at(
                place,
                f"{variable} is a secret, and part of it is in this file",
                f"write ${{env:{variable}}}, and export it; if it was shared, create a new one",
            )
        if variable in _ACCESS_KEYS and function.role:
            yield self._at(
                place,
                f"{variable} is set, although the functions have a role",
                "remove it: they use the role's own temporary key",
            )
        if variable.startswith(_PLATFORM_PREFIX):
            yield self._at(place, f"{variable} is set by the platform", "remove it")
        elif variable.startswith(_OUR_PREFIXES) and variable not in _SETTINGS:
            # Most settings begin alike: similar only in that is not similar enough.
            near = get_close_matches(variable, _SETTINGS, n=1, cutoff=0.8)
            fix = f"did you mean {near[0]}?" if near else "see the README for all settings"
            yield self._at(place, f"{variable} is not a setting", fix)

    def _ledger(self, function: Function) -> Iterator[Problem]:
        ledger = function.environment.get(LEDGER, "")
        if ledger.startswith("sqlite:"):
            yield self._at(
                self._place(function, LEDGER),
                f"{LEDGER} is a file, and the functions' instances share no disk",
                "write tos://<bucket>/ledger/",
            )
        events = [event for event in function.events if isinstance(event, TosEvent)]
        for event in events:
            if _covers(event, ledger):
                yield self._at(
                    ("functions", function.name, "events"),
                    f"{_shown(event)} includes the records in {ledger}: each record that is "
                    f"written would call {function.name} again",
                    f"choose a prefix such as uploads/, or a {LEDGER} in another bucket",
                )
        if (
            not events
            and self._service.region != DEFAULT_TOS_REGION
            and "TOS_REGION" not in {*function.environment, *self._reported()}
        ):
            yield self._at(
                ("functions", function.name),
                f"TOS_REGION is not set, and no tos event gives {function.name} the region",
                "write TOS_REGION: ${self:provider.region} below environment: in provider:",
            )

    def _settings(self) -> Iterator[Problem]:
        """Load each function's settings as the function itself will."""
        found: dict[str, list[Function]] = {}
        for function in self._service.functions:
            limit = str(function.timeout_seconds)
            try:
                settings = load_settings({**function.environment, "_FAAS_FUNC_TIMEOUT": limit})
            except SettingsError as error:
                for problem in error.problems:
                    found.setdefault(problem, []).append(function)
            else:
                yield from self._times(function, settings)
        for problem, functions in found.items():
            variable, wrong = problem.partition(" ")[0], problem.removesuffix(".")
            if variable in self._reported():
                continue
            everywhere = len(functions) == len(self._service.functions)
            for function in functions:
                if variable in function.environment:
                    place = self._place(function, variable)
                    yield self._at(place, wrong, "fix it here or where it is exported")
                else:
                    place = _PROVIDER if everywhere else ("functions", function.name)
                    fix = f"write {variable}: ${{env:{variable}}} below environment:"
                    yield self._at(place, wrong, fix)

    def _times(self, function: Function, settings: Settings) -> Iterator[Problem]:
        deadline, shortest = settings.deadline_seconds, settings.timeout_seconds + WRITE_SECONDS
        limit = function.timeout_seconds
        if deadline > limit:
            wrong = f"{DEADLINE} is more than the {limit} seconds of {function.name}'s timeout"
        elif deadline < shortest:
            wrong = (
                f"an invocation of {function.name} has {deadline:g} seconds, and one generation "
                f"may take {shortest:g}: none would start"
            )
        else:
            return
        if DEADLINE in function.environment:
            fix = "remove it: the functions know their timeout"
            yield self._at(self._place(function, DEADLINE), wrong, fix)
        else:
            own = ("functions", function.name)
            place: Place = own if "timeout" in self._group(*own) else ("provider",)
            yield self._at((*place, "timeout"), wrong, f"set a timeout of more than {shortest:g}")

    def _unknown_secrets(self) -> Iterator[Problem]:
        """Find names in `secrets:` that are no variable: a slip would show a secret's value."""
        known = {
            *(name for f in self._service.functions for name in f.environment),
            # One that is `null` now may have a value for others.
            *(place[-1] for place in self._variables.document.lines if "environment" in place),
        }
        for index, name in enumerate(self._group("provider").get("secrets", [])):
            if name not in known:
                near = get_close_matches(name, sorted(map(str, known)), n=1)
                yield self._at(
                    ("provider", "secrets", index),
                    f"secrets contains {name}, which is in no environment",
                    f"did you mean {near[0]}?" if near else "remove it",
                )

    def _place(self, function: Function, variable: str) -> Place:
        """Return the place of a variable's value: the function's own overrides the provider's."""
        own = ("functions", function.name, "environment")
        return (*own, variable) if variable in self._group(*own) else (*_PROVIDER, variable)

    def _group(self, *place: str) -> dict[str, Any]:
        """Return a group of the file; an empty one if there is none."""
        group: dict[str, Any] = self._variables.values
        for step in place:
            group = group.get(step, {})
        return group

    def _reported(self) -> set[str | int]:
        """Return the names without a value whose problem is reported already."""
        return {place[-1] for place in self._variables.failed}


def _same_kind(one: str, other: str) -> bool:
    action, _, kind = one.rpartition(":")
    other_action, _, other_kind = other.rpartition(":")
    return action == other_action and (kind == other_kind or "*" in (kind, other_kind))


def _shown(event: TosEvent) -> str:
    return f"{event.bucket}/{event.prefix}*{event.suffix}"


def _covers(event: TosEvent, ledger: str) -> bool:
    """Return whether a record below `ledger` can be an object that the event matches."""
    bucket = f"tos://{event.bucket}/"
    prefix = ledger.removeprefix(bucket)
    return (
        ledger.startswith(bucket)
        and (event.prefix.startswith(prefix) or prefix.startswith(event.prefix))
        and (".json".endswith(event.suffix) or event.suffix.endswith(".json"))
    )
