"""The command itself: what is asked for, read and printed."""

from operator import attrgetter
from typing import Annotated

import typer

from ops.context import Deployment, deployment
from ops.records.finding import ENOUGH, Wanted, ids_of, read_all, read_wanted, several
from ops.records.since import read_since
from ops.records.status.counting import (
    Charges,
    Counted,
    count_ended,
    count_pending,
    count_since,
    newest_of,
)
from ops.records.status.telling import Report, tell_records, tell_report
from ops.records.words import document
from ops.ui.output import Exit, Refused, people, print_json
from ops.ui.progress import Meter
from shared.ledger import find
from shared.processing.attempts import billing_day

_MOST_OF_OBJECT = 1000


def status(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            metavar="[ID|KEY]",
            help="One record, by its id or the beginning of it; or all of an object: bucket/key, "
            "tos://bucket/key, or its key with --bucket.",
            show_default=False,
        ),
    ] = "",
    *,
    pending: Annotated[
        bool, typer.Option("--pending", help="What is unfinished; so it is without an option.")
    ] = False,
    in_doubt: Annotated[
        bool, typer.Option("--in-doubt", help="Of what is unfinished, what waits for your word.")
    ] = False,
    rejected: Annotated[
        bool, typer.Option("--rejected", help="What was rejected, the newest first.")
    ] = False,
    since: Annotated[
        str,
        typer.Option(
            help="What ended since then, and what it cost: 2026-11-01, 2026-11-01T08:00, or 90m, "
            "24h, 7d. Lists all that has ended, reads what is recent.",
            show_default=False,
        ),
    ] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Count also all that has ever ended.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many records.")] = 50,
    bucket: Annotated[
        str | None,
        typer.Option(help="The bucket of the uploads, for a KEY or where REPAINT_LEDGER is unset."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """Show how many records are where, which wait longest, and what today cost.

    With nothing said it reads what is unfinished, and nothing of what has ended.

    Exit codes: 0 all goes on by itself; 1 something needs you: in doubt, waiting for the
    configuration to be mended, not readable, or there is no such record.

    Example: [b]repaint status --in-doubt[/]
    """
    chosen = {"--pending": pending, "--in-doubt": in_doubt, "--all": everything,
              "--rejected": rejected, "--since": bool(since), "ID or KEY": bool(what)}  # fmt: skip
    names = [name for name, given in chosen.items() if given]
    if len(names) > 1 and names != ["--rejected", "--since"]:
        raise Refused(f"{' and '.join(names)}: say one of them.")
    wanted = read_wanted(what, bucket) if what else None
    place = bucket or (wanted.bucket if wanted else "") or None
    with deployment(context, bucket=place) as deployed:
        report = Report(
            deployed.runtime.settings.ledger_for(place or ""), deployed.runtime.clock.now()
        )
        moment = read_since(since, report.now) if since else 0.0
        if wanted is not None:
            _show_wanted(deployed, wanted, report.now, limit, as_json=as_json)
            return
        if rejected:
            with Meter(deployed.runtime.clock, "records listed") as meter:
                report.ended = newest_of(
                    deployed.ledger, "rejected", moment, report.now, limit=limit, tell=meter.tell
                )
        else:
            _look(deployed, report, limit, only="in_doubt" if in_doubt else "", since=moment)
        if everything:
            with Meter(deployed.runtime.clock, "end records counted") as meter:
                report.finished = count_ended(deployed.ledger, meter.tell)
        report.since = moment
    if as_json:
        print_json(report.document())
    else:
        tell_report(people(), report)
    if report.needs_somebody:
        raise typer.Exit(Exit.NEEDS_YOU)


def _look(deployed: Deployment, report: Report, limit: int, *, only: str, since: float) -> None:
    """Read what is pending and untold, what counts today, and with `since` what ended."""
    runtime, ledger = deployed.runtime, deployed.ledger
    charges = Charges(since) if since else None
    with Meter(runtime.clock, "pending records read") as meter:
        report.pending = count_pending(
            ledger, report.now, limit=limit, only=only, tell=meter.tell, charges=charges
        )
    report.day, report.cap = billing_day(report.now), runtime.settings.daily_cap
    if report.cap is not None:
        report.spent = ledger.spent(report.day)
    notices = sum(1 for _ in ledger.notice_ids())
    # What was written before the receiver was taken away waits all the same.
    report.notices = notices if notices or runtime.settings.webhook_url else None
    if charges is not None:
        with Meter(runtime.clock, "end records listed") as meter:
            report.ended = count_since(ledger, charges, report.now, limit=limit, tell=meter.tell)
        report.charges = charges.counts()


def _show_wanted(
    deployed: Deployment, wanted: Wanted, now: float, limit: int, *, as_json: bool
) -> None:
    """Show the records of an object, or the one with an id. Raises Refused where there is none."""
    ledger = deployed.ledger
    ids = ids_of(ledger, wanted.beginning, _MOST_OF_OBJECT if wanted.is_object else ENOUGH)
    if not ids:
        what = f"of {wanted.bucket}/{wanted.key}" if wanted.is_object else wanted.beginning
        raise Refused(f"There is no record {what} in this ledger.", Exit.NEEDS_YOU)
    if len(ids) > 1 and not wanted.is_object:
        raise several(wanted.beginning, ids)
    counted = Counted()
    found = counted.take(read_all(lambda record_id: find(ledger, record_id), ids), now)
    records = sorted(found, key=attrgetter("created_at"), reverse=True)[:limit]
    if as_json:
        print_json({"records": [document(record, now) for record in records]})
    else:
        tell_records(people(), records, now)
    if counted.needs_somebody:
        raise typer.Exit(Exit.NEEDS_YOU)
