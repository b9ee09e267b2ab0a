"""`repaint remove`: leave nothing of a deployment but buckets, ledger and images."""

import typer

from ops.deployment.command import AsJson, DryRun, Functions, Yes, ended, settled
from ops.deployment.connection import connected
from ops.deployment.plan import buckets_of
from ops.deployment.removal import removal_plan
from ops.deployment.serverless_yml.options import SERVERLESS_YML, Config, Stage, service_of
from ops.ui.output import Refused


def remove(
    context: typer.Context,
    *,
    function: Functions = None,
    stage: Stage = None,
    config: Config = SERVERLESS_YML,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove what was deployed: the buckets' rules first, then timers, then functions.

    Buckets with all that is in them, the ledger and the images stay, and so do rules and functions
    of others. What is unfinished in the ledger is gone on with after another deployment.

    Exit codes: as of 'repaint deploy'.

    Example: [b]repaint remove --stage dev[/]
    """
    service = service_of(context, config, stage, with_settings=False)
    with connected(context, service, quiet=as_json) as connection:
        known = {each.name: each.deployed_name for each in service.functions}
        asked = [known.get(name, name) for name in function or []] or None
        found = connection.found(asked, buckets_of(service.functions), settle=not dry_run)
        # Of a function that is gone a rule may be left.
        names = asked or [*known.values(), *found.functions]
        for name in names:
            if name not in (*known.values(), *found.functions):
                raise Refused(f"{name} is neither in {service.path.name} nor deployed.")
        plan = removal_plan(service, list(dict.fromkeys(names)), found)
        if settled(plan, "Remove", dry_run=dry_run, yes=yes, as_json=as_json):
            connection.carry_out(plan, found)
            ended(plan, "Removed.", as_json=as_json)
