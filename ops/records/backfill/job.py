"""One backfill: its steps in their order."""

import json
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from ops.context import Deployment
from ops.records.backfill.memory import Memory
from ops.records.backfill.plan import Plan
from ops.records.backfill.planning import Scope, read_ledger, read_listing
from ops.records.backfill.telling import (
    Estimate,
    plan_document,
    tally_document,
    tell_plan,
    tell_tally,
)
from ops.records.backfill.work import Pool, Run
from ops.ui.output import Exit, Refused, aside, confirm, opened, people, print_json_line
from ops.ui.progress import Meter
from ops.ui.tally import Tally
from shared.errors import ObjectMissing
from shared.logs import build_log
from shared.processing.rate_limit import Pace
from shared.processing.turns import Turns
from shared.results import Result
from shared.uploads.events import Upload

# What two runs fight over has ended a moment later; what a killed one held, when its lease has.
_FIRST_PAUSE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Job:
    """A backfill of `scope`, with its parts; `plan_it` comes first."""

    deployed: Deployment
    scope: Scope
    plan: Plan
    memory: Memory
    log_path: Path
    concurrency: int
    price: float | None
    as_json: bool

    def plan_it(self) -> None:
        """Make the plan. Raises Refused where there is no such bucket."""
        runtime, bucket = self.deployed.runtime, self.scope.bucket
        storage = runtime.storage(None)
        if not storage.has_bucket(bucket):
            raise Refused(
                f"There is no bucket {bucket} in this region: check its name, TOS_REGION and "
                "TOS_ENDPOINT."
            )
        try:
            with Meter(runtime.clock, "end records read") as meter:
                read_ledger(self.plan, self.deployed.ledger, meter.tell)
            with Meter(runtime.clock, "objects listed") as meter:
                read_listing(
                    self.plan, storage, self.scope, runtime.settings, self.memory, meter.tell
                )
        except ObjectMissing as error:
            place = runtime.settings.ledger_for(bucket)
            raise Refused(f"The ledger {place} cannot be listed: {error}") from None
        except KeyboardInterrupt:
            raise Refused("Interrupted: nothing was begun.", Exit.INTERRUPTED) from None

    @property
    def estimate(self) -> Estimate:
        """What the plan may cost."""
        settings = self.deployed.runtime.settings
        pace = Pace(self.deployed.runtime.clock, settings.max_qps)
        return Estimate(
            self.plan, settings, concurrency=self.concurrency, price=self.price, pace=pace
        )

    def document(self) -> dict[str, Any]:
        """Return the plan for programs."""
        return plan_document(self.scope.bucket, self.scope.prefix, self.plan, self.estimate)

    def write_plan(self, output: Path | None) -> None:
        """Write what is planned, a JSON document a line; what the plan found goes to stderr."""
        with ExitStack() as stack:
            file = sys.stdout if output is None else stack.enter_context(opened(output, "w"))
            for planned in self.plan.objects():
                line = {
                    "bucket": self.scope.bucket,
                    "key": planned.key,
                    "etag": planned.etag,
                    "size": planned.size,
                    "last_modified": planned.last_modified,
                }
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        tell_plan(aside(), self.scope.bucket, self.plan, self.estimate)

    def tell_plan(self) -> None:
        """Print what the plan found: that is the result."""
        if self.as_json:
            print_json_line({"plan": self.document()})
        else:
            tell_plan(people(), self.scope.bucket, self.plan, self.estimate)

    def ask(self, *, yes: bool) -> None:
        """Tell what the plan found, and ask. Raises Refused unless the answer is yes."""
        tell_plan(aside(), self.scope.bucket, self.plan, self.estimate)
        if not self.estimate.most:
            return
        confirm(self.estimate.question(), yes=yes)

    def run(self, *, verbose: bool) -> None:
        """Do it, and tell how it ended. Raises typer.Exit where something is left to do."""
        runtime = self.deployed.runtime
        started = runtime.clock.now()
        if not self.plan.counts["planned"]:
            self._tell_end(Tally(), 0.0)
            return
        longest, level = runtime.settings.deadline_seconds, runtime.settings.log_level
        with ExitStack() as stack:
            stream = sys.stderr if verbose else stack.enter_context(opened(self.log_path, "a"))
            log = build_log(stream, level)

            def repaint(upload: Upload) -> list[Result]:
                deadline = runtime.clock.now() + longest
                return runtime.pipeline.handle(upload, deadline=deadline, log=log)

            run = Run(
                bucket=self.scope.bucket,
                plan=self.plan,
                memory=self.memory,
                repaint=repaint,
                clock=runtime.clock,
                pool=Pool(self.concurrency, longest, self._pauses()),
                on_result=self._tell_result,
            )
            meter = stack.enter_context(
                Meter(runtime.clock, "pictures", self.plan.counts["planned"], self.price)
            )
            tally = run.go(meter)
        self._tell_end(tally, runtime.clock.now() - started)
        if tally.interrupted:
            raise typer.Exit(Exit.INTERRUPTED)
        if tally.stopped or tally.waiting:
            raise typer.Exit(Exit.NEEDS_YOU)

    def _pauses(self) -> tuple[float, ...]:
        """Return the pauses before what is unfinished is tried again; the last one is a lease's."""
        runtime = self.deployed.runtime
        turns = Turns(runtime.settings, Pace(runtime.clock), runtime.clock)
        return _FIRST_PAUSE_SECONDS, turns.lease_until(0.0)

    def _tell_result(self, result: Result) -> None:
        if self.as_json:
            print_json_line(result.to_dict())
            # Whoever reads along, or after a kill, sees all that is through.
            sys.stdout.flush()

    def _tell_end(self, tally: Tally, seconds: float) -> None:
        if self.as_json:
            told = tally_document(tally, self.plan, self.estimate, seconds)
            print_json_line({"summary": told, "plan": self.document()})
        elif self.plan.counts["planned"]:
            tell_tally(people(), tally, self.estimate, seconds)
        else:
            people().print("Nothing to repaint.")
        if tally.stopped:
            left = self.plan.counts["planned"] - tally.begun
            aside().print(f"{tally.stopped} {left:,} not begun.", markup=False)
