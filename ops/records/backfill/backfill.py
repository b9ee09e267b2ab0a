"""`repaint backfill`: the command and its steps."""

import json
import math
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from ops.context import open_runtime
from ops.records.backfill.listing import Planner, Scope, read_ledger
from ops.records.backfill.plan import BackfillPlan
from ops.records.backfill.render import MEANINGS, Estimate, plan_document, print_plan
from ops.records.backfill.run import Repainting
from ops.records.backfill.skipped import FOLDER, SkippedObjects, name_for
from ops.ui.bulk import BulkRun, print_result, run_log
from ops.ui.options import (
    SINCE_FORMS,
    Concurrency,
    DryRun,
    JsonLines,
    Verbose,
    Yes,
    parse_since,
)
from ops.ui.output import Exit, Refused, aside, confirm, opened, people, print_json_line
from ops.ui.progress import Meter, money
from shared.clients.rate_limit import RateLimiter
from shared.clients.tos import BUCKET_NAME
from shared.errors import ObjectMissing
from shared.results import Result
from shared.runtime import Runtime
from shared.uploads.events import Upload

# An upload that another run works on has ended a moment later.
_FIRST_PAUSE_SECONDS = 2.0


def backfill(
    context: typer.Context,
    bucket: Annotated[str, typer.Argument(help="The bucket of the uploads.")],
    *,
    prefix: Annotated[str, typer.Option(help="Only keys with this prefix.")] = "",
    since: Annotated[
        str,
        typer.Option(help=f"Only objects changed since: {SINCE_FORMS}", show_default=False),
    ] = "",
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many objects, in the order of keys.")
    ] = None,
    price: Annotated[
        float | None, typer.Option(min=0.0, help="The price of an image, to show the sum.")
    ] = None,
    concurrency: Concurrency = 32,
    yes: Yes = False,
    dry_run: DryRun = False,
    plan_only: Annotated[
        bool, typer.Option("--plan-only", help="Write the plan as JSON lines; do nothing else.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(help="The file for --plan-only, instead of stdout.", dir_okay=False),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Check again what an earlier run skipped.")
    ] = False,
    verbose: Verbose = False,
    as_json: JsonLines = False,
) -> None:
    """Repaint the pictures of a bucket that are there already, or were missed.

    Lists the bucket, leaves out what has ended according to the ledger, asks, and processes the
    rest like any upload. Stop it and run it again whenever you like, also twice at once: the
    ledger prevents that anything is paid for twice.

    The log is appended to .repaint/backfill/<bucket>-….log.

    Example: [b]repaint backfill photos --prefix uploads/ --since 7d --price 0.2[/]
    """
    if not BUCKET_NAME.fullmatch(bucket):
        raise Refused(f"{bucket!r} cannot be a bucket: 3 to 63 of a-z, 0-9 and -.")
    if output is not None and not plan_only:
        raise Refused("--output is the file for --plan-only: give both, or neither.")
    if price is not None and not math.isfinite(price):
        raise Refused("--price is a sum of money.")
    with ExitStack() as stack:
        runtime = stack.enter_context(open_runtime(context))
        moment = parse_since(since, runtime.clock.now()) if since else None
        path = FOLDER / f"{name_for(runtime.settings, bucket)}.sqlite"
        job = Backfill(
            runtime,
            Scope(bucket, prefix, moment, limit),
            stack.enter_context(BackfillPlan()),
            stack.enter_context(SkippedObjects(path, fresh=fresh)),
            concurrency,
            price,
        )
        job.make_plan()
        if plan_only:
            job.write_plan(output)
        elif dry_run and as_json:
            print_json_line({"plan": job.document()})
        elif dry_run:
            print_plan(people(), bucket, job.plan, job.estimate)
        else:
            print_plan(aside(), bucket, job.plan, job.estimate)
            if job.estimate.most:
                confirm(job.estimate.question(), yes=yes)
            job.run(path.with_suffix(".log"), verbose=verbose, as_json=as_json)


@dataclass(frozen=True, slots=True)
class Backfill:
    """A backfill of `scope`, with its parts; `make_plan` comes first."""

    runtime: Runtime
    scope: Scope
    plan: BackfillPlan
    skipped: SkippedObjects
    concurrency: int
    price: float | None

    def make_plan(self) -> None:
        """Fill the plan. Raises Refused if there is no such bucket or ledger."""
        runtime, bucket = self.runtime, self.scope.bucket
        storage, clock = runtime.storage(None), runtime.clock
        if not storage.has_bucket(bucket):
            raise Refused(
                f"There is no bucket {bucket} in this region: check its name, TOS_REGION and "
                "TOS_ENDPOINT."
            )
        try:
            with Meter(clock, "end records read") as meter:
                read_ledger(self.plan, runtime.ledger, meter.update)
            with Meter(clock, "objects listed") as meter:
                planner = Planner(self.plan, self.scope, runtime.settings, self.skipped)
                planner.read_listing(storage, meter.update)
        except ObjectMissing as error:
            place = runtime.settings.ledger
            raise Refused(f"The ledger {place} cannot be listed: {error}") from None
        except KeyboardInterrupt:
            raise Refused("Interrupted: nothing was begun.", Exit.INTERRUPTED) from None

    @property
    def estimate(self) -> Estimate:
        """What the plan may cost."""
        settings = self.runtime.settings
        return Estimate(
            self.plan,
            settings.daily_cap,
            concurrency=self.concurrency,
            price=self.price,
            rate=RateLimiter(self.runtime.clock, settings.max_qps).rate,
        )

    def document(self) -> dict[str, Any]:
        """Return the plan for programs."""
        return plan_document(self.scope.bucket, self.scope.prefix, self.plan, self.estimate)

    def write_plan(self, output: Path | None) -> None:
        """Write the planned objects, a JSON document a line; the plan's counts go to stderr."""
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
        print_plan(aside(), self.scope.bucket, self.plan, self.estimate)

    def run(self, log_path: Path, *, verbose: bool, as_json: bool) -> None:
        """Repaint and print the summary. Raises typer.Exit if something is left to do."""
        runtime, settings = self.runtime, self.runtime.settings
        planned, longest = self.plan.counts["planned"], settings.deadline_seconds
        run = BulkRun(runtime.clock, planned, "pictures", self.concurrency, longest, self.price)
        if planned:
            with run_log(log_path, settings.log_level, verbose=verbose) as log, run:

                def repaint(upload: Upload) -> list[Result]:
                    return runtime.pipeline.handle(upload, runtime.delivery(log))

                def on_result(result: Result) -> None:
                    if as_json:
                        print_result(result.to_dict())

                parts = (run, self.scope.bucket, self.plan, self.skipped, repaint, on_result)
                # The second pause is a lease's length: then those of a killed run are over.
                pauses = (_FIRST_PAUSE_SECONDS, runtime.policy.lease_until(0.0))
                Repainting(*parts).repaint_all(pauses)
        waiting, cost = run.waiting, self.estimate.cost(run.counts["generated"])
        run.finish(
            plan=self.document(),
            as_json=as_json,
            is_complete=not waiting,
            meanings=MEANINGS,
            nothing="Nothing to repaint.",
            cost="" if cost is None else f", for {money(cost)}",
            more={"unfinished": waiting, "cost": cost},
        )
