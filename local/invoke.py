"""Use a local cloud as its developer does: upload a picture, call a handler on one event."""

import json
import mimetypes
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from local.cloud import ROOT, UPLOAD_PREFIX, UPLOADS_BUCKET, Cloud, FixedCredentials, assemble
from local.running import SERVED, running_cloud
from local.samples import SAMPLE_PROMPTS, SAMPLES
from local.vefaas.runtime import FunctionSpec, Invocation, Platform
from shared.runtime import Runtime
from shared.signing import Credentials

_SETTINGS_PREFIXES = ("VEIMAGEX_", "TOS_", "REPAINT_", "VOLCENGINE_")


def object_event(bucket: str, key: str) -> dict[str, Any]:
    """Return the event of an object's creation, without an ETag: any content will do."""
    tos = {"region": os.environ.get("TOS_REGION"), "bucket": {"name": bucket}}
    entry = {"eventName": "tos:ObjectCreated:Put", "tos": {**tos, "object": {"key": key}}}
    return {"type": "faas.tos.event", "data": {"events": [entry]}}


def function_for(event: Any) -> str:
    """Return the function that an event is for: `upload` unless it is another's."""
    if not isinstance(event, dict):
        return "upload"
    if "httpMethod" in event:
        return "http"
    return "sweep" if event.get("type") == "faas.timer.event" else "upload"


def put_samples(cloud: Cloud) -> None:
    """Store the sample photographs with their prompts, without events."""
    for name, prompt in SAMPLE_PROMPTS.items():
        picture = (SAMPLES / name).read_bytes()
        metadata = {"x-tos-meta-prompt": quote(prompt, safe="")}
        cloud.store.put(UPLOADS_BUCKET, UPLOAD_PREFIX + name, picture, metadata)


def put_picture(runtime: Runtime, picture: Path, prompt: str) -> str:
    """Upload a picture with its prompt; return its key."""
    key = UPLOAD_PREFIX + picture.name
    runtime.storage(None).put(
        UPLOADS_BUCKET,
        key,
        picture.read_bytes(),
        content_type=mimetypes.guess_type(picture.name)[0] or "application/octet-stream",
        metadata={"prompt": quote(prompt, safe="")},
    )
    return key


def upload(picture: Path, prompt: str) -> str | None:
    """Upload a picture to the running local cloud; return its key, None if no cloud is running."""
    settings = running_cloud(SERVED)
    if settings is None:
        return None
    keys = Credentials(settings["VOLCENGINE_ACCESS_KEY"], settings["VOLCENGINE_SECRET_KEY"])
    runtime = Runtime(settings, credentials=FixedCredentials(keys))
    key = put_picture(runtime, picture, prompt)
    runtime.close()
    return key


def invoke(event: Any, function: str) -> int:
    """Call a function's handler on an event in a process of its own; return the exit code.

    With `VOLCENGINE_ACCESS_KEY` in the environment it uses the real cloud, with the environment's
    settings; otherwise the running local cloud, or one for this event alone that holds the sample
    photographs. The log goes to stderr, the result as JSON to stdout.
    """
    if not (ROOT / "functions" / function / "index.py").is_file():
        known = ", ".join(sorted(path.parent.name for path in ROOT.glob("functions/*/index.py")))
        sys.stderr.write(f"There is no function {function!r}; there are {known}.\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="repaint-") as name:
        folder = Path(name)
        with _settings(folder) as settings, Platform(folder / "faas", on_log=_log) as platform:
            code = assemble(function, folder / function)
            platform.deploy(FunctionSpec(f"repaint-{function}", code, settings))
            return _print_result(platform.invoke(f"repaint-{function}", event))


@contextmanager
def _settings(folder: Path) -> Iterator[dict[str, str]]:
    if os.environ.get("VOLCENGINE_ACCESS_KEY"):
        yield {k: v for k, v in os.environ.items() if k.startswith(_SETTINGS_PREFIXES)}
        return
    running = running_cloud(SERVED)
    if running is not None:
        yield running
        return
    with Cloud(folder / "cloud") as cloud:
        put_samples(cloud)
        yield {
            **cloud.settings,
            "VOLCENGINE_ACCESS_KEY": cloud.credentials.access_key,
            "VOLCENGINE_SECRET_KEY": cloud.credentials.secret_key,
        }


def _log(_function: str, line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _print_result(invocation: Invocation) -> int:
    document = {
        "statusCode": invocation.status_code,
        "headers": dict(invocation.headers),
        "body": invocation.body,
    }
    if invocation.error_type:
        document["error"] = {"type": invocation.error_type, "message": invocation.error_message}
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")
    return 1 if invocation.failure else 0
