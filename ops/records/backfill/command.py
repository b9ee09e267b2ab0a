"""The command itself: its options, and the order of things."""

import math
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from ops.context import deployment
from ops.records.backfill.job import Job
from ops.records.backfill.memory import FOLDER, Memory, name_for
from ops.records.backfill.plan import Plan
from ops.records.backfill.planning import Scope
from ops.records.since import read_since
from ops.ui.output import Refused
from shared.clients.tos import BUCKET_NAME


def backfill(
    context: typer.Context,
    bucket: Annotated[str, typer.Argument(help="The bucket of the uploads.")],
    *,
    prefix: Annotated[str, typer.Option(help="Only keys that begin so.")] = "",
    since: Annotated[
        str,
        typer.Option(
            help="Only what was changed since then: 2026-11-01, 2026-11-01T08:00, or 90m, 24h, 7d.",
            show_default=False,
        ),
    ] = "",
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many objects, in the order of keys.")
    ] = None,
    price: Annotated[
        float | None, typer.Option(min=0.0, help="What an image costs, to tell the sum.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="How many at once.")] = 32,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what there is to do, and do nothing.")
    ] = False,
    plan_only: Annotated[
        bool, typer.Option("--plan-only", help="Write the list as JSON lines, and do nothing.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(help="Where --plan-only writes to, instead of stdout.", dir_okay=False),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Look again at what an earlier run skipped.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="The functions' log on stderr, not in a file.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON for programs: a line for each result, a summary.")
    ] = False,
) -> None:
    """Repaint what is in a bucket already, or was missed.

    Lists the bucket, leaves out what has ended according to the ledger, asks, and takes the rest
    the way of any upload. Stop it and run it again whenever you like, also twice at once: the
    ledger sees to it that nothing is paid for twice.

    Its log is appended to .repaint/backfill/<bucket>-….log.

    Example: [b]repaint backfill photos --prefix uploads/ --since 7d --price 0.2[/]
    """
    if not BUCKET_NAME.fullmatch(bucket):
        raise Refused(f"{bucket!r} cannot be a bucket: 3 to 63 of a-z, 0-9 and -.")
    if output is not None and not plan_only:
        raise Refused("--output is where --plan-only writes to: say both, or neither.")
    if price is not None and not math.isfinite(price):
        raise Refused("--price is a sum of money.")
    with ExitStack() as stack:
        deployed = stack.enter_context(deployment(context, bucket=bucket))
        runtime = deployed.runtime
        moment = read_since(since, runtime.clock.now()) if since else None
        path = FOLDER / f"{name_for(runtime.settings, bucket)}.sqlite"
        job = Job(
            deployed,
            Scope(bucket, prefix, moment, limit),
            stack.enter_context(Plan()),
            stack.enter_context(Memory(path, fresh=fresh)),
            path.with_suffix(".log"),
            concurrency,
            price,
            as_json,
        )
        job.plan_it()
        if plan_only:
            job.write_plan(output)
        elif dry_run:
            job.tell_plan()
        else:
            job.ask(yes=yes)
            job.run(verbose=verbose)
