"""`repaint rollback`: release what was released before."""

from collections.abc import Sequence

import typer

from ops.deployment.command import AsJson, DryRun, Functions, Yes, ended, settled
from ops.deployment.connection import connected
from ops.deployment.differences import differences
from ops.deployment.platform import Platform
from ops.deployment.serverless_yml.options import SERVERLESS_YML, Config, Stage, service_of
from ops.deployment.serverless_yml.service import Service
from ops.deployment.state import Found, mark_of
from ops.deployment.steps import Plan, ReleaseFunction
from ops.ui.output import Exit, Refused


def rollback(
    context: typer.Context,
    *,
    function: Functions = None,
    stage: Stage = None,
    config: Config = SERVERLESS_YML,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Release the revision before the one that runs: its code and its settings, not its triggers.

    Run it again to go back further. serverless.yml stays as it is, so that the next deploy shows
    the difference again.

    Exit codes: as of 'repaint deploy'; 1 where there is no earlier revision.

    Example: [b]repaint rollback --function upload[/]
    """
    service = service_of(context, config, stage, with_settings=False)
    functions = [service.function(name) for name in function or []] or list(service.functions)
    names = [each.deployed_name for each in functions]
    with connected(context, service, quiet=as_json) as connection:
        found = connection.found(names, (), settle=not dry_run)
        plan = rollback_plan(service, names, found, connection.platform)
        if not plan.steps:
            raise Refused(" ".join(plan.notes), Exit.NEEDS_YOU)
        if settled(plan, "Roll back", dry_run=dry_run, yes=yes, as_json=as_json):
            connection.carry_out(plan, found)
            ended(plan, "Rolled back.", as_json=as_json)


def rollback_plan(service: Service, names: Sequence[str], found: Found, platform: Platform) -> Plan:
    """Return what is to be done so that each of these functions is what it was before.

    The revision before is the newest of the older ones whose release went well: one that never
    started is nothing to go back to.
    """
    steps, notes = [], []
    for name in names:
        there = found.functions.get(name)
        if there is None or there.live is None:
            notes.append(f"{name} is not deployed.")
            continue
        if there.mark is None or not there.mark.is_of(service):
            notes.append(f"{name} was not deployed for this service and stage: it stays.")
            continue
        earlier = [n for n in platform.released(there.id) if 0 < n < there.revision]
        if not earlier:
            notes.append(f"{name} has no revision that was released before {there.revision}.")
            continue
        number = max(earlier)
        version = platform.revision(there.id, number)
        steps.append(
            ReleaseFunction(
                action="release",
                what=f"revision {number} of function {name}, in the place of {there.revision}",
                changes=differences(there.live, version, None),
                name=name,
                revision=number,
                mark=mark_of(service, version.code),
            )
        )
    return Plan(tuple(steps), notes=tuple(notes))
