"""`repaint status`: how many records are where, the oldest ones, today's cost.

Without options it reads pending records, and no end record: there may be a million.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from operator import attrgetter
from typing import Annotated, Any

import typer
from rich.console import Console

from ops.context import open_runtime
from ops.records.count import (
    Charges,
    Counted,
    count_ended,
    count_pending,
    count_since,
    newest_of,
)
from ops.records.lookup import Query, find_one, ids_of, parse_query, read_all
from ops.records.render import (
    CAUSES,
    STATUSES,
    Charge,
    ago,
    document,
    local_time,
    render_status,
    source_of,
)
from ops.ui.bulk import ranked
from ops.ui.options import SINCE_FORMS, AsJson, parse_since
from ops.ui.output import Exit, Refused, people, plain, print_json
from ops.ui.progress import Meter
from shared.ledger import UNMADE, EndState, Ledger, Record, State, Status, find
from shared.ledger.daily_cap import billing_day
from shared.runtime import Runtime

_MOST_OF_OBJECT = 1000
_PENDING = (Status.RUNNING, Status.ABANDONED, Status.DEFERRED, Status.IN_DOUBT, "unreadable")
_ENDS: tuple[EndState, ...] = (State.GENERATED, *UNMADE)


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
        bool, typer.Option("--pending", help="Pending records, which is the default.")
    ] = False,
    in_doubt: Annotated[
        bool, typer.Option("--in-doubt", help="Of the pending records, those in doubt.")
    ] = False,
    rejected: Annotated[
        bool, typer.Option("--rejected", help="Rejected records, the newest first.")
    ] = False,
    since: Annotated[
        str,
        typer.Option(
            help=f"The records that ended since, and their cost: {SINCE_FORMS} Lists all end "
            "records, reads recent ones.",
            show_default=False,
        ),
    ] = "",
    everything: Annotated[bool, typer.Option("--all", help="Count all end records too.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many records.")] = 50,
    bucket: Annotated[str | None, typer.Option(help="The bucket of a KEY.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show how many records are where, the oldest ones, and today's cost.

    Without options it reads pending records, and no end record.

    Exit codes: 0 everything goes on by itself; 1 something needs you: a record is in doubt, waits
    for a fixed configuration, cannot be read, or does not exist.

    Example: [b]repaint status --in-doubt[/]
    """
    chosen = {"--pending": pending, "--in-doubt": in_doubt, "--all": everything,
              "--rejected": rejected, "--since": bool(since), "ID or KEY": bool(what)}  # fmt: skip
    names = [name for name, given in chosen.items() if given]
    if len(names) > 1 and names != ["--rejected", "--since"]:
        raise Refused(f"{' and '.join(names)}: give one of them.")
    query = parse_query(what, bucket) if what else None
    with open_runtime(context) as runtime:
        now, ledger = runtime.clock.now(), runtime.ledger
        moment = parse_since(since, now) if since else 0.0
        if query is not None:
            _show_records(ledger, query, now, limit, as_json=as_json)
            return
        report = Report(runtime.settings.ledger, now, moment)
        if rejected:
            with Meter(runtime.clock, "records listed") as meter:
                report.ended = newest_of(
                    ledger, State.REJECTED, moment, now, limit=limit, report=meter.update
                )
        else:
            _read(runtime, report, limit, only=Status.IN_DOUBT if in_doubt else None)
        if everything:
            with Meter(runtime.clock, "end records counted") as meter:
                report.finished = count_ended(ledger, meter.update)
    if as_json:
        print_json(report.document())
    else:
        print_report(people(), report)
    if report.needs_you:
        raise typer.Exit(Exit.NEEDS_YOU)


@dataclass(slots=True)
class Report:
    """The state of a ledger at a moment; what was not asked for is None.

    `ended` counts what ended since `since`, `finished` everything that ever did. `reserved` is None
    if there is no daily cap; `undelivered`, the number of webhook events, if there is no webhook.
    """

    ledger: str
    now: float
    since: float = 0.0
    pending: Counted | None = None
    day: str = ""
    cap: int | None = None
    reserved: int | None = None
    undelivered: int | None = None
    ended: Counted | None = None
    charges: Counter[Charge] | None = None
    finished: Counter[EndState] | None = None

    @property
    def parts(self) -> list[Counted]:
        """The counted parts; the records of the last one are shown."""
        return [part for part in (self.pending, self.ended) if part]

    @property
    def needs_you(self) -> bool:
        """Whether a record does not go on by itself."""
        return any(part.needs_you for part in self.parts)

    def document(self) -> dict[str, Any]:
        """Return the report for programs."""
        found: dict[str, Any] = {"ledger": self.ledger}
        if self.pending is not None:
            statuses = {status: self.pending.of(status) for status in _PENDING}
            found["pending"] = {
                "count": self.pending.statuses.total(),
                **{status: causes.total() for status, causes in statuses.items()},
                "causes": {s: dict(statuses[s]) for s in (Status.DEFERRED, Status.IN_DOUBT)},
            }
            oldest = self.pending.oldest
            found["oldest"] = oldest and document(oldest, self.now)
            found["charges_today"] = {"day": self.day, "counted": self.reserved, "cap": self.cap}
            found["notices_waiting"] = self.undelivered
        if self.ended is not None:
            counts = {state: self.ended.of(state).total() for state in _ENDS}
            found["ended"] = {"since": self.since or None, **counts}
        if self.charges is not None:
            found["charges"] = {name: self.charges[name] for name in ("charged", "maybe", "not")}
        if self.finished is not None:
            found["finished"] = {state: self.finished[state] for state in _ENDS}
        found["records"] = [document(record, self.now) for record in self.parts[-1].records]
        found["unreadable"] = [asdict(each) for part in self.parts for each in part.unreadable]
        return found


def _read(runtime: Runtime, report: Report, limit: int, *, only: Status | None) -> None:
    """Count pending records, undelivered events and today's charges; with `since`, the ended."""
    clock, settings, ledger = runtime.clock, runtime.settings, runtime.ledger
    charges = Charges(report.since) if report.since else None
    with Meter(clock, "pending records read") as meter:
        report.pending = count_pending(
            ledger, report.now, limit=limit, only=only, report=meter.update, charges=charges
        )
    report.day, report.cap = billing_day(report.now), settings.daily_cap
    if report.cap is not None:
        report.reserved = ledger.reserved(report.day)
    undelivered = sum(1 for _ in ledger.entry_ids())
    # Events that were written before the webhook was removed wait all the same.
    report.undelivered = undelivered if undelivered or settings.webhook_url else None
    if charges is not None:
        with Meter(clock, "end records listed") as meter:
            report.ended = count_since(
                ledger, charges, report.now, limit=limit, report=meter.update
            )
        report.charges = charges.counts()


def _show_records(ledger: Ledger, query: Query, now: float, limit: int, *, as_json: bool) -> None:
    """Show the records of an object, or the one with an id. Raises Refused if there is none."""
    ids = [find_one(ledger, query.beginning).id] if not query.key else []
    if query.key:
        ids = ids_of(ledger, query.beginning, _MOST_OF_OBJECT)
    if not ids:
        sentence = f"There is no record of {query.bucket}/{query.key} in this ledger."
        raise Refused(sentence, Exit.NEEDS_YOU)
    counted = Counted()
    found = counted.add(read_all(lambda record_id: find(ledger, record_id), ids), now)
    records = sorted(found, key=attrgetter("created_at"), reverse=True)[:limit]
    if as_json:
        print_json({"records": [document(record, now) for record in records]})
    else:
        print_records(people(), records, now)
    if counted.needs_you:
        raise typer.Exit(Exit.NEEDS_YOU)


def print_report(console: Console, report: Report) -> None:
    """Print a report."""
    console.print(f"[bold]ledger[/]     {plain(report.ledger)}")
    if report.pending is not None:
        _print_pending(console, report, report.pending)
    if report.ended is not None:
        since = f" since {local_time(report.since)}" if report.since else ""
        counts = {state: report.ended.of(state).total() for state in _ENDS}
        console.print(f"[bold]ended[/]      {_listed(counts)}{since}")
    if report.charges is not None:
        charged, maybe = report.charges["charged"], report.charges["maybe"]
        console.print(
            f"[bold]charged[/]    {charged:,} attempts sent since then, and perhaps {maybe:,} more "
            "whose outcome is not known"
        )
    if report.finished is not None:
        console.print(f"[bold]finished[/]   {_listed(report.finished)}")
    for part in report.parts:
        for each in part.unreadable:
            console.print(f"[bold]unreadable[/] {plain(each.record)}: {plain(each.reason)}")
    shown = report.parts[-1]
    if shown.records:
        console.print()
        print_records(console, shown.records, report.now)
    if shown.records and shown.matching > len(shown.records):
        left = shown.matching - len(shown.records)
        console.print(f"\n{left:,} more are not shown: --limit sets how many are.")


def print_records(console: Console, records: Iterable[Record], now: float) -> None:
    """Print records, two or three lines each."""
    for number, record in enumerate(records):
        if number:
            console.print()
        sent = len(record.attempts)
        attempts = f", {sent} attempt{'' if sent == 1 else 's'}" if sent else ""
        console.print(f"[bold]{plain(record.id)}[/] {plain(source_of(record))}")
        console.print(f"  {render_status(record, now)}{attempts}")
        if record.reason:
            console.print(f"  {plain(record.reason)}")


def _print_pending(console: Console, report: Report, pending: Counted) -> None:
    console.print(f"[bold]pending[/]    {pending.statuses.total():,}")
    for status in _PENDING:
        causes = pending.of(status)
        if causes:
            why = ", ".join(
                f"{number:,} {CAUSES[cause]}" for cause, number in ranked(causes) if cause
            )
            text = f"{STATUSES.get(status, 'not readable')}{': ' if why else ''}{why}"
            console.print(f"{causes.total():>17,}  {text}")
    if pending.oldest is not None:
        begun = ago(pending.oldest.created_at, report.now)
        console.print(f"[bold]oldest[/]     begun {begun}: {plain(source_of(pending.oldest))}")
    counted = "not counted: REPAINT_DAILY_CAP is not set"
    if report.cap is not None:
        counted = f"{report.reserved:,} of {report.cap:,} on {report.day}, Beijing time"
    console.print(f"[bold]charges[/]    {counted}")
    if report.undelivered is not None:
        console.print(f"[bold]webhooks[/]   {report.undelivered:,} to be sent")


def _listed(counts: Mapping[EndState, int]) -> str:
    return ", ".join(f"{counts[s]:,} {s}" for s in _ENDS if counts[s]) or "nothing"
