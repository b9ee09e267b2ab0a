"""The parts of responses: JSON, times, ETags, and the headers of an object."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any

from starlette.responses import Response

from local.tos.versions import StoredObject

_STORED = frozenset(
    {
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-type",
        "expires",
    }
)
OWNER = {"ID": "local", "DisplayName": "local", "Name": "local"}


def iso(moment: float) -> str:
    """Format epoch seconds as JSON responses do."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def quoted(etag: str) -> str:
    """Quote an ETag, as headers and JSON responses do."""
    return f'"{etag}"'


def json_body(value: Any, headers: Mapping[str, str] | None = None, status: int = 200) -> Response:
    """Return a JSON response."""
    return Response(
        json.dumps(value, ensure_ascii=False),
        status_code=status,
        headers={"content-type": "application/json", **(headers or {})},
    )


def empty(headers: Mapping[str, str] | None = None, status: int = 200) -> Response:
    """Return a response without a body."""
    return Response(status_code=status, headers=headers)


def write_headers(stored: StoredObject) -> dict[str, str]:
    """Return the headers of a response to a write."""
    headers = {"etag": quoted(stored.etag), "x-tos-hash-crc64ecma": str(stored.crc)}
    if stored.version:
        headers["x-tos-version-id"] = stored.version
    return headers


def object_headers(stored: StoredObject) -> dict[str, str]:
    """Return the headers of a response to a read."""
    return {
        "content-type": "binary/octet-stream",
        **stored.headers,
        **write_headers(stored),
        "last-modified": formatdate(stored.modified, usegmt=True),
        "accept-ranges": "bytes",
        "x-tos-object-type": "Normal",
        "x-tos-storage-class": "STANDARD",
    }


def stored_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a request that are stored with an object, values as sent."""
    return {
        name: value
        for name, value in headers.items()
        if name in _STORED or name.startswith("x-tos-meta-")
    }
