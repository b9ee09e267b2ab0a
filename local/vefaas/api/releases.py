"""The actions on revisions and releases."""

from local.vefaas.api import requests, responses
from local.vefaas.api.control_plane import ControlPlane, new_id
from local.vefaas.api.errors import conflict, not_found, unsupported
from local.vefaas.api.functions import with_resource
from local.vefaas.api.responses import Json
from local.vefaas.api.store import IN_PROGRESS, FunctionRecord, ReleaseRecord, RevisionRecord


def release(plane: ControlPlane, request: requests.Release) -> Json:
    """Begin to release a revision: a new one of the function as it is now, or an earlier one."""
    function = plane.find(request.function_id)
    newest = plane.newest_release(function.id)
    if newest is not None and newest.status == IN_PROGRESS:
        raise conflict("A release of the function is under way: wait for its end")
    if request.target_traffic_weight not in (None, 100):
        raise unsupported("the local stand-in releases to all of the traffic, not to a part of it")
    given = request.model_dump(
        by_alias=True, include={"max_instance", "min_instance"}, exclude_none=True
    )
    function = with_resource(function, given)
    revision = _revision_to_release(plane, function, request)
    begun = ReleaseRecord(
        id=new_id(16),
        function_id=function.id,
        source=function.stable,
        target=revision.number,
        description=request.description,
        started=plane.clock.now(),
    )
    plane.store.put(function, revision, begun)
    plane.releaser.begin(begun)
    return responses.release_status(function, begun)


def status(plane: ControlPlane, request: requests.OfFunction) -> Json:
    """Return the status of the newest release."""
    function = plane.find(request.function_id)
    return responses.release_status(function, plane.newest_release(function.id))


def list_releases(plane: ControlPlane, request: requests.ListReleaseRecords) -> Json:
    """Return a page of a function's releases."""
    found = plane.store.all(ReleaseRecord, plane.find(request.function_id).id)
    by_end = request.order_by.key == "FinishTime"
    found.sort(key=lambda each: each.finished if by_end else each.started)
    if not request.order_by.ascend:
        found.reverse()
    known = ("Id", "Status", "SourceRevisionNumber", "TargetRevisionNumber")
    return responses.page([responses.release(each) for each in found], request, known)


def list_revisions(plane: ControlPlane, request: requests.ListOfFunction) -> Json:
    """Return a page of a function's revisions, newest first."""
    function = plane.find(request.function_id)
    found = reversed(plane.store.all(RevisionRecord, function.id))
    items = [responses.revision(each, function) for each in found]
    return responses.page(items, request, ("RevisionNumber",))


def get_revision(plane: ControlPlane, request: requests.GetRevision) -> Json:
    """Return one revision; 0 is the function as it is now."""
    function = plane.find(request.function_id)
    if request.revision_number == 0:
        return responses.revision(_latest(plane, function, 0, ""), function)
    return responses.revision(_stored(plane, function, request.revision_number), function)


def _revision_to_release(
    plane: ControlPlane, function: FunctionRecord, request: requests.Release
) -> RevisionRecord:
    if request.revision_number:
        return _stored(plane, function, request.revision_number)
    if not function.code:
        raise unsupported("the function has no code yet")
    number = len(plane.store.all(RevisionRecord, function.id)) + 1
    return _latest(plane, function, number, request.description)


def _latest(
    plane: ControlPlane, function: FunctionRecord, number: int, description: str
) -> RevisionRecord:
    return RevisionRecord(
        id=f"{function.id}/{number}",
        function_id=function.id,
        number=number,
        config=function.config,
        code=function.code,
        code_size=function.code_size,
        description=description,
        created=plane.clock.now(),
    )


def _stored(plane: ControlPlane, function: FunctionRecord, number: int) -> RevisionRecord:
    found = plane.store.get(RevisionRecord, f"{function.id}/{number}")
    if found is None:
        raise not_found(f"revision {number} of function {function.id!r}")
    return found
