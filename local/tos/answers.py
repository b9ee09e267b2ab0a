"""How values are written in answers, and which headers of a request come back in one."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any

from starlette.responses import Response

from local.tos.records import Stored

_KEPT = frozenset(
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
    """Write epoch seconds as the JSON answers do."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def quoted(etag: str) -> str:
    """Write an ETag as headers and answers do."""
    return f'"{etag}"'


def answer(value: Any, headers: Mapping[str, str] | None = None, status: int = 200) -> Response:
    """Return a JSON answer."""
    return Response(
        json.dumps(value, ensure_ascii=False),
        status_code=status,
        headers={"content-type": "application/json", **(headers or {})},
    )


def empty(headers: Mapping[str, str] | None = None, status: int = 200) -> Response:
    """Return an answer without a body."""
    return Response(status_code=status, headers=headers)


def written(stored: Stored) -> dict[str, str]:
    """Return the headers that tell of an object just written."""
    headers = {"etag": quoted(stored.etag), "x-tos-hash-crc64ecma": str(stored.crc)}
    if stored.version:
        headers["x-tos-version-id"] = stored.version
    return headers


def described(stored: Stored) -> dict[str, str]:
    """Return the headers that describe an object that is read."""
    return {
        "content-type": "binary/octet-stream",
        **stored.headers,
        **written(stored),
        "last-modified": formatdate(stored.modified, usegmt=True),
        "accept-ranges": "bytes",
        "x-tos-object-type": "Normal",
        "x-tos-storage-class": "STANDARD",
    }


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that are stored with an object, values as they were sent."""
    return {
        name: value
        for name, value in headers.items()
        if name in _KEPT or name.startswith("x-tos-meta-")
    }
