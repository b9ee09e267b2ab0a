"""The pages' output blocks and pictures: read, produce and rewrite them.

A block follows a line `<!-- output: COMMAND -->`. `python -m tests.readme` runs the commands and
writes their output into the pages; the tests compare, without what differs from run to run.
`python -m tests.readme docs/running.md` does so for that page only, in both its languages, and
`python -m tests.readme console` takes the picture of the console.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import urllib3

from local.cloud import Cloud
from local.invoke import put_samples
from local.vefaas.api import ControlPlaneSettings
from tests.local.console.browser import chromium, screenshot
from tests.ops.command import environment
from tests.ops.deployment.deploying import deploying, this_project
from tests.ops.running import running

ROOT = Path(__file__).parents[1]


class Setup(Protocol):
    """The folder and the environment of a page's commands."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Return the environment of each command."""

    @property
    def folder(self) -> Path:
        """Return the folder that they run in."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page in both languages.

    `setup` prepares a folder of its own for its commands, which run in their order, as a user runs
    them. Without one, each command stands alone.
    """

    english: str
    chinese: str
    setup: Callable[[Path], AbstractContextManager[Setup]] | None = None

    @property
    def texts(self) -> tuple[str, str]:
        """Read the page in both languages."""
        return (ROOT / self.english).read_text("utf-8"), (ROOT / self.chinese).read_text("utf-8")

    def produce(self, folder: Path) -> dict[str, str]:
        """Run the page's commands in `folder`; return their output."""
        shown = blocks(self.texts[0])
        if self.setup is None:
            return {command: _alone(command, folder) for command in shown}
        with self.setup(folder) as setup:
            return _in_order(shown, setup, folder)


def _deploying(folder: Path) -> AbstractContextManager[Setup]:
    # Long enough to see that a release is under way.
    return deploying(folder, this_project, ControlPlaneSettings(release_seconds=0.5))


README = Page("README.md", "README.zh-CN.md")
# Its zips run on the Python that functions are deployed to.
DEPLOYING = Page("docs/deploying.md", "docs/deploying.zh-CN.md", _deploying)
PAGES = (
    README,
    Page("docs/running.md", "docs/running.zh-CN.md", running),
    DEPLOYING,
    Page("docs/architecture.md", "docs/architecture.zh-CN.md"),
)

_BLOCK = re.compile(
    r"(?P<head><!-- output: (?P<command>.+?) -->\n```\w*\n)(?P<text>.*?)(?P<tail>```)", re.DOTALL
)
_VARYING = (
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "<time>"),
    (re.compile(r"\d{4}-\d\d-\d\d [\d:]{8}[+-]\d\d:\d\d"), "<time>"),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:<port>"),
    (re.compile(r'"(request_id|model_request_id)": "\w+"'), r'"\1": "<id>"'),
    (re.compile(r'"duration_ms": \d+'), '"duration_ms": <ms>'),
    (re.compile(r"\b\d+(\.\d+)? (ms|s|min|h)\b( \d+ (s|min)\b)?"), "<span>"),
    (re.compile(r"\bAKLT…\w{4}\b"), "<access key>"),
    (re.compile(r"\bfn[0-9a-f]{10}\b"), "<function>"),
    (re.compile(r"sha256:[0-9a-f]+"), "sha256:<digest>"),
    (re.compile(r"repaint-smoke-[0-9a-f]{16}"), "repaint-smoke-<number>"),
    # Progress of a command that takes long.
    (re.compile(r"^.* · [\d.,]+ a second.*\n", re.MULTILINE), ""),
)
# Records' ids follow from their objects; only by HTTP one is random.
_RANDOM = re.compile(r'^\{"id": "([0-9a-f]{32})"')


def blocks(text: str) -> dict[str, str]:
    """Return the shown output of each command of a page."""
    return {found["command"]: found["text"] for found in _BLOCK.finditer(text)}


def steady(text: str) -> str:
    """Return `text` with placeholders for what differs from run to run."""
    found = _RANDOM.match(text)
    if found:
        text = text.replace(found[1], "<record>")
    for pattern, replacement in _VARYING:
        text = pattern.sub(replacement, text)
    return text


def _in_order(commands: Iterable[str], setup: Setup, folder: Path) -> dict[str, str]:
    """Run a page's commands one after the other."""
    program = folder / "bin" / "repaint"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ops "$@"\n', "utf-8")
    program.chmod(0o700)
    path = {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}", "TZ": "CST-8"}
    return {
        command: _printed(
            ["/bin/bash", "-e", "-o", "pipefail", "-c", command],
            setup.folder,
            {**setup.environment, **path},
        )
        for command in commands
    }


def _alone(command: str, folder: Path) -> str:
    """Run a command on a cloud of its own."""
    if command == "curl":
        return _curl(folder)
    # `make` prints nothing of its own once the packages are installed.
    words = command.replace("make run", "python -m local run").split()
    arguments = [str(ROOT / w) if (ROOT / w).is_file() else w for w in words[1:]]
    return _printed([sys.executable, *arguments], folder, environment())


def _printed(command: list[str], folder: Path, given: Mapping[str, str]) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**given, "PYTHONUNBUFFERED": "1", "COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"{command[-1]}\nended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def _curl(folder: Path) -> str:
    """Send the request of the READMEs' curl command to a local cloud's HTTP API."""
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
    """Rewrite the output blocks of all pages, and the pictures; or those that `arguments` name."""
    pages = {page.english: page for page in PAGES}
    known = [*pages, "console"]
    unknown = [name for name in arguments if name not in known]
    if unknown:
        sys.exit(f"There is no page {', '.join(unknown)}; there are {', '.join(known)}.")
    for name in arguments or known:
        with tempfile.TemporaryDirectory() as folder:
            if name == "console":
                take_console(Path(folder))
            else:
                write_blocks(pages[name], Path(folder))


def take_console(folder: Path) -> None:
    """Take the picture of the console."""
    if chromium.find() is None:
        sys.exit(f"docs/console.png stays as it was. {chromium.missing()}")
    with chromium.running() as browser:
        shutil.copy(screenshot.take(browser, folder), ROOT / "docs")


def write_blocks(page: Page, folder: Path) -> None:
    """Rewrite a page's output blocks, and the picture that the READMEs' commands make."""
    shown = page.produce(folder)
    for name, text in zip((page.english, page.chinese), page.texts, strict=True):
        fresh = _BLOCK.sub(lambda b: b["head"] + shown[b["command"]] + b["tail"], text)
        (ROOT / name).write_text(fresh, "utf-8")
    if page is README:
        shutil.copy(folder / ".repaint" / "run" / "before-after.png", ROOT / "docs")


if __name__ == "__main__":
    main(sys.argv[1:])
