"""The running local cloud: where `serve` keeps its state, and how another process finds it.

It imports none of the local cloud's packages: the operator's commands run without them.
"""

import json
from pathlib import Path

import urllib3

SERVED = Path(".repaint") / "cloud"


def running_cloud(folder: Path) -> dict[str, str] | None:
    """Return the settings and the access key of the cloud that runs in `folder`, if one does."""
    try:
        settings: dict[str, str] = json.loads((folder / "settings.json").read_text("utf-8"))
        keys = json.loads((folder / "credentials.json").read_text("utf-8"))
        # The settings of a cloud that was killed name a port without a listener.
        urllib3.request("GET", settings["TOS_ENDPOINT"], timeout=2.0, retries=False)
    except (OSError, urllib3.exceptions.HTTPError):
        return None
    return {
        **settings,
        "VOLCENGINE_ACCESS_KEY": keys["access_key"],
        "VOLCENGINE_SECRET_KEY": keys["secret_key"],
    }
