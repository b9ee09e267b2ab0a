"""A zip that depends on its files alone: the same files are the same bytes, whenever and wherever.

Deflated by zlib: another version of it may pack the same content into other bytes.
"""

import io
import stat
import zipfile
from collections.abc import Mapping

Files = dict[str, bytes]
"""Contents of files by their names in a zip."""

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip can hold
_UNIX = 3
_READABLE = (stat.S_IFREG | 0o644) << 16


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Return a zip of `files`, sorted by name, each readable by everybody."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = _UNIX
            entry.external_attr = _READABLE
            archive.writestr(entry, files[name], zipfile.ZIP_DEFLATED, compresslevel=9)
    return buffer.getvalue()
