"""The command itself: its options, and the order of things."""

from typing import Annotated

import typer

from ops.context import deployment
from ops.records.redrive.job import Job
from ops.ui.output import Refused
from shared.redaction import redact_text

_LONGEST_NOTE = 1000


def redrive(
    context: typer.Context,
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID…", help="Records, by their ids or the beginnings of these."),
    ] = None,
    *,
    in_doubt: Annotated[bool, typer.Option("--in-doubt", help="All that are in doubt.")] = False,
    rejected: Annotated[
        str | None,
        typer.Option(
            metavar="REASON",
            help="All that were rejected for a reason that holds this text; '' for any.",
            show_default=False,
        ),
    ] = None,
    note: Annotated[str, typer.Option(help="Why; it is kept in the new records.")] = "",
    later: Annotated[
        bool, typer.Option("--later", help="Leave the new records to the sweep.")
    ] = False,
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="How many at once.")] = 32,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what there is to do, and do nothing.")
    ] = False,
    bucket: Annotated[
        str | None, typer.Option(help="The bucket of the uploads, where REPAINT_LEDGER is unset.")
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="The functions' log on stderr, not in a file.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON for programs: a line for each record, a summary.")
    ] = False,
) -> None:
    """Run records again, on purpose, and say first what may be paid for again.

    Each gets a new record, since an end never changes: of an object with its metadata and the
    presets as they are now, of an HTTP request with what it asked for. A record that is in doubt
    is looked for once more; where its image is there, that is its end, and nothing is paid.

    Each variant of an upload is a record, and run again alone. What was rejected before it had
    variants gets all that its preset asks for; these, but the first, are left to the sweep.

    A record is run again once, however often this is: stop it and repeat it whenever you like.
    Its log is appended to .repaint/redrive.log.

    Exit codes: 0 all were run and generated, or left to the sweep with --later; 1 some were not;
    3 not confirmed.

    Example: [b]repaint redrive --rejected "seed is" --note "seeds mended"[/]
    """
    if [bool(ids), in_doubt, rejected is not None].count(True) != 1:
        raise Refused("Say which: some ids, or --in-doubt, or --rejected REASON.")
    if len(note) > _LONGEST_NOTE:
        raise Refused(f"--note is longer than {_LONGEST_NOTE} characters.")
    with deployment(context, bucket=bucket) as deployed:
        job = Job(
            deployed,
            note=redact_text(note.strip()),
            later=later,
            concurrency=concurrency,
            as_json=as_json,
        )
        job.plan_it(ids or [], in_doubt=in_doubt, reason=rejected)
        if dry_run:
            job.tell_plan()
        else:
            job.ask(yes=yes)
            job.run(verbose=verbose)
