"""`repaint deploy`: make the platform have what serverless.yml says."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from ops.deployment.connection import Connection, connected
from ops.deployment.package import build
from ops.deployment.plan import buckets_of, deploy_plan
from ops.deployment.serverless_yml.options import SERVERLESS_YML, Config, Stage, service_of
from ops.deployment.serverless_yml.service import Function
from ops.deployment.state import Wanted
from ops.deployment.steps import Plan
from ops.deployment.telling import document, summary, tell_plan
from ops.ui.output import Exit, Refused, confirm, people, print_json
from shared.redaction import HIDDEN

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON for programs.")]
Functions = Annotated[
    list[str] | None,
    typer.Option(
        "--function", help="Only this function, as serverless.yml calls it; more than once."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan, and do nothing.")]


def deploy(
    context: typer.Context,
    *,
    function: Functions = None,
    stage: Stage = None,
    config: Config = SERVERLESS_YML,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Make veFaaS and the buckets have what serverless.yml says: code, settings and triggers.

    Packs the functions, looks at what is there, shows what differs, asks, and does just that. Stop
    it whenever you like and run it again. Rules of others in a bucket stay as they are, and
    buckets themselves are never made or removed.

    Exit codes: 0 done, nothing to do, or a dry run; 1 a release failed, or something did not
    answer; 2 something in serverless.yml or on the platform is in the way, nothing was done; 3 not
    confirmed.

    Example: [b]repaint deploy --stage prod --dry-run[/]
    """
    service = service_of(context, config, stage)
    functions = [service.function(name) for name in function or []] or list(service.functions)
    with connected(context, service, quiet=as_json) as connection:
        with connection.progress.moving():
            wanted = [_packed(connection, each) for each in functions]
        names = [each.deployed_name for each in functions]
        found = connection.found(names, buckets_of(functions), settle=not dry_run)
        plan = deploy_plan(service, wanted, found)
        if settled(plan, "Deploy", dry_run=dry_run, yes=yes, as_json=as_json):
            with _hiding_secrets(functions):
                connection.carry_out(plan, found)
            ended(plan, "Deployed.", as_json=as_json)


@contextmanager
def _hiding_secrets(functions: Iterable[Function]) -> Iterator[None]:
    """Hide their values in what goes wrong: the log of an instance may repeat its environment."""
    values = {each.environment[name] for each in functions for name in each.secrets} - {""}
    try:
        yield
    except Refused as refused:
        sentence = str(refused)
        for value in sorted(values, key=len, reverse=True):
            sentence = sentence.replace(value, HIDDEN)
        raise Refused(sentence, refused.code) from None


def settled(plan: Plan, verb: str, *, dry_run: bool, yes: bool, as_json: bool) -> bool:
    """Show a plan and ask; tell whether it is to be carried out.

    Raises Refused where the answer is no, and Exit with 2 where something is in the way.
    """
    if not as_json:
        tell_plan(people(), plan)
    if plan.steps and not plan.problems and not dry_run:
        confirm(f"{verb}: {summary(plan)}?", yes=yes)
        return True
    if as_json:
        print_json(document(plan, done=False))
    if plan.problems:
        raise typer.Exit(Exit.WRONG)
    if not as_json:
        people().print(summary(plan) or "Nothing to do.")
    return False


def ended(plan: Plan, sentence: str, *, as_json: bool) -> None:
    """Tell that a plan was carried out."""
    if as_json:
        print_json(document(plan, done=True))
    else:
        people().print(sentence)


def _packed(connection: Connection, function: Function) -> Wanted:
    connection.progress(f"packing {function.name}")
    built = build(connection.service, function)
    return Wanted(function, built.sha256, built.path.read_bytes())
