"""The actions on functions and their instances."""

import base64
import binascii
from collections import deque
from dataclasses import replace
from typing import Any

from local.vefaas.api import requests, responses
from local.vefaas.api.control_plane import ControlPlane, new_id
from local.vefaas.api.errors import conflict, duplicated, invalid, not_found, unsupported
from local.vefaas.api.responses import Json
from local.vefaas.api.store import IN_PROGRESS, FunctionRecord, TimerRecord
from local.vefaas.api.zips import MAX_INLINE_BYTES

_DEFAULTS: dict[str, Any] = {
    "Description": "",
    "ExclusiveMode": False,
    "RequestTimeout": 30,
    "MaxConcurrency": 100,
    "MemoryMB": 1024,
    "Envs": [],
    "SourceType": "zip",
    "TlsConfig": {"EnableLog": False},
    "VpcConfig": {"EnableVpc": False},
}
"""A function's settings by default (document 6662/1262132)."""

_RESOURCE = {"MinInstance": 0, "MaxInstance": 100, "IdleInstance": 0, "ReservedFrozenInstance": 0}


def create(plane: ControlPlane, request: requests.CreateFunction) -> Json:
    """Create a function."""
    if plane.is_taken(request.name):
        raise duplicated(f"function {request.name!r}")
    _check_source_type(request.source_type)
    function_id, now = new_id(), plane.clock.now()
    function = FunctionRecord(
        id=function_id,
        function_id=function_id,
        name=request.name,
        runtime=request.runtime,
        config={**_DEFAULTS, **request.config()},
        resource=_RESOURCE,
        **_source(plane, request.source),
        created=now,
        updated=now,
    )
    plane.store.put(function)
    return _document(plane, function)


def update(plane: ControlPlane, request: requests.UpdateFunction) -> Json:
    """Change the settings and code of the next release."""
    function = plane.find(request.id)
    _check_source_type(request.source_type)
    changed = replace(
        function,
        config={**function.config, **request.config()},
        **_source(plane, request.source),
        updated=plane.clock.now(),
    )
    plane.store.put(changed)
    return _document(plane, changed)


def get(plane: ControlPlane, request: requests.ById) -> Json:
    """Return one function."""
    return _document(plane, plane.find(request.id))


def list_functions(plane: ControlPlane, request: requests.Page) -> Json:
    """Return a page of the functions, newest first.

    Whether a filter compares whole names is not documented. Here it matches parts of them, so that
    a caller has to check which one it got.
    """
    items = [_document(plane, each) for each in reversed(plane.store.all(FunctionRecord))]
    return responses.page(items, request, ("Id", "Name", "Runtime"), by_part=True)


def delete(plane: ControlPlane, request: requests.ById) -> None:
    """Delete a function without triggers.

    Whether the platform refuses one that has triggers is not documented; here it is refused, as
    their later events would be lost.
    """
    function = plane.find(request.id)
    release = plane.newest_release(function.id)
    if release is not None and release.status == IN_PROGRESS:
        raise conflict("A release of the function is under way: wait for its end")
    timers = [timer.name for timer in plane.store.all(TimerRecord, function.id)]
    rules = [f"{rule['RuleId']} of {bucket}" for bucket, rule in plane.rules_of(function.id)]
    if timers or rules:
        raise unsupported(
            f"the function still has triggers ({', '.join(timers + rules)}); delete them first"
        )
    plane.forget(function)


def get_resource(plane: ControlPlane, request: requests.OfFunction) -> Json:
    """Return how many instances a function may have."""
    function = plane.find(request.function_id)
    resource = {
        "Id": function.id,
        "Name": function.name,
        "MemoryMB": function.config["MemoryMB"],
        **function.resource,
    }
    return {"FunctionResource": resource}


def update_resource(plane: ControlPlane, request: requests.UpdateFunctionResource) -> Json:
    """Change how many instances a function may have; here it runs with one all the same."""
    given = request.model_dump(by_alias=True, exclude_none=True, exclude={"function_id"})
    function = with_resource(plane.find(request.function_id), given)
    plane.store.put(function)
    return {"Id": function.id, **function.resource}


def with_resource(function: FunctionRecord, given: dict[str, int]) -> FunctionRecord:
    """Return a function with other numbers of instances. Raises ApiError if they are not valid."""
    resource = {**function.resource, **given}
    if resource["MinInstance"] > resource["MaxInstance"]:
        raise invalid("MinInstance", f"it is above MaxInstance, {resource['MaxInstance']}")
    return replace(function, resource=resource)


def list_instances(plane: ControlPlane, request: requests.OfFunction) -> Json:
    """Return the instances of a function's live revision."""
    function = plane.find(request.function_id)
    alive = sum(s.instances for s in plane.platform.states if s.name == function.name)
    items = [
        {
            "Id": function.id,
            "InstanceName": f"{_instance_prefix(function)}{number}",
            "InstanceStatus": "Ready",
            "InstanceType": "elastic",
            "RevisionNumber": function.stable,
            "CreationTime": responses.moment(function.updated),
        }
        for number in range(alive)
    ]
    return {"Items": items, "Total": len(items)}


def get_instance_logs(plane: ControlPlane, request: requests.GetFunctionInstanceLogs) -> Json:
    """Return the newest lines of a function; here all its instances write one log."""
    function = plane.find(request.function_id)
    if not request.name.startswith(_instance_prefix(function)):
        raise not_found(f"instance {request.name!r}")
    path = plane.platform.launcher.log_path(function.name)
    if not path.exists():
        return {"Logs": ""}
    with path.open(encoding="utf-8") as lines:
        return {"Logs": "".join(deque(lines, request.limit))}


def _document(plane: ControlPlane, function: FunctionRecord) -> Json:
    timers = plane.store.all(TimerRecord, function.id)
    return responses.function(function, len(timers) + len(plane.rules_of(function.id)))


def _check_source_type(given: str | None) -> None:
    if given not in (None, "zip"):
        raise unsupported(f"the local stand-in takes code as zip only, not as {given}")


def _source(plane: ControlPlane, source: str | None) -> dict[str, Any]:
    """Return the fields of a function whose code comes in the request; none without code."""
    if source is None:
        return {}
    try:
        content = base64.b64decode(source, validate=True)
    except binascii.Error:
        raise invalid("Source", "it must be a zip in base64") from None
    if len(content) > MAX_INLINE_BYTES:
        raise invalid(
            "Source",
            f"the zip has more than {MAX_INLINE_BYTES} bytes; upload it by GetCodeUploadAddress",
        )
    return {"code": plane.zips.keep_bytes(content), "code_size": len(content)}


def _instance_prefix(function: FunctionRecord) -> str:
    return f"{function.id}-{function.stable}-"
