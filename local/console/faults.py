"""What the console lets people break, in terms of veImageX's faults and the queue's rules."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from local.console.answers import Problem
from local.imagex import Faults, FaultSettings
from local.imagex.faults import Probability
from local.vefaas.runtime import Platform

_THROTTLING = "50429"
_SERVER_ERRORS = ("http_502", "InternalError")


class Shown(BaseModel):
    """The faults that the page has a control for. Times in seconds, shares from 0 to 1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    latency_seconds: float = Field(ge=0, le=600)
    qps: float | None = Field(gt=0, le=10_000)
    lose_answer: Probability
    commit_late: Probability
    commit_late_seconds: float = Field(ge=0, le=600)
    throttling: Probability
    server_errors: Probability
    duplicates: Probability


def read(faults: Faults, platform: Platform) -> Shown:
    """Return what is set now."""
    settings = faults.settings
    direct: dict[str, Any] = settings.model_dump(include=set(Shown.model_fields))
    return Shown.model_construct(
        **direct,
        throttling=settings.error_rates.get(_THROTTLING, 0.0),
        server_errors=sum(settings.error_rates.get(name, 0.0) for name in _SERVER_ERRORS),
        duplicates=platform.queue.settings.duplicate_probability,
    )


def parsed(body: bytes) -> Shown:
    """Read what a request wants to be set. Raises Problem with everything that is wrong."""
    try:
        return Shown.model_validate_json(body)
    except ValidationError as error:
        raise _problem(error) from None


def replace(wanted: Shown, faults: Faults, platform: Platform) -> None:
    """Put `wanted` in place, and leave every other setting as it is.

    Raises Problem where it does not go together; nothing has changed then.
    """
    try:
        kept = faults.settings.model_dump(exclude={"seed"})
        changed = wanted.model_dump(exclude={"throttling", "server_errors", "duplicates"})
        rates = {_THROTTLING: wanted.throttling}
        rates |= dict.fromkeys(_SERVER_ERRORS, wanted.server_errors / 2)
        rates = {k: v for k, v in (kept.pop("error_rates") | rates).items() if v}
        settings = FaultSettings.model_validate({**kept, **changed, "error_rates": rates})
    except ValidationError as error:
        raise _problem(error) from None
    faults.replace(settings)
    platform.queue.duplicate(wanted.duplicates)


def _problem(error: ValidationError) -> Problem:
    problems = [
        {
            "field": ".".join(map(str, each["loc"])),
            "problem": each["msg"].removeprefix("Value error, "),
        }
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    sentences = (f"{each['field'] or 'The faults'}: {each['problem']}." for each in problems)
    return Problem(400, " ".join(sentences), problems)
