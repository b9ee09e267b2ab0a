"""The pages on deploying: their commands, run one after the other, and what they print.

`python -m tests.ops.deploying_page` runs them on a local cloud and writes their output anew.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from local.vefaas import PlaneSettings
from tests import readme
from tests.ops.command import ROOT
from tests.ops.deploying import deploying, this_project

FILES = ("docs/deploying.md", "docs/deploying.zh-CN.md")
_BLOCK = re.compile(r"(<!-- output: (.+?) -->\n```\w*\n).*?(```)", re.DOTALL)
_VARYING = (
    (re.compile(r"sha256:[0-9a-f]+"), "sha256:<digest>"),
    (re.compile(r"repaint-smoke-[0-9a-f]{16}"), "repaint-smoke-<number>"),
    (re.compile(r"\d+\.\d s\b"), "<seconds> s"),
)
# As long as it takes to see that a release is under way.
_RELEASING = PlaneSettings(release_seconds=0.5)


def steady(text: str) -> str:
    """Return `text` without what differs from run to run."""
    text = readme.steady(text)
    for pattern, replacement in _VARYING:
        text = pattern.sub(replacement, text)
    return text


def produce(folder: Path, commands: list[str]) -> dict[str, str]:
    """Run the page's commands in a world of its own in `folder`; return what each prints."""
    program = folder / "bin" / "repaint"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ops "$@"\n', "utf-8")
    program.chmod(0o700)
    with deploying(folder, this_project, _RELEASING) as world:
        environment = {
            **world.environment,
            "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONUNBUFFERED": "1",
            "COLUMNS": "100",
        }
        return {
            command: subprocess.run(
                ["/bin/bash", "-e", "-o", "pipefail", "-c", command],
                cwd=world.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=True,
            ).stdout
            for command in commands
        }


def main() -> None:
    """Write the output blocks of both pages anew."""
    pages = {name: (ROOT / name).read_text("utf-8") for name in FILES}
    with tempfile.TemporaryDirectory() as folder:
        shown = produce(Path(folder), list(readme.blocks(pages[FILES[0]])))
    for name, text in pages.items():
        (ROOT / name).write_text(
            _BLOCK.sub(lambda found: found[1] + shown[found[2]] + found[3], text), "utf-8"
        )


if __name__ == "__main__":
    main()
