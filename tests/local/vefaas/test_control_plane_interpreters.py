"""Which interpreter runs a function's code."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from local.vefaas.api.interpreters import NoInterpreterError, choose, compiled_tags

RUNTIME = "python3.12/v1"
Make = Callable[..., str]


@pytest.fixture
def python(tmp_path: Path) -> Make:
    """Make a program that says of itself what an interpreter would."""

    def make(name: str, said: str = "", status: int = 0) -> str:
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho '{said}'\nexit {status}\n")
        program.chmod(0o700)
        return str(program)

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "code" / "paint").mkdir(parents=True)
    return tmp_path / "code"


def test_code_that_is_not_compiled_runs_with_any(folder: Path, python: Make) -> None:
    given = python("given", '[[3, 13], [".cpython-313-x.so", ".abi3.so", ".so"]]')

    assert given == choose(RUNTIME, folder, {RUNTIME: given})


def test_compiled_code_runs_with_an_interpreter_that_loads_it(folder: Path, python: Make) -> None:
    given = python("given", '[[3, 12], [".cpython-312-x.so", ".abi3.so", ".so"]]')
    (folder / "paint" / "brush.cpython-312-x.so").touch()
    (folder / "paint" / "colour.abi3.so").touch()
    (folder / "paint" / "libpaint.so").touch()

    assert frozenset({"cpython-312-x", "abi3"}) == compiled_tags(folder)
    assert given == choose(RUNTIME, folder, {RUNTIME: given})


def test_an_interpreter_of_pyenv_is_found(folder: Path, tmp_path: Path, python: Make) -> None:
    (tmp_path / "versions" / "3.12.4" / "bin").mkdir(parents=True)
    there = python(
        "versions/3.12.4/bin/python3.12", '[[3, 12], [".cpython-312-x.so", ".abi3.so", ".so"]]'
    )
    (folder / "paint" / "brush.cpython-312-x.so").touch()

    assert there == choose(RUNTIME, folder, {}, {"PYENV_ROOT": str(tmp_path)})


def test_compiled_code_that_it_does_not_load_is_named_with_what_is_there(
    folder: Path, python: Make
) -> None:
    given = python("given", '[[3, 12], [".cpython-312-x.so", ".so"]]')
    (folder / "paint" / "brush.cpython-39-x.so").touch()

    with pytest.raises(NoInterpreterError) as caught:
        choose(RUNTIME, folder, {RUNTIME: given})

    assert "compiled for cpython-39-x" in str(caught.value)
    assert f"{given} of 3.12" in str(caught.value)


@pytest.mark.parametrize(
    ("said", "status"),
    [("not installed", 127), ("nonsense", 0), ('[[3, 10], [".cpython-310-x.so"]]', 0)],
)
def test_what_is_no_interpreter_or_too_old_is_none(
    folder: Path, python: Make, said: str, status: int
) -> None:
    given = python("given", said, status)

    with pytest.raises(NoInterpreterError, match=r"is no Python of this machine"):
        choose(RUNTIME, folder, {RUNTIME: given})


def test_without_one_of_the_runtimes_version_this_one_does(folder: Path) -> None:
    assert sys.executable == choose("python3.99/v1", folder, {})
