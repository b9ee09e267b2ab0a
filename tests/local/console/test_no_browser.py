"""What the browser's tests do where no browser is installed."""

import os
import subprocess
import sys
from pathlib import Path

from local.cloud import ROOT
from tests.local.console.browser.chromium import REQUIRED

TEST = "tests/local/console/browser/test_reading.py::test_times_tick_outside_of_what_is_spoken"


def run(nothing: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run one of them with an empty search path."""
    kept = {name: value for name, value in os.environ.items() if name != REQUIRED}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", TEST],
        cwd=ROOT,
        env={**kept, "PATH": str(nothing), **more},
        capture_output=True,
        text=True,
        check=False,
    )


def test_they_say_so_and_are_skipped(tmp_path: Path) -> None:
    done = run(tmp_path)

    assert 0 == done.returncode, done.stdout
    assert "1 skipped" in done.stdout
    assert "No browser is installed" in done.stdout
    assert "apt-get install chromium" in done.stdout


def test_they_fail_where_a_browser_is_required(tmp_path: Path) -> None:
    done = run(tmp_path, **{REQUIRED: "1"})

    assert 1 == done.returncode, done.stdout
    assert "1 error" in done.stdout
    assert "No browser is installed" in done.stdout


def test_every_change_is_checked_with_a_browser_required() -> None:
    script = (ROOT / ".ci" / "run").read_text("utf-8")

    required = script.index(f"export {REQUIRED}=1")
    assert script.index("chromium fontconfig") < required < script.index("make test")
