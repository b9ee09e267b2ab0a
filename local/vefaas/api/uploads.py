"""The actions that upload a function's code and install its dependencies."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import replace

from starlette.concurrency import run_in_threadpool

from local.openapi import ApiError
from local.vefaas.api import requests
from local.vefaas.api.control_plane import ControlPlane
from local.vefaas.api.errors import conflict, invalid, not_found, unsupported
from local.vefaas.api.responses import Json, moment
from local.vefaas.api.store import InstallRecord, UploadRecord
from local.vefaas.api.zips import MAX_UPLOAD_BYTES

UPLOADS = "/_local/uploads/"
INSTALLS = "/_local/installs/"
_UPLOAD_SECONDS = 15 * 60


def get_address(plane: ControlPlane, request: requests.GetCodeUploadAddress) -> Json:
    """Return the path to put a zip to; it replaces the one that was returned before."""
    function = plane.find(request.function_id)
    if request.content_length > MAX_UPLOAD_BYTES:
        raise invalid("ContentLength", f"a zip has at most {MAX_UPLOAD_BYTES} bytes")
    upload = UploadRecord(
        id=function.id,
        function_id=function.id,
        token=secrets.token_urlsafe(24),
        size=request.content_length,
        expires=plane.clock.now() + _UPLOAD_SECONDS,
    )
    plane.store.put(upload)
    return {"UploadAddress": f"{UPLOADS}{upload.token}"}


async def receive(plane: ControlPlane, token: str, body: AsyncIterator[bytes]) -> None:
    """Receive a zip that is put to an address. Raises ApiError."""
    upload = next((each for each in plane.store.all(UploadRecord) if each.token == token), None)
    if upload is None or plane.clock.now() > upload.expires:
        raise ApiError("AccessDenied", "This address was not given out, or has expired.")
    incoming = await run_in_threadpool(plane.zips.incoming)
    size = 0
    async for piece in body:
        size += len(piece)
        if size <= upload.size:
            await run_in_threadpool(incoming.write, piece)
    if size != upload.size:
        incoming.close()
        raise invalid("ContentLength", f"{upload.size} bytes were announced and {size} came")
    digest = await run_in_threadpool(plane.zips.keep, incoming)
    with plane.lock:
        newest = plane.store.get(UploadRecord, upload.id)
        if newest is None or newest.token != token:
            raise ApiError("AccessDenied", "A newer address has taken the place of this one.")
        plane.store.put(replace(upload, code=digest))


def callback(plane: ControlPlane, request: requests.OfFunction) -> Json:
    """Make the zip at the function's newest address its code."""
    function = plane.find(request.function_id)
    upload = plane.store.get(UploadRecord, function.id)
    if upload is None or not upload.code:
        raise unsupported("nothing was put to an address of this function")
    plane.store.put(
        replace(function, code=upload.code, code_size=upload.size, updated=plane.clock.now())
    )
    return {}


def install(plane: ControlPlane, request: requests.OfFunction) -> None:
    """Check that the zip holds the packages that its requirements.txt names.

    The local cloud stays on this machine, and fetches no packages.
    """
    function = plane.find(request.function_id)
    if not function.code:
        raise unsupported("the function has no code yet")
    before = plane.store.get(InstallRecord, function.id)
    if before is not None and plane.clock.now() < before.finished:
        raise conflict("An installation for the function is under way: wait for its end")
    missing = plane.zips.not_vendored(function.code)
    log = ""
    if missing:
        log = (
            f"The zip does not hold {', '.join(missing)}, and the local cloud fetches no packages: "
            "put them into the zip."
        )
    now = plane.clock.now()
    plane.store.put(
        InstallRecord(
            id=function.id,
            function_id=function.id,
            log=log,
            created=now,
            finished=now + plane.settings.install_seconds,
        )
    )


def install_status(plane: ControlPlane, request: requests.OfFunction) -> Json:
    """Return the status of the newest installation."""
    task = _install(plane, request.function_id)
    document = {"FunctionId": task.function_id, "CreateTime": moment(task.created)}
    if plane.clock.now() < task.finished:
        return {**document, "Status": "InProgress"}
    ended = "Failed" if task.log else "Succeeded"
    return {**document, "Status": ended, "FinishTime": moment(task.finished)}


def install_log_address(plane: ControlPlane, request: requests.OfFunction) -> Json:
    """Return the path of the newest installation's log."""
    task = _install(plane, request.function_id)
    return {"FunctionId": task.function_id, "DownloadURL": f"{INSTALLS}{task.function_id}"}


def install_log(plane: ControlPlane, function_id: str) -> str:
    """Return the log of the newest installation. Raises ApiError if there was none."""
    return _install(plane, function_id).log or "Everything is in the zip."


def _install(plane: ControlPlane, function_id: str) -> InstallRecord:
    task = plane.store.get(InstallRecord, plane.find(function_id).id)
    if task is None:
        raise not_found(f"dependency install task of function {function_id!r}")
    return task
