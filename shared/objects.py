"""What object storage tells of objects."""

from collections.abc import Mapping
from dataclasses import dataclass, field


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
    """One entry of a listing; `metadata` as `ObjectInfo` has it, empty where it was not asked for.

    `last_modified` is in ISO 8601.
    """

    key: str
    etag: str
    size: int
    last_modified: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a listing; `next_token` is None on the last one."""

    objects: list[ListedObject]
    next_token: str | None
