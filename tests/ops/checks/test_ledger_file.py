"""The checks of a ledger in a file."""

from pathlib import Path

import pytest

from ops.checks.check import CheckState
from ops.checks.ledger_file import LedgerFile
from shared.ledger.sqlite import SqliteLedger


def test_existing_file(tmp_path: Path) -> None:
    """A file that exists stays as it is."""
    path = tmp_path / "ledger.sqlite"
    SqliteLedger(path).close()

    finding = LedgerFile(path).writable()

    assert CheckState.OK is finding.state
    assert "exists and can be written" in finding.found
    assert [path] == list(tmp_path.iterdir())


def test_no_database(tmp_path: Path) -> None:
    """A file that is no database is wrong."""
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"This is no database, whatever its name says." * 50)

    finding = LedgerFile(path).writable()

    assert CheckState.WRONG is finding.state
    assert "not a database" in finding.found


def test_missing_folder(tmp_path: Path) -> None:
    """A folder that does not exist yet can be created."""
    finding = LedgerFile(tmp_path / "a" / "b" / "ledger.sqlite").writable()

    assert CheckState.OK is finding.state
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("path", "state"),
    [
        ("/srv/data/ledger.sqlite", CheckState.OK),
        ("/srv/shared/ledger.sqlite", CheckState.WRONG),
        ("/srv/shared-not/ledger.sqlite", CheckState.OK),
        ("/tmp/ledger.sqlite", CheckState.WARNING),
    ],
)
def test_unsafe_place(tmp_path: Path, path: str, state: CheckState) -> None:
    """A network file system is wrong, a folder that is emptied doubtful."""
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/sda / ext4 rw 0 0\nserver:/x /srv/shared nfs4 rw 0 0\n")

    assert state is LedgerFile(Path(path), mounts).place().state


def test_unreadable_mounts(tmp_path: Path) -> None:
    """If the mounts cannot be read, the place is taken for a local one."""
    assert CheckState.OK is LedgerFile(Path("/srv/x.sqlite"), tmp_path / "none").place().state
