"""A project of its own beside a bare local cloud: what deploying is tried out on.

The role that the functions are deployed with may do what `repaint policy` prints, and no more.
"""

import io
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.imagex import FaultSettings
from local.vefaas.api import ControlPlaneSettings
from ops.deployment.package.dependencies import CACHE, LOCK, install
from ops.deployment.policy import role_policy
from ops.deployment.serverless_yml import load
from tests.local.policy_engine import PolicyCloud
from tests.ops import command
from tests.ops.command import ROOT
from tests.ops.deployment import packing

ROLE = "trn:iam::2100000000:role/repaint"
EXPORTED = {"REPAINT_ROLE": ROLE, "REPAINT_HTTP_TOKENS": "a-token-that-nobody-guesses"}
DOES_NOTHING = "def handler(event, context):\n    return None\n"
PACKED = ("functions", "shared", "serverless.yml", "requirements.txt", "constraints.txt", LOCK)


@dataclass(frozen=True)
class World:
    """A project in `folder`, and a cloud to deploy it to."""

    cloud: PolicyCloud
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment of whoever deploys."""
        return command.environment(self.cloud, EXPORTED)

    def repaint(
        self, *arguments: str, answer: str = "", **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `repaint` in the project's folder, with `settings` exported on top."""
        return command.repaint(
            *arguments,
            cloud=self.cloud,
            folder=self.folder,
            answer=answer,
            settings={**EXPORTED, **settings},
        )

    def edit(self, old: str, new: str) -> None:
        """Change serverless.yml in one place."""
        path = self.folder / "serverless.yml"
        text = path.read_text("utf-8")
        assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
        path.write_text(text.replace(old, new), "utf-8")


@contextmanager
def deploying(
    folder: Path, make: Callable[[Path], None], settings: ControlPlaneSettings | None = None
) -> Iterator[World]:
    """Yield the world, with everything it holds in `folder`; `make` makes the project."""
    project = folder / "project"
    make(project)
    faults = FaultSettings(latency_seconds=0)
    with PolicyCloud(folder / "cloud", bare=True, faults=faults, control_plane=settings) as cloud:
        world = World(cloud, project)
        path = project / "serverless.yml"
        service = load(path, environment=world.environment, stage=None)
        cloud.policies.set(ROLE, role_policy(service))
        yield world


def this_project(folder: Path) -> None:
    """Make a copy of this project: what is packed and deployed of it."""
    for name in PACKED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            folder.mkdir(exist_ok=True)
            shutil.copy(source, folder)
    # The wheels are got once for all tests, and kept where the project keeps them.
    (ROOT / CACHE).mkdir(parents=True, exist_ok=True)
    (folder / CACHE).parent.mkdir()
    (folder / CACHE).symlink_to(ROOT / CACHE)


def small_project(folder: Path) -> None:
    """Make a project that is deployed as this one is, and whose functions do nothing."""
    packing.project(folder)
    packing.write(
        folder,
        {f"functions/{name}/index.py": DOES_NOTHING for name in packing.NAMES}
        | {"serverless.yml": (ROOT / "serverless.yml").read_text("utf-8")},
    )
    packing.wheel(folder / "wheels", "one")
    install(folder, "3.12", folder / CACHE, packing.FolderUv(folder / "wheels"))


def small_zip() -> bytes:
    """Return the code of a function that does nothing."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", DOES_NOTHING)
    return buffer.getvalue()
