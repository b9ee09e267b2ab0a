"""`repaint print`: what serverless.yml comes to."""

from typing import Annotated, Any

import typer
import yaml
from rich.markup import escape

from ops.deployment.serverless_yml.options import SERVERLESS_YML, Config, Stage, service_of
from ops.deployment.serverless_yml.service import Event, Function, HttpEvent, Service, TosEvent
from ops.ui.output import people, print_json


def print_(
    context: typer.Context,
    *,
    stage: Stage = None,
    config: Config = SERVERLESS_YML,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """Show serverless.yml with every variable's value, and with secrets as •••.

    Whatever is wrong in it is told with its line. Nothing is called or changed.

    Example: [b]repaint print --stage prod[/]
    """
    shown = _shown(service_of(context, config, stage))
    if as_json:
        print_json(shown)
    else:
        text = yaml.safe_dump(shown, allow_unicode=True, sort_keys=False, width=1000)
        people().print(escape(text.rstrip()))


def _shown(service: Service) -> dict[str, Any]:
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
