"""The actions that look at what runs."""

from collections import deque

from local.vefaas.api import requests
from local.vefaas.api.plane import ControlPlane
from local.vefaas.api.records import Function, moment
from local.vefaas.api.refusals import not_found
from local.vefaas.api.shapes import Shape


def list_all(plane: ControlPlane, asked: requests.OfFunction) -> Shape:
    """Tell the instances of a function's live revision."""
    function = plane.find(asked.function_id)
    alive = sum(s.instances for s in plane.platform.states if s.name == function.name)
    items = [
        {
            "Id": function.id,
            "InstanceName": f"{_prefix(function)}{number}",
            "InstanceStatus": "Ready",
            "InstanceType": "elastic",
            "RevisionNumber": function.stable,
            "CreationTime": moment(function.updated),
        }
        for number in range(alive)
    ]
    return {"Items": items, "Total": len(items)}


def logs(plane: ControlPlane, asked: requests.GetFunctionInstanceLogs) -> Shape:
    """Tell the newest lines of a function; here all its instances write one log."""
    function = plane.find(asked.function_id)
    if not asked.name.startswith(_prefix(function)):
        raise not_found(f"instance {asked.name!r}")
    path = plane.platform.launcher.log_path(function.name)
    if not path.exists():
        return {"Logs": ""}
    with path.open(encoding="utf-8") as lines:
        return {"Logs": "".join(deque(lines, asked.limit))}


def _prefix(function: Function) -> str:
    return f"{function.id}-{function.stable}-"
