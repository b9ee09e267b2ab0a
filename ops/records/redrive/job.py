"""One redrive: its steps in their order."""

import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import typer
from rich.console import Console

from ops.context import Deployment
from ops.records.finding import pending, the_one
from ops.records.redrive.again import Done, Redrive
from ops.records.redrive.plan import Plan, make_plan
from ops.records.redrive.telling import MEANINGS, plan_document, records, tally_document, tell_plan
from ops.records.words import stage_of
from ops.ui.interruption import Interrupt
from ops.ui.output import Exit, aside, confirm, opened, people, print_json_line
from ops.ui.pool import side_by_side
from ops.ui.progress import Meter, span
from ops.ui.tally import Tally, tell_counts
from shared.ledger import Record, find
from shared.logs import build_log
from shared.processing.outputs import Outputs

LOG = Path(".repaint") / "redrive.log"


class Job:
    """Runs records again; `plan_it` comes first."""

    def __init__(
        self, deployed: Deployment, *, note: str, later: bool, concurrency: int, as_json: bool
    ) -> None:
        self._deployed = deployed
        self._clock = deployed.runtime.clock
        self._note = note
        self._later = later
        self._concurrency = concurrency
        self._as_json = as_json
        self._plan = Plan()
        self._named = False

    def plan_it(self, ids: list[str], *, in_doubt: bool, reason: str | None) -> None:
        """Find what is meant, and what was sent for it.

        Raises Refused for an id that is nobody's, or several records'.
        """
        ledger, runtime = self._deployed.ledger, self._deployed.runtime
        now, text = self._clock.now(), (reason or "").casefold()

        def is_in_doubt(record: Record) -> bool:
            return stage_of(record, now) == "in_doubt"

        def is_rejected(record: Record) -> bool:
            return record.state == "rejected" and text in record.reason.casefold()

        self._named = bool(ids)
        outputs = Outputs(runtime.imagex, runtime.settings.domain)
        with Meter(self._clock, "records read") as meter:
            plan = partial(
                make_plan,
                ledger=ledger,
                outputs=outputs,
                presets=runtime.settings.presets,
                tell=meter.tell,
            )
            if in_doubt:
                self._plan = plan(ledger.pending_ids(), partial(pending, ledger), is_in_doubt)
            elif reason is not None:
                ended = (record_id for record_id, _ in ledger.ended_ids("rejected"))
                self._plan = plan(ended, ledger.finished, is_rejected)
            else:
                named = dict.fromkeys(the_one(ledger, beginning).id for beginning in ids)
                self._plan = plan(named, partial(find, ledger), lambda _: True)

    def tell_plan(self) -> None:
        """Print what is to be run again: that is the result."""
        if self._as_json:
            print_json_line({"plan": plan_document(self._plan)})
        else:
            self._show_plan(people())

    def ask(self, *, yes: bool) -> None:
        """Tell what may be paid for again, and ask. Raises Refused unless the answer is yes."""
        self._show_plan(aside())
        if self._plan.ids:
            confirm(f"Run {records(len(self._plan.ids))} again?", yes=yes)

    def run(self, *, verbose: bool) -> None:
        """Do it, and tell what came of it. Raises typer.Exit where something is left to do."""
        plan, started, tally = self._plan, self._clock.now(), Tally()
        if plan.ids:
            self._go(tally, verbose=verbose)
        self._tell_end(tally, self._clock.now() - started)
        if tally.interrupted:
            raise typer.Exit(Exit.INTERRUPTED)
        expected = tally.counts["generated"] + (tally.counts["deferred"] if self._later else 0)
        missed = plan.unreadable or (self._named and plan.already_count)
        if expected < len(plan.ids) or missed:
            raise typer.Exit(Exit.NEEDS_YOU)

    def _go(self, tally: Tally, *, verbose: bool) -> None:
        settings = self._deployed.runtime.settings
        with ExitStack() as stack:
            stream = sys.stderr if verbose else stack.enter_context(opened(LOG, "a"))
            log = build_log(stream, settings.log_level)
            again = Redrive(self._deployed, note=self._note, later=self._later, log=log)
            interrupt = stack.enter_context(Interrupt())
            meter = stack.enter_context(Meter(self._clock, "records", len(self._plan.ids)))

            def goes_on(running: int) -> bool:
                meter.tell(tally.begun, tally.counts["generated"])
                tally.look(interrupt, running, settings.deadline_seconds, meter)
                return not tally.stopped

            for _, done in side_by_side(
                again.run, self._plan.ids, self._concurrency, goes_on=goes_on
            ):
                self._take(tally, done)

    def _take(self, tally: Tally, done: Done) -> None:
        tally.begun += 1
        tally.count(done.status, f"{done.again_of} {done.what}", done.reason)
        if self._as_json:
            print_json_line(done.to_dict())
            # Whoever reads along, or after a kill, sees all that is through.
            sys.stdout.flush()
        if done.result is not None:
            tally.stop_if_useless([done.result], was_parked=False)

    def _show_plan(self, console: Console) -> None:
        settings = self._deployed.runtime.settings
        tell_plan(console, self._plan, settings.daily_cap, self._clock.now())

    def _tell_end(self, tally: Tally, seconds: float) -> None:
        plan = self._plan
        if self._as_json:
            told = tally_document(tally, plan, seconds)
            print_json_line({"summary": told, "plan": plan_document(plan)})
        elif plan.ids:
            tell_counts(people(), tally, MEANINGS)
            people().print(f"in {span(seconds)}")
        else:
            people().print("Nothing to run again.")
        if tally.stopped:
            left = len(plan.ids) - tally.begun
            aside().print(f"{tally.stopped} {left:,} not begun.", markup=False)
