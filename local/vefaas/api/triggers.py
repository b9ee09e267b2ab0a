"""The actions on what calls a function."""

from dataclasses import replace
from typing import Any

from local.vefaas.api import requests, shapes
from local.vefaas.api.plane import ControlPlane, new_id
from local.vefaas.api.records import INITIAL, Timer
from local.vefaas.api.refusals import duplicated, invalid, not_found, unsupported
from local.vefaas.api.shapes import Shape
from local.vefaas.runtime.timer import crontab

_DEFAULTS: dict[str, Any] = {
    "Description": "",
    "EnableConcurrency": False,
    "Enabled": True,
    "Payload": "",
    "Retries": 0,
}


def create_timer(plane: ControlPlane, asked: requests.CreateTimer) -> Shape:
    """Make a timer for a function that was released once."""
    function = plane.find(asked.function_id)
    if function.stable == INITIAL:
        raise unsupported("the function was never released; release it before a trigger calls it")
    if any(timer.name == asked.name for timer in plane.store.all(Timer, function.id)):
        raise duplicated(f"timer {asked.name!r}")
    now = plane.clock.now()
    timer = Timer(
        id=new_id(),
        function_id=function.id,
        name=asked.name,
        config={**_DEFAULTS, **_given(asked)},
        created=now,
        updated=now,
    )
    return _set(plane, timer)


def update_timer(plane: ControlPlane, asked: requests.UpdateTimer) -> Shape:
    """Change a timer."""
    timer = _find(plane, asked.function_id, asked.id)
    config = {**timer.config, **_given(asked)}
    return _set(plane, replace(timer, config=config, updated=plane.clock.now()))


def get_timer(plane: ControlPlane, asked: requests.OfTimer) -> Shape:
    """Tell a timer."""
    return shapes.timer(_find(plane, asked.function_id, asked.id))


def delete_timer(plane: ControlPlane, asked: requests.OfTimer) -> None:
    """Delete a timer."""
    timer = _find(plane, asked.function_id, asked.id)
    # Dying between the two leaves a timer that fires again after the next start: delete it again.
    plane.platform.timers.remove(timer.id)
    plane.store.remove(timer)


def list_triggers(plane: ControlPlane, asked: requests.OfFunction) -> Shape:
    """Tell what calls a function: its timers, and the rules of buckets."""
    function = plane.find(asked.function_id)
    items = [shapes.timer_trigger(each) for each in plane.store.all(Timer, function.id)]
    items += [shapes.tos_trigger(*found, function.id) for found in plane.rules_of(function.id)]
    return {"Items": items, "Total": len(items)}


def _given(asked: requests.TimerSettings) -> dict[str, Any]:
    if asked.crontab is not None:
        try:
            crontab(asked.crontab)
        except ValueError as error:
            raise invalid("Crontab", str(error).rstrip(".")) from None
    if asked.enable_concurrency:
        raise unsupported("a timer of the local stand-in never overtakes itself")
    if asked.retries:
        raise unsupported("a timer of the local stand-in is not retried; the next tick comes")
    given = asked.model_dump(by_alias=True, exclude_none=True)
    return {key: value for key, value in given.items() if key not in ("FunctionId", "Id", "Name")}


def _set(plane: ControlPlane, timer: Timer) -> Shape:
    plane.store.put(timer)
    # Dying here is made up for at the next start, which sets every timer that is kept.
    plane.set_timer(timer)
    return shapes.timer(timer)


def _find(plane: ControlPlane, function_id: str, timer_id: str) -> Timer:
    plane.find(function_id)
    timer = plane.store.get(Timer, timer_id)
    if timer is None or timer.function_id != function_id:
        raise not_found(f"timer {timer_id!r}")
    return timer
