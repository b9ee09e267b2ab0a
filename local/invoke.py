"""Run a handler as the platform would, on one event."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import urllib3

from local.cloud import ROOT, SERVED, UPLOAD_PREFIX, UPLOADS_BUCKET, Cloud, assemble
from local.faas import FunctionSpec, Invocation, Platform

SETTINGS_PREFIXES = ("VEIMAGEX_", "TOS_", "REPAINT_", "VOLCENGINE_")
SAMPLE_PROMPTS = {
    "chelsea.png": "水彩画",
    "coffee.png": "油画",
    "rocket.jpg": "赛博朋克",
    "astronaut.png": "漫画风格",
}


def object_event(bucket: str, key: str) -> dict[str, Any]:
    """Return the event that says that an object was put; without an ETag, so any will do."""
    tos = {"region": os.environ.get("TOS_REGION"), "bucket": {"name": bucket}}
    entry = {"eventName": "tos:ObjectCreated:Put", "tos": {**tos, "object": {"key": key}}}
    return {"type": "faas.tos.event", "data": {"events": [entry]}}


def door_of(event: Mapping[str, Any]) -> str:
    """Tell which function an event is for."""
    if "httpMethod" in event:
        return "http"
    return "sweep" if event.get("type") == "faas.timer.event" else "upload"


def running_cloud(folder: Path) -> dict[str, str] | None:
    """Return the settings and the access key of the cloud that runs in `folder`, if one does."""
    try:
        settings: dict[str, str] = json.loads((folder / "settings.json").read_text("utf-8"))
        keys = json.loads((folder / "credentials.json").read_text("utf-8"))
        # What a cloud that was killed leaves behind names a port where nobody listens.
        urllib3.request("GET", settings["TOS_ENDPOINT"], timeout=2.0, retries=False)
    except (OSError, urllib3.exceptions.HTTPError):
        return None
    return {
        **settings,
        "VOLCENGINE_ACCESS_KEY": keys["access_key"],
        "VOLCENGINE_SECRET_KEY": keys["secret_key"],
    }


def invoke(event: dict[str, Any], door: str) -> int:
    """Run the function `door` on `event` in a process of its own; return the exit code.

    With `VOLCENGINE_ACCESS_KEY` in the environment it talks to the real cloud, with the settings
    that are there; otherwise to the local cloud that is running, or to one for this event alone
    that holds the sample photographs. The log goes to stderr, the answer as JSON to stdout.
    """
    with tempfile.TemporaryDirectory(prefix="repaint-") as name:
        folder = Path(name)
        with _settings(folder) as settings, Platform(folder / "faas", on_log=_log) as faas:
            code = assemble(door, folder / door)
            seconds = float(settings.get("REPAINT_DEADLINE_SECONDS") or 120)
            faas.deploy(FunctionSpec(f"repaint-{door}", code, settings, timeout_seconds=seconds))
            return _tell(faas.invoke(f"repaint-{door}", event))


@contextmanager
def _settings(folder: Path) -> Iterator[dict[str, str]]:
    if os.environ.get("VOLCENGINE_ACCESS_KEY"):
        yield {k: v for k, v in os.environ.items() if k.startswith(SETTINGS_PREFIXES)}
        return
    running = running_cloud(SERVED)
    if running is not None:
        yield running
        return
    with Cloud(folder / "cloud") as cloud:
        for picture in sorted((ROOT / "examples" / "images").iterdir()):
            if picture.name in SAMPLE_PROMPTS:
                # Put past the bucket's rule: this event is the only one to be handled.
                cloud.store.put(
                    UPLOADS_BUCKET,
                    UPLOAD_PREFIX + picture.name,
                    picture.read_bytes(),
                    {"x-tos-meta-prompt": quote(SAMPLE_PROMPTS[picture.name])},
                )
        yield {
            **cloud.settings,
            "VOLCENGINE_ACCESS_KEY": cloud.credentials.access_key,
            "VOLCENGINE_SECRET_KEY": cloud.credentials.secret_key,
        }


def _log(_function: str, line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _tell(invocation: Invocation) -> int:
    answer = {
        "statusCode": invocation.status_code,
        "headers": dict(invocation.headers),
        "body": invocation.body,
    }
    if invocation.error_type:
        answer["error"] = {"type": invocation.error_type, "message": invocation.error_message}
    sys.stdout.write(json.dumps(answer, ensure_ascii=False, indent=2) + "\n")
    return 1 if invocation.failure else 0
