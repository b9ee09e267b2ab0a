"""Requests to an object."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from local.tos import responses
from local.tos.blobs import PIECE, Incoming
from local.tos.errors import (
    TosApiError,
    invalid,
    method_not_allowed,
    not_implemented,
    precondition_failed,
)
from local.tos.events import EventOutbox
from local.tos.multipart_api import MultipartApi
from local.tos.request import TosRequest
from local.tos.store import ObjectStore
from local.tos.versions import StoredObject

_RANGE = re.compile(r"bytes=(?:(\d+)-(\d*)|-(\d+))")


class ObjectApi:
    """Responds to requests with a key."""

    def __init__(self, store: ObjectStore, outbox: EventOutbox) -> None:
        self._store = store
        self._outbox = outbox
        self._multipart = MultipartApi(store, outbox)

    async def object(self, request: TosRequest) -> Response:
        """Respond to a request to an object."""
        if "uploads" in request.query or "uploadId" in request.query:
            return await self._multipart.upload(request)
        match request.method:
            case "PUT" if "x-tos-copy-source" in request.headers:
                request.operation()
                return await run_in_threadpool(self._copy, request)
            case "PUT":
                request.operation()
                _refuse_conditions(request, "if-match", "if-none-match")
                incoming = await request.body.into(self._store.blobs, request.payload_sha256)
                try:
                    return await run_in_threadpool(self._put, request, incoming)
                finally:
                    incoming.discard()
            case "GET" | "HEAD":
                request.operation("versionId")
                return await run_in_threadpool(self._get, request)
            case "DELETE":
                request.operation("versionId")
                return await run_in_threadpool(self._delete, request)
            case method:
                raise method_not_allowed(method, "an object without ?uploads or ?uploadId")

    def _put(self, request: TosRequest, incoming: Incoming) -> Response:
        stored, events = self._store.put(
            request.bucket,
            request.key,
            incoming,
            responses.stored_headers(request.headers),
            **request.conditions(),
            origin=request.origin,
        )
        self._outbox.deliver(events)
        return responses.empty(responses.write_headers(stored))

    def _copy(self, request: TosRequest) -> Response:
        prefix = "x-tos-copy-source-if-"
        _refuse_conditions(
            request, *(n for n in request.headers if n.startswith(prefix) and n != f"{prefix}match")
        )
        directive = request.headers.get("x-tos-metadata-directive", "COPY").upper()
        if directive not in ("COPY", "REPLACE"):
            raise invalid("x-tos-metadata-directive must be COPY or REPLACE.")
        source, body = self._store.copy(request.copy_source(), request.etag(f"{prefix}match"))
        try:
            stored, events = self._store.put(
                request.bucket,
                request.key,
                body,
                source.headers
                if directive == "COPY"
                else responses.stored_headers(request.headers),
                **request.conditions(),
                event="tos:ObjectCreated:Copy",
                origin=request.origin,
            )
        finally:
            body.discard()
        self._outbox.deliver(events)
        headers = responses.write_headers(stored)
        if source.version:
            headers["x-tos-copy-source-version-id"] = source.version
        return responses.json_body(
            {"ETag": responses.quoted(stored.etag), "LastModified": responses.iso(stored.modified)},
            headers,
        )

    def _get(self, request: TosRequest) -> Response:
        _refuse_conditions(request, "if-modified-since", "if-unmodified-since")
        if request.method == "HEAD":
            stored, content = self._store.head(request.bucket, request.key, _version(request)), None
        else:
            stored, content = self._store.get(request.bucket, request.key, _version(request))
        try:
            response = _read(request, stored, content)
        except BaseException:
            if content is not None:
                content.close()
            raise
        if content is not None and not isinstance(response, StreamingResponse):
            content.close()
        return response

    def _delete(self, request: TosRequest) -> Response:
        stored, events = self._store.delete(
            request.bucket, request.key, _version(request), origin=request.origin
        )
        self._outbox.deliver(events)
        gone = request.query.get("versionId") if stored else None
        return responses.empty({"x-tos-version-id": gone} if gone else None, HTTPStatus.NO_CONTENT)


def _refuse_conditions(request: TosRequest, *names: str) -> None:
    # Ignoring a condition could do what the client has ruled out.
    for name in names:
        if name in request.headers:
            raise not_implemented(f"condition {name} for {request.method}")


def _version(request: TosRequest) -> str | None:
    return request.query.get("versionId") or None


def _read(request: TosRequest, stored: StoredObject, content: BinaryIO | None) -> Response:
    if (wanted := request.etag("if-match")) is not None and wanted not in ("*", stored.etag):
        raise precondition_failed(stored.key)
    headers = responses.object_headers(stored)
    if (known := request.etag("if-none-match")) is not None and known in ("*", stored.etag):
        return responses.empty(headers, HTTPStatus.NOT_MODIFIED)
    first, length = 0, stored.size
    status = HTTPStatus.OK
    if (span := _span(request.headers.get("range"), stored.size)) is not None:
        first, length = span
        headers["content-range"] = f"bytes {first}-{first + length - 1}/{stored.size}"
        status = HTTPStatus.PARTIAL_CONTENT
    headers["content-length"] = str(length)
    if content is None:
        return responses.empty(headers, status)
    content.seek(first)
    if length <= PIECE:
        return Response(content.read(length), status, headers)
    return StreamingResponse(_pieces(content, length), status, headers)


def _span(value: str | None, size: int) -> tuple[int, int] | None:
    """Return the first byte and the length of a Range header, None for the whole object."""
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
        raise TosApiError(
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
