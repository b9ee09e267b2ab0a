"""The actions on a function's triggers."""

from dataclasses import replace
from typing import Any

from local.vefaas.api import requests, responses
from local.vefaas.api.control_plane import ControlPlane, new_id
from local.vefaas.api.errors import duplicated, invalid, not_found, unsupported
from local.vefaas.api.responses import Json
from local.vefaas.api.store import INITIAL, TimerRecord
from local.vefaas.runtime.timer import Crontab

_DEFAULTS: dict[str, Any] = {
    "Description": "",
    "EnableConcurrency": False,
    "Enabled": True,
    "Payload": "",
    "Retries": 0,
}


def create_timer(plane: ControlPlane, request: requests.CreateTimer) -> Json:
    """Create a timer for a function that was released once."""
    function = plane.find(request.function_id)
    if function.stable == INITIAL:
        raise unsupported("the function was never released; release it before a trigger calls it")
    if any(timer.name == request.name for timer in plane.store.all(TimerRecord, function.id)):
        raise duplicated(f"timer {request.name!r}")
    now = plane.clock.now()
    timer = TimerRecord(
        id=new_id(),
        function_id=function.id,
        name=request.name,
        config={**_DEFAULTS, **_config(request)},
        created=now,
        updated=now,
    )
    return _set(plane, timer)


def update_timer(plane: ControlPlane, request: requests.UpdateTimer) -> Json:
    """Change a timer."""
    timer = _find(plane, request.function_id, request.id)
    config = {**timer.config, **_config(request)}
    return _set(plane, replace(timer, config=config, updated=plane.clock.now()))


def get_timer(plane: ControlPlane, request: requests.OfTimer) -> Json:
    """Return a timer."""
    return responses.timer(_find(plane, request.function_id, request.id))


def delete_timer(plane: ControlPlane, request: requests.OfTimer) -> None:
    """Delete a timer."""
    timer = _find(plane, request.function_id, request.id)
    # Dying between the two leaves a timer that fires again after the next start: delete it again.
    plane.platform.remove_timer(timer.id)
    plane.store.remove(timer)


def list_triggers(plane: ControlPlane, request: requests.OfFunction) -> Json:
    """Return a function's triggers: its timers, and the rules of buckets."""
    function = plane.find(request.function_id)
    items = [responses.timer_trigger(each) for each in plane.store.all(TimerRecord, function.id)]
    items += [responses.tos_trigger(*found, function.id) for found in plane.rules_of(function.id)]
    return {"Items": items, "Total": len(items)}


def _config(request: requests.TimerSettings) -> dict[str, Any]:
    if request.crontab is not None:
        try:
            Crontab(request.crontab)
        except ValueError as error:
            raise invalid("Crontab", str(error).rstrip(".")) from None
    if request.enable_concurrency:
        raise unsupported("a timer of the local stand-in never overtakes itself")
    if request.retries:
        raise unsupported("a timer of the local stand-in is not retried; the next tick comes")
    given = request.model_dump(by_alias=True, exclude_none=True)
    return {key: value for key, value in given.items() if key not in ("FunctionId", "Id", "Name")}


def _set(plane: ControlPlane, timer: TimerRecord) -> Json:
    plane.store.put(timer)
    # If the process dies here, the next start sets every stored timer.
    plane.set_timer(timer)
    return responses.timer(timer)


def _find(plane: ControlPlane, function_id: str, timer_id: str) -> TimerRecord:
    plane.find(function_id)
    timer = plane.store.get(TimerRecord, timer_id)
    if timer is None or timer.function_id != function_id:
        raise not_found(f"timer {timer_id!r}")
    return timer
