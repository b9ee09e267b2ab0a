"""The cloud that the commands of docs/running.md are run on.

The four sample photographs have a prompt in their metadata. The fifth has none, and lacks the key
that the preset of its prefix needs.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.cloud import UPLOADS_BUCKET, Cloud, Scale
from local.imagex import FaultSettings
from local.invoke import put_samples
from local.samples import SAMPLES
from tests.ops.command import ROOT, environment

PRESETS = [{"prefix": "uploads/products/", "prompt": "{product}，产品照片，纯白背景", "seed": 7}]


@dataclass(frozen=True, slots=True)
class World:
    """The environment and the folder of the cloud's operator."""

    environment: Mapping[str, str]
    folder: Path


@contextmanager
def running(folder: Path) -> Iterator[World]:
    """Yield the world, with all of its files in `folder`."""
    desk = folder / "desk"
    desk.mkdir(parents=True)
    (desk / "examples").symlink_to(ROOT / "examples")
    presets = desk / "presets.json"
    lines = ",\n".join(f"  {json.dumps(preset, ensure_ascii=False)}" for preset in PRESETS)
    presets.write_text(f"[\n{lines}\n]\n", "utf-8")
    settings = {"REPAINT_PRESETS": str(presets)}
    with Cloud(
        folder / "cloud",
        faults=FaultSettings(latency_seconds=0.0),
        environment=settings,
        scale=Scale(sweep_seconds=86_400.0),  # the sweep does not run by itself
    ) as cloud:
        put_samples(cloud)
        picture = (SAMPLES / "coffee.png").read_bytes()
        cloud.store.put(UPLOADS_BUCKET, "uploads/products/coffee.png", picture, {})
        yield World(environment(cloud), desk)
