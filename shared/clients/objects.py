"""What object storage tells of objects."""

from collections.abc import Mapping
from typing import NamedTuple


class ObjectInfo(NamedTuple):
    """What a HEAD tells. `etag` is without quotes, `size` in bytes, metadata not yet decoded."""

    etag: str
    size: int
    content_type: str
    version_id: str | None
    metadata: Mapping[str, str]


class ListedObject(NamedTuple):
    """One entry of a listing; `metadata` as `ObjectInfo` has it, empty where it was not asked for.

    `last_modified` is in ISO 8601.
    """

    key: str
    etag: str
    size: int
    last_modified: str
    metadata: Mapping[str, str] = {}


class Page(NamedTuple):
    """A part of a listing; `next_token` is None on the last one."""

    objects: list[ListedObject]
    next_token: str | None
