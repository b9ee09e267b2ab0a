"""The main job, once, before your eyes: upload a photograph, watch, look at the result."""

import json
import shutil
import sys
from pathlib import Path
from urllib.parse import quote

import urllib3
from rich.console import Console
from rich.markup import escape

from local.cloud import ROOT, UPLOAD_PREFIX, UPLOADS_BUCKET, Cloud
from local.compare import side_by_side
from shared.ledger import Record

PICTURE = ROOT / "examples" / "images" / "chelsea.png"
PROMPT = "水彩画，柔和的晨光"
WAIT_SECONDS = 120.0


def run(folder: Path, picture: Path = PICTURE, prompt: str = PROMPT) -> int:
    """Upload `picture` to a fresh local cloud in `folder`; return the exit code."""
    say = Console(stderr=True, highlight=False)
    # Started afresh each time: the same picture with the same prompt would be a duplicate.
    shutil.rmtree(folder, ignore_errors=True)
    deliveries: list[dict[str, str]] = []

    def show(_function: str, line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        if '"delivery.finished"' in line:
            deliveries.append(json.loads(line))

    key = f"{UPLOAD_PREFIX}{picture.name}"
    with Cloud(folder, on_log=show) as cloud:
        runtime = cloud.runtime()
        say.print(
            f"[bold]local cloud[/]   TOS {cloud.tos.address} · veImageX {cloud.imagex.address}"
        )
        say.print(f"[bold]uploading[/]     {key} with x-tos-meta-prompt: {escape(prompt)}\n")
        runtime.storage(None).put(
            UPLOADS_BUCKET,
            key,
            picture.read_bytes(),
            content_type="image/png" if picture.suffix == ".png" else "image/jpeg",
            metadata={"prompt": quote(prompt, safe="")},
        )
        done = cloud.platform.wait_idle(WAIT_SECONDS)
        ledger = runtime.ledger(UPLOADS_BUCKET, None)
        last = deliveries[-1] if done and deliveries else {"reason": "No delivery ended."}
        record = ledger.finished(last["record"]) if last.get("record") else None
        if record is None or record.state != "generated":
            say.print(f"\n[red]not generated[/]  {escape(last['reason'])}", soft_wrap=True)
            return 1
        result = folder / "before-after.png"
        after = urllib3.request("GET", record.image_urls[0], timeout=10.0)
        side_by_side(picture.read_bytes(), after.data, result)
        _summary(say, record, result)
    return 0


def _summary(say: Console, record: Record, result: Path) -> None:
    attempt = record.attempts[-1]
    say.print(f"\n[bold]record[/]        {record.id}")
    say.print(f"              {record.state} by attempt {attempt.number}")
    for uri in record.store_uris:
        say.print(f"[bold]store URI[/]     {uri}", soft_wrap=True)
    for url in record.image_urls:
        say.print(f"[bold]image URL[/]     {url}", soft_wrap=True)
    shown = result.relative_to(Path.cwd()) if result.is_relative_to(Path.cwd()) else result
    say.print(f"[bold]before/after[/]  {shown}", soft_wrap=True)
