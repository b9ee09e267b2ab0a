"""The zips themselves, of the real packages: what is in them, and that they run alone.

The wheels are got once, and kept where `repaint package` keeps them.
"""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from local.cloud import UPLOADS_BUCKET, Cloud
from local.imagex import FaultSettings
from ops.deployment.package import Built, build
from ops.deployment.package.bytecode import Interpreter, find_interpreter, python_version
from ops.deployment.package.dependencies import CACHE, LOCK, _target, run_uv
from tests.ops.command import ROOT
from tests.ops.deployment.packing import service

CAT = (ROOT / "examples" / "images" / "chelsea.png").read_bytes()
# The runtime that is deployed; where no Python of its version is at hand, this Python's.
RUNTIME = "python3.12/v1" if find_interpreter("3.12") else f"python3.{sys.version_info.minor}"
VERSION = python_version(RUNTIME)
TAG = f"cpython-{VERSION.replace('.', '')}"

# Nothing on the path but the standard library and the unpacked zip.
DRIVER = """
import json, sys
sys.path.append(sys.argv[1])
import index

class Context:
    request_id = "a-request"

answer = index.handler(json.loads(sys.argv[2]), Context())
files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
print(json.dumps({"answer": answer, "path": sys.path, "files": [f for f in files if f]}))
"""
IMPORTER = """
import contextlib, importlib, io, json, sys, warnings
warnings.simplefilter("ignore")
sys.path.append(sys.argv[1])
failed = []
for name in json.loads(sys.argv[2]):
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            importlib.import_module(name)
    except BaseException as error:
        failed.append(name)
print(json.dumps(failed))
"""


def interpreter() -> Interpreter:
    found = find_interpreter(VERSION)
    assert found is not None
    return found


def python(code: str, *arguments: str, **environment: str) -> Any:
    """Run `code` on the runtime's Python with nothing of this machine's; return its last line."""
    done = subprocess.run(
        [interpreter().path, "-I", "-S", "-c", code, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def zips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Built]:
    output = tmp_path_factory.mktemp("package")
    project = service(ROOT, RUNTIME)
    return {
        function.name: build(project, function, output=output, cache=ROOT / CACHE)
        for function in project.functions
    }


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    faults = FaultSettings(latency_seconds=0.0)
    with Cloud(tmp_path_factory.mktemp("cloud"), faults=faults) as cloud:
        yield cloud


def unpacked(built: Built, folder: Path) -> Path:
    with zipfile.ZipFile(built.path) as archive:
        archive.extractall(folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@dataclass(frozen=True)
class Door:
    """An unpacked function on the local cloud."""

    folder: Path
    cloud: Cloud

    def call(self, event: Any, **settings: str) -> dict[str, Any]:
        """Hand the handler an event; return its answer's body."""
        keys = self.cloud.credentials
        ran = python(
            DRIVER,
            str(self.folder),
            json.dumps(event),
            **self.cloud.settings,
            VOLCENGINE_ACCESS_KEY=keys.access_key,
            VOLCENGINE_SECRET_KEY=keys.secret_key,
            REPAINT_HTTP_TOKENS="a-token",
            **settings,
        )
        assert [] == [p for p in ran["path"] if "site-packages" in p or str(ROOT) in p]
        ours = [f for f in ran["files"] if str(self.folder) in f]
        assert {"index.py", "pydantic/main.py", "structlog/__init__.py"} <= {
            str(Path(f).relative_to(self.folder)) for f in ours
        }
        assert 200 == ran["answer"]["statusCode"], ran["answer"]
        body: dict[str, Any] = json.loads(ran["answer"]["body"])
        return body


def upload(cloud: Cloud, key: str) -> dict[str, Any]:
    """Put a photograph past the bucket's rule; return the event of it."""
    cloud.store.put(UPLOADS_BUCKET, key, CAT, {"x-tos-meta-prompt": "a cat"})
    tos = {"bucket": {"name": UPLOADS_BUCKET}, "object": {"key": key}}
    entry = {"eventName": "tos:ObjectCreated:Put", "tos": tos}
    return {"type": "faas.tos.event", "data": {"events": [entry]}}


def statuses(body: dict[str, Any]) -> list[str]:
    return [result["status"] for result in body["results"]]


def test_the_upload_function_runs_from_its_zip_alone(
    zips: dict[str, Built], cloud: Cloud, tmp_path: Path
) -> None:
    door = Door(unpacked(zips["upload"], tmp_path), cloud)

    assert ["generated"] == statuses(door.call(upload(cloud, "in/upload.png")))


def test_the_http_function_runs_from_its_zip_alone(
    zips: dict[str, Built], cloud: Cloud, tmp_path: Path
) -> None:
    upload(cloud, "in/http.png")
    door = Door(unpacked(zips["http"], tmp_path), cloud)
    request = {
        "httpMethod": "POST",
        "path": "/generations",
        "headers": {"Authorization": "Bearer a-token", "Content-Type": "application/json"},
        "body": json.dumps({"bucket": UPLOADS_BUCKET, "key": "in/http.png"}),
    }

    assert "generated" == door.call(request)["status"]


def test_the_sweep_runs_from_its_zip_alone(
    zips: dict[str, Built], cloud: Cloud, tmp_path: Path
) -> None:
    event = upload(cloud, "in/sweep.png")
    hurried = Door(unpacked(zips["upload"], tmp_path / "upload"), cloud)
    assert ["deferred"] == statuses(hurried.call(event, REPAINT_DEADLINE_SECONDS="5"))
    door = Door(unpacked(zips["sweep"], tmp_path / "sweep"), cloud)

    counts = door.call({"type": "faas.timer.event", "data": ""})["results"]

    assert {"pending": 1, "generated": 1} == counts


def test_what_runs_is_what_was_compiled_and_nothing_is_written_where_it_lies(
    zips: dict[str, Built], cloud: Cloud, tmp_path: Path
) -> None:
    folder = unpacked(zips["upload"], tmp_path)
    for path in folder.rglob("*.py"):
        path.write_text("raise RuntimeError('compiled anew')\n", "utf-8")
    before = contents(folder)
    # As on the platform, where only /tmp can be written to. (No mode holds root back.)
    for path in folder.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    door = Door(folder, cloud)

    try:
        made = statuses(door.call(upload(cloud, "in/compiled.png")))
    finally:
        for path in folder.rglob("*"):
            path.chmod(0o755)

    assert (["generated"], before) == (made, contents(folder))


def test_every_module_is_there_compiled_for_the_runtime(zips: dict[str, Built]) -> None:
    for built in zips.values():
        assert interpreter().version == built.compiled_by
        with zipfile.ZipFile(built.path) as archive:
            names = archive.namelist()
        modules = {n.removesuffix(".py") for n in names if n.endswith(".py")}
        compiled = {
            n.replace("__pycache__/", "").removesuffix(f".{TAG}.pyc")
            for n in names
            if n.endswith(".pyc")
        }
        assert modules == compiled


def test_each_zip_is_small_and_holds_nothing_but_what_runs(zips: dict[str, Built]) -> None:
    for built in zips.values():
        assert built.size == built.path.stat().st_size < 10_000_000
        with zipfile.ZipFile(built.path) as archive:
            names = archive.namelist()
            assert built.unpacked_size == sum(entry.file_size for entry in archive.infolist())
        assert {
            "index.py",
            "shared/processing/pipeline.py",
            "structlog/__init__.py",
            "six.py",
        } <= set(names)
        (library,) = (n for n in names if n.endswith(".so"))
        assert library.endswith(f".{TAG}-x86_64-linux-gnu.so")
        unwanted = (".pyi", "py.typed", ".c", ".h", ".md", ".json", ".pyd", ".dylib", "/RECORD")
        assert [] == [n for n in names if n.endswith(unwanted) and "licenses/" not in n]
        assert [] == [n for n in names if "test" in n.split("/")[:-1] or "tests/" in n]


def test_each_package_comes_with_its_licence_and_its_version(zips: dict[str, Built]) -> None:
    built = zips["upload"]
    with zipfile.ZipFile(built.path) as archive:
        described = [n for n in archive.namelist() if ".dist-info/" in n]
    packages = {"-".join(wheel.split("-")[:2]) for wheel in built.wheels}

    assert packages == {n.partition(".dist-info/METADATA")[0] for n in described if "META" in n}
    assert packages == {n.partition(".dist-info/")[0] for n in described if "LICENSE" in n}


def test_what_is_left_out_is_missed_by_no_module_that_is_packed(
    zips: dict[str, Built], tmp_path: Path
) -> None:
    packed = unpacked(zips["http"], tmp_path / "packed")
    whole = copytree(packed, tmp_path / "whole")
    pinned = ["--require-hashes", f"--requirements={ROOT / LOCK}", f"--target={whole}"]
    run_uv(["pip", "install", *pinned, *_target(VERSION)])
    files = [path.relative_to(packed).with_suffix("") for path in packed.rglob("*.py")]
    modules = sorted(
        ".".join(file.parts).removesuffix(".__init__") for file in files if file.name != "__main__"
    )
    assert len(modules) > 150

    assert python(IMPORTER, str(whole), json.dumps(modules)) == python(
        IMPORTER, str(packed), json.dumps(modules)
    )


def test_the_sdks_whole_chain_can_look_for_a_key(zips: dict[str, Built], tmp_path: Path) -> None:
    folder = unpacked(zips["upload"], tmp_path)
    chain = """
import json, sys
sys.path.append(sys.argv[1])
from volcenginesdkcore.auth.providers.default_provider import DefaultCredentialProvider
try:
    DefaultCredentialProvider().get_credentials()
except RuntimeError as error:
    print(json.dumps(str(error)))
"""

    told = python(chain, str(folder), HOME=str(tmp_path), VOLCENGINE_ECS_METADATA_DISABLED="true")

    for place in ("EnvironmentVariable", "StsOidc", "CLIConfig"):
        assert f"{place}CredentialProvider" in told


def test_another_place_time_umask_and_seed_make_the_same_bytes(
    zips: dict[str, Built], tmp_path: Path
) -> None:
    root = tmp_path / "elsewhere"
    for name in ("functions", "shared"):
        copytree(ROOT / name, root / name)
    for name in ("requirements.txt", "constraints.txt", LOCK):
        (root / name).write_bytes((ROOT / name).read_bytes())
    for path in root.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(0o700)
    again = """
import os, sys
from pathlib import Path
from ops.deployment.package import build
from tests.ops.deployment.packing import service

root, runtime, cache = sys.argv[1:]
os.umask(0o077)
project = service(Path(root), runtime)
build(project, project.function("upload"), output=Path("out"), cache=Path(cache))
"""
    other = {
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": "42",
        "PYTHONOPTIMIZE": "2",
        "TZ": "Asia/Aden",
    }
    subprocess.run(
        [sys.executable, "-c", again, str(root), RUNTIME, str(ROOT / CACHE)],
        cwd=tmp_path,
        env={**os.environ, **other},
        check=True,
    )

    assert zips["upload"].path.read_bytes() == (tmp_path / "out" / "upload.zip").read_bytes()
