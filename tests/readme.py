"""The READMEs' output blocks and pictures: read them, produce them, and write them anew.

A block stands behind a line `<!-- output: COMMAND -->`. `python -m tests.readme` runs the commands
and puts in what they print; the tests compare, leaving aside what differs from run to run.
`python -m tests.readme console` takes the picture of the console alone.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import urllib3

from local.cloud import Cloud
from local.invoke import put_samples
from tests.local.console.browser import chromium, screenshot

ROOT = Path(__file__).parents[1]
FILES = ("README.md", "README.zh-CN.md")

_BLOCK = re.compile(
    r"(?P<head><!-- output: (?P<command>.+?) -->\n```\w*\n)(?P<text>.*?)(?P<tail>```)", re.DOTALL
)
_VARYING = (
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "<time>"),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:<port>"),
    (re.compile(r'"(request_id|model_request_id)": "\w+"'), r'"\1": "<id>"'),
    (re.compile(r'"duration_ms": \d+'), '"duration_ms": <ms>'),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<record>"),
)


def blocks(text: str) -> dict[str, str]:
    """Return each shown command and the output that is shown."""
    return {found["command"]: found["text"] for found in _BLOCK.finditer(text)}


def steady(text: str) -> str:
    """Return `text` without what differs from run to run."""
    for pattern, replacement in _VARYING:
        text = pattern.sub(replacement, text)
    return text


def produce(command: str, folder: Path) -> str:
    """Run a shown command in `folder` and return what it prints."""
    if command == "curl":
        return _ask(folder)
    # `make` prints nothing of its own once the packages are installed.
    words = command.replace("make run", "python -m local run").split()
    arguments = [str(ROOT / w) if (ROOT / w).is_file() else w for w in words[1:]]
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("VOLCENGINE", "REPAINT"))}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return done.stdout


def _ask(folder: Path) -> str:
    """Ask the HTTP door of a local cloud what the READMEs' curl command asks."""
    with Cloud(folder / "cloud", on_log=lambda _function, _line: None) as cloud:
        put_samples(cloud)
        answer = urllib3.request(
            "POST",
            f"{cloud.gateway.address}/generations",
            body=json.dumps({"bucket": "photos", "key": "uploads/coffee.png", "prompt": "油画"}),
            headers={
                "Authorization": f"Bearer {cloud.http_token}",
                "Content-Type": "application/json",
            },
        )
        return answer.data.decode() + "\n"


def main(arguments: list[str]) -> None:
    """Write the output blocks of both READMEs, and the pictures, anew."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments != ["console"]:
            write_blocks(folder)
        if chromium.find() is None:
            sys.exit(f"docs/console.png stays as it was. {chromium.missing()}")
        with chromium.running() as browser:
            shutil.copy(screenshot.take(browser, folder), ROOT / "docs")


def write_blocks(folder: Path) -> None:
    """Run the shown commands in `folder`; put in what they print, and the picture they make."""
    shown: dict[str, str] = {}
    for file in FILES:
        text = (ROOT / file).read_text("utf-8")
        for command in blocks(text):
            shown.setdefault(command, "") or shown.update({command: produce(command, folder)})
        text = _BLOCK.sub(lambda b: b["head"] + shown[b["command"]] + b["tail"], text)
        (ROOT / file).write_text(text, "utf-8")
    shutil.copy(folder / ".repaint" / "run" / "before-after.png", ROOT / "docs")


if __name__ == "__main__":
    main(sys.argv[1:])
