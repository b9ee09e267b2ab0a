"""`repaint redrive`: the command and its steps."""

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ops.context import open_runtime
from ops.records.lookup import find_one, pending
from ops.records.redrive.plan import RedrivePlan, make_plan
from ops.records.redrive.render import MEANINGS, count_records, plan_document, print_plan
from ops.records.redrive.successor import successor_of
from ops.records.render import source_of
from ops.ui.bulk import BulkRun, print_result, run_log
from ops.ui.options import Concurrency, DryRun, JsonLines, Verbose, Yes
from ops.ui.output import Refused, aside, confirm, people, print_json_line
from ops.ui.progress import Meter
from shared.errors import LeaseLost, RepaintError
from shared.ledger import Record, State, Status, find
from shared.logs import Log
from shared.processing.redrive import NotRedriven, Redrive
from shared.redaction import redact_text
from shared.results import Result, ResultStatus
from shared.runtime import Runtime

LOG = Path(".repaint") / "redrive.log"
_LONGEST_NOTE = 1000


def redrive(
    context: typer.Context,
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID…", help="Records, by their ids or the beginnings of these."),
    ] = None,
    *,
    in_doubt: Annotated[
        bool, typer.Option("--in-doubt", help="All records that are in doubt.")
    ] = False,
    rejected: Annotated[
        str | None,
        typer.Option(
            metavar="REASON",
            help="All records that were rejected for a reason with this text; '' for any.",
            show_default=False,
        ),
    ] = None,
    note: Annotated[str, typer.Option(help="Why; it is kept in the new records.")] = "",
    later: Annotated[
        bool, typer.Option("--later", help="Leave the new records to the sweep.")
    ] = False,
    concurrency: Concurrency = 32,
    yes: Yes = False,
    dry_run: DryRun = False,
    verbose: Verbose = False,
    as_json: JsonLines = False,
) -> None:
    """Run records again; first show what may be paid for again.

    Each gets a new record, since an end record never changes: for an object with its metadata and
    the presets as they are now, for an HTTP request as it was asked for. A record in doubt is
    probed once more; if its image is there, the record ends with it, and nothing is paid.

    Each variant of an upload is a record, and run again alone. A record that was rejected before
    it had variants gets all that its preset asks for; these, but the first, are left to the sweep.

    A record is run again once: stop this and repeat it whenever you like. The log is appended to
    .repaint/redrive.log.

    Exit codes: 0 all were run and generated, or left to the sweep with --later; 1 some were not;
    3 not confirmed.

    Example: [b]repaint redrive --rejected "seed is" --note "seeds fixed"[/]
    """
    if [bool(ids), in_doubt, rejected is not None].count(True) != 1:
        raise Refused("Give either ids, or --in-doubt, or --rejected REASON.")
    if len(note) > _LONGEST_NOTE:
        raise Refused(f"--note is longer than {_LONGEST_NOTE} characters.")
    with open_runtime(context) as runtime:
        plan = _plan(runtime, ids or [], in_doubt=in_doubt, reason=rejected)
        now, cap = runtime.clock.now(), runtime.settings.daily_cap
        if dry_run and as_json:
            print_json_line({"plan": plan_document(plan)})
            return
        print_plan(people() if dry_run else aside(), plan, cap, now)
        if dry_run:
            return
        if plan.records:
            confirm(f"Run {count_records(len(plan.records))} again?", yes=yes)
        longest = runtime.settings.deadline_seconds
        run = BulkRun(runtime.clock, len(plan.records), "records", concurrency, longest)
        if plan.records:
            engine, note = runtime.redrive(later=later), redact_text(note.strip())
            with run_log(LOG, runtime.settings.log_level, verbose=verbose) as log, run:
                redriver = Redriver(runtime, engine, note, log)
                for _, outcome in run.map(redriver.redrive, plan.records.items()):
                    run.begun += 1
                    what = f"{outcome.redrive_of} {outcome.source}"
                    run.count(outcome.status, what, outcome.reason)
                    if as_json:
                        print_result(outcome.document())
                    if outcome.result is not None:
                        run.stop_if_useless([outcome.result])
    counts = run.counts
    done = counts["generated"] + (counts["deferred"] if later else 0)
    missed = plan.unreadable or (ids and plan.already_count)
    run.finish(
        plan=plan_document(plan),
        as_json=as_json,
        is_complete=done == len(plan.records) and not missed,
        meanings=MEANINGS,
        nothing="Nothing to run again.",
    )


def _plan(runtime: Runtime, ids: list[str], *, in_doubt: bool, reason: str | None) -> RedrivePlan:
    """Find the records that are meant. Raises Refused for an id without exactly one record."""
    ledger, now, text = runtime.ledger, runtime.clock.now(), (reason or "").casefold()

    def is_in_doubt(record: Record) -> bool:
        return record.status_at(now) is Status.IN_DOUBT

    def is_rejected(record: Record) -> bool:
        return record.state == State.REJECTED and text in (record.reason or "").casefold()

    with Meter(runtime.clock, "records read") as meter:
        plan = partial(make_plan, runtime=runtime, report=meter.update)
        if in_doubt:
            return plan(ledger.pending_ids(), partial(pending, ledger), is_in_doubt)
        if reason is not None:
            ended = (record_id for record_id, _ in ledger.ended_ids(State.REJECTED))
            return plan(ended, ledger.finished, is_rejected)
        named = dict.fromkeys(find_one(ledger, beginning).id for beginning in ids)
        return plan(named, partial(find, ledger), lambda _: True)


@dataclass(frozen=True, slots=True)
class RedriveOutcome:
    """The outcome of running a record again.

    `not_run` is the status of one that was left as it was. `record` is the id of the new one; or
    of the old one, if it had made its image after all.
    """

    redrive_of: str
    source: str
    status: ResultStatus | Literal["not_run"]
    reason: str | None
    record: str | None = None
    result: Result | None = None

    def document(self) -> dict[str, Any]:
        """Return it for programs."""
        shown = {"redrive_of": self.redrive_of, "of": self.source, "record": self.record}
        images = self.result.image_fields() if self.result else {}
        return {**shown, "status": self.status, "reason": self.reason or "", **images}


@dataclass(frozen=True, slots=True)
class Redriver:
    """Runs records again, with `note` in the new ones. Thread-safe."""

    runtime: Runtime
    engine: Redrive
    note: str
    log: Log

    def redrive(self, planned: tuple[str, float]) -> RedriveOutcome:
        """Run a record again, given its id and when it was last changed.

        Never raises for what can happen to it.
        """
        (record_id, shown_at), source = planned, ""

        def successor(old: Record) -> Record:
            nonlocal source
            source = source_of(old)
            return successor_of(old, self.runtime, self.note)

        status: ResultStatus | Literal["not_run"]
        try:
            done = self.engine.run(
                record_id,
                shown_at=shown_at,
                successor=successor,
                delivery=self.runtime.delivery(self.log),
            )
        except (NotRedriven, LeaseLost) as error:
            status, reason = "not_run", str(error)
        except RepaintError as error:
            status, reason = "incomplete", str(error)
        else:
            return RedriveOutcome(
                record_id, source, done.result.status, done.reason, done.record, done.result
            )
        if not source:
            with suppress(RepaintError):
                old = find(self.runtime.ledger, record_id)
                source = source_of(old) if old else ""
        return RedriveOutcome(record_id, source, status, reason)
