"""The contents of objects: one file each, written once and never changed.

```
incoming/<name>        being written, by one request
blobs/<xx>/<name>      complete; the index has the object that it belongs to, if any
```

A process that dies may leave a file that no row of the index names. It only wastes space, and
`sweep` removes it at a later start.
"""

import contextlib
import hashlib
import secrets
import time
from collections.abc import Container
from pathlib import Path
from typing import BinaryIO

from fastcrc import crc64

# The number of bytes that are written to the disk and digested at once.
PIECE = 1 << 20
# Younger files may belong to a request in progress, even to one of another process.
_SWEEP_AFTER_SECONDS = 3600


class Incoming:
    """A body on its way to the disk, digested as it is written.

    `add` only buffers; `flush` writes, and may take a while. One request uses it, so one thread at
    a time.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.path = path
        self.size = 0
        self.crc = 0
        self._file: BinaryIO | None = None
        self._buffer = bytearray()
        # The ETag is an MD5; it protects nothing here.
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256()

    @property
    def full(self) -> bool:
        """Whether the buffer holds a whole piece."""
        return len(self._buffer) >= PIECE

    @property
    def md5(self) -> bytes:
        """The MD5 digest of the flushed bytes."""
        return self._md5.digest()

    @property
    def sha256(self) -> str:
        """The SHA-256 of the flushed bytes, in hexadecimal."""
        return self._sha256.hexdigest()

    def add(self, chunk: bytes) -> None:
        """Buffer the next bytes of the body."""
        self._buffer += chunk
        self.size += len(chunk)

    def flush(self) -> None:
        """Write the buffer."""
        if self._file is None:
            self._file = self.path.open("xb")
        data = bytes(self._buffer)
        self._buffer.clear()
        self._file.write(data)
        self._md5.update(data)
        self._sha256.update(data)
        self.crc = crc64.xz(data, self.crc)  # the CRC-64 that TOS and its SDK compute

    def close(self) -> None:
        """Write the rest and close the file, once."""
        if self._file is None or not self._file.closed:
            self.flush()
        if self._file is not None:
            self._file.close()

    def discard(self) -> None:
        """Remove the file, unless it has become a blob."""
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
        """Return a new, empty body."""
        return Incoming(self._incoming / secrets.token_hex(16))

    def keep(self, incoming: Incoming) -> str:
        """Turn a whole body into a blob; return the blob's name."""
        incoming.close()
        incoming.path.replace(self.path(incoming.name))
        return incoming.name

    def path(self, name: str) -> Path:
        """Return the path of a blob's file."""
        return self._blobs / name[:2] / name

    def remove(self, name: str) -> None:
        """Remove a blob; `sweep` does so later if the system keeps a file that is being read."""
        with contextlib.suppress(OSError):
            self.path(name).unlink()

    def sweep(self, known: Container[str]) -> None:
        """Remove the files of processes that died: old ones that are not `known`."""
        # Files have the time of the system's clock, whatever the store's clock is.
        before = time.time() - _SWEEP_AFTER_SECONDS
        for path in (*self._incoming.iterdir(), *self._blobs.glob("*/*")):
            if path.name in known:
                continue
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < before:
                    path.unlink()
