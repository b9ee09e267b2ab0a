"""The check of the access key."""

from pathlib import Path

import pytest

from ops.checks.credentials import find_access_key, shortened
from tests.fakes import StaticCredentials


@pytest.mark.parametrize(
    ("key", "shown"), [("AKLTabcdefgh1234", "AKLT…1234"), ("AKLTshort", "•••"), ("", "•••")]
)
def test_shortened_key(key: str, shown: str) -> None:
    """Enough of a key is shown to recognise it."""
    assert shown == shortened(key)


def test_key_from_other_places(tmp_path: Path) -> None:
    """A key that is not the environment's is from the SDK's other places."""
    environment = {"VOLCENGINE_ACCESS_KEY": "other"}

    finding = find_access_key(StaticCredentials(), tmp_path / "none", environment)

    assert "temporary" in finding.found
    assert "the SDK's other places" in finding.found
    assert "the-secret-key" not in finding.found
