"""What `status` found, in words and as JSON."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console

from ops.records.status.counting import Counted
from ops.records.words import (
    STAGES,
    Charge,
    ago,
    document,
    moment,
    place_of,
    told_cause,
    told_stage,
)
from ops.ui.output import plain
from ops.ui.tally import ranked
from shared.ledger import EndState, Record

_STAGES = ("running", "left", "deferred", "in_doubt", "unreadable")
_ENDS: tuple[EndState, ...] = ("generated", "rejected", "skipped", "superseded")


@dataclass(slots=True)
class Report:
    """What was found in a ledger at a moment; None where it was not asked for.

    `ended` is what ended since `since`, `finished` everything that ever did. `spent` is None where
    attempts are not counted, because there is no cap; `notices`, how many are not delivered, where
    there is nobody to tell.
    """

    ledger: str
    now: float
    since: float = 0.0
    pending: Counted | None = None
    day: str = ""
    cap: int | None = None
    spent: int | None = None
    notices: int | None = None
    ended: Counted | None = None
    charges: Counter[Charge] | None = None
    finished: Counter[EndState] | None = None

    @property
    def needs_somebody(self) -> bool:
        """Tell whether anything does not go on by itself."""
        return any(part.needs_somebody for part in (self.pending, self.ended) if part)

    @property
    def shown(self) -> Counted | None:
        """Return the part whose records are to be shown."""
        return self.ended or self.pending

    def document(self) -> dict[str, Any]:
        """Return it for programs."""
        found: dict[str, Any] = {"ledger": self.ledger}
        if self.pending is not None:
            stages = {stage: self.pending.of(stage) for stage in _STAGES}
            found["pending"] = {
                "count": self.pending.stages.total(),
                **{stage: sum(causes.values()) for stage, causes in stages.items()},
                "causes": {s: dict(stages[s]) for s in ("deferred", "in_doubt")},
            }
            oldest = self.pending.oldest
            found["oldest"] = oldest and document(oldest, self.now)
            found["charges_today"] = {"day": self.day, "counted": self.spent, "cap": self.cap}
            found["notices_waiting"] = self.notices
        if self.ended is not None:
            counts = {state: self.ended.of(state).total() for state in _ENDS}
            found["ended"] = {"since": self.since or None, **counts}
        if self.charges is not None:
            found["charges"] = {name: self.charges[name] for name in ("charged", "maybe", "not")}
        if self.finished is not None:
            found["finished"] = {state: self.finished[state] for state in _ENDS}
        records = self.shown.records if self.shown else []
        found["records"] = [document(record, self.now) for record in records]
        parts = [part for part in (self.pending, self.ended) if part]
        found["unreadable"] = [asdict(each) for part in parts for each in part.unreadable]
        return found


def tell_report(console: Console, report: Report) -> None:
    """Print it."""
    console.print(f"[bold]ledger[/]     {plain(report.ledger)}")
    if report.pending is not None:
        _tell_pending(console, report, report.pending)
    if report.ended is not None:
        since = f" since {moment(report.since)}" if report.since else ""
        found = {state: report.ended.of(state).total() for state in _ENDS}
        console.print(f"[bold]ended[/]      {_listed(found)}{since}")
    if report.charges is not None:
        sent = report.charges
        console.print(
            f"[bold]charged[/]    {sent['charged']:,} attempts sent since then, and perhaps "
            f"{sent['maybe']:,} more whose outcome is not known"
        )
    if report.finished is not None:
        console.print(f"[bold]finished[/]   {_listed(report.finished)}")
    for part in (report.pending, report.ended):
        for each in part.unreadable if part else ():
            console.print(f"[bold]unreadable[/] {plain(each.record)}: {plain(each.reason)}")
    part = report.shown
    if part is None or not part.records:
        return
    console.print()
    tell_records(console, part.records, report.now)
    if part.matching > len(part.records):
        left = part.matching - len(part.records)
        console.print(f"\n{left:,} more are not shown: --limit says how many are.")


def tell_records(console: Console, records: Iterable[Record], now: float) -> None:
    """Print records, two lines each or three."""
    for number, record in enumerate(records):
        if number:
            console.print()
        sent = len(record.attempts)
        attempts = f", {sent} attempt{'' if sent == 1 else 's'}" if sent else ""
        console.print(f"[bold]{plain(record.id)}[/] {plain(place_of(record))}")
        console.print(f"  {told_stage(record, now)}{attempts}")
        if record.reason:
            console.print(f"  {plain(record.reason)}")


def _tell_pending(console: Console, report: Report, pending: Counted) -> None:
    console.print(f"[bold]pending[/]    {pending.stages.total():,}")
    for stage in _STAGES:
        causes = pending.of(stage)
        if causes:
            why = ", ".join(
                f"{number:,} {told_cause(cause)}" for cause, number in ranked(causes) if cause
            )
            told = f"{STAGES.get(stage, 'not readable')}{': ' if why else ''}{why}"
            console.print(f"{sum(causes.values()):>17,}  {told}")
    if pending.oldest is not None:
        begun = ago(pending.oldest.created_at, report.now)
        console.print(f"[bold]oldest[/]     begun {begun}: {plain(place_of(pending.oldest))}")
    counted = (
        "not counted: REPAINT_DAILY_CAP is not set"
        if report.cap is None
        else f"{report.spent:,} of {report.cap:,} on {report.day}, Beijing's day"
    )
    console.print(f"[bold]charges[/]    {counted}")
    if report.notices is not None:
        console.print(f"[bold]notices[/]    {report.notices:,} waiting")


def _listed(counts: dict[EndState, int] | Counter[EndState]) -> str:
    return ", ".join(f"{counts[s]:,} {s}" for s in _ENDS if counts[s]) or "nothing"
