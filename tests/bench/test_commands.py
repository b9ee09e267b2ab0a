"""The command before it measures: its help, and wrong arguments."""

import subprocess
import sys

from local.cloud import ROOT


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_help() -> None:
    """The help lists the parts, and has an example."""
    shown = bench("--help")

    assert 0 == shown.returncode
    assert "python -m bench --only cold,warm" in shown.stdout
    assert "backlog" in shown.stdout


def test_unknown_part() -> None:
    """An unknown part is refused with the list of the parts."""
    refused = bench("--only", "cold,hot")

    assert 2 == refused.returncode
    assert "hot" in refused.stderr
    assert "repeats" in refused.stderr
