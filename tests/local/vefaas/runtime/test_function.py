"""What can be deployed as a function."""

from pathlib import Path
from typing import Any

import pytest

from local.vefaas.runtime import FunctionSpec
from tests.local.vefaas.runtime.conftest import Write


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"name": "a b"}, "use 4 to 64 letters"),
        ({"timeout_seconds": 901}, "not above 900"),
        ({"max_concurrency": 0}, "between 1 and 1000"),
        ({"instances": 0}, "1 or more"),
    ],
)
def test_invalid_spec(function: Write, wrong: dict[str, Any], expected: str) -> None:
    """Values that the platform refuses are refused."""
    with pytest.raises(ValueError, match=expected):
        function("", **wrong)


def test_no_index(tmp_path: Path) -> None:
    """A folder without index.py is refused."""
    with pytest.raises(FileNotFoundError, match=r"holds no index\.py"):
        FunctionSpec("paint", tmp_path)
