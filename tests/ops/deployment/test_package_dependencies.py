"""The functions' packages: locked, installed for the runtime, and kept."""

import hashlib
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest

from ops.deployment.package.archive import Files
from ops.deployment.package.dependencies import LOCK, PLATFORM, install, run_uv
from ops.ui.output import Exit, Refused
from tests.ops.deployment.packing import FolderUv, pip_finds, project, wheel, write

VERSION = "3.12"


def installed(root: Path, uv: FolderUv | None = None, version: str = VERSION) -> Files:
    """Return the used files of what is installed from the wheels in `root/published`."""
    return install(root, version, root / "cache", uv or FolderUv(root / "published"))[0]


def modules(files: Files) -> list[str]:
    return sorted(name for name in files if name.endswith(".py"))


def test_what_is_needed_is_locked_with_hashes_and_installed(tmp_path: Path) -> None:
    root = project(tmp_path)
    published = wheel(tmp_path / "published", "one", requires=["two"])
    wheel(tmp_path / "published", "two", "1.5")
    wheel(tmp_path / "published", "other")

    files, wheels = install(root, VERSION, root / "cache", FolderUv(root / "published"))

    sha256 = hashlib.sha256(published.read_bytes()).hexdigest()
    lock = (root / LOCK).read_text("utf-8")
    assert f"one==1.0 \\\n    --hash=sha256:{sha256}\n" in lock
    assert "two==1.5 \\\n" in lock
    assert ["one.py", "two.py"] == modules(files)
    assert sha256 == wheels[published.name]
    assert {"one-1.0-py3-none-any.whl", "two-1.5-py3-none-any.whl"} == wheels.keys()


def test_a_lock_is_what_is_installed(tmp_path: Path) -> None:
    root = project(tmp_path, requirements="one", constraints="")
    wheel(tmp_path / "published", "one", "1.0")
    installed(root)
    wheel(tmp_path / "published", "one", "2.0")

    files, wheels = install(root, VERSION, root / "another", FolderUv(root / "published"))

    assert {"one-1.0-py3-none-any.whl"} == wheels.keys()
    assert "one-1.0.dist-info/METADATA" in files


def test_another_wheel_than_the_locked_one_is_refused(tmp_path: Path) -> None:
    root = project(tmp_path)
    wheel(tmp_path / "published", "one")
    installed(root)
    wheel(tmp_path / "published", "one", files={"one.py": b"import os\n"})

    with pytest.raises(Refused, match="uv could not get the packages") as refused:
        install(root, VERSION, root / "another", FolderUv(root / "published"))

    assert Exit.NEEDS_YOU == refused.value.code


@pytest.mark.parametrize(
    ("requirements", "told"),
    [
        ("one==2.0", "delete requirements.lock"),  # conflicts with the lock
        ("one==1.0\ntwo==1.0", "differ in two==1.0. Delete requirements.lock"),
        ("two==1.0", "differ in one==1.0, two==1.0. Delete requirements.lock"),
    ],
)
def test_requirements_that_changed_after_the_lock_are_told(
    tmp_path: Path, requirements: str, told: str
) -> None:
    root = project(tmp_path)
    for name, version in (("one", "1.0"), ("one", "2.0"), ("two", "1.0")):
        wheel(tmp_path / "published", name, version)
    installed(root)
    write(root, {"requirements.txt": requirements, "constraints.txt": ""})

    with pytest.raises(Refused) as refused:
        installed(root)

    assert told in str(refused.value)


def test_wheels_are_picked_for_the_platform(tmp_path: Path) -> None:
    root = project(tmp_path)
    wheel(tmp_path / "published", "one")
    uv = FolderUv(tmp_path / "published")

    installed(root, uv)

    assert 3 == len(uv.calls)
    for arguments in uv.calls:
        assert {
            "--only-binary=:all:",
            "--python-version=3.12",
            f"--python-platform={PLATFORM}",
        } <= set(arguments)
    assert "--require-hashes" in uv.calls[-1]


def test_what_was_installed_once_is_not_installed_again(tmp_path: Path) -> None:
    root = project(tmp_path)
    wheel(tmp_path / "published", "one")
    uv = FolderUv(tmp_path / "published")

    first = installed(root, uv)
    calls = len(uv.calls)

    assert first == installed(root, uv)
    assert calls == len(uv.calls)


def test_other_pins_or_another_runtime_are_installed_anew(tmp_path: Path) -> None:
    root = project(tmp_path)
    wheel(tmp_path / "published", "one")
    uv = FolderUv(tmp_path / "published")
    calls = []
    for version, constraints in (("3.12", ""), ("3.13", ""), ("3.12", "two==2.0")):
        write(root, {"constraints.txt": constraints})
        installed(root, uv, version)
        calls.append(len(uv.calls))

    assert calls == sorted(set(calls))


@pytest.mark.parametrize("damage", [b"", b"not what was kept"])
def test_a_kept_file_that_was_damaged_is_written_again(tmp_path: Path, damage: bytes) -> None:
    root = project(tmp_path)
    wheel(tmp_path / "published", "one")
    first = installed(root)
    (kept,) = (tmp_path / "cache").iterdir()
    whole = kept.read_bytes()
    middle = len(whole) // 2
    kept.write_bytes(damage and whole[:middle] + damage + whole[middle + len(damage) :])

    assert first == installed(root)
    assert whole == kept.read_bytes()


def test_what_was_installed_in_part_is_not_kept(tmp_path: Path) -> None:
    root = project(tmp_path)
    wheel(tmp_path / "published", "one")
    complete = FolderUv(tmp_path / "published")

    def interrupted(arguments: Sequence[str]) -> str:
        complete(arguments)
        if "install" in arguments:
            raise KeyboardInterrupt
        return complete(arguments)

    with pytest.raises(KeyboardInterrupt):
        install(root, VERSION, tmp_path / "cache", interrupted)

    assert not (tmp_path / "cache").exists()


def test_two_packages_with_the_same_file_are_refused(tmp_path: Path) -> None:
    root = project(tmp_path, requirements="one\ntwo", constraints="")
    wheel(tmp_path / "published", "one")
    wheel(tmp_path / "published", "two", files={"one.py": b"VALUE = 2\n"})

    with pytest.raises(Refused, match=r"one\.py would be in the zip twice: from (one|two)-1\.0"):
        installed(root)


@pytest.mark.parametrize("name", ["requirements.txt", "constraints.txt"])
def test_a_project_without_requirements_or_constraints_is_told(tmp_path: Path, name: str) -> None:
    (project(tmp_path) / name).unlink()

    with pytest.raises(Refused, match=rf"{name} is missing"):
        installed(tmp_path)


def test_a_python_without_uv_is_told_how_to_get_it(tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    python = str(tmp_path / "bare" / "bin" / "python")

    with pytest.raises(Refused, match="has no uv") as refused:
        run_uv(["pip", "compile", "requirements.txt"], python=python, environment={})

    assert Exit.WRONG == refused.value.code


def test_what_uv_could_not_do_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    alone = {**pip_finds(tmp_path / "empty"), "HOME": str(tmp_path)}

    with pytest.raises(Refused, match=r"you require one==1\.0") as refused:
        run_uv(
            ["pip", "install", f"--target={tmp_path}", f"--python={sys.executable}", "one==1.0"],
            environment=alone,
        )

    assert Exit.NEEDS_YOU == refused.value.code
    assert f"{sys.executable} -m pip config list" in str(refused.value)


def fake_python(path: Path, pip: str, uv: str) -> str:
    """Write a Python whose pip and uv are these shell commands."""
    text = f'#!/bin/sh\ncase "$2" in\npip) {pip} ;;\nuv) {uv} ;;\nesac\n'
    path.write_text(text, "utf-8")
    path.chmod(0o755)
    return str(path)


def test_an_indexs_password_is_not_told(tmp_path: Path) -> None:
    said = "error: https://user:hunter2@index.example/simple is not there"
    talkative = fake_python(tmp_path / "python", "true", f"echo '{said}' >&2; exit 1")

    with pytest.raises(Refused, match=r"index\.example/simple is not there") as refused:
        run_uv(["pip"], python=talkative)

    assert "hunter2" not in str(refused.value)


def test_the_index_that_pip_is_configured_with_is_used(tmp_path: Path) -> None:
    (tmp_path / "pip").write_text("""
:env:.index-url='https://variable.example/simple'
global.cert='/certificates.pem'
global.extra-index-url='\\nhttps://a.example/simple\\nfile:///b/simple'
global.find-links='/wheels /more'
global.index-url='https://file.example/simple'
global.timeout='60'
install.no-index='0'
""")
    python = fake_python(tmp_path / "python", f"cat {tmp_path}/pip", 'env; echo "arguments: $*"')

    printed = run_uv(["pip"], python=python, environment={"UV_HTTP_TIMEOUT": "5"}).splitlines()

    assert {
        "UV_DEFAULT_INDEX=https://variable.example/simple",
        "UV_INDEX=https://a.example/simple file:///b/simple",
        "UV_FIND_LINKS=/wheels,/more",
        "SSL_CERT_FILE=/certificates.pem",
        "UV_HTTP_TIMEOUT=5",
        "arguments: -m uv pip",
    } <= set(printed)


def test_an_index_that_pip_may_not_use_is_not_used(tmp_path: Path) -> None:
    python = fake_python(tmp_path / "python", "echo \"global.no-index='1'\"", 'echo "$*"')

    assert "-m uv pip --no-index\n" == run_uv(["pip"], python=python, environment={})


def test_conditions_are_held_against_the_runtime_and_not_this_system(tmp_path: Path) -> None:
    root = project(
        tmp_path,
        requirements="one==1.0\nolder==1.0; python_version < '3.12'\nnewer; os_name == 'posix'",
        constraints="one==1.0\ntwo==1.0\nnewer==1.0",
    )
    wheel(
        tmp_path / "published",
        "one",
        requires=["two", "colorama; platform_system == 'Windows'", "extra-thing; extra == 'more'"],
    )
    for name in ("two", "colorama", "older", "newer", "extra_thing"):
        wheel(tmp_path / "published", name)

    assert ["newer.py", "one.py", "two.py"] == modules(installed(root))


def test_what_an_extra_brings_is_packed(tmp_path: Path) -> None:
    root = project(
        tmp_path, requirements="one[More]==1.0", constraints="one==1.0\ntwo==1.0\nthree==1.0"
    )
    wheel(tmp_path / "published", "one", requires=["two; extra == 'more'", "three"])
    wheel(tmp_path / "published", "two")
    wheel(tmp_path / "published", "three", requires=["one"])

    assert ["one.py", "three.py", "two.py"] == modules(installed(root))


def test_what_is_not_published_for_the_runtime_is_told(tmp_path: Path) -> None:
    root = project(tmp_path)
    wheel(tmp_path / "published", "one", requires=["two<2; sys_platform == 'linux'"])
    wheel(tmp_path / "published", "two", "2.0")

    with pytest.raises(Refused, match=r"two"):
        installed(root)


def test_a_line_that_is_no_package_is_told(tmp_path: Path) -> None:
    root = project(tmp_path, requirements="one==1.0  # why\none == ")
    wheel(tmp_path / "published", "one")

    with pytest.raises(Refused, match=r"parse requirement in\s"):
        installed(root)
