"""Render the plan of a redrive: as text, and as JSON for programs."""

from dataclasses import asdict
from typing import Any

from rich.console import Console

from ops.records.redrive.plan import SHOWN, Candidate, RedrivePlan
from ops.records.render import render_attempt, render_status, source_of, status_word
from ops.ui.output import plain
from shared.processing.attempts import MAX_ATTEMPTS

MEANINGS = {
    "not_run": "left as they were",
    "rejected": "once more",
    "duplicate": "had ended meanwhile",
    "superseded": "overwritten meanwhile",
    "deferred": "the sweep retries it",
    "in_doubt": "the sweep probes again",
    "incomplete": "the sweep retries it, or run the same command again",
}


def count_records(number: int) -> str:
    """Return a number of records in words."""
    return f"{number:,} record{'' if number == 1 else 's'}"


def print_plan(console: Console, plan: RedrivePlan, cap: int | None, now: float) -> None:
    """Print the records to run again, and what may be paid for again."""
    for candidate in plan.shown:
        _print_candidate(console, candidate, now)
    if len(plan.records) > SHOWN:
        console.print(f"… and {len(plan.records) - SHOWN:,} more")
    for candidate in plan.already:
        if candidate.successor is not None:
            status = status_word(candidate.successor, now)
            console.print(f"{plain(candidate.record.id)} {plain(source_of(candidate.record))}")
            console.print(
                f"  was run again already, as {candidate.successor.id} ({status}): redrive that one"
            )
    if plan.already_count > SHOWN:
        console.print(f"… and {plan.already_count - SHOWN:,} more that were run again already")
    for each in plan.unreadable:
        console.print(f"{plain(each.record)} cannot be read: {plain(each.reason)}")
    if plan.records:
        sent = plan.attempts
        attempts = "1 attempt was" if sent.total() == 1 else f"{sent.total():,} attempts were"
        console.print(
            f"\n{attempts} sent for {count_records(len(plan.records))}: "
            f"{sent['charged']:,} charged, {sent['maybe']:,} perhaps, {sent['not']:,} not."
        )
        console.print(_cost(plan, cap))


def plan_document(plan: RedrivePlan) -> dict[str, Any]:
    """Return the plan for programs."""
    return {
        "records": len(plan.records),
        "attempts_sent": {name: plan.attempts[name] for name in ("charged", "maybe", "not")},
        "generations": plan.generations,
        "attempts_at_most": plan.generations * MAX_ATTEMPTS,
        "with_image": plan.with_image,
        "unclear": plan.unclear,
        "already": plan.already_count,
        "unreadable": [asdict(each) for each in plan.unreadable],
    }


def _print_candidate(console: Console, candidate: Candidate, now: float) -> None:
    record = candidate.record
    console.print(f"[bold]{plain(record.id)}[/] {plain(source_of(record))}")
    console.print(f"  {render_status(record, now)}")
    if record.reason:
        console.print(f"  {plain(record.reason)}")
    for attempt in record.attempts:
        probe = candidate.probes.get(attempt.number)
        probed = f"; probed just now: {probe}" if probe else ""
        console.print(f"  attempt {attempt.number}: {plain(render_attempt(attempt) + probed)}")


def _cost(plan: RedrivePlan, cap: int | None) -> str:
    number = plan.generations
    images = f"{number:,} generation{'' if number == 1 else 's'}"
    sentences = [
        f"May be paid for again: {images}; if answers are lost, up to {MAX_ATTEMPTS} for each."
    ]
    if plan.with_image:
        sentences.append(
            f"{count_records(plan.with_image)} generated an image after all, and will only be "
            "ended."
        )
    if plan.unclear:
        sentences.append(
            f"{count_records(plan.unclear)} may have an image that cannot be probed for now: it "
            "would be paid for a second time."
        )
    if plan.without_query:
        sentences.append(
            f"{count_records(plan.without_query)} came with a URL that was kept without its query: "
            "a picture that needs it, as with a signed URL, cannot be read again."
        )
    if cap is not None:
        sentences.append(f"At most {cap:,} are paid a day (REPAINT_DAILY_CAP).")
    return "\n".join(sentences)
