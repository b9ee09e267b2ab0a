"""The requests to an object."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from local.tos.answers import answer, described, empty, iso, kept_headers, quoted, written
from local.tos.blobs import PIECE, Incoming
from local.tos.call import Call
from local.tos.errors import (
    TosError,
    invalid,
    method_not_allowed,
    not_implemented,
    precondition_failed,
)
from local.tos.notifications import Origin
from local.tos.outbox import Outbox
from local.tos.records import Stored
from local.tos.store import ObjectStore
from local.tos.upload_api import UploadApi

_RANGE = re.compile(r"bytes=(?:(\d+)-(\d*)|-(\d+))")


class ObjectApi:
    """Answers requests with a key."""

    def __init__(self, store: ObjectStore, outbox: Outbox | None) -> None:
        self._store = store
        self._outbox = outbox
        self._uploads = UploadApi(store, outbox)

    async def object(self, call: Call) -> Response:
        """Answer a request to an object."""
        if "uploads" in call.query or "uploadId" in call.query:
            return await self._uploads.upload(call)
        match call.method:
            case "PUT" if "x-tos-copy-source" in call.headers:
                call.operation()
                return await run_in_threadpool(self._copy, call)
            case "PUT":
                call.operation()
                _refuse_conditions(call, "if-match", "if-none-match")
                incoming = await call.body.into(self._store.blobs, call.payload_sha256)
                try:
                    return await run_in_threadpool(self._put, call, incoming)
                finally:
                    incoming.discard()
            case "GET" | "HEAD":
                call.operation("versionId")
                return await run_in_threadpool(self._get, call)
            case "DELETE":
                call.operation("versionId")
                return await run_in_threadpool(self._delete, call)
            case method:
                raise method_not_allowed(method, "an object without ?uploads or ?uploadId")

    def _put(self, call: Call, incoming: Incoming) -> Response:
        stored, notices = self._store.put(
            call.bucket,
            call.key,
            incoming,
            kept_headers(call.headers),
            forbid_overwrite=call.flag("x-tos-forbid-overwrite"),
            if_match=call.etag("x-tos-if-match"),
            origin=self._origin(call),
        )
        if self._outbox:
            self._outbox.deliver(notices)
        return empty(written(stored))

    def _copy(self, call: Call) -> Response:
        prefix = "x-tos-copy-source-if-"
        _refuse_conditions(
            call, *(n for n in call.headers if n.startswith(prefix) and n != f"{prefix}match")
        )
        directive = call.headers.get("x-tos-metadata-directive", "COPY").upper()
        if directive not in ("COPY", "REPLACE"):
            raise invalid("x-tos-metadata-directive must be COPY or REPLACE.")
        source, body = self._store.copy(call.copy_source(), call.etag(f"{prefix}match"))
        try:
            stored, notices = self._store.put(
                call.bucket,
                call.key,
                body,
                source.headers if directive == "COPY" else kept_headers(call.headers),
                forbid_overwrite=call.flag("x-tos-forbid-overwrite"),
                if_match=call.etag("x-tos-if-match"),
                event="tos:ObjectCreated:Copy",
                origin=self._origin(call),
            )
        finally:
            body.discard()
        if self._outbox:
            self._outbox.deliver(notices)
        headers = written(stored)
        if source.version:
            headers["x-tos-copy-source-version-id"] = source.version
        return answer({"ETag": quoted(stored.etag), "LastModified": iso(stored.modified)}, headers)

    def _get(self, call: Call) -> Response:
        _refuse_conditions(call, "if-modified-since", "if-unmodified-since")
        if call.method == "HEAD":
            stored, content = self._store.head(call.bucket, call.key, _version(call)), None
        else:
            stored, content = self._store.get(call.bucket, call.key, _version(call))
        try:
            response = _read(call, stored, content)
        except BaseException:
            if content is not None:
                content.close()
            raise
        if content is not None and not isinstance(response, StreamingResponse):
            content.close()
        return response

    def _delete(self, call: Call) -> Response:
        stored, notices = self._store.delete(
            call.bucket, call.key, _version(call), origin=self._origin(call)
        )
        if self._outbox:
            self._outbox.deliver(notices)
        gone = call.query.get("versionId") if stored else None
        return empty({"x-tos-version-id": gone} if gone else None, HTTPStatus.NO_CONTENT)

    def _origin(self, call: Call) -> Origin | None:
        return call.origin if self._outbox else None


def _refuse_conditions(call: Call, *names: str) -> None:
    # To ignore a condition would be to do what the client has ruled out.
    for name in names:
        if name in call.headers:
            raise not_implemented(f"condition {name} for {call.method}")


def _version(call: Call) -> str | None:
    return call.query.get("versionId") or None


def _read(call: Call, stored: Stored, content: BinaryIO | None) -> Response:
    if (wanted := call.etag("if-match")) is not None and wanted not in ("*", stored.etag):
        raise precondition_failed(stored.key)
    headers = described(stored)
    if (known := call.etag("if-none-match")) is not None and known in ("*", stored.etag):
        return empty(headers, HTTPStatus.NOT_MODIFIED)
    first, length = 0, stored.size
    status = HTTPStatus.OK
    if (span := _span(call.headers.get("range"), stored.size)) is not None:
        first, length = span
        headers["content-range"] = f"bytes {first}-{first + length - 1}/{stored.size}"
        status = HTTPStatus.PARTIAL_CONTENT
    headers["content-length"] = str(length)
    if content is None:
        return empty(headers, status)
    content.seek(first)
    if length <= PIECE:
        return Response(content.read(length), status, headers)
    return StreamingResponse(_pieces(content, length), status, headers)


def _span(value: str | None, size: int) -> tuple[int, int] | None:
    """Return the first byte and the length that a Range header means, None for all of it."""
    match = _RANGE.fullmatch(value or "")
    if match is None:
        return None
    if match[3] is not None:
        length = min(int(match[3]), size)
        first = size - length
    else:
        first = int(match[1])
        length = min(int(match[2] or size), size - 1) - first + 1
    if length <= 0:
        raise TosError(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            "InvalidRange",
            f"The object has {size} bytes and none of them is in the range {value!r}; ask for a "
            "range within it.",
        )
    return first, length


def _pieces(content: BinaryIO, length: int) -> Iterator[bytes]:
    with content:
        while length > 0 and (piece := content.read(min(PIECE, length))):
            length -= len(piece)
            yield piece
