"""The zips that were uploaded, each under the digest of its bytes, and what is in them."""

import hashlib
import re
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

MAX_INLINE_BYTES = 15 * 1024 * 1024
MAX_UPLOAD_BYTES = 256 * 1024 * 1024
_PINNED = re.compile(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.!+_-]+)")


class NoZipError(Exception):
    """What was uploaded is no zip."""


class Codes:
    """The zips in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def incoming(self) -> IO[bytes]:
        """Return a new file to write a zip to; `keep` or the next `sweep` ends it."""
        return NamedTemporaryFile(dir=self._folder, prefix="incoming-", delete=False)

    def keep(self, incoming: IO[bytes]) -> str:
        """Keep what was written to a file, and return its digest. Raises NoZipError."""
        incoming.close()
        file = Path(incoming.name)
        if not zipfile.is_zipfile(file):
            file.unlink()
            raise NoZipError
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        file.replace(self.path(digest))
        return digest

    def keep_bytes(self, content: bytes) -> str:
        """Keep a zip, and return its digest. Raises NoZipError."""
        incoming = self.incoming()
        incoming.write(content)
        return self.keep(incoming)

    def path(self, digest: str) -> Path:
        """Return where a zip is."""
        return self._folder / f"{digest}.zip"

    def size(self, digest: str) -> int:
        """Return how many bytes a zip has."""
        return self.path(digest).stat().st_size

    def unpack(self, digest: str, folder: Path) -> None:
        """Make `folder` anew with what is in a zip, whole or not at all."""
        unfinished = folder.with_name(f"{folder.name}.new")
        shutil.rmtree(unfinished, ignore_errors=True)  # left by a process that died
        with zipfile.ZipFile(self.path(digest)) as archive:
            archive.extractall(unfinished)
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)

    def not_vendored(self, digest: str) -> list[str]:
        """Return the lines of the zip's requirements.txt whose packages are not in the zip."""
        with zipfile.ZipFile(self.path(digest)) as archive:
            names = archive.namelist()
            if "requirements.txt" not in names:
                return []
            text = archive.read("requirements.txt").decode(errors="replace")
        there = {_canonical(name.split("/")[0]) for name in names if ".dist-info/" in name}
        wanted = [line.split("#")[0].strip() for line in text.splitlines()]
        return [line for line in wanted if line and not _is_there(line, there)]

    def sweep(self, needed: Iterable[str]) -> None:
        """Remove the zips that nobody needs any more, and what was never finished."""
        keep = {self.path(digest) for digest in needed}
        for file in self._folder.iterdir():
            if file not in keep:
                file.unlink()


def _is_there(requirement: str, there: set[str]) -> bool:
    pinned = _PINNED.fullmatch(requirement)
    return pinned is not None and _canonical(f"{pinned[1]}-{pinned[2]}.dist-info") in there


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
