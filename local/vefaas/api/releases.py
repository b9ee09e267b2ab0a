"""The actions on revisions and releases."""

from local.vefaas.api import requests, shapes
from local.vefaas.api.functions import with_resource
from local.vefaas.api.plane import ControlPlane, new_id
from local.vefaas.api.records import IN_PROGRESS, Function, Release, Revision
from local.vefaas.api.refusals import conflict, not_found, unsupported
from local.vefaas.api.shapes import Shape


def release(plane: ControlPlane, asked: requests.Release) -> Shape:
    """Begin to release a revision: a new one of what the function is now, or one of before."""
    function = plane.find(asked.function_id)
    newest = plane.newest_release(function.id)
    if newest is not None and newest.status == IN_PROGRESS:
        raise conflict("A release of the function is under way: wait for its end")
    if asked.target_traffic_weight not in (None, 100):
        raise unsupported("the local stand-in releases to all of the traffic, not to a part of it")
    given = asked.model_dump(
        by_alias=True, include={"max_instance", "min_instance"}, exclude_none=True
    )
    function = with_resource(function, given)
    revision = _revision(plane, function, asked)
    begun = Release(
        id=new_id(16),
        function_id=function.id,
        source=function.stable,
        target=revision.number,
        description=asked.description,
        started=plane.clock.now(),
    )
    plane.store.put(function, revision, begun)
    plane.releaser.begin(begun)
    return shapes.status(function, begun)


def status(plane: ControlPlane, asked: requests.OfFunction) -> Shape:
    """Tell how the newest release goes."""
    function = plane.find(asked.function_id)
    return shapes.status(function, plane.newest_release(function.id))


def list_releases(plane: ControlPlane, asked: requests.ListReleaseRecords) -> Shape:
    """Tell a page of a function's releases."""
    found = plane.store.all(Release, plane.find(asked.function_id).id)
    by_end = asked.order_by.key == "FinishTime"
    found.sort(key=lambda each: each.finished if by_end else each.started)
    told = [shapes.release_record(each) for each in found]
    if not asked.order_by.ascend:
        told.reverse()
    known = ("Id", "Status", "SourceRevisionNumber", "TargetRevisionNumber")
    told = shapes.filtered(told, asked.filters, known)
    return shapes.page(told, asked.page_number, asked.page_size)


def list_revisions(plane: ControlPlane, asked: requests.ListOfFunction) -> Shape:
    """Tell a page of a function's revisions, newest first."""
    function = plane.find(asked.function_id)
    found = reversed(plane.store.all(Revision, function.id))
    told = [shapes.revision(each, function) for each in found]
    told = shapes.filtered(told, asked.filters, ("RevisionNumber",))
    return shapes.page(told, asked.page_number, asked.page_size)


def get_revision(plane: ControlPlane, asked: requests.GetRevision) -> Shape:
    """Tell one revision, or what the function is now."""
    function = plane.find(asked.function_id)
    if asked.revision_number == 0:
        return shapes.revision(_latest(plane, function, 0, ""), function)
    return shapes.revision(_kept(plane, function, asked.revision_number), function)


def _revision(plane: ControlPlane, function: Function, asked: requests.Release) -> Revision:
    if asked.revision_number:
        return _kept(plane, function, asked.revision_number)
    if not function.code:
        raise unsupported("the function has no code yet")
    number = len(plane.store.all(Revision, function.id)) + 1
    return _latest(plane, function, number, asked.description)


def _latest(plane: ControlPlane, function: Function, number: int, description: str) -> Revision:
    return Revision(
        id=f"{function.id}/{number}",
        function_id=function.id,
        number=number,
        config=function.config,
        code=function.code,
        code_size=function.code_size,
        description=description,
        created=plane.clock.now(),
    )


def _kept(plane: ControlPlane, function: Function, number: int) -> Revision:
    found = plane.store.get(Revision, f"{function.id}/{number}")
    if found is None:
        raise not_found(f"revision {number} of function {function.id!r}")
    return found
