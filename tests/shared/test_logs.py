"""Log lines of other packages may not show a URL, which can have a signature."""

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import logging
{}
import shared.logs
logging.getLogger("urllib3.connectionpool").warning("Failed: http://photos/?X-Tos-Signature=hush")
"""


@pytest.mark.parametrize("platform", ["", "logging.basicConfig()"])
def test_urllib3_is_silent(platform: str) -> None:
    """URLs in urllib3's log lines go nowhere."""
    # In a process of its own, whose log nobody else looks at.
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(platform)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )

    assert ("", "") == (done.stdout, done.stderr)
