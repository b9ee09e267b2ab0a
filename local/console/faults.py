"""The faults that the page controls, by veImageX's faults and the queue's rules."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from local.console.backend import Backend
from local.console.responses import HttpProblem
from local.imagex import FaultSettings
from local.imagex.faults import Probability

_THROTTLING = "50429"
_SERVER_ERRORS = ("http_502", "InternalError")


class FaultControls(BaseModel):
    """The values of the page's controls. Times in seconds, shares from 0 to 1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    latency_seconds: float = Field(ge=0, le=600)
    qps: float | None = Field(gt=0, le=10_000)
    lose_answer: Probability
    commit_late: Probability
    commit_late_seconds: float = Field(ge=0, le=600)
    throttling: Probability
    server_errors: Probability
    duplicates: Probability


def read(backend: Backend) -> FaultControls:
    """Return the values that are in force."""
    settings = backend.faults.settings
    direct: dict[str, Any] = settings.model_dump(include=set(FaultControls.model_fields))
    return FaultControls.model_construct(
        **direct,
        throttling=settings.error_rates.get(_THROTTLING, 0.0),
        server_errors=sum(settings.error_rates.get(name, 0.0) for name in _SERVER_ERRORS),
        duplicates=backend.platform.queue.settings.duplicate_probability,
    )


def parse(body: bytes) -> FaultControls:
    """Read the values in a request's body. Raises HttpProblem with all problems."""
    try:
        return FaultControls.model_validate_json(body)
    except ValidationError as error:
        raise _problem(error) from None


def apply(wanted: FaultControls, backend: Backend) -> None:
    """Put values into force, and leave every other setting as it is.

    Raises HttpProblem if they exclude each other; nothing has changed then.
    """
    try:
        kept = backend.faults.settings.model_dump(exclude={"seed"})
        changed = wanted.model_dump(exclude={"throttling", "server_errors", "duplicates"})
        rates = {_THROTTLING: wanted.throttling}
        rates |= dict.fromkeys(_SERVER_ERRORS, wanted.server_errors / 2)
        rates = {k: v for k, v in (kept.pop("error_rates") | rates).items() if v}
        settings = FaultSettings.model_validate({**kept, **changed, "error_rates": rates})
    except ValidationError as error:
        raise _problem(error) from None
    backend.faults.replace(settings)
    backend.platform.queue.duplicate(wanted.duplicates)


def _problem(error: ValidationError) -> HttpProblem:
    problems = [
        {
            "field": ".".join(map(str, each["loc"])),
            "problem": each["msg"].removeprefix("Value error, "),
        }
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    sentences = (f"{each['field'] or 'The faults'}: {each['problem']}." for each in problems)
    return HttpProblem(400, " ".join(sentences), problems)
