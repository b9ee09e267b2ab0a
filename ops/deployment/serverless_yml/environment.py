"""The functions' environment: held against their own settings before anything is deployed."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from ops.checks.settings import touch
from ops.deployment.serverless_yml.document import Place
from ops.deployment.serverless_yml.problems import Problem
from ops.deployment.serverless_yml.service import Function, Service, TosEvent
from ops.deployment.serverless_yml.variables import Variables
from shared.errors import SettingsError
from shared.processing.claims import WRITE_SECONDS
from shared.settings import DEFAULT_TOS_REGION, Settings, load_settings

LEDGER = "REPAINT_LEDGER"
DEADLINE = "REPAINT_DEADLINE_SECONDS"
_PROVIDER: Place = ("provider", "environment")
_SETTINGS = frozenset(field.alias or name for name, field in Settings.model_fields.items())
_OURS = ("REPAINT_", "VEIMAGEX_", "TOS_")
_PLATFORM = "_FAAS_"
_ACCESS_KEYS = ("VOLCENGINE_ACCESS_KEY", "VOLCENGINE_SECRET_KEY", "VOLCENGINE_SESSION_TOKEN")


def environment_problems(service: Service, variables: Variables) -> Iterator[Problem]:
    """Go through what is wrong, each at its line; the same may come more than once."""
    return _Environment(service, variables).problems()


class _Environment:
    def __init__(self, service: Service, variables: Variables) -> None:
        self._service = service
        self._variables = variables

    def problems(self) -> Iterator[Problem]:
        for function in self._service.functions:
            for variable in function.environment:
                yield from self._variable(function, variable)
            yield from self._place_of_records(function)
        yield from self._settings()
        yield from self._unknown_secrets()
        if len({function.environment.get(LEDGER) for function in self._service.functions}) > 1:
            yield self._at(
                _PROVIDER,
                f"{LEDGER} is not the same for every function: what one parks, another never finds",
                "write it once, here",
            )

    def _variable(self, function: Function, variable: str) -> Iterator[Problem]:
        place = self._place(function, variable)
        if variable in function.secrets and place in self._variables.literal:
            # The value is not repeated: it would be in a terminal's history and in a log.
            yield self._at(
                place,
                f"{variable} is a secret, and part of it stands in this file",
                f"write ${{env:{variable}}}, and export it; where it was shared, make a new one",
            )
        if variable in _ACCESS_KEYS and function.role:
            yield self._at(
                place,
                f"{variable} is given, although the functions have a role",
                "leave it out: they use the role's own temporary key",
            )
        if variable.startswith(_PLATFORM):
            yield self._at(place, f"{variable} is set by the platform", "leave it out")
        elif variable.startswith(_OURS) and variable not in _SETTINGS:
            # Most of them begin alike: what is like only in that is none that was meant.
            near = get_close_matches(variable, _SETTINGS, n=1, cutoff=0.8)
            yield self._at(
                place,
                f"{variable} is no setting",
                f"did you mean {near[0]}?" if near else "see the README for those that there are",
            )

    def _place_of_records(self, function: Function) -> Iterator[Problem]:
        ledger = function.environment.get(LEDGER)
        told = any(isinstance(event, TosEvent) for event in function.events)
        if ledger is None and not told and LEDGER not in self._untold():
            yield self._at(
                ("functions", function.name),
                f"{LEDGER} is not set, and no event tells {function.name} where records are",
                f"write {LEDGER}: tos://<bucket>/ledger/ below environment: in provider:",
            )
        if ledger is not None and ledger.startswith("sqlite:"):
            yield self._at(
                self._place(function, LEDGER),
                f"{LEDGER} is a file, and the functions' instances share no disk",
                "write tos://<bucket>/ledger/",
            )
        for event in function.events:
            if isinstance(event, TosEvent) and LEDGER not in self._untold():
                where = ledger or f"tos://{event.bucket}/.repaint/"
                if where.startswith(f"tos://{event.bucket}/") and _covers(event, where):
                    yield self._at(
                        ("functions", function.name, "events"),
                        f"{event.bucket}/{event.prefix}*{event.suffix} covers the records in "
                        f"{where}: each that is written would call {function.name} once more",
                        f"write a prefix such as uploads/, or a {LEDGER} in another bucket",
                    )
        region = self._service.region
        if (
            not told
            and region != DEFAULT_TOS_REGION
            and "TOS_REGION" not in {*function.environment, *self._untold()}
        ):
            yield self._at(
                ("functions", function.name),
                f"TOS_REGION is not set, and no event tells {function.name} the region",
                "write TOS_REGION: ${self:provider.region} below environment: in provider:",
            )

    def _settings(self) -> Iterator[Problem]:
        """Read each function's settings as it will itself."""
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
            variable = problem.partition(" ")[0]
            if variable in self._untold():
                continue
            wrong = problem.removesuffix(".")
            everywhere = len(functions) == len(self._service.functions)
            for function in functions:
                if variable in function.environment:
                    yield self._at(
                        self._place(function, variable),
                        wrong,
                        "mend it here or where it is exported",
                    )
                    continue
                yield self._at(
                    _PROVIDER if everywhere else ("functions", function.name),
                    wrong,
                    f"write {variable}: ${{env:{variable}}} below environment:",
                )

    def _times(self, function: Function, settings: Settings) -> Iterator[Problem]:
        deadline, shortest = settings.deadline_seconds, settings.timeout_seconds + WRITE_SECONDS
        limit = function.timeout_seconds
        if deadline > limit:
            wrong = (
                f"{DEADLINE} is more than the {limit} seconds that a call of {function.name} has"
            )
        elif deadline < shortest:
            wrong = (
                f"a call of {function.name} has {deadline:g} seconds, and one generation may take "
                f"{shortest:g}: none would be begun"
            )
        else:
            return
        if DEADLINE in function.environment:
            instead = "leave it out: the functions know their timeout"
            yield self._at(self._place(function, DEADLINE), wrong, instead)
        else:
            own = ("functions", function.name)
            place: Place = own if "timeout" in self._values(*own) else ("provider",)
            yield self._at((*place, "timeout"), wrong, f"write a timeout of more than {shortest:g}")

    def _unknown_secrets(self) -> Iterator[Problem]:
        """Find what is to be kept secret and is not there: a slip would show what was meant."""
        known = {
            *(name for f in self._service.functions for name in f.environment),
            # One that is `null` now may be there for others.
            *(place[-1] for place in self._variables.document.lines if "environment" in place),
        }
        for index, name in enumerate(self._values("provider").get("secrets", [])):
            if name not in known:
                near = get_close_matches(name, sorted(map(str, known)), n=1)
                yield self._at(
                    ("provider", "secrets", index),
                    f"secrets names {name}, which is in no environment",
                    f"did you mean {near[0]}?" if near else "leave it out",
                )

    def _place(self, function: Function, variable: str) -> Place:
        """Return where a variable's value stands: the function's own goes before the provider's."""
        own = ("functions", function.name, "environment")
        return (*own, variable) if variable in self._values(*own) else (*_PROVIDER, variable)

    def _values(self, *place: str) -> dict[str, Any]:
        """Return a group of the file; an empty one where there is none."""
        group: dict[str, Any] = self._variables.values
        for step in place:
            group = group.get(step, {})
        return group

    def _untold(self) -> set[str | int]:
        """Return what has no value for a reason that is told already."""
        return {place[-1] for place in self._variables.failed}

    def _at(self, place: Place, wrong: str, instead: str) -> Problem:
        return Problem(self._variables.document.line(place), wrong, instead)


def _covers(event: TosEvent, ledger: str) -> bool:
    """Tell whether a record below `ledger` can be an object that the event is about."""
    prefix = ledger.removeprefix(f"tos://{event.bucket}/")
    return touch(event.prefix, prefix) and (
        ".json".endswith(event.suffix) or event.suffix.endswith(".json")
    )
