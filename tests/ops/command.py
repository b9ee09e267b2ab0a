"""`repaint`, run as a user runs it: a process of its own, on a local cloud."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
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
    # Wide enough that no line of a table is cut; Rich reads it where there is no terminal.
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
    """Run `repaint` in `folder`; `answer` is what is typed, `settings` come on top."""
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


def document(done: subprocess.CompletedProcess[str]) -> Any:
    """Return the JSON that a command printed."""
    return json.loads(done.stdout)
