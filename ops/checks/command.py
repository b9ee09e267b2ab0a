"""`repaint doctor`: look at everything, and say what to do about what is not well."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from ops.checks.checks import Finding, State, run
from ops.checks.plan import SUBJECTS, plan
from ops.checks.settings import settings_findings
from ops.checks.wire import Wire
from ops.ui.output import Exit, Refused, people, print_json
from shared.clients.credentials import FunctionCredentials
from shared.clients.http import PooledTransport
from shared.clients.tos import BUCKET_NAME
from shared.clock import Clock, SystemClock
from shared.errors import SettingsError
from shared.settings import load_settings

if TYPE_CHECKING:
    from ops.context import Choice

SECONDS = 45.0
_MARKS = {
    State.OK: "[green]✓[/]",
    State.WARNING: "[yellow]![/]",
    State.WRONG: "[red]✗[/]",
    State.NOT_CHECKED: "[dim]–[/]",
}
_NAME_WIDTH = 24


def doctor(
    context: typer.Context,
    *,
    bucket: Annotated[
        list[str] | None,
        typer.Option(help="A bucket that pictures are uploaded to; more than once for several."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """Check settings, credentials, clock, storage, veImageX and trigger; say what to mend.

    Nothing is generated or paid for. Conditional writes are tried on scratch keys below the
    ledger's prefix, which are removed again.

    Exit codes: 0 nothing is wrong (there may be warnings); 1 something is; 2 the settings are.

    Example: [b]repaint doctor --bucket photos[/]
    """
    choice: Choice = context.obj
    buckets = bucket or []
    for name in buckets:
        if not BUCKET_NAME.fullmatch(name):
            raise Refused(f"--bucket {name!r} cannot name a bucket.")
    found = []
    for finding in findings(choice.environment(), buckets, clock=SystemClock()):
        found.append(finding)
        if not as_json:
            _show(finding)
    states = Counter(finding.state for finding in found)
    if as_json:
        checks = [asdict(finding) for finding in found]
        print_json({"checks": checks, "ok": not states[State.WRONG]})
    else:
        people().print("\n" + ", ".join(f"{states[state]} {state}" for state in State))
    if any(f.name == "settings" and f.state is State.WRONG for f in found):
        raise typer.Exit(Exit.WRONG)
    if states[State.WRONG]:
        raise typer.Exit(Exit.NEEDS_YOU)


def findings(
    environment: Mapping[str, str], buckets: list[str], *, clock: Clock
) -> Iterator[Finding]:
    """Look at everything; what is known already is yielded at once."""
    try:
        settings = load_settings(environment)
    except SettingsError as error:
        for problem in error.problems:
            yield Finding("settings", State.WRONG, problem, "Mend it in the environment.")
        for name in SUBJECTS:
            yield Finding(name, State.NOT_CHECKED, "Needs settings, which is wrong.")
        return
    yield from settings_findings(settings)
    transport = PooledTransport()
    credentials = FunctionCredentials(settings.credential_file)
    wire = Wire(
        settings=settings,
        credentials=credentials,
        transport=transport,
        clock=clock,
        seconds=SECONDS,
    )
    try:
        yield from run(plan(settings, credentials, wire, buckets), stop=wire.stop)
    finally:
        transport.close()


def _show(finding: Finding) -> None:
    say = people()
    mark, name = _MARKS[finding.state], f"[bold]{escape(finding.name.ljust(_NAME_WIDTH))}[/]"
    mend = f"→ {finding.mend}" if finding.mend else ""
    if say.is_terminal:
        # Sentences that are wider than the terminal go on below themselves.
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_row(mark, name, escape(finding.found))
        if mend:
            grid.add_row("", "", escape(mend))
        say.print(grid)
        return
    say.print(f"{mark} {name} {escape(finding.found)}")
    if mend:
        say.print(f"  {' ' * _NAME_WIDTH} {escape(mend)}")
