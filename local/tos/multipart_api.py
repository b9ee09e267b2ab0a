"""Requests of a multipart upload."""

from http import HTTPStatus
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from local.tos import responses
from local.tos.blobs import Incoming
from local.tos.errors import invalid, method_not_allowed, not_implemented
from local.tos.events import EventOutbox
from local.tos.request import TosRequest
from local.tos.store import ObjectStore

_MAX_PARTS = 1000


class MultipartApi:
    """Responds to requests with `?uploads` or `?uploadId=`."""

    def __init__(self, store: ObjectStore, outbox: EventOutbox) -> None:
        self._store = store
        self._outbox = outbox

    async def upload(self, request: TosRequest) -> Response:
        """Respond to a request of a multipart upload."""
        match request.method:
            case "POST" if "uploads" in request.query:
                # The SDK requests encoded keys, also for listings, and decodes neither.
                request.operation("uploads", "encoding-type")
                return await run_in_threadpool(self._begin, request)
            case "POST":
                request.operation("uploadId")
                wanted = None
                if request.headers.get("x-tos-complete-all", "").lower() != "yes":
                    body = await request.body.json(request.payload_sha256)
                    wanted = body.get("Parts", []) if isinstance(body, dict) else []
                return await run_in_threadpool(self._complete, request, wanted)
            case "PUT":
                request.operation("uploadId", "partNumber")
                if "x-tos-copy-source" in request.headers:
                    raise not_implemented("copying into a part of a multipart upload")
                incoming = await request.body.into(self._store.blobs, request.payload_sha256)
                try:
                    return await run_in_threadpool(self._put_part, request, incoming)
                finally:
                    incoming.discard()
            case "GET":
                request.operation("uploadId", "max-parts", "part-number-marker")
                return await run_in_threadpool(self._list_parts, request)
            case "DELETE":
                request.operation("uploadId")
                await run_in_threadpool(
                    self._store.multipart.abort, request.bucket, request.key, request.upload_id
                )
                return responses.empty(status=HTTPStatus.NO_CONTENT)
            case method:
                raise method_not_allowed(method, "a multipart upload")

    def _begin(self, request: TosRequest) -> Response:
        upload = self._store.multipart.begin(
            request.bucket, request.key, responses.stored_headers(request.headers)
        )
        return responses.json_body(
            {"Bucket": request.bucket, "Key": request.key, "UploadId": upload}
        )

    def _put_part(self, request: TosRequest, incoming: Incoming) -> Response:
        part = self._store.multipart.put_part(
            request.bucket,
            request.key,
            request.upload_id,
            _number(request.query.get("partNumber", "")),
            incoming,
        )
        return responses.empty(
            {"etag": responses.quoted(part.etag), "x-tos-hash-crc64ecma": str(incoming.crc)}
        )

    def _complete(self, request: TosRequest, wanted: Any) -> Response:
        upload = request.upload_id
        assembled = self._store.multipart.assemble(request.bucket, request.key, upload, wanted)
        try:
            stored, events = self._store.put(
                request.bucket,
                request.key,
                assembled.body,
                assembled.headers,
                etag=assembled.etag,
                upload=upload,
                **request.conditions(),
                event="tos:ObjectCreated:CompleteUpload",
                origin=request.origin,
            )
        finally:
            assembled.body.discard()
        self._outbox.deliver(events)
        return responses.json_body(
            {
                "Bucket": request.bucket,
                "Key": request.key,
                "ETag": responses.quoted(stored.etag),
                "Location": f"http://{request.headers['host']}/{request.key}",
                "CompletedParts": [
                    {"PartNumber": part.number, "ETag": responses.quoted(part.etag)}
                    for part in assembled.parts
                ],
            },
            responses.write_headers(stored),
        )

    def _list_parts(self, request: TosRequest) -> Response:
        upload = request.upload_id
        marker = _number(request.query.get("part-number-marker", "0"))
        limit = min(_number(request.query.get("max-parts", str(_MAX_PARTS))), _MAX_PARTS)
        parts = self._store.multipart.parts(request.bucket, request.key, upload)
        remaining = [part for part in parts if part.number > marker]
        shown = remaining[:limit]
        return responses.json_body(
            {
                "Bucket": request.bucket,
                "Key": request.key,
                "UploadId": upload,
                "PartNumberMarker": marker,
                "NextPartNumberMarker": shown[-1].number if shown else marker,
                "MaxParts": limit,
                "IsTruncated": len(remaining) > len(shown),
                "Owner": responses.OWNER,
                "StorageClass": "STANDARD",
                "Parts": [
                    {
                        "PartNumber": part.number,
                        "LastModified": responses.iso(part.modified),
                        "ETag": responses.quoted(part.etag),
                        "Size": part.size,
                    }
                    for part in shown
                ],
            }
        )


def _number(value: str) -> int:
    if not value.isascii() or not value.isdigit():
        raise invalid(f"partNumber, max-parts and part-number-marker are numbers, not {value!r}.")
    return int(value)
