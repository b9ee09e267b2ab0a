"""Records in words, and as JSON for programs."""

from datetime import datetime
from typing import Any, Literal

from ops.ui.progress import span
from shared.clients.imagex_errors import Verdict
from shared.ledger import Attempt, Record
from shared.redaction import redact

Stage = Literal[
    "running", "left", "deferred", "in_doubt", "generated", "rejected", "skipped", "superseded"
]
Charge = Literal["charged", "maybe", "not"]

STAGES: dict[str, str] = {
    "running": "being worked on",
    "left": "left by an owner that is gone; the sweep looks at it next",
    "deferred": "parked",
    "in_doubt": "in doubt",
}
_CAUSES: dict[str, str] = {
    "time": "for lack of time",
    "pace": "for the pace of calls",
    "cap": "at the daily cap",
    "configuration": "until the configuration is mended",
    "unsure": "until it is known what is stored",
    "exhausted": "after 3 attempts without an image",
    "": "",
}
_OUTCOMES: dict[str | None, str] = {
    None: "nothing is known of it",
    "generated": "made the image",
    "found": "no answer; the image was found",
    "absent": "no answer, and no image was found",
    Verdict.REFUSED: "refused",
    Verdict.RESEED: "its image failed review",
    Verdict.RETRY_ONCE: "its review failed",
    Verdict.CONFIGURATION: "refused for the configuration",
    Verdict.THROTTLED: "refused for its pace",
    Verdict.NOT_EXECUTED: "not sent",
}
_CHARGES: dict[str, str] = {
    "charged": "charged",
    "maybe": "it may have been charged",
    "not": "not charged",
}
_MADE = ("generated", "found")
# As the daily cap counts: what was refused takes no place.
_NOT_CHARGED = (
    Verdict.REFUSED,
    Verdict.CONFIGURATION,
    Verdict.THROTTLED,
    Verdict.NOT_EXECUTED,
)


def stage_of(record: Record, now: float) -> Stage:
    """Tell how far a record is."""
    if record.state != "pending":
        return record.state
    if record.lease_until > now:
        return "running"
    return record.parked or "left"


def charge_of(attempt: Attempt) -> Charge:
    """Tell whether an attempt was charged, as far as that is known."""
    if attempt.outcome in _MADE:
        return "charged"
    return "not" if attempt.outcome in _NOT_CHARGED else "maybe"


def told_attempt(attempt: Attempt) -> str:
    """Say what became of an attempt, and whether it was charged."""
    said = f" ({attempt.code}: {attempt.message})" if attempt.code else ""
    outcome = _OUTCOMES.get(attempt.outcome, str(attempt.outcome))
    return f"{outcome}{said}: {_CHARGES[charge_of(attempt)]}"


def told_stage(record: Record, now: float) -> str:
    """Say how far a record is, and since when."""
    stage = stage_of(record, now)
    words = STAGES.get(stage, stage)
    if stage in ("deferred", "in_doubt"):
        words = f"{words} {told_cause(record.cause)}".rstrip()
    return f"{words}, {ago(record.updated_at, now)}"


def told_cause(cause: str) -> str:
    """Say why a record is parked."""
    return _CAUSES.get(cause, cause)


def place_of(record: Record) -> str:
    """Name what a record is of; the address of a caller's picture without its query."""
    if record.source:
        return record.without_queries().source or ""
    return f"{record.bucket}/{record.key}"


def ago(moment: float, now: float) -> str:
    """Say how long ago a moment was."""
    return f"{span(max(0.0, now - moment))} ago"


def moment(seconds: float) -> str:
    """Write a moment in the machine's own time."""
    return datetime.fromtimestamp(seconds).astimezone().isoformat(" ", "seconds")


def document(record: Record, now: float) -> dict[str, Any]:
    """Return a record for programs, with its stage as `status`; no secret is in it."""
    whole = record.without_queries().model_dump(mode="json")
    shown: dict[str, Any] = redact(whole)
    return {"status": stage_of(record, now), **shown}
