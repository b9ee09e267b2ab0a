"""List keys by seeking in the index, so that a million objects list quickly."""

import sqlite3
from dataclasses import dataclass, field

from local.tos.versions import StoredObject

MAX_KEYS = 1000
_LAST = chr(0x10FFFF)
_SURROGATES = range(0xD800, 0xE000)


@dataclass(slots=True)
class ListingPage:
    """Part of a listing; `resume` is the first key of the next page, None on the last one."""

    objects: list[StoredObject] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    resume: str | None = None


def page(
    connection: sqlite3.Connection,
    bucket: str,
    *,
    prefix: str = "",
    delimiter: str = "",
    start: str = "",
    limit: int = MAX_KEYS,
) -> ListingPage:
    """Return up to `limit` keys and common prefixes, beginning with the key `start`.

    A common prefix is one entry, and everything below it is skipped by one seek.
    """
    found = ListingPage()
    # Every text sorts before every BLOB, so an empty one is the end of all keys.
    end = _behind(prefix) or b""
    next_start: str | None = max(prefix, start)
    while next_start is not None:
        seek, next_start = next_start, None
        # SQLite compares text by its UTF-8 bytes, which is the order that TOS lists in. Rows are
        # fetched as they are read, so leaving the cursor early costs nothing.
        for row in connection.execute(
            # By itself, SQLite may choose the index that has every old version too.
            "SELECT * FROM objects INDEXED BY current_objects"
            " WHERE bucket = ? AND current = 1 AND key >= ? AND key < ? ORDER BY key LIMIT ?",
            (bucket, seek, end, limit + 1),
        ):
            key: str = row["key"]
            if len(found.objects) + len(found.prefixes) >= limit:
                # An empty page would lead to itself for ever.
                found.resume = key if limit else None
                return found
            common = _common_prefix(key, prefix, delimiter)
            if common is not None:
                found.prefixes.append(common)
                next_start = _behind(common)
                break
            found.objects.append(StoredObject.of(row))
    return found


def after(key: str) -> str:
    """Return the first text after `key`."""
    return key + "\0" if key else ""


def _common_prefix(key: str, prefix: str, delimiter: str) -> str | None:
    if not delimiter:
        return None
    place = key.find(delimiter, len(prefix))
    return None if place < 0 else key[: place + len(delimiter)]


def _behind(prefix: str) -> str | None:
    """Return the first text after every text that begins with `prefix`, None if there is none."""
    stem = prefix.rstrip(_LAST)
    if not stem:
        return None
    following = ord(stem[-1]) + 1
    return stem[:-1] + chr(_SURROGATES.stop if following in _SURROGATES else following)
