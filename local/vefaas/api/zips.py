"""The uploaded zips, each under the digest of its bytes, and what is in them."""

import hashlib
import re
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from local.vefaas.api.errors import invalid

MAX_INLINE_BYTES = 15 * 1024 * 1024
MAX_UPLOAD_BYTES = 256 * 1024 * 1024
_PINNED = re.compile(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.!+_-]+)")


class ZipStore:
    """The zips in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def incoming(self) -> IO[bytes]:
        """Return a new file to write a zip to; `keep` or the next `sweep` ends it."""
        return NamedTemporaryFile(dir=self._folder, prefix="incoming-", delete=False)

    def keep(self, incoming: IO[bytes]) -> str:
        """Keep a written file, and return its digest. Raises ApiError if it is not a zip."""
        incoming.close()
        file = Path(incoming.name)
        if not zipfile.is_zipfile(file):
            file.unlink()
            raise invalid("Source", "it is no zip file")
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        file.replace(self._path(digest))
        return digest

    def keep_bytes(self, content: bytes) -> str:
        """Keep a zip, and return its digest. Raises ApiError if it is not a zip."""
        incoming = self.incoming()
        incoming.write(content)
        return self.keep(incoming)

    def unpack(self, digest: str, folder: Path) -> None:
        """Replace `folder` by the content of a zip, whole or not at all."""
        unfinished = folder.with_name(f"{folder.name}.new")
        shutil.rmtree(unfinished, ignore_errors=True)  # left by a process that died
        with zipfile.ZipFile(self._path(digest)) as archive:
            archive.extractall(unfinished)
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)

    def not_vendored(self, digest: str) -> list[str]:
        """Return the lines of the zip's requirements.txt whose packages are not in the zip."""
        with zipfile.ZipFile(self._path(digest)) as archive:
            names = archive.namelist()
            if "requirements.txt" not in names:
                return []
            text = archive.read("requirements.txt").decode(errors="replace")
        vendored = {_canonical(name.split("/")[0]) for name in names if ".dist-info/" in name}
        wanted = [line.split("#")[0].strip() for line in text.splitlines()]
        return [line for line in wanted if line and not _is_vendored(line, vendored)]

    def sweep(self, needed: Iterable[str]) -> None:
        """Remove every zip but the needed ones, and unfinished files."""
        keep = {self._path(digest) for digest in needed}
        for file in self._folder.iterdir():
            if file not in keep:
                file.unlink()

    def _path(self, digest: str) -> Path:
        return self._folder / f"{digest}.zip"


def _is_vendored(requirement: str, vendored: set[str]) -> bool:
    pinned = _PINNED.fullmatch(requirement)
    return pinned is not None and _canonical(f"{pinned[1]}-{pinned[2]}.dist-info") in vendored


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
