"""Building a zip of a small project."""

import hashlib
import random
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from ops.deployment.package import Built, build
from ops.ui.output import Refused
from tests.ops.deployment.packing import FolderUv, project, service, wheel

THIS = f"python3.{sys.version_info.minor}"


def built(root: Path, runtime: str = THIS, *patterns: str) -> Built:
    described = service(root, runtime, patterns=patterns)
    return build(
        described,
        described.function("upload"),
        output=root / "out",
        cache=root / "cache",
        uv=FolderUv(root / "published"),
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    wheel(tmp_path / "published", "one")
    return project(tmp_path)


def test_it_tells_where_the_zip_is_what_is_in_it_and_who_compiled_it(root: Path) -> None:
    (root / "presets.json").write_text("[]", "utf-8")
    (published,) = (root / "published").iterdir()

    made = built(root, THIS, "presets.json")

    content = (root / "out" / "upload.zip").read_bytes()
    assert [root / "out" / "upload.zip"] == list((root / "out").iterdir())
    assert (
        Built(
            function="upload",
            runtime=THIS,
            path=root / "out" / "upload.zip",
            size=len(content),
            unpacked_size=made.unpacked_size,
            sha256=hashlib.sha256(content).hexdigest(),
            compiled_by=sys.version.split()[0],
            wheels={published.name: hashlib.sha256(published.read_bytes()).hexdigest()},
        )
        == made
    )
    with zipfile.ZipFile(made.path) as archive:
        names = archive.namelist()
    assert [
        "index.py",
        "one-1.0.dist-info/METADATA",
        "one.py",
        "presets.json",
        "shared/processing/output_names.py",
    ] == [name for name in names if not name.endswith(".pyc")]


def test_the_file_of_presets_that_a_function_looks_for_is_packed_without_being_named_again(
    root: Path,
) -> None:
    (root / "presets.json").write_text("[]", "utf-8")
    described = service(root, THIS)
    function = replace(
        described.function("upload"), environment={"REPAINT_PRESETS": "presets.json"}
    )

    made = build(
        described,
        function,
        output=root / "out",
        cache=root / "cache",
        uv=FolderUv(root / "published"),
    )

    with zipfile.ZipFile(made.path) as archive:
        assert b"[]" == archive.read("presets.json")


def test_where_no_python_of_the_runtime_is_at_hand_nothing_is_compiled(root: Path) -> None:
    made = built(root, "python3.99")

    assert None is made.compiled_by
    with zipfile.ZipFile(made.path) as archive:
        assert [] == [name for name in archive.namelist() if name.endswith(".pyc")]


def test_a_zip_that_the_platform_would_not_take_is_told_and_the_one_before_stays(
    root: Path,
) -> None:
    before = built(root)
    (root / "noise.bin").write_bytes(random.Random(1).randbytes(15_100_000))

    with pytest.raises(Refused, match=r"upload has 15\.1 MB, .* accepts 15\..*: noise\.bin, "):
        built(root, THIS, "*.bin")

    assert before.size == before.path.stat().st_size
