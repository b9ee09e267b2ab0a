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


def test_help_tells_the_parts_and_shows_an_example() -> None:
    shown = bench("--help")

    assert 0 == shown.returncode
    assert "python -m bench --only cold,warm" in shown.stdout
    assert "backlog" in shown.stdout


def test_a_part_that_there_is_not_is_told_with_those_that_there_are() -> None:
    refused = bench("--only", "cold,hot")

    assert 2 == refused.returncode
    assert "hot" in refused.stderr
    assert "repeats" in refused.stderr
