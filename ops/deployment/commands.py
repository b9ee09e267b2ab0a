"""The commands `deploy`, `rollback`, `remove`, `package`, `policy` and `print`."""

import io
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from ruamel.yaml import YAML

from ops.context import environment_of
from ops.deployment.apply import connected
from ops.deployment.model import Desired
from ops.deployment.package import OUTPUT, Built, build
from ops.deployment.package.bytecode import python_version
from ops.deployment.plan import Plan, buckets_of, deploy_plan, removal_plan, rollback_plan
from ops.deployment.policy import role_policy, trust_policy
from ops.deployment.render import json_plan, print_plan, summary
from ops.deployment.serverless_yml import Event, Function, HttpEvent, Service, TosEvent, load
from ops.ui.options import AsJson, DryRun, Yes
from ops.ui.output import Exit, Refused, aside, confirm, people, print_json
from shared.redaction import HIDDEN

SERVERLESS_YML = Path("serverless.yml")
Stage = Annotated[
    str | None,
    typer.Option(help="The stage, such as dev or prod. Default: the file's.", show_default=False),
]
Config = Annotated[Path, typer.Option("--config", "-c", help="The serverless.yml to read.")]
Functions = Annotated[
    list[str] | None,
    typer.Option(
        "--function", help="Only this function of serverless.yml; can be repeated for several."
    ),
]


def service_of(
    context: typer.Context, config: Path, stage: str | None, *, with_settings: bool = True
) -> Service:
    """Load the file of a command's options, with variables from the command's environment.

    Raises Refused, ServerlessError.
    """
    environment = environment_of(context)
    return load(config, environment=environment, stage=stage, with_settings=with_settings)


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
    """Deploy the functions of serverless.yml with their settings and triggers to veFaaS.

    It packs the functions, compares them with the current state, shows the differences, asks, and
    changes only these. It can be interrupted at any time and run again. Rules of others in a bucket
    are left as they are; buckets are never created or removed.

    Exit codes: 0 done, nothing to do, or a dry run; 1 a release failed, or a service did not
    answer; 2 a problem in serverless.yml or on the platform, nothing was done; 3 not confirmed.

    Example: [b]repaint deploy --stage prod --dry-run[/]
    """
    service = service_of(context, config, stage)
    functions = _chosen(service, function)
    with connected(context, service, quiet=as_json) as connection:
        desired = []
        with connection.progress.moving():
            for each in functions:
                connection.progress(f"packing {each.name}")
                built = build(service, each)
                desired.append(Desired(each, built.sha256, built.path.read_bytes()))
        names = [each.deployed_name for each in functions]
        current = connection.current(names, buckets_of(functions), settle=not dry_run)
        plan = deploy_plan(service, desired, current)
        if _confirmed(plan, "Deploy", dry_run=dry_run, yes=yes, as_json=as_json):
            with _hiding_secrets(functions):
                connection.apply(plan, current)
            _finish(plan, "Deployed.", as_json=as_json)


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
    """Release the revision before the one that runs: its code and settings, not its triggers.

    Run it again to go back further. serverless.yml is not changed: the next deploy shows the
    difference again.

    Exit codes: as of 'repaint deploy'; 1 also if there is no earlier revision.

    Example: [b]repaint rollback --function upload[/]
    """
    service = service_of(context, config, stage, with_settings=False)
    names = [each.deployed_name for each in _chosen(service, function)]
    with connected(context, service, quiet=as_json) as connection:
        current = connection.current(names, (), settle=not dry_run)
        plan = rollback_plan(service, names, current, connection.platform)
        if not plan.steps:
            raise Refused(" ".join(plan.notes), Exit.NEEDS_YOU)
        if _confirmed(plan, "Roll back", dry_run=dry_run, yes=yes, as_json=as_json):
            connection.apply(plan, current)
            _finish(plan, "Rolled back.", as_json=as_json)


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
    """Remove the deployment: the buckets' rules first, then timers, then functions.

    Buckets with their objects, the ledger, the images, and rules and functions of others are kept.
    Unfinished uploads in the ledger continue after the next deployment.

    Exit codes: as of 'repaint deploy'.

    Example: [b]repaint remove --stage dev[/]
    """
    service = service_of(context, config, stage, with_settings=False)
    with connected(context, service, quiet=as_json) as connection:
        known = {each.name: each.deployed_name for each in service.functions}
        chosen = [known.get(name, name) for name in function or []] or None
        buckets = buckets_of(service.functions)
        current = connection.current(chosen, buckets, settle=not dry_run)
        # A function that is gone may have left its rule.
        names = chosen or [*known.values(), *current.functions]
        for name in names:
            if name not in (*known.values(), *current.functions):
                raise Refused(f"{name} is neither in {service.path.name} nor deployed.")
        plan = removal_plan(service, list(dict.fromkeys(names)), current)
        if _confirmed(plan, "Remove", dry_run=dry_run, yes=yes, as_json=as_json):
            connection.apply(plan, current)
            _finish(plan, "Removed.", as_json=as_json)


def package(
    context: typer.Context,
    *,
    function: Functions = None,
    stage: Stage = None,
    config: Config = SERVERLESS_YML,
    output: Annotated[
        Path, typer.Option("--output", "--out", help="The folder of the zips.", file_okay=False)
    ] = OUTPUT,
    python: Annotated[
        str | None,
        typer.Option(
            help="The Python that compiles, of the runtime's version. Default: one on the PATH or "
            "of pyenv.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Pack each function with all that it needs into one zip; nothing is deployed.

    uv installs the packages that requirements.lock pins, as wheels for linux/amd64 on any system,
    and keeps them in .repaint/wheels. If that file is missing, it is written: commit it. The same
    files, packages and Python make the same bytes, except that another version of zlib may pack
    them differently.

    Example: [b]repaint package --function upload[/]
    """
    service = service_of(context, config, stage, with_settings=False)
    built = []
    for each in _chosen(service, function):
        if not as_json:
            aside().print(f"packing {each.name}", style="dim")
        built.append(build(service, each, output=output, python=python))
        if not as_json:
            _print_built(built[-1])
    if as_json:
        functions = [{**asdict(each), "path": str(each.path)} for each in built]
        print_json({"functions": functions, "zlib": zlib.ZLIB_RUNTIME_VERSION})


def policy(
    context: typer.Context,
    *,
    stage: Stage = None,
    config: Config = SERVERLESS_YML,
    as_json: AsJson = False,
) -> None:
    """Print the policy that the functions' role needs, and no more than they use.

    Nothing is called or changed: create the role in the IAM console from the two documents.

    Example: [b]repaint policy --stage prod[/]
    """
    service = service_of(context, config, stage)
    documents = {"policy": role_policy(service), "trust": trust_policy()}
    if as_json:
        print_json(documents)
        return
    console = people()
    console.print(f"[bold]Policy[/]  of the role of {service.name}, stage {service.stage}")
    console.print_json(data=documents["policy"])
    console.print("\n[bold]Trust[/]   of the role: the service that may assume it")
    console.print_json(data=documents["trust"])
    console.print(
        "\nIn the IAM console (访问控制), create a custom policy (自定义策略) from the first "
        "document and a role (角色) for the service veFaaS with the second, and attach the policy "
        "to the role. Then export REPAINT_ROLE=trn:iam::<account id>:role/<name>, which "
        "serverless.yml reads."
    )


def print_(
    context: typer.Context,
    *,
    stage: Stage = None,
    config: Config = SERVERLESS_YML,
    as_json: AsJson = False,
) -> None:
    """Print serverless.yml with the value of every variable, and with secrets as •••.

    Every problem in it is reported with its line. Nothing is called or changed.

    Example: [b]repaint print --stage prod[/]
    """
    resolved = _resolved(service_of(context, config, stage))
    if as_json:
        print_json(resolved)
        return
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style, yaml.width = False, 1000
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # typed as None
    text = io.StringIO()
    yaml.dump(resolved, text)
    people().print(escape(text.getvalue().rstrip()))


def _chosen(service: Service, names: list[str] | None) -> list[Function]:
    """Return the functions of these names, all if there are none. Raises Refused."""
    return [service.function(name) for name in names or []] or list(service.functions)


def _confirmed(plan: Plan, verb: str, *, dry_run: bool, yes: bool, as_json: bool) -> bool:
    """Print a plan and ask; return whether to apply it.

    Raises Refused if the answer is no, and typer.Exit with 2 if there are problems.
    """
    if not as_json:
        print_plan(people(), plan)
    if plan.steps and not plan.problems and not dry_run:
        confirm(f"{verb}: {summary(plan)}?", yes=yes)
        return True
    if as_json:
        print_json(json_plan(plan, done=False))
    if plan.problems:
        raise typer.Exit(Exit.WRONG)
    if not as_json:
        people().print(summary(plan) or "Nothing to do.")
    return False


def _finish(plan: Plan, sentence: str, *, as_json: bool) -> None:
    if as_json:
        print_json(json_plan(plan, done=True))
    else:
        people().print(sentence)


@contextmanager
def _hiding_secrets(functions: Iterable[Function]) -> Iterator[None]:
    """Hide secrets' values in a refusal: the log of an instance may repeat its environment."""
    values = {each.environment[name] for each in functions for name in each.secrets} - {""}
    try:
        yield
    except Refused as refused:
        sentence = str(refused)
        for value in sorted(values, key=len, reverse=True):
            sentence = sentence.replace(value, HIDDEN)
        raise Refused(sentence, refused.code) from None


def _print_built(built: Built) -> None:
    console = people()
    console.print(f"[bold]{escape(built.function)}[/]  {escape(str(built.path))}")
    sizes = f"{built.size / 1e6:.1f} MB, {built.unpacked_size / 1e6:.1f} MB unpacked"
    console.print(f"  {sizes}, {len(built.wheels)} packages")
    console.print(f"  sha256 {built.sha256}")
    if built.compiled_by:
        console.print(f"  compiled by Python {built.compiled_by}")
    else:
        python = f"python{python_version(built.runtime)}"
        console.print(
            f"  [yellow]not compiled[/]: no {python} was found, so a cold start takes up to half a "
            f"second longer. Install {python}, or name one with --python."
        )


def _resolved(service: Service) -> dict[str, Any]:
    return {
        "service": service.name,
        "stage": service.stage,
        "region": service.region,
        "functions": {function.name: _function(function) for function in service.functions},
        "package": {"patterns": list(service.package_patterns)},
    }


def _function(function: Function) -> dict[str, Any]:
    logs = function.logs
    return {
        "name": function.deployed_name,
        "handler": function.handler,
        "runtime": function.runtime,
        "memorySize": function.memory_mb,
        "timeout": function.timeout_seconds,
        "maxConcurrency": function.max_concurrency,
        "role": function.role,
        "logs": {"project": logs.project, "topic": logs.topic} if logs else None,
        "environment": function.shown(),
        "events": [_event(event) for event in function.events],
    }


def _event(event: Event) -> dict[str, Any]:
    if isinstance(event, TosEvent):
        rule = {"prefix": event.prefix, "suffix": event.suffix}
        return {"tos": {"bucket": event.bucket, "events": list(event.events), **rule}}
    if isinstance(event, HttpEvent):
        return {"http": {"path": event.path, "method": event.method}}
    return {"schedule": {"rate": event.cron, "enabled": event.enabled}}
