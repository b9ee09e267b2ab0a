"""What object storage tells of objects."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a HEAD tells. `etag` is without quotes, `size` in bytes, metadata not yet decoded."""

    etag: str
    size: int
    content_type: str
    version_id: str | None
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ListedObject:
    """One entry of a listing."""

    key: str
    etag: str
    size: int
    last_modified: str


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a listing; `next_token` is None on the last one."""

    objects: list[ListedObject]
    next_token: str | None
