"""Every protection, taken away alone, makes a test fail; a protection without a test is none."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.mutation.mutants import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
TESTS = sorted({mutant.tests for mutant in MUTANTS})
# What the tests above are made of: this, and what lies beside them.
PARTS = ("pyproject.toml", "shared", "functions", "tests/__init__.py", "tests/conftest.py",
         "tests/fakes.py", "tests/inbox.py")  # fmt: skip


def folder(test: str) -> Path:
    return (ROOT / test.partition("::")[0]).parent


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy as much of the project as the tests need."""
    beside = {path for test in TESTS for path in folder(test).glob("*.py")}
    for part in [*PARTS, *(str(path.relative_to(ROOT)) for path in beside)]:
        target = tmp_path / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, target)
    return tmp_path


def run(copy: Path, tests: Iterable[str]) -> subprocess.CompletedProcess[str]:
    """Run tests of the copy up to the first that fails."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "PYTHON"))}
    # Looking for plugins takes as long as most of these runs.
    environment |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "--tb=short", "-p", "no:cacheprovider",
         *tests],
        cwd=copy, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_with_every_protection_in_place_all_tests_pass(copy: Path) -> None:
    done = run(copy, TESTS)

    assert 0 == done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.protection)
def test_a_test_fails_without(mutant: Mutant, copy: Path) -> None:
    file = copy / mutant.file
    text = file.read_text("utf-8")
    assert 1 == text.count(mutant.old), (
        f"What is to be replaced does not stand once in {mutant.file}: bring the mutant "
        f"{mutant.protection!r} in tests/mutation/mutants.py up to date.\n{mutant.old}"
    )
    mutated = text.replace(mutant.old, mutant.new)
    compile(mutated, mutant.file, "exec")
    file.write_text(mutated, "utf-8")

    done = run(copy, [mutant.tests])

    # 1: tests failed. 0: nobody noticed. 2 and above: they could not even be collected.
    assert 1 == done.returncode, done.stdout + done.stderr
    assert "1 failed" in done.stdout, done.stdout
