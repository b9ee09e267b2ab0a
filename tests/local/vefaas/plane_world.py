"""The official client, unchanged, at a local control plane; and zips to deploy with it."""

import base64
import importlib.metadata
import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3
import volcenginesdkcore
import volcenginesdkvefaas as sdk
from packaging.requirements import Requirement
from volcenginesdkcore.rest import ApiException

from local.builtin_functions import ROOT
from shared.signing import Credentials

PATIENCE = 60  # seconds that a test waits at most for what is certain to come
RUNTIME = "python3.12/v1"
ECHO = """
import json, os, sys
def handler(event, context):
    return {"body": json.dumps({"event": event, "env": dict(os.environ), "path": sys.path})}
"""


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    """Return a zip with these files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def code(text: str, **more: str) -> bytes:
    """Return a zip whose index.py is `text`."""
    return zipped({"index.py": text, **more})


def packed(door: str) -> bytes:
    """Return what a function of this source tree is deployed as: its code and its packages."""
    files: dict[str, str | bytes] = {
        "index.py": (ROOT / "functions" / door / "index.py").read_bytes(),
        **{
            str(path.relative_to(ROOT)): path.read_bytes()
            for path in sorted((ROOT / "shared").rglob("*.py"))
        },
    }
    for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            files.update(_package(Requirement(line).name))
    return zipped(files)


def _package(name: str) -> dict[str, str | bytes]:
    found: dict[str, str | bytes] = {}
    distribution = importlib.metadata.distribution(name)
    for file in distribution.files or []:
        path = Path(str(file.locate()))
        if not str(file).startswith("..") and file.suffix != ".pyc" and path.is_file():
            found[str(file)] = path.read_bytes()
    for needed in map(Requirement, distribution.requires or []):
        if needed.marker is None or needed.marker.evaluate({"extra": ""}):
            found.update(_package(needed.name))
    return found


class Operator:
    """Who deploys, with the official client."""

    def __init__(self, address: str, credentials: Credentials, region: str = "cn-beijing") -> None:
        configuration = volcenginesdkcore.Configuration()
        configuration.host = address
        configuration.ak = credentials.access_key
        configuration.sk = credentials.secret_key
        configuration.session_token = credentials.session_token
        configuration.region = region
        configuration.auto_retry = False
        self._client = volcenginesdkcore.ApiClient(configuration)
        self.api: Any = sdk.VEFAASApi(self._client)

    def close(self) -> None:
        """Give its connections back."""
        self._client.rest_client.pool_manager.clear()

    def raw(self, action: str, body: Mapping[str, Any], version: str = "2024-06-06") -> Any:
        """Call an action that the client has no method for, or in a way that it would not."""
        info = volcenginesdkcore.UniversalInfo(
            method="POST",
            service="vefaas",
            version=version,
            action=action,
            content_type="application/json",
        )
        return volcenginesdkcore.UniversalApi(self._client).do_call(info, dict(body))

    def create(self, name: str, content: bytes | None = None, **settings: Any) -> str:
        """Make a function, with its code if there is any; return its id."""
        if content is not None:
            settings |= {"source_type": "zip", "source": base64.b64encode(content).decode()}
        settings["envs"] = [
            sdk.EnvForCreateFunctionInput(key=key, value=value)
            for key, value in settings.get("envs", {}).items()
        ]
        made = self.api.create_function(
            sdk.CreateFunctionRequest(name=name, **{"runtime": RUNTIME, **settings})
        )
        return str(made.id)

    def upload(self, function_id: str, content: bytes) -> None:
        """Bring a function's code by an address."""
        address = self.api.get_code_upload_address(
            sdk.GetCodeUploadAddressRequest(function_id=function_id, content_length=len(content))
        ).upload_address
        assert 200 == urllib3.request("PUT", address, body=content, timeout=10.0).status
        self.raw("CodeUploadCallback", {"FunctionId": function_id})

    def begin(self, function_id: str, revision: int = 0, **settings: Any) -> Any:
        """Begin a release."""
        return self.api.release(
            sdk.ReleaseRequest(function_id=function_id, revision_number=revision, **settings)
        )

    def status(self, function_id: str) -> Any:
        """Return how the newest release goes."""
        return self.api.get_release_status(sdk.GetReleaseStatusRequest(function_id=function_id))

    def ended(self, function_id: str) -> Any:
        """Wait for the end of the newest release, and return how it ended."""
        until = time.monotonic() + PATIENCE
        while (status := self.status(function_id)).status == "inprogress":
            assert time.monotonic() < until
            time.sleep(0.02)
        return status

    def release(self, function_id: str, revision: int = 0) -> Any:
        """Release a revision, and return how that ended."""
        self.begin(function_id, revision)
        return self.ended(function_id)

    def deploy(self, name: str, content: bytes, **settings: Any) -> str:
        """Make a function and release it; return its id."""
        function_id = self.create(name, content, **settings)
        status = self.release(function_id)
        assert "done" == status.status, status
        return function_id


def refused(call: Callable[[], Any]) -> tuple[int, str, str]:
    """Return the status, code and message with which a call is refused."""
    with pytest.raises(ApiException) as caught:
        call()
    error = json.loads(caught.value.body)["ResponseMetadata"]["Error"]
    return caught.value.status, error["Code"], error["Message"]


@contextmanager
def operator(address: str, credentials: Credentials) -> Iterator[Operator]:
    """Yield who deploys at an address."""
    who = Operator(address, credentials)
    try:
        yield who
    finally:
        who.close()
