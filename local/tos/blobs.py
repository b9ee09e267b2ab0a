"""The contents of objects: one file each, written once and never changed.

```
incoming/<name>        being written; of no meaning to anyone but its writer
blobs/<xx>/<name>      complete; whether an object has it as its content says the index
```

Where the process dies, a file may be left that no row of the index names: it wastes space and
nothing else. `sweep` removes it at a later start.
"""

import contextlib
import hashlib
import secrets
import time
from collections.abc import Container
from pathlib import Path
from typing import BinaryIO

from fastcrc import crc64

# Written to the disk, and digested, in pieces of this many bytes.
PIECE = 1 << 20
# Younger files may belong to a request in progress, even to one of another process.
_SWEEP_AFTER_SECONDS = 3600


class Incoming:
    """A body on its way to the disk, digested as it passes.

    `add` only remembers; `flush` writes, and may take a while. Used by one request, so by one
    thread at a time.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.path = path
        self.size = 0
        self.crc = 0
        self._file: BinaryIO | None = None
        self._buffer = bytearray()
        # MD5 is what an ETag is; it protects nothing here.
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256()

    @property
    def full(self) -> bool:
        """Whether enough is waiting for `flush` to be worth it."""
        return len(self._buffer) >= PIECE

    @property
    def md5(self) -> bytes:
        """The MD5 digest of what was flushed."""
        return self._md5.digest()

    @property
    def sha256(self) -> str:
        """The SHA-256 of what was flushed, in hexadecimal."""
        return self._sha256.hexdigest()

    def add(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        self._buffer += chunk
        self.size += len(chunk)

    def flush(self) -> None:
        """Write what is waiting."""
        if self._file is None:
            self._file = self.path.open("xb")
        data = bytes(self._buffer)
        self._buffer.clear()
        self._file.write(data)
        self._md5.update(data)
        self._sha256.update(data)
        self.crc = crc64.xz(data, self.crc)  # the CRC-64 that TOS and its SDK compute

    def close(self) -> None:
        """Write the rest and close the file; nothing happens where that has been done."""
        if self._file is None or not self._file.closed:
            self.flush()
        if self._file is not None:
            self._file.close()

    def discard(self) -> None:
        """Remove what was written; nothing happens where the content has been kept."""
        if self._file is not None:
            self._file.close()
            self.path.unlink(missing_ok=True)


class Blobs:
    """The folder that holds every object's content."""

    def __init__(self, folder: Path) -> None:
        self._incoming = folder / "incoming"
        self._blobs = folder / "blobs"
        self._incoming.mkdir(parents=True, exist_ok=True)
        for shard in range(256):
            (self._blobs / f"{shard:02x}").mkdir(parents=True, exist_ok=True)

    def incoming(self) -> Incoming:
        """Return a place for a new body."""
        return Incoming(self._incoming / secrets.token_hex(16))

    def keep(self, incoming: Incoming) -> str:
        """Make a finished body a blob, and return the blob's name."""
        incoming.close()
        incoming.path.replace(self.path(incoming.name))
        return incoming.name

    def path(self, name: str) -> Path:
        """Return where a blob's file is."""
        return self._blobs / name[:2] / name

    def remove(self, name: str) -> None:
        """Remove a blob; one that is being read is left to `sweep` where the system insists."""
        with contextlib.suppress(OSError):
            self.path(name).unlink()

    def sweep(self, known: Container[str]) -> None:
        """Remove files that a process left when it died: old ones that are not `known`."""
        # Files carry the time of the system's clock, whatever clock the store was given.
        before = time.time() - _SWEEP_AFTER_SECONDS
        for path in (*self._incoming.iterdir(), *self._blobs.glob("*/*")):
            if path.name in known:
                continue
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < before:
                    path.unlink()
