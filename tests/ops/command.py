"""`repaint`, run as a user runs it: a process of its own, on a local cloud."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local.cloud import Cloud

ROOT = Path(__file__).parents[2]
OURS = ("VOLCENGINE", "VEIMAGEX", "TOS_", "REPAINT")


def environment(
    cloud: Cloud | None = None, settings: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return an environment with `cloud`'s settings and access key, and none of the machine's."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
    # Wide enough that no line of a table is cut; Rich reads it if there is no terminal.
    kept |= {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    if cloud is not None:
        kept |= cloud.settings
        kept["VOLCENGINE_ACCESS_KEY"] = cloud.credentials.access_key
        kept["VOLCENGINE_SECRET_KEY"] = cloud.credentials.secret_key
    return {**kept, **(settings or {})}


def repaint(
    *arguments: str,
    cloud: Cloud | None = None,
    folder: Path | None = None,
    answer: str = "",
    settings: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `repaint` in `folder`; `answer` is its input, `settings` override the cloud's."""
    return subprocess.run(
        [sys.executable, "-m", "ops", *arguments],
        cwd=folder or ROOT,
        env=environment(cloud, settings),
        input=answer,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


@contextmanager
def started(
    *arguments: str, cloud: Cloud, folder: Path, settings: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run `repaint` without waiting for its end; kill it in the end."""
    with subprocess.Popen(
        [sys.executable, "-m", "ops", *arguments],
        cwd=folder,
        env=environment(cloud, settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def answered(
    *arguments: str,
    answer: bytes,
    cloud: Cloud,
    folder: Path,
    settings: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `repaint` with a terminal as its input, at which `answer` was typed."""
    terminal, end = pty.openpty()
    os.write(terminal, answer)
    done = subprocess.run(
        [sys.executable, "-m", "ops", *arguments],
        cwd=folder,
        env=environment(cloud, settings),
        stdin=end,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    for side in (terminal, end):
        os.close(side)
    return done


def document(done: subprocess.CompletedProcess[str]) -> Any:
    """Return the JSON that a command printed."""
    return json.loads(done.stdout)


def lines(text: str) -> list[dict[str, Any]]:
    """Return the JSON lines that a command printed."""
    return [json.loads(line) for line in text.splitlines()]
