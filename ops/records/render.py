"""Render a record, its status and its attempts as text, and as JSON for programs."""

from datetime import datetime
from typing import Any, Literal

from ops.ui.progress import span
from shared.clients.imagex_errors import Verdict
from shared.ledger import Attempt, Cause, Record, Status
from shared.processing.attempts import ABSENT, FOUND, GENERATED
from shared.redaction import redact

Charge = Literal["charged", "maybe", "not"]

STATUSES: dict[str, str] = {
    Status.RUNNING: "in progress",
    Status.ABANDONED: "abandoned by its owner; the sweep takes it over",
    Status.DEFERRED: "parked",
    Status.IN_DOUBT: "in doubt",
}
CAUSES: dict[str, str] = {
    Cause.TIME: "for lack of time",
    Cause.RATE_LIMIT: "for the rate limit",
    Cause.CAP: "at the daily cap",
    Cause.CONFIGURATION: "until the configuration is fixed",
    Cause.UNSURE: "until it is known what is stored",
    Cause.UNREAD: "until its object can be read",
    Cause.EXHAUSTED: "after 3 attempts without an image",
}
_OUTCOMES: dict[str | None, str] = {
    None: "outcome not known",
    GENERATED: "generated the image",
    FOUND: "no answer; the image was found",
    ABSENT: "no answer, and no image was found",
    Verdict.REFUSED: "refused",
    Verdict.RESEED: "its image failed review",
    Verdict.RETRY_ONCE: "its review failed",
    Verdict.CONFIGURATION: "refused for the configuration",
    Verdict.THROTTLED: "throttled",
    Verdict.NOT_EXECUTED: "not sent",
}
_CHARGES = {"charged": "charged", "maybe": "it may have been charged", "not": "not charged"}
# As the daily cap counts: a call that was refused does not count.
_NOT_CHARGED = (
    Verdict.REFUSED,
    Verdict.CONFIGURATION,
    Verdict.THROTTLED,
    Verdict.NOT_EXECUTED,
)


def charge_of(attempt: Attempt) -> Charge:
    """Return whether an attempt was charged, as far as that is known."""
    if attempt.outcome in (GENERATED, FOUND):
        return "charged"
    return "not" if attempt.outcome in _NOT_CHARGED else "maybe"


def render_attempt(attempt: Attempt) -> str:
    """Return the outcome of an attempt, and whether it was charged."""
    code = f" ({attempt.code}: {attempt.message})" if attempt.code else ""
    outcome = _OUTCOMES.get(attempt.outcome, str(attempt.outcome))
    return f"{outcome}{code}: {_CHARGES[charge_of(attempt)]}"


def render_status(record: Record, now: float) -> str:
    """Return a record's status, and since when it has it."""
    status = record.status_at(now)
    text = STATUSES.get(status, status)
    if record.park and status in (Status.DEFERRED, Status.IN_DOUBT):
        text = f"{text} {CAUSES[record.park.cause]}"
    return f"{text}, {ago(record.updated_at, now)}"


def status_word(record: Record, now: float) -> str:
    """Return a record's status as one or two words."""
    return record.status_at(now).replace("_", " ")


def source_of(record: Record) -> str:
    """Return the name of a record's picture; a caller's URL without its query."""
    source = record.without_queries().source
    return source.address or f"{source.bucket}/{source.key}"


def ago(moment: float, now: float) -> str:
    """Return how long ago a moment was."""
    return f"{span(max(0.0, now - moment))} ago"


def local_time(seconds: float) -> str:
    """Return a moment in the machine's time zone."""
    return datetime.fromtimestamp(seconds).astimezone().isoformat(" ", "seconds")


def document(record: Record, now: float) -> dict[str, Any]:
    """Return a record with its status for programs; it holds no secret."""
    shown: dict[str, Any] = redact(record.without_queries().model_dump(mode="json"))
    return {"status": record.status_at(now), **shown}
