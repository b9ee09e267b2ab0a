"""`repaint smoke`: one picture the whole way, and a report of what the services do."""

import secrets
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ops.checks.live.inside import record_facts, seen_facts
from ops.checks.live.laboratory import laboratory
from ops.checks.live.outside import imagex_facts, storage_facts
from ops.checks.live.picture import picture
from ops.checks.live.report import Fact, document, markdown
from ops.checks.live.trial import Trial
from ops.deployment.commands import SERVERLESS_YML, Config, Stage, service_of
from ops.deployment.render import Progress
from ops.deployment.serverless_yml.service import Function, Service, TosEvent
from ops.ui.output import Exit, Refused, confirm, print_json
from shared.smoke import MARK

if TYPE_CHECKING:
    from ops.context import Choice


def smoke(
    context: typer.Context,
    bucket: Annotated[str, typer.Argument(help="A bucket that serverless.yml names.")],
    *,
    prefix: Annotated[
        str | None,
        typer.Option(help="Where the picture goes; else the event's prefix.", show_default=False),
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, help="How long to wait for the image.")] = 300,
    stage: Stage = None,
    config: Config = SERVERLESS_YML,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """Upload one small picture to what is deployed, wait, and report what the services do.

    It costs one generation. The report is Markdown and holds no secret and no message of a
    service: it answers what the documents leave open, so paste it into an issue. Afterwards the
    picture is removed; its record and its image stay.

    Exit codes: 0 the picture was repainted; 1 it was not; 2 a setting is wrong; 3 not confirmed.

    Example: [b]repaint smoke photos > report.md[/]
    """
    service = service_of(context, config, stage)
    function, event = _event_of(service, bucket)
    prefix = event.prefix if prefix is None else prefix
    if not prefix.startswith(event.prefix):
        raise Refused(f"--prefix {prefix!r} is outside {event.prefix!r}, which calls the function.")
    number = secrets.token_hex(8)
    key = f"{prefix}{MARK}{number} 试 100%{event.suffix or '.png'}"
    confirm(f"Upload {bucket}/{key} and pay for one generation?", yes=yes)
    choice: Choice = context.obj
    progress = Progress(quiet=as_json)
    with laboratory(choice.environment(), service, function) as lab, progress.moving():
        trial = Trial(lab.storage, lab.settings, bucket, key, number, lab.clock)
        outside = [*storage_facts(lab.wire, trial.ledger_bucket, trial.ledger_prefix)]
        outside += imagex_facts(lab.wire, lab.settings)
        ended = trial.run(picture(int(number, 16)), seconds, progress)
        facts = [*record_facts(ended, lab.settings), *seen_facts(ended.seen, key), *outside]
        if ended.record is not None and ended.record.state != "pending":
            trial.tidy_up()
        else:
            facts.append(Fact("the picture", f"is still there: {key}"))
        title = f"repaint smoke, {service.region} and {lab.settings.region}"
    if as_json:
        print_json(document(title, facts, generated=ended.is_generated))
    else:
        sys.stdout.write(markdown(title, facts) + "\n")
    if not ended.is_generated:
        raise typer.Exit(Exit.NEEDS_YOU)


def _event_of(service: Service, bucket: str) -> tuple[Function, TosEvent]:
    """Return the function that a bucket's uploads call, and when. Raises Refused without one."""
    events = [
        (function, event)
        for function in service.functions
        for event in function.events
        if isinstance(event, TosEvent)
    ]
    for function, event in events:
        if event.bucket == bucket:
            return function, event
    known = ", ".join(dict.fromkeys(event.bucket for _, event in events)) or "none"
    raise Refused(f"{service.path.name} names no bucket {bucket}: it names {known}.")
