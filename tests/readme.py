"""The pages' output blocks and pictures: read them, produce them, and write them anew.

A block stands behind a line `<!-- output: COMMAND -->`. `python -m tests.readme` runs the commands
and puts in what they print; the tests compare, leaving aside what differs from run to run.
`python -m tests.readme docs/running.md` does so for that page alone, in both its languages, and
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
from local.vefaas.api import PlaneSettings
from tests.local.console.browser import chromium, screenshot
from tests.ops.command import environment
from tests.ops.deployment.deploying import deploying, this_project
from tests.ops.running import running

ROOT = Path(__file__).parents[1]


class World(Protocol):
    """What a page's commands are run in."""

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment of each command."""

    @property
    def folder(self) -> Path:
        """The folder that they are run in."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page in both languages.

    `world` makes what its commands find, in a folder of its own; they are run in their order, as
    a user would. Without one, each stands alone.
    """

    english: str
    chinese: str
    world: Callable[[Path], AbstractContextManager[World]] | None = None

    @property
    def texts(self) -> tuple[str, str]:
        """Read the page in both languages."""
        return (ROOT / self.english).read_text("utf-8"), (ROOT / self.chinese).read_text("utf-8")

    def produce(self, folder: Path) -> dict[str, str]:
        """Run the shown commands with everything they need in `folder`; return what they print."""
        shown = blocks(self.texts[0])
        if self.world is None:
            return {command: _alone(command, folder) for command in shown}
        with self.world(folder) as world:
            return _in_order(shown, world, folder)


def _deploying(folder: Path) -> AbstractContextManager[World]:
    # As long as it takes to see that a release is under way.
    return deploying(folder, this_project, PlaneSettings(release_seconds=0.5))


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
    # A command that takes long tells how far it is.
    (re.compile(r"^.* · [\d.,]+ a second.*\n", re.MULTILINE), ""),
)
# Records' ids follow from their objects; by HTTP alone one is drawn.
_DRAWN = re.compile(r'^\{"id": "([0-9a-f]{32})"')


def blocks(text: str) -> dict[str, str]:
    """Return each shown command and the output that is shown."""
    return {found["command"]: found["text"] for found in _BLOCK.finditer(text)}


def steady(text: str) -> str:
    """Return `text` without what differs from run to run."""
    drawn = _DRAWN.match(text)
    if drawn:
        text = text.replace(drawn[1], "<record>")
    for pattern, replacement in _VARYING:
        text = pattern.sub(replacement, text)
    return text


def _in_order(commands: Iterable[str], world: World, folder: Path) -> dict[str, str]:
    """Run a page's commands one after the other."""
    program = folder / "bin" / "repaint"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ops "$@"\n', "utf-8")
    program.chmod(0o700)
    path = {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}", "TZ": "CST-8"}
    return {
        command: _printed(
            ["/bin/bash", "-e", "-o", "pipefail", "-c", command],
            world.folder,
            {**world.environment, **path},
        )
        for command in commands
    }


def _alone(command: str, folder: Path) -> str:
    """Run a command on a cloud of its own."""
    if command == "curl":
        return _ask(folder)
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
    """Write the output blocks of all pages, and the pictures, anew; or what is named of these."""
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
    """Put in what a page's commands print, and the picture that the READMEs' make."""
    shown = page.produce(folder)
    for name, text in zip((page.english, page.chinese), page.texts, strict=True):
        fresh = _BLOCK.sub(lambda b: b["head"] + shown[b["command"]] + b["tail"], text)
        (ROOT / name).write_text(fresh, "utf-8")
    if page is README:
        shutil.copy(folder / ".repaint" / "run" / "before-after.png", ROOT / "docs")


if __name__ == "__main__":
    main(sys.argv[1:])
