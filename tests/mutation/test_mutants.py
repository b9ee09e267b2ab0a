"""Each protection, removed alone, makes a test fail."""

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
# What the tests above need, beside the modules of their folders and of those above.
PARTS = ("pyproject.toml", "shared", "functions")


def modules_of(test: str) -> set[Path]:
    """Return the modules in a test's folder and in those above it."""
    folders = Path(test.partition("::")[0]).parents[:-1]
    return {path for folder in folders for path in (ROOT / folder).glob("*.py")}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy as much of the project as the tests need."""
    modules = {path for test in TESTS for path in modules_of(test)}
    for part in [*PARTS, *(str(path.relative_to(ROOT)) for path in modules)]:
        target = tmp_path / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, target)
    return tmp_path


def run(
    copy: Path, tests: Iterable[str], *, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run tests of the copy until one fails, for `timeout` seconds at most: a mutant may hang."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "PYTHON"))}
    # Discovering plugins takes as long as most of these runs.
    environment |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "--tb=short", "-p", "no:cacheprovider",
         *tests],
        cwd=copy, env=environment, capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip


def test_all_protections(copy: Path) -> None:
    """All tests pass with every protection in place."""
    done = run(copy, TESTS, timeout=600)

    assert 0 == done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.protection)
def test_protection_removed(mutant: Mutant, copy: Path) -> None:
    """A test fails without the protection."""
    file = copy / mutant.file
    text = file.read_text("utf-8")
    assert 1 == text.count(mutant.old), (
        f"The text to replace is not exactly once in {mutant.file}: update the mutant "
        f"{mutant.protection!r} in tests/mutation/mutants.py.\n{mutant.old}"
    )
    mutated = text.replace(mutant.old, mutant.new)
    compile(mutated, mutant.file, "exec")
    file.write_text(mutated, "utf-8")

    done = run(copy, [mutant.tests])

    # 1: tests failed. 0: none did. 2 and above: they could not be collected.
    assert 1 == done.returncode, done.stdout + done.stderr
    assert "1 failed" in done.stdout, done.stdout
