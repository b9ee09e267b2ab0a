"""The functions' environment: held against their own settings before anything is deployed."""

from collections.abc import Iterator
from difflib import get_close_matches

from ops.serverless.document import Place
from ops.serverless.problems import Problem
from ops.serverless.service import Function, Service, TosEvent
from ops.serverless.variables import Variables
from shared.config import DEFAULT_TOS_REGION, Settings, load_settings
from shared.errors import SettingsError
from shared.turns import WRITE_SECONDS

LEDGER = "REPAINT_LEDGER"
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
        region = self._service.region
        if not told and region != DEFAULT_TOS_REGION and "TOS_REGION" not in function.environment:
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
        if deadline > function.timeout_seconds:
            yield self._at(
                self._place(function, "REPAINT_DEADLINE_SECONDS"),
                f"REPAINT_DEADLINE_SECONDS is more than the {function.timeout_seconds} seconds "
                f"after which the platform ends a call of {function.name}",
                "leave it out: the functions know their timeout",
            )
        elif deadline < shortest:
            yield self._at(
                ("functions", function.name, "timeout"),
                f"a call of {function.name} has {deadline:g} seconds, and one generation may take "
                f"{shortest:g}: none would be begun",
                "write timeout: 120",
            )

    def _place(self, function: Function, variable: str) -> Place:
        """Return where a variable's value stands: the function's own goes before the provider's."""
        own: Place = ("functions", function.name, "environment")
        values = self._variables.values["functions"][function.name].get("environment", {})
        return (*own, variable) if variable in values else (*_PROVIDER, variable)

    def _untold(self) -> set[str | int]:
        """Return what has no value for a reason that is told already."""
        return {place[-1] for place in self._variables.failed}

    def _at(self, place: Place, wrong: str, instead: str) -> Problem:
        return Problem(self._variables.document.line(place), wrong, instead)
