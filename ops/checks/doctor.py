"""`repaint doctor`: check settings, services, buckets and trigger, and list what to fix."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from ops.checks.check import Check, CheckState, Finding, not_checked, run_checks, wrong
from ops.checks.client import CheckClient
from ops.checks.credentials import find_access_key
from ops.checks.endpoints import Endpoints
from ops.checks.imagex import ImagexService
from ops.checks.ledger_bucket import LedgerBucket
from ops.checks.ledger_file import LedgerFile
from ops.checks.live import check_live
from ops.checks.settings import settings_findings
from ops.checks.uploads import Trigger, upload_bucket
from ops.context import ServiceAccess, environment_of, service_access
from ops.deployment.commands import SERVERLESS_YML, Config, Stage, service_of
from ops.ui.options import AsJson, Yes
from ops.ui.output import Exit, Refused, people, print_json
from shared.clients.tos import BUCKET_NAME
from shared.errors import SettingsError
from shared.settings import Settings, load_settings

SECONDS = 45.0
_MARKS = {
    CheckState.OK: "[green]✓[/]",
    CheckState.WARNING: "[yellow]![/]",
    CheckState.WRONG: "[red]✗[/]",
    CheckState.NOT_CHECKED: "[dim]–[/]",
}
_NAME_WIDTH = 24
_NO_BUCKET = "Name the bucket that pictures are uploaded to: --bucket <name>."
_STORAGE = ("credentials", "object storage")
# Not checked if the settings are wrong.
_SUBJECTS = ("credentials", "object storage", "veImageX", "clock", "state", "service", "trigger")


def doctor(
    context: typer.Context,
    *,
    bucket: Annotated[
        list[str] | None,
        typer.Option(help="A bucket that pictures are uploaded to; can be repeated."),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Upload one picture instead, and wait for its image.")
    ] = False,
    prefix: Annotated[
        str | None,
        typer.Option(
            help="With --live: where the picture goes; else the event's prefix.",
            show_default=False,
        ),
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=1, help="With --live: how long to wait for the image.")
    ] = 300,
    stage: Stage = None,
    config: Config = SERVERLESS_YML,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Check settings, credentials, clock, storage, veImageX and trigger; list what to fix.

    Nothing is generated or paid for. Conditional writes are tried on scratch keys below the
    ledger's prefix, which are removed again.

    With --live one small picture is uploaded to the bucket of serverless.yml that --bucket names,
    and repainted by the deployed function, which costs one generation. A report in Markdown shows
    how the services behave: it holds no secret, so paste it into an issue. Afterwards the picture
    is removed; its record and its image stay.

    Exit codes: 0 nothing is wrong (there may be warnings); 1 something is, or the picture was not
    repainted; 2 the settings are wrong; 3 not confirmed.

    Example: [b]repaint doctor --bucket photos[/]
    """
    buckets = list(dict.fromkeys(bucket or []))
    for name in buckets:
        if not BUCKET_NAME.fullmatch(name):
            raise Refused(f"--bucket {name!r} cannot name a bucket.")
    if live:
        if len(buckets) != 1:
            raise Refused("--live needs one --bucket, which serverless.yml names.")
        service = service_of(context, config, stage)
        check_live(context, service, buckets[0], prefix, seconds, yes=yes, as_json=as_json)
        return
    found = []
    for finding in findings(environment_of(context), buckets):
        found.append(finding)
        if not as_json:
            _show(finding)
    states = Counter(finding.state for finding in found)
    if as_json:
        checks = [asdict(finding) for finding in found]
        print_json({"checks": checks, "ok": not states[CheckState.WRONG]})
    else:
        people().print("\n" + ", ".join(f"{states[state]} {state}" for state in CheckState))
    if any(f.name == "settings" and f.state is CheckState.WRONG for f in found):
        raise typer.Exit(Exit.WRONG)
    if states[CheckState.WRONG]:
        raise typer.Exit(Exit.NEEDS_YOU)


def findings(environment: Mapping[str, str], buckets: Sequence[str]) -> Iterator[Finding]:
    """Run all checks; yield each finding as soon as it is there."""
    try:
        settings = load_settings(environment)
    except SettingsError as error:
        for problem in error.problems:
            yield wrong(problem, "Fix it in the environment.", name="settings")
        for name in _SUBJECTS:
            yield not_checked("Needs settings, which is wrong.", name=name)
        return
    yield from settings_findings(settings)
    with service_access(settings.credential_file) as access:
        client = CheckClient(settings, access, SECONDS)
        checks = checks_of(settings, access, client, buckets)
        yield from run_checks(checks, stop=client.stop)


def checks_of(
    settings: Settings, access: ServiceAccess, client: CheckClient, buckets: Sequence[str]
) -> list[Check]:
    """Return the checks for these settings, each after those that it needs or follows."""
    service = ImagexService(client, settings)
    find_key = partial(find_access_key, access.credentials, settings.credential_file)
    return [
        Check("credentials", find_key),
        *_endpoint_checks(client),
        *_ledger_checks(settings, client),
        Check("service", service.service, needs=("credentials", "veImageX"), after=("clock",)),
        Check("domain", service.domain, needs=("service",)),
        Check("template", service.templates, needs=("service",)),
        Check("output probe", service.probe, needs=("service",)),
        Check("model", service.model, needs=("service",)),
        *_upload_checks(settings, client, buckets, service),
    ]


def _endpoint_checks(client: CheckClient) -> list[Check]:
    endpoints = Endpoints(client)
    checks = [Check("object storage", endpoints.storage), Check("veImageX", endpoints.imagex)]
    if client.tos_public_endpoint != client.tos_endpoint:
        checks.append(Check("public object storage", endpoints.public_storage))
    return [*checks, Check("clock", endpoints.clock, after=tuple(check.name for check in checks))]


def _ledger_checks(settings: Settings, client: CheckClient) -> list[Check]:
    scheme, _, place = settings.ledger.partition("://")
    if scheme == "sqlite":
        file = LedgerFile(Path(place))
        return [Check("state file", file.writable), Check("state file's place", file.place)]
    bucket, _, prefix = place.partition("/")
    ledger, trigger = LedgerBucket(client, bucket, prefix), Trigger(client, bucket, settings)
    exists = ("state bucket",)
    # In a versioned bucket every scratch object would stay forever.
    needs = (*exists, "state's versioning")
    tried = ("create-only writes", "compare-and-swap", "listing and removal")
    return [
        Check("state bucket", ledger.exists, needs=_STORAGE, after=("clock",)),
        Check("state's versioning", ledger.versioning, needs=exists),
        Check("create-only writes", ledger.create_only, needs=needs),
        Check("compare-and-swap", ledger.compare_and_swap, needs=needs),
        Check("listing and removal", ledger.listing, needs=needs),
        Check("scratch keys", ledger.leftovers, needs=exists, after=tried),
        Check("trigger and state", partial(trigger.leaves_ledger, prefix), needs=exists),
    ]


def _upload_checks(
    settings: Settings, client: CheckClient, buckets: Sequence[str], service: ImagexService
) -> list[Check]:
    if not buckets:
        return [Check("trigger", lambda: not_checked("No upload bucket was named.", _NO_BUCKET))]
    checks = []
    for bucket in buckets:
        of = f" of {bucket}" if len(buckets) > 1 else ""
        trigger = Trigger(client, bucket, settings)
        exists = Check(
            f"upload bucket{of}",
            partial(upload_bucket, client, bucket),
            needs=_STORAGE,
            after=("clock",),
        )
        covers = Check(f"trigger{of}", trigger.covers_uploads, needs=(exists.name,))
        leaves_outputs = partial(trigger.leaves_outputs, service)
        needs = (covers.name,)
        checks += [
            exists,
            covers,
            Check(f"trigger and prefixes{of}", trigger.matches_settings, needs=needs),
            Check(f"trigger and outputs{of}", leaves_outputs, needs=needs, after=("service",)),
        ]
    return checks


def _show(finding: Finding) -> None:
    console = people()
    mark, name = _MARKS[finding.state], f"[bold]{escape(finding.name.ljust(_NAME_WIDTH))}[/]"
    fix = f"→ {finding.fix}" if finding.fix else ""
    if console.is_terminal:
        # Sentences that are wider than the terminal continue below themselves.
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_row(mark, name, escape(finding.found))
        if fix:
            grid.add_row("", "", escape(fix))
        console.print(grid)
        return
    console.print(f"{mark} {name} {escape(finding.found)}")
    if fix:
        console.print(f"  {' ' * _NAME_WIDTH} {escape(fix)}")
