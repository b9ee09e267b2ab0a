"""The demo: upload a photograph to a fresh local cloud, show the log and the result."""

import json
import shutil
import sys
from pathlib import Path

import urllib3
from rich.console import Console
from rich.markup import escape

from local.cloud import ROOT, UPLOAD_PREFIX, Cloud
from local.compare import side_by_side
from local.invoke import put_picture
from shared.ledger import Record, Status

PICTURE = ROOT / "examples" / "images" / "chelsea.png"
PROMPT = "水彩画，柔和的晨光"
_WAIT_SECONDS = 120.0


def run(folder: Path, picture: Path = PICTURE, prompt: str = PROMPT) -> int:
    """Upload `picture` to a fresh local cloud in `folder`; return the exit code."""
    output = Console(stderr=True, highlight=False)
    # A fresh cloud each time: the same picture with the same prompt would be a duplicate.
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
        output.print(
            f"[bold]local cloud[/]   TOS {cloud.tos.address} · veImageX {cloud.imagex.address}"
        )
        output.print(f"[bold]uploading[/]     {key} with x-tos-meta-prompt: {escape(prompt)}\n")
        put_picture(runtime, picture, prompt)
        done = cloud.platform.wait_idle(_WAIT_SECONDS)
        last = deliveries[-1] if done and deliveries else {"reason": "No delivery ended."}
        record = runtime.ledger.finished(last["record"]) if last.get("record") else None
        if record is None or record.status is not Status.GENERATED:
            output.print(f"\n[red]not generated[/]  {escape(last['reason'])}", soft_wrap=True)
            return 1
        result = folder / "before-after.png"
        after = urllib3.request("GET", record.image_urls[0], timeout=10.0)
        side_by_side(picture.read_bytes(), after.data, result)
        _print_summary(output, record, result)
    return 0


def _print_summary(output: Console, record: Record, result: Path) -> None:
    output.print(f"\n[bold]record[/]        {record.id}")
    output.print(f"              {record.status} by attempt {record.attempts[-1].number}")
    for uri in record.store_uris:
        output.print(f"[bold]store URI[/]     {uri}", soft_wrap=True)
    for url in record.image_urls:
        output.print(f"[bold]image URL[/]     {url}", soft_wrap=True)
    shown = result.relative_to(Path.cwd()) if result.is_relative_to(Path.cwd()) else result
    output.print(f"[bold]before/after[/]  {shown}", soft_wrap=True)
