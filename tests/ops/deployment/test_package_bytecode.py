"""Compiled files, and who compiles them."""

import importlib.util
import marshal
import sys
from pathlib import Path
from types import CodeType

import pytest

from ops.deployment.package.bytecode import Interpreter, compiled, find_interpreter
from ops.ui.output import Refused

THIS = f"3.{sys.version_info.minor}"
TAG = f"cpython-3{sys.version_info.minor}"
FILES = {"index.py": b"import a.b\n", "a/__init__.py": b"", "a/b.py": b"x = 1\n", "a.json": b"{}"}


def this() -> Interpreter:
    found = find_interpreter(THIS)
    assert found is not None
    return found


def fake(path: Path, said: str, code: int = 0) -> Path:
    """Write what looks like an interpreter and says `said` of itself."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{said}'\nexit {code}\n", "utf-8")
    path.chmod(0o755)
    return path


def test_this_python_compiles_for_a_runtime_of_its_own_version() -> None:
    assert Interpreter(sys.executable, sys.version.split()[0]) == this()


def test_one_on_the_path_is_found_behind_those_that_only_have_the_name(tmp_path: Path) -> None:
    fake(tmp_path / "shims" / "python3.99", "which version?", 127)
    fake(tmp_path / "early" / "python3.99", "cpython-399 candidate 3.99.0rc1")
    fake(tmp_path / "other" / "python3.99", "pypy399 final 3.99.0")
    good = fake(tmp_path / "good" / "python3.99", "cpython-399 final 3.99.1")
    path = ":".join(str(tmp_path / name) for name in ("none", "shims", "early", "other", "good"))

    found = find_interpreter("3.99", environment={"PATH": path})

    assert Interpreter(str(good), "3.99.1") == found


@pytest.mark.parametrize(("variable", "place"), [("PYENV_ROOT", "."), ("HOME", ".pyenv")])
def test_one_of_pyenvs_is_found(tmp_path: Path, variable: str, place: str) -> None:
    pyenv = tmp_path / place
    good = fake(pyenv / "versions/3.99.1/bin/python3.99", "cpython-399 final 3.99.1")

    found = find_interpreter("3.99", environment={variable: str(tmp_path)})

    assert Interpreter(str(good), "3.99.1") == found


def test_where_none_is_at_hand_none_is_found(tmp_path: Path) -> None:
    assert None is find_interpreter("3.99", environment={"HOME": str(tmp_path)})


def test_the_one_that_is_asked_for_has_to_fit(tmp_path: Path) -> None:
    other = fake(tmp_path / "python", "cpython-398 final 3.98.0")

    for asked in (other, tmp_path / "none"):
        with pytest.raises(Refused, match=rf"{asked} is not a python3\.99"):
            find_interpreter("3.99", str(asked))


def test_every_module_is_compiled_to_be_used_unchecked_and_bears_no_place() -> None:
    found = compiled(FILES, this())

    assert {
        f"__pycache__/index.{TAG}.pyc",
        f"a/__pycache__/__init__.{TAG}.pyc",
        f"a/__pycache__/b.{TAG}.pyc",
    } == found.keys()
    content = found[f"a/__pycache__/b.{TAG}.pyc"]
    hash_without_check = (1).to_bytes(4, "little")
    assert importlib.util.MAGIC_NUMBER + hash_without_check == content[:8]
    assert importlib.util.source_hash(FILES["a/b.py"]) == content[8:16]
    loaded = marshal.loads(content[16:])
    assert isinstance(loaded, CodeType)
    assert "a/b.py" == loaded.co_filename


def test_a_module_that_cannot_be_compiled_is_told() -> None:
    with pytest.raises(Refused, match=r"cannot compile[^~]*\"a/b\.py\", line 1[^~]*invalid syntax"):
        compiled({**FILES, "a/b.py": b"x = = 1\n"}, this())
