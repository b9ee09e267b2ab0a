"""The control plane's HTTP API: verify the signature, run the action, return the envelope."""

import json
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from local.keys import KeyRing
from local.openapi import ApiError, Received, envelope, new_request_id, verify
from local.permissions import Authorizer, RequestedAction, denial
from local.vefaas.api import functions, releases, requests, triggers, uploads
from local.vefaas.api.control_plane import ControlPlane
from local.vefaas.api.responses import Json

_SERVICE = "vefaas"
_VERSION = "2024-06-06"
_CALLBACK_VERSIONS = (_VERSION, "2021-03-03")
"""CodeUploadCallback is in no client; the platform's own tools call it by its older version."""

_Action = Callable[[ControlPlane, Any], Json | None]
_ACTIONS: dict[str, tuple[type[requests.Request], _Action]] = {
    "CreateFunction": (requests.CreateFunction, functions.create),
    "UpdateFunction": (requests.UpdateFunction, functions.update),
    "GetFunction": (requests.ById, functions.get),
    "ListFunctions": (requests.Page, functions.list_functions),
    "DeleteFunction": (requests.ById, functions.delete),
    "GetFunctionResource": (requests.OfFunction, functions.get_resource),
    "UpdateFunctionResource": (requests.UpdateFunctionResource, functions.update_resource),
    "GetCodeUploadAddress": (requests.GetCodeUploadAddress, uploads.get_address),
    "CodeUploadCallback": (requests.OfFunction, uploads.callback),
    "CreateDependencyInstallTask": (requests.OfFunction, uploads.install),
    "GetDependencyInstallTaskStatus": (requests.OfFunction, uploads.install_status),
    "GetDependencyInstallTaskLogDownloadURI": (requests.OfFunction, uploads.install_log_address),
    "Release": (requests.Release, releases.release),
    "GetReleaseStatus": (requests.OfFunction, releases.status),
    "ListReleaseRecords": (requests.ListReleaseRecords, releases.list_releases),
    "ListRevisions": (requests.ListOfFunction, releases.list_revisions),
    "GetRevision": (requests.GetRevision, releases.get_revision),
    "CreateTimer": (requests.CreateTimer, triggers.create_timer),
    "UpdateTimer": (requests.UpdateTimer, triggers.update_timer),
    "GetTimer": (requests.OfTimer, triggers.get_timer),
    "DeleteTimer": (requests.OfTimer, triggers.delete_timer),
    "ListTriggers": (requests.OfFunction, triggers.list_triggers),
    "ListFunctionInstances": (requests.OfFunction, functions.list_instances),
    "GetFunctionInstanceLogs": (requests.GetFunctionInstanceLogs, functions.get_instance_logs),
}
"""Every action, with the model of its request. All are called by POST."""


def application(
    plane: ControlPlane,
    keys: KeyRing,
    *,
    region: str = "cn-beijing",
    authorizer: Authorizer | None = None,
) -> Starlette:
    """Return the control plane as an ASGI application."""
    api = _Api(plane, keys, region, authorizer)
    return Starlette(
        routes=[
            Route("/", api.answer, methods=["POST", "GET"]),
            Route(uploads.UPLOADS + "{token}", api.upload, methods=["PUT"]),
            Route(uploads.INSTALLS + "{function}", api.install_log, methods=["GET"]),
        ]
    )


class _Api:
    def __init__(
        self,
        plane: ControlPlane,
        keys: KeyRing,
        region: str,
        authorizer: Authorizer | None,
    ) -> None:
        self._plane = plane
        self._keys = keys
        self._region = region
        self._authorizer = authorizer

    async def answer(self, request: Request) -> Response:
        """Answer one request to the API."""
        try:
            received = await Received.read(request)
        except ClientDisconnect:
            return Response()  # nobody is there to read it
        query = dict(received.query)
        action, version = query.get("Action", ""), query.get("Version", "")
        now = self._plane.clock.now()

        def wrapped(error: ApiError | None = None, result: Any = None) -> Json:
            request_id, region = new_request_id(now), self._region
            return envelope(
                request_id, action, version, _SERVICE, region, result=result, error=error
            )

        try:
            key = verify(received, self._keys, service=_SERVICE, region=self._region, now=now)
            result = await run_in_threadpool(self._run, received, key, action, version)
        except ApiError as refusal:
            return JSONResponse(wrapped(refusal), refusal.status)
        whole = wrapped(result=_absolute(result, request.headers["host"]))
        if result is None:
            del whole["Result"]  # as DeleteFunction's documented answer
        return JSONResponse(whole)

    def _run(self, received: Received, key: str, action: str, version: str) -> Json | None:
        versions = _CALLBACK_VERSIONS if action == "CodeUploadCallback" else (_VERSION,)
        if action not in _ACTIONS or version not in versions:
            raise ApiError(
                "InvalidActionOrVersion", f"There is no action {action!r}, version {version!r}."
            )
        if received.method != "POST":
            raise ApiError("MethodNotAllowed", f"{action} is called by POST.")
        model, run = _ACTIONS[action]
        try:
            request = requests.read(model, json.loads(received.body or b"{}"))
        except ValueError:
            raise ApiError("InvalidRequest", "The body is not JSON.", status=400) from None
        function_id = getattr(request, "function_id", None) or getattr(request, "id", None)
        resource = f"function/{function_id or '*'}"
        requested = [RequestedAction.of(f"vefaas:{action}", self._region, resource)]
        if denied := denial(self._authorizer, self._keys, key, requested):
            raise ApiError("AccessDenied", denied)
        with self._plane.lock:
            if self._plane.is_stopped:
                raise ApiError("ServiceUnavailableTemp", "The local cloud is shutting down.")
            return run(self._plane, request)

    async def upload(self, request: Request) -> Response:
        """Receive a zip at an address that was returned before."""
        try:
            await uploads.receive(self._plane, request.path_params["token"], request.stream())
        except ClientDisconnect:
            return Response()
        except ApiError as refusal:
            return PlainTextResponse(refusal.message, refusal.status)
        return Response()

    async def install_log(self, request: Request) -> Response:
        """Return the log of an installation."""
        try:
            log = await run_in_threadpool(
                uploads.install_log, self._plane, request.path_params["function"]
            )
        except ApiError as refusal:
            return PlainTextResponse(refusal.message, refusal.status)
        return PlainTextResponse(log)


def _absolute(result: Json | None, host: str) -> Json | None:
    """Return a result whose paths are addresses of this server, as its client reached it."""
    if result is None:
        return None
    addresses = {"UploadAddress", "DownloadURL"} & set(result)
    return {**result, **{name: f"http://{host}{result[name]}" for name in addresses}}
