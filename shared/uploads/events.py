"""Parse the platform's events.

An event is read with suspicion: any field may be missing, `data` may be a dict, a JSON string or
bytes, and one event can have several uploads. A part that cannot be read becomes an `Unreadable`
with the reason, so that it does not hide the others.
"""

from datetime import UTC, datetime
from typing import NamedTuple

from shared.clients.tos import BUCKET_NAME, REGION_NAME
from shared.json_utils import as_object, as_text, is_utf8

OBJECT_EVENT_TYPES = ("faas.tos.event", "bytefaas.tos.event")
CREATED = "tos:ObjectCreated:"


class Upload(NamedTuple):
    """One event of one object.

    `etag` is without quotes, `size` in bytes, `at` in seconds since the epoch; each of these,
    `version_id` and `region` is None if the event does not have it.
    """

    bucket: str
    key: str
    name: str = CREATED + "Put"
    etag: str | None = None
    version_id: str | None = None
    size: int | None = None
    region: str | None = None
    at: float | None = None

    @property
    def is_creation(self) -> bool:
        """Return whether the object was created, and not removed, restored and so on."""
        return self.name.startswith(CREATED)


class Unreadable(NamedTuple):
    """A part of an event that is not an upload, and the reason in a sentence."""

    reason: str
    bucket: str | None = None
    key: str | None = None


def parse_uploads(event: object) -> list[Upload | Unreadable]:
    """Return the uploads of an object storage event, in its order.

    Source of the shape: veFaaS documentation of object storage triggers.
    """
    envelope = as_object(event)
    if envelope is None:
        return [Unreadable(f"The event is {_kind(event)}, not a JSON object.")]
    kind = envelope.get("type")
    if kind is not None and kind not in OBJECT_EVENT_TYPES:
        return [
            Unreadable(
                f"The event's type is {str(kind)[:80]!r}, not {OBJECT_EVENT_TYPES[0]!r}: "
                "connect this function to an object storage trigger."
            )
        ]
    data = as_object(envelope["data"]) if "data" in envelope else envelope
    if data is None:
        return [Unreadable(f"The event's data is {_kind(envelope['data'])}, not a JSON object.")]
    entries = data.get("events")
    if not isinstance(entries, list):
        return [Unreadable("The event has no list `events` under `data`.")]
    return [_parse_entry(number, entry) for number, entry in enumerate(entries)]


def _parse_entry(number: int, entry: object) -> Upload | Unreadable:
    outer = as_object(entry)
    tos = as_object(outer.get("tos")) if outer else None
    if outer is None or tos is None:
        return Unreadable(f"events[{number}] has no object `tos`.")
    bucket_part = as_object(tos.get("bucket")) or {}
    object_part = as_object(tos.get("object")) or {}
    bucket, key = as_text(bucket_part.get("name")), as_text(object_part.get("key"))
    if bucket and not BUCKET_NAME.fullmatch(bucket):
        # It becomes a part of the host that signed requests are sent to.
        return Unreadable(f"events[{number}] has the bucket {bucket[:80]!r}, not a valid name.")
    if key and not is_utf8(key):
        return Unreadable(f"events[{number}] has a key that is not valid UTF-8.", bucket=bucket)
    if not bucket or not key:
        missing = "tos.bucket.name" if not bucket else "tos.object.key"
        return Unreadable(f"events[{number}] has no {missing}.", bucket=bucket, key=key)
    size, region = object_part.get("size"), as_text(tos.get("region"))
    return Upload(
        bucket=bucket,
        key=key,
        # An event without a name counts as a creation: that costs a HEAD request.
        name=as_text(outer.get("eventName")) or CREATED,
        etag=(as_text(object_part.get("eTag")) or "").strip('"') or None,
        version_id=as_text(object_part.get("versionId")),
        size=size if isinstance(size, int) and not isinstance(size, bool) else None,
        region=region if region and REGION_NAME.fullmatch(region) else None,
        at=_moment(outer.get("eventTime")),
    )


def _moment(value: object) -> float | None:
    """Return an ISO 8601 time in seconds since the epoch, None if it is none."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        return None


def _kind(value: object) -> str:
    return "null" if value is None else f"of type {type(value).__name__}"
