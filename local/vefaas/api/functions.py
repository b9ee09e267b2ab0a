"""The actions on functions themselves."""

import base64
import binascii
from dataclasses import replace
from typing import Any

from local.openapi import Refusal
from local.vefaas.api import requests, shapes
from local.vefaas.api.code import MAX_INLINE_BYTES, NoZipError
from local.vefaas.api.plane import ControlPlane, new_id
from local.vefaas.api.records import IN_PROGRESS, Function, Timer
from local.vefaas.api.refusals import conflict, duplicated, invalid, unsupported
from local.vefaas.api.shapes import DEFAULTS, RESOURCE, Shape


def create(plane: ControlPlane, asked: requests.CreateFunction) -> Shape:
    """Make a function."""
    if plane.is_taken(asked.name):
        raise duplicated(f"function {asked.name!r}")
    _check_source_type(asked.source_type)
    function_id, now = new_id(), plane.clock.now()
    made = Function(
        id=function_id,
        function_id=function_id,
        name=asked.name,
        runtime=asked.runtime,
        config={**DEFAULTS, **asked.config()},
        resource=RESOURCE,
        **_source(plane, asked.source),
        created=now,
        updated=now,
    )
    plane.store.put(made)
    return _told(plane, made)


def update(plane: ControlPlane, asked: requests.UpdateFunction) -> Shape:
    """Change what the next release takes."""
    function = plane.find(asked.id)
    _check_source_type(asked.source_type)
    changed = replace(
        function,
        config={**function.config, **asked.config()},
        **_source(plane, asked.source),
        updated=plane.clock.now(),
    )
    plane.store.put(changed)
    return _told(plane, changed)


def get(plane: ControlPlane, asked: requests.ById) -> Shape:
    """Tell one function."""
    return _told(plane, plane.find(asked.id))


def list_all(plane: ControlPlane, asked: requests.ListFunctions) -> Shape:
    """Tell a page of the functions, newest first.

    Whether a filter compares whole names is not documented. Here parts of them will do: who asks
    for one must look which he got.
    """
    told = [_told(plane, each) for each in reversed(plane.store.all(Function))]
    told = shapes.filtered(told, asked.filters, ("Id", "Name", "Runtime"), by_part=True)
    return shapes.page(told, asked.page_number, asked.page_size)


def delete(plane: ControlPlane, asked: requests.ById) -> None:
    """Delete a function that nothing calls any more.

    Whether the platform refuses one that has triggers is not documented; here it is refused, as
    what they bring afterwards would be lost.
    """
    function = plane.find(asked.id)
    release = plane.newest_release(function.id)
    if release is not None and release.status == IN_PROGRESS:
        raise conflict("A release of the function is under way: wait for its end")
    timers = [timer.name for timer in plane.store.all(Timer, function.id)]
    rules = [f"{rule['RuleId']} of {bucket}" for bucket, rule in plane.rules_of(function.id)]
    if timers or rules:
        raise unsupported(
            f"the function still has triggers ({', '.join(timers + rules)}); delete them first"
        )
    plane.forget(function)


def get_resource(plane: ControlPlane, asked: requests.OfFunction) -> Shape:
    """Tell how many instances a function may have."""
    function = plane.find(asked.function_id)
    about = {
        "Id": function.id,
        "Name": function.name,
        "MemoryMB": function.config["MemoryMB"],
        **function.resource,
    }
    return {"FunctionResource": about}


def update_resource(plane: ControlPlane, asked: requests.UpdateFunctionResource) -> Shape:
    """Change how many instances a function may have; it runs with one here all the same."""
    given = asked.model_dump(by_alias=True, exclude_none=True, exclude={"function_id"})
    function = with_resource(plane.find(asked.function_id), given)
    plane.store.put(function)
    return {"Id": function.id, **function.resource}


def with_resource(function: Function, given: dict[str, int]) -> Function:
    """Return a function with other numbers of instances. Raises Refusal where they cannot be."""
    resource = {**function.resource, **given}
    if resource["MinInstance"] > resource["MaxInstance"]:
        raise invalid("MinInstance", f"it is above MaxInstance, {resource['MaxInstance']}")
    return replace(function, resource=resource)


def _told(plane: ControlPlane, function: Function) -> Shape:
    timers = plane.store.all(Timer, function.id)
    return shapes.function(function, len(timers) + len(plane.rules_of(function.id)))


def _check_source_type(given: str | None) -> None:
    if given not in (None, "zip"):
        raise unsupported(f"the local stand-in takes code as zip only, not as {given}")


def _source(plane: ControlPlane, source: str | None) -> dict[str, Any]:
    """Return the fields of a function whose code comes in the request; none where it does not."""
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
    try:
        return {"code": plane.codes.keep_bytes(content), "code_size": len(content)}
    except NoZipError:
        raise no_zip() from None


def no_zip() -> Refusal:
    """Return the refusal of code that is no zip."""
    return invalid("Source", "it is no zip file")
