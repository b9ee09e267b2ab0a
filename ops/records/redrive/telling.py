"""What is to be run again, and what came of it: in words for people, as JSON for programs."""

from dataclasses import asdict
from typing import Any

from rich.console import Console

from ops.records.redrive.plan import SHOWN, Candidate, Plan
from ops.records.words import place_of, stage_of, told_attempt, told_stage
from ops.ui.output import plain
from ops.ui.tally import Tally
from shared.processing.attempts import MAX_ATTEMPTS

MEANINGS = {
    "not_run": "left as they were",
    "rejected": "once more",
    "duplicate": "had ended meanwhile",
    "superseded": "overwritten meanwhile",
    "deferred": "the sweep goes on with it",
    "in_doubt": "the sweep looks again",
    "incomplete": "the sweep goes on with it, or run the same command again",
}


def records(number: int) -> str:
    """Write so many records."""
    return f"{number:,} record{'' if number == 1 else 's'}"


def tell_plan(console: Console, plan: Plan, cap: int | None, now: float) -> None:
    """Print what is to be run again, and what may be paid for once more."""
    for candidate in plan.shown:
        _tell_candidate(console, candidate, now)
    if len(plan.ids) > SHOWN:
        console.print(f"… and {len(plan.ids) - SHOWN:,} more")
    for candidate in plan.already:
        told = f"{plain(candidate.record.id)} {plain(place_of(candidate.record))}"
        console.print(f"{told}\n  {already(candidate, now)}")
    if plan.already_count > SHOWN:
        console.print(f"… and {plan.already_count - SHOWN:,} more that were run again already")
    for each in plan.unreadable:
        console.print(f"{plain(each.record)} cannot be read: {plain(each.reason)}")
    if plan.ids:
        sent = plan.attempts
        attempts = "1 attempt was" if sent.total() == 1 else f"{sent.total():,} attempts were"
        console.print(
            f"\n{attempts} sent for {records(len(plan.ids))}: "
            f"{sent['charged']:,} charged, {sent['maybe']:,} perhaps, {sent['not']:,} not."
        )
        console.print(_cost(plan, cap))


def already(candidate: Candidate, now: float) -> str:
    """Say what a record was run again as."""
    if candidate.again is None:
        raise AssertionError("it was run again")
    stage = stage_of(candidate.again, now).replace("_", " ")
    return f"was run again already, as {candidate.again.id} ({stage}): redrive that one"


def plan_document(plan: Plan) -> dict[str, Any]:
    """Return what is to be run again, for programs."""
    return {
        "records": len(plan.ids),
        "attempts_sent": {name: plan.attempts[name] for name in ("charged", "maybe", "not")},
        "generations": plan.generations,
        "attempts_at_most": plan.generations * MAX_ATTEMPTS,
        "with_image": plan.with_image,
        "unclear": plan.unclear,
        "already": plan.already_count,
        "unreadable": [asdict(each) for each in plan.unreadable],
    }


def tally_document(tally: Tally, plan: Plan, seconds: float) -> dict[str, Any]:
    """Return what came of it, for programs."""
    return {
        "counts": {status: number for status, number in tally.counts.items() if number},
        "not_begun": len(plan.ids) - tally.begun,
        "seconds": round(seconds, 1),
        "stopped": tally.stopped,
    }


def _tell_candidate(console: Console, candidate: Candidate, now: float) -> None:
    record = candidate.record
    console.print(f"[bold]{plain(record.id)}[/] {plain(place_of(record))}")
    console.print(f"  {told_stage(record, now)}")
    if record.reason:
        console.print(f"  {plain(record.reason)}")
    for attempt in record.attempts:
        look = candidate.looks.get(attempt.number)
        looked = f"; looked for just now: {look}" if look else ""
        console.print(f"  attempt {attempt.number}: {plain(told_attempt(attempt) + looked)}")


def _cost(plan: Plan, cap: int | None) -> str:
    number = plan.generations
    images = f"{number:,} generation{'' if number == 1 else 's'}"
    told = [
        f"May be paid for again: {images}; where answers are lost, up to {MAX_ATTEMPTS} for each."
    ]
    if plan.with_image:
        told.append(f"{records(plan.with_image)} made an image after all, and will only be ended.")
    if plan.unclear:
        told.append(
            f"{records(plan.unclear)} may have made an image that cannot be looked for now: "
            "it would be paid for a second time."
        )
    if plan.without_query:
        told.append(
            f"{records(plan.without_query)} came with an address that was kept without its query: "
            "where that is needed, as in a signed one, the picture cannot be read again."
        )
    if cap is not None:
        told.append(f"At most {cap:,} are paid a day (REPAINT_DAILY_CAP).")
    return "\n".join(told)
