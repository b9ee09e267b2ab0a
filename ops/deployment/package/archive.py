"""A zip that says nothing of when and where it was made: the same files are the same bytes.

Deflated by zlib: another version of it may pack the same content into other bytes.
"""

import io
import stat
import zipfile
from collections.abc import Mapping

Files = dict[str, bytes]
"""What a zip holds: contents by name."""

_NEVER = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say
_UNIX = 3
_READABLE = (stat.S_IFREG | 0o644) << 16


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Return a zip of `files`, sorted by name, each readable by everybody."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _NEVER)
            entry.create_system = _UNIX
            entry.external_attr = _READABLE
            archive.writestr(entry, files[name], zipfile.ZIP_DEFLATED, compresslevel=9)
    return buffer.getvalue()
