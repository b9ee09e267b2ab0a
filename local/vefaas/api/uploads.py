"""The actions that bring a function's code, and the address where it is put."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import replace

from starlette.concurrency import run_in_threadpool

from local.openapi import Refusal
from local.vefaas.api import requests
from local.vefaas.api.code import MAX_UPLOAD_BYTES, NoZipError
from local.vefaas.api.functions import no_zip
from local.vefaas.api.plane import ControlPlane
from local.vefaas.api.records import Install, Upload, moment
from local.vefaas.api.refusals import conflict, invalid, not_found, unsupported
from local.vefaas.api.shapes import Shape

UPLOAD_SECONDS = 15 * 60
UPLOADS = "/_local/uploads/"
INSTALLS = "/_local/installs/"


def get_address(plane: ControlPlane, asked: requests.GetCodeUploadAddress) -> Shape:
    """Give an address to put a zip to; it takes the place of one given before.

    The address begins with its path: where this server is, its caller knows best.
    """
    function = plane.find(asked.function_id)
    if asked.content_length > MAX_UPLOAD_BYTES:
        raise invalid("ContentLength", f"a zip has at most {MAX_UPLOAD_BYTES} bytes")
    upload = Upload(
        id=function.id,
        function_id=function.id,
        token=secrets.token_urlsafe(24),
        size=asked.content_length,
        expires=plane.clock.now() + UPLOAD_SECONDS,
    )
    plane.store.put(upload)
    return {"UploadAddress": f"{UPLOADS}{upload.token}"}


async def receive(plane: ControlPlane, token: str, body: AsyncIterator[bytes]) -> None:
    """Take a zip that is put to an address. Raises Refusal."""
    upload = next((each for each in plane.store.all(Upload) if each.token == token), None)
    if upload is None or plane.clock.now() > upload.expires:
        raise Refusal("AccessDenied", "This address was not given out, or has expired.")
    incoming = await run_in_threadpool(plane.codes.incoming)
    size = 0
    async for piece in body:
        size += len(piece)
        if size <= upload.size:
            await run_in_threadpool(incoming.write, piece)
    if size != upload.size:
        incoming.close()
        raise invalid("ContentLength", f"{upload.size} bytes were announced and {size} came")
    try:
        digest = await run_in_threadpool(plane.codes.keep, incoming)
    except NoZipError:
        raise no_zip() from None
    with plane.lock:
        newest = plane.store.get(Upload, upload.id)
        if newest is None or newest.token != token:
            raise Refusal("AccessDenied", "A newer address has taken the place of this one.")
        plane.store.put(replace(upload, code=digest))


def callback(plane: ControlPlane, asked: requests.OfFunction) -> Shape:
    """Make what was put to the function's newest address its code."""
    function = plane.find(asked.function_id)
    upload = plane.store.get(Upload, function.id)
    if upload is None or not upload.code:
        raise unsupported("nothing was put to an address of this function")
    plane.store.put(
        replace(
            function,
            code=upload.code,
            code_size=upload.size,
            updated=plane.clock.now(),
        )
    )
    return {}


def install(plane: ControlPlane, asked: requests.OfFunction) -> None:
    """Install what the zip's requirements.txt names, or rather: see that it is there already.

    The local cloud stays on this machine, and fetches no packages.
    """
    function = plane.find(asked.function_id)
    if not function.code:
        raise unsupported("the function has no code yet")
    before = plane.store.get(Install, function.id)
    if before is not None and plane.clock.now() < before.finished:
        raise conflict("An installation for the function is under way: wait for its end")
    missing = plane.codes.not_vendored(function.code)
    log = ""
    if missing:
        log = (
            f"The zip does not hold {', '.join(missing)}, and the local cloud fetches no packages: "
            "put them into the zip."
        )
    now = plane.clock.now()
    plane.store.put(
        Install(
            id=function.id,
            function_id=function.id,
            log=log,
            created=now,
            finished=now + plane.settings.install_seconds,
        )
    )


def install_status(plane: ControlPlane, asked: requests.OfFunction) -> Shape:
    """Tell how the newest installation goes."""
    task = _install(plane, asked.function_id)
    told = {"FunctionId": task.function_id, "CreateTime": moment(task.created)}
    if plane.clock.now() < task.finished:
        return {**told, "Status": "InProgress"}
    ended = "Failed" if task.log else "Succeeded"
    return {**told, "Status": ended, "FinishTime": moment(task.finished)}


def install_log_address(plane: ControlPlane, asked: requests.OfFunction) -> Shape:
    """Tell where the log of the newest installation is; the address begins with its path."""
    task = _install(plane, asked.function_id)
    return {"FunctionId": task.function_id, "DownloadURL": f"{INSTALLS}{task.function_id}"}


def install_log(plane: ControlPlane, function_id: str) -> str:
    """Return the log of the newest installation. Raises Refusal where there was none."""
    return _install(plane, function_id).log or "Everything is in the zip."


def _install(plane: ControlPlane, function_id: str) -> Install:
    task = plane.store.get(Install, plane.find(function_id).id)
    if task is None:
        raise not_found(f"dependency install task of function {function_id!r}")
    return task
