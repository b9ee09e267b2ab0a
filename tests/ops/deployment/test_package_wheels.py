"""Getting wheels, keeping them, and which of them the runtime needs."""

import sys
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest

from ops.deployment.package.needed import needed
from ops.deployment.package.target import Target
from ops.deployment.package.wheels import Wheel, fetch, run_pip
from ops.ui.output import Exit, Refused
from tests.ops.deployment.packing import FakePip, project, wheel

PYTHON_312 = Target(12)


def names(wheels: list[Wheel]) -> list[str]:
    return [str(found.name) for found in wheels]


def wheels_of(root: Path, target: Target = PYTHON_312) -> list[str]:
    """Return the names of what would be packed of the wheels in `root/published`."""
    pip = FakePip(root / "published")
    return names(needed(root, fetch(root, target, root / "cache", pip), target))


def test_pip_is_asked_for_wheels_that_run_on_the_platform(tmp_path: Path) -> None:
    root = project(tmp_path)
    wheel(tmp_path / "published", "one")
    pip = FakePip(tmp_path / "published")

    fetch(root, PYTHON_312, tmp_path / "cache", pip)

    (asked,) = pip.calls
    assert {
        "--only-binary=:all:",
        "--platform=manylinux2014_x86_64",
        "--python-version=3.12",
        "--implementation=cp",
        "--abi=cp312",
        "--abi=abi3",
        "--abi=none",
        f"--requirement={root / 'requirements.txt'}",
        f"--constraint={root / 'constraints.txt'}",
    } <= set(asked)


def test_what_was_got_once_is_not_asked_for_again(tmp_path: Path) -> None:
    root = project(tmp_path)
    wheel(tmp_path / "published", "one")
    pip = FakePip(tmp_path / "published")

    first = fetch(root, PYTHON_312, tmp_path / "cache", pip)
    again = fetch(root, PYTHON_312, tmp_path / "cache", pip)

    assert (["one"], first) == (names(first), again)
    assert 1 == len(pip.calls)


def test_other_pins_or_another_runtime_are_asked_for(tmp_path: Path) -> None:
    root = project(tmp_path)
    wheel(tmp_path / "published", "one")
    pip = FakePip(tmp_path / "published")
    fetch(root, PYTHON_312, tmp_path / "cache", pip)
    fetch(root, Target(13), tmp_path / "cache", pip)
    project(root, constraints="one==1.0\ntwo==2.0")

    fetch(root, PYTHON_312, tmp_path / "cache", pip)

    assert 3 == len(pip.calls)


@pytest.mark.parametrize("damage", [b"", b"not what was published"])
def test_a_kept_wheel_that_changed_is_got_again(tmp_path: Path, damage: bytes) -> None:
    root = project(tmp_path)
    published = wheel(tmp_path / "published", "one").read_bytes()
    pip = FakePip(tmp_path / "published")
    (kept,) = fetch(root, PYTHON_312, tmp_path / "cache", pip)
    kept.path.write_bytes(damage)

    (found,) = fetch(root, PYTHON_312, tmp_path / "cache", pip)

    assert published == found.path.read_bytes()
    assert 2 == len(pip.calls)


def test_what_was_got_in_part_is_not_kept(tmp_path: Path) -> None:
    root = project(tmp_path)
    wheel(tmp_path / "published", "one")
    whole = FakePip(tmp_path / "published")

    def interrupted(arguments: Sequence[str]) -> None:
        whole(arguments)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(root, PYTHON_312, tmp_path / "cache", interrupted)

    assert [] == list((tmp_path / "cache").iterdir())


def test_of_two_builds_at_once_both_get_the_wheels(tmp_path: Path) -> None:
    root = project(tmp_path)
    wheel(tmp_path / "published", "one")
    pip = FakePip(tmp_path / "published")

    def slower(arguments: Sequence[str]) -> None:
        fetch(root, PYTHON_312, tmp_path / "cache", pip)
        pip(arguments)

    assert ["one"] == names(fetch(root, PYTHON_312, tmp_path / "cache", slower))


def test_where_pip_leaves_nothing_that_is_told_and_tried_again(tmp_path: Path) -> None:
    root = project(tmp_path)
    (tmp_path / "published").mkdir()
    pip = FakePip(tmp_path / "published")
    with pytest.raises(Refused, match="pip left no wheels"):
        fetch(root, PYTHON_312, tmp_path / "cache", pip)
    wheel(tmp_path / "published", "one")

    assert ["one"] == names(fetch(root, PYTHON_312, tmp_path / "cache", pip))


@pytest.mark.parametrize("name", ["requirements.txt", "constraints.txt"])
def test_a_project_without_requirements_or_constraints_is_told(tmp_path: Path, name: str) -> None:
    (project(tmp_path) / name).unlink()

    with pytest.raises(Refused, match=rf"{name} is missing"):
        fetch(tmp_path, PYTHON_312, tmp_path / "cache", FakePip(tmp_path))


def test_a_python_without_pip_is_told_how_to_get_it(tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    python = str(tmp_path / "bare" / "bin" / "python")

    with pytest.raises(Refused, match=r"-m ensurepip") as refused:
        run_pip(["download", "one"], python=python, environment={})

    assert Exit.WRONG == refused.value.code


def test_what_pip_could_not_do_is_told(tmp_path: Path) -> None:
    alone = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": "/dev/null", "HOME": str(tmp_path)}

    with pytest.raises(Refused, match=r"No matching distribution found for one==1\.0") as refused:
        run_pip(["download", f"--dest={tmp_path}", "one==1.0"], environment=alone)

    assert Exit.NEEDS_YOU == refused.value.code
    assert f"{sys.executable} -m pip config list" in str(refused.value)


def test_an_indexs_password_is_not_told(tmp_path: Path) -> None:
    talkative = tmp_path / "python"
    said = "ERROR: https://user:hunter2@index.example/simple is not there"
    talkative.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n", "utf-8")
    talkative.chmod(0o755)

    with pytest.raises(Refused, match=r"index\.example/simple is not there") as refused:
        run_pip(["download"], python=str(talkative))

    assert "hunter2" not in str(refused.value)


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

    assert ["newer", "one", "two"] == wheels_of(root)


def test_what_an_extra_brings_is_packed(tmp_path: Path) -> None:
    root = project(
        tmp_path, requirements="one[More]==1.0", constraints="one==1.0\ntwo==1.0\nthree==1.0"
    )
    wheel(tmp_path / "published", "one", requires=["two; extra == 'more'", "three"])
    wheel(tmp_path / "published", "two")
    wheel(tmp_path / "published", "three", requires=["one"])

    assert ["one", "three", "two"] == wheels_of(root)


@pytest.mark.parametrize("got", [None, "2.0"])
def test_what_pip_left_out_because_this_system_needs_none_is_told(
    tmp_path: Path, got: str | None
) -> None:
    root = project(tmp_path)
    wheel(tmp_path / "published", "one", requires=["two<2; sys_platform == 'linux'"])
    if got:
        wheel(tmp_path / "published", "two", got)

    with pytest.raises(Refused, match=r"^one-1\.0-py3-none-any\.whl needs two<2.* pinned\.$"):
        wheels_of(root)


def test_a_package_that_is_not_pinned_is_told(tmp_path: Path) -> None:
    root = project(tmp_path, requirements="one", constraints="one>=0.9\ntwo==1.0")
    wheel(tmp_path / "published", "one", requires=["two"])
    wheel(tmp_path / "published", "two")

    with pytest.raises(Refused, match=r"^one==1\.0 came along and is not pinned"):
        wheels_of(root)


def test_a_line_that_is_no_package_is_told_with_its_number(tmp_path: Path) -> None:
    root = project(tmp_path, requirements="one==1.0  # why\n-r more.txt")
    wheel(tmp_path / "published", "one")

    with pytest.raises(Refused, match=r"^requirements\.txt:2: '-r more\.txt' cannot be packed"):
        wheels_of(root)
