"""Faults on demand: how the next calls fail, by script or by chance.

A call whose signature and body are valid draws one fault:

none                    no fault
lose_answer             the image is made, charged and stored; the connection closes unanswered
lose_request            the connection closes unanswered and nothing is made
commit_late             the connection closes at once; made, charged and stored later
charge_without_storing  charged, nothing is stored, InternalError
garbage                 made, charged and stored; the response is not JSON
truncated               made, charged and stored; the response is cut short
http_502 (any 4xx, 5xx) a proxy's page instead of the API's response
50500 (any model code)  the model's error
600011 (any six digits) veImageX's error
InternalError …         the gateway's error, any code of `openapi.CODES`

An error of the last four kinds that leaves open whether the image was made comes after it was
made with the probability `executed_before_error`.
"""

import random
import re
import threading
from collections import deque
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from local.openapi import CODES

Probability = Annotated[float, Field(ge=0, le=1)]

NAMED = (
    "none",
    "lose_answer",
    "lose_request",
    "commit_late",
    "charge_without_storing",
    "garbage",
    "truncated",
)
_NUMBERED = re.compile(r"http_[45]\d\d|[56]\d{4}|6\d{5}")
_OUTCOME_UNKNOWN = re.compile(
    r"http_5\d\d|5050[01]|60001[01]|60000[67]|601006"
    r"|InternalError|InternalServiceError|InternalServiceTimeout|UndefinedError"
)


def _check_name(name: str) -> None:
    if name not in NAMED and name not in CODES and _NUMBERED.fullmatch(name) is None:
        raise ValueError(
            f"{name!r} is not a fault; there are {', '.join(NAMED)}, http_NNN, the model's and "
            f"veImageX's numbers, and the codes {', '.join(CODES)}"
        )


class FaultSettings(BaseModel):
    """The faults and their probabilities. Times are in seconds.

    The probabilities are shares of all calls, at most 1 in total. `script` comes before them: the
    next calls meet its faults in turn.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    latency_seconds: float = Field(default=0.4, ge=0)
    latency_jitter_seconds: float = Field(default=0.0, ge=0)
    time_limit_seconds: float = Field(default=30.0, gt=0)
    """The server's own limit: a call that would take longer ends as InternalServiceTimeout then,
    and nothing is made."""
    qps: float | None = Field(default=None, gt=0)
    concurrency: int | None = Field(default=None, ge=0)
    throttled_as: Literal["gateway", "model", "alternate"] = "alternate"
    """The error of a call over `qps`: FlowLimitExceeded, the model's 50429, or each in turn."""
    lose_answer: Probability = 0.0
    lose_request: Probability = 0.0
    commit_late: Probability = 0.0
    commit_late_seconds: float = Field(default=1.0, ge=0)
    charge_without_storing: Probability = 0.0
    error_rates: dict[str, Probability] = {}
    executed_before_error: Probability = 0.0
    """The probability that an injected error that leaves the outcome open comes after the work."""
    model_errors: Literal["answer", "error"] = "answer"
    """HTTP 200 with the code in RespJson, or HTTP 400 with the code inside Error.Message."""
    empty_resp_json: bool = False
    """Answer a success with an empty RespJson, as the documentation's example does."""
    charge_refused_output: bool = False
    """Whether an output that failed review is charged."""
    charge_name_clash: bool = True
    """Whether a name that is taken is refused after the model is paid, or before."""
    probe_errors: Probability = 0.0
    """The probability that a reading action answers InternalError."""
    script: tuple[str, ...] = ()
    seed: int | None = None
    """Restart the random numbers from this seed when these settings are put in place."""

    @model_validator(mode="after")
    def _check(self) -> "FaultSettings":
        for name in (*self.error_rates, *self.script):
            _check_name(name)
        for name in self.error_rates.keys() & set(NAMED) - {"garbage", "truncated"}:
            raise ValueError(f"{name!r} is not an error; set its own field")
        if sum(self.shares().values()) > 1 + 1e-9:
            raise ValueError("the probabilities of the faults are more than 1 together")
        return self

    def shares(self) -> dict[str, float]:
        """Return each fault that may be drawn, and its probability."""
        return {
            "lose_answer": self.lose_answer,
            "lose_request": self.lose_request,
            "commit_late": self.commit_late,
            "charge_without_storing": self.charge_without_storing,
            **self.error_rates,
        }


class Faults:
    """The settings in place, and the random numbers by which faults are drawn."""

    def __init__(
        self, settings: FaultSettings | None = None, chance: random.Random | None = None
    ) -> None:
        self._lock = threading.RLock()
        self._chance = chance or random.Random()  # noqa: S311 - chaos, no secret
        self._running = 0
        self._throttled = 0
        self.replace(settings or FaultSettings())

    @property
    def settings(self) -> FaultSettings:
        """The settings in place, with the rest of the script."""
        with self._lock:
            return self._settings.model_copy(update={"script": tuple(self._script)})

    def replace(self, settings: FaultSettings) -> None:
        """Replace all settings."""
        with self._lock:
            self._settings = settings
            self._script = deque(settings.script)
            self._tokens: float | None = None
            self._filled_at = 0.0
            if settings.seed is not None:
                self._chance.seed(settings.seed)

    def draw(self) -> tuple[str, bool]:
        """Draw the next call's fault, and whether its work is done all the same."""
        with self._lock:
            fault = self._script.popleft() if self._script else self._by_chance()
            executed = fault in ("none", "lose_answer", "garbage", "truncated")
            if _OUTCOME_UNKNOWN.fullmatch(fault):
                executed = self._chance.random() < self._settings.executed_before_error
            return fault, executed

    def _by_chance(self) -> str:
        left = self._chance.random()
        for fault, share in self._settings.shares().items():
            left -= share
            if left < 0:
                return fault
        return "none"

    def latency(self) -> float:
        """Draw the duration of the next call, in seconds."""
        with self._lock:
            jitter = self._settings.latency_jitter_seconds
            return self._settings.latency_seconds + self._chance.uniform(0, jitter)

    def is_probe_failing(self) -> bool:
        """Draw whether the next reading action fails."""
        with self._lock:
            return self._chance.random() < self._settings.probe_errors

    def seed(self) -> int:
        """Draw the seed of a call that left it free."""
        with self._lock:
            return self._chance.randrange(2**31)

    def admit(self, now: float) -> str | None:
        """Admit a call, which `leave` ends, and return None; or return the code that refuses it."""
        with self._lock:
            limit = self._settings.concurrency
            if limit is not None and self._running >= limit:
                return "50430"
            if not self._has_token(now):
                return self._throttle_code()
            self._running += 1
            return None

    def leave(self) -> None:
        """End a call that was admitted."""
        with self._lock:
            self._running -= 1

    def _has_token(self, now: float) -> bool:
        rate = self._settings.qps
        if rate is None:
            return True
        size = max(1.0, rate)
        tokens = size if self._tokens is None else self._tokens
        tokens = min(size, tokens + max(0.0, now - self._filled_at) * rate)
        self._filled_at = now
        granted = tokens >= 1
        self._tokens = tokens - 1 if granted else tokens
        return granted

    def _throttle_code(self) -> str:
        self._throttled += 1
        form = self._settings.throttled_as
        if form == "alternate":
            form = "gateway" if self._throttled % 2 else "model"
        return "FlowLimitExceeded" if form == "gateway" else "50429"
