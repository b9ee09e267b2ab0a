"""Check a ledger in a file: it can be written, and its place supports what SQLite needs."""

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ops.checks.check import Finding, ok, warning, wrong

_MOUNTS = Path("/proc/self/mounts")
_NETWORK = ("nfs", "cifs", "smb", "fuse.", "9p", "afs", "ceph", "gluster", "lustre")
_BUSY_SECONDS = 5.0


class LedgerFile:
    """A ledger's file, which may not exist yet."""

    def __init__(self, path: Path, mounts: Path = _MOUNTS) -> None:
        self._path = path
        self._mounts = mounts

    def writable(self) -> Finding:
        """Try a write-ahead log beside it; if the file exists, take its write lock."""
        folder = self._nearest_folder()
        if not os.access(folder, os.W_OK | os.X_OK):
            return wrong(
                f"{folder} cannot be written to.",
                "Give this user the right to, or name another place in REPAINT_LEDGER.",
            )
        try:
            with _scratch_file(folder) as scratch:
                mode = _try_wal(scratch)
            if self._path.exists():
                self._take_lock()
        except sqlite3.Error as error:
            return wrong(
                f"SQLite cannot work at {self._path}: {error}.",
                "Check that no other program holds the file, and that its folder is on a local "
                "disk with room left.",
            )
        if mode != "wal":
            return wrong(
                f"{folder} does not support SQLite's write-ahead log ({mode}).",
                "Name a place on a local disk in REPAINT_LEDGER.",
            )
        state = "exists and can be written" if self._path.exists() else "can be created"
        return ok(f"{self._path} {state}.")

    def place(self) -> Finding:
        """Check that the place is no network file system and is not emptied."""
        kind = self._file_system()
        if kind.startswith(_NETWORK):
            return wrong(
                f"{self._path} is on a network file system ({kind}), on which SQLite's locks do "
                "not hold.",
                "Name a place on a local disk, or keep the ledger in a bucket: tos://…",
            )
        if self._path.is_relative_to("/tmp"):  # noqa: S108 - compared, not used
            return warning(
                f"{self._path} is below /tmp, which is emptied; in a function, with its instance.",
                "Keep the ledger in a bucket: tos://bucket/prefix/.",
            )
        return ok("For processes of this machine only; functions need tos://bucket/prefix/.")

    def _nearest_folder(self) -> Path:
        return next(folder for folder in self._path.parents if folder.is_dir())

    def _take_lock(self) -> None:
        with closing(sqlite3.connect(self._path, timeout=_BUSY_SECONDS)) as connection:
            connection.isolation_level = None
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")

    def _file_system(self) -> str:
        """Return the type of the path's file system, empty if it is not known."""
        try:
            lines = self._mounts.read_text("utf-8").splitlines()
        except OSError:
            return ""
        mounts = [line.split()[1:3] for line in lines]
        below = [(where, kind) for where, kind in mounts if self._path.is_relative_to(where)]
        return max(below, key=lambda mount: len(mount[0]), default=("", ""))[1]


@contextmanager
def _scratch_file(folder: Path) -> Iterator[Path]:
    path = folder / f".repaint-doctor-{secrets.token_hex(8)}.sqlite"
    try:
        yield path
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)


def _try_wal(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        connection.execute("CREATE TABLE tried (number INTEGER)")
        connection.execute("INSERT INTO tried VALUES (1)")
        connection.commit()
    return str(mode)
