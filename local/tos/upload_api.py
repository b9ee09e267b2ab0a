"""The requests of a multipart upload."""

from http import HTTPStatus
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from local.tos.answers import OWNER, answer, empty, iso, kept_headers, quoted, written
from local.tos.blobs import Incoming
from local.tos.call import Call
from local.tos.errors import invalid, method_not_allowed, not_implemented
from local.tos.outbox import Outbox
from local.tos.store import ObjectStore

_MAX_PARTS = 1000


class UploadApi:
    """Answers requests with `?uploads` or `?uploadId=`."""

    def __init__(self, store: ObjectStore, outbox: Outbox | None) -> None:
        self._store = store
        self._outbox = outbox

    async def upload(self, call: Call) -> Response:
        """Answer a request of a multipart upload."""
        match call.method:
            case "POST" if "uploads" in call.query:
                # The SDK asks for encoded keys; it does so for listings too, and decodes neither.
                call.operation("uploads", "encoding-type")
                return await run_in_threadpool(self._begin, call)
            case "POST":
                call.operation("uploadId")
                wanted = None
                if call.headers.get("x-tos-complete-all", "").lower() != "yes":
                    body = await call.body.json(call.payload_sha256)
                    wanted = body.get("Parts", []) if isinstance(body, dict) else []
                return await run_in_threadpool(self._complete, call, wanted)
            case "PUT":
                call.operation("uploadId", "partNumber")
                if "x-tos-copy-source" in call.headers:
                    raise not_implemented("copying into a part of a multipart upload")
                incoming = await call.body.into(self._store.blobs, call.payload_sha256)
                try:
                    return await run_in_threadpool(self._put_part, call, incoming)
                finally:
                    incoming.discard()
            case "GET":
                call.operation("uploadId", "max-parts", "part-number-marker")
                return await run_in_threadpool(self._list_parts, call)
            case "DELETE":
                call.operation("uploadId")
                await run_in_threadpool(
                    self._store.uploads.abort, call.bucket, call.key, call.query["uploadId"]
                )
                return empty(status=HTTPStatus.NO_CONTENT)
            case method:
                raise method_not_allowed(method, "a multipart upload")

    def _begin(self, call: Call) -> Response:
        upload = self._store.uploads.begin(call.bucket, call.key, kept_headers(call.headers))
        return answer({"Bucket": call.bucket, "Key": call.key, "UploadId": upload})

    def _put_part(self, call: Call, incoming: Incoming) -> Response:
        part = self._store.uploads.put_part(
            call.bucket,
            call.key,
            call.query["uploadId"],
            _number(call.query.get("partNumber", "")),
            incoming,
        )
        return empty({"etag": quoted(part.etag), "x-tos-hash-crc64ecma": str(incoming.crc)})

    def _complete(self, call: Call, wanted: Any) -> Response:
        upload = call.query["uploadId"]
        assembled = self._store.uploads.assemble(call.bucket, call.key, upload, wanted)
        try:
            stored, notices = self._store.put(
                call.bucket,
                call.key,
                assembled.body,
                assembled.headers,
                etag=assembled.etag,
                upload=upload,
                forbid_overwrite=call.flag("x-tos-forbid-overwrite"),
                if_match=call.etag("x-tos-if-match"),
                event="tos:ObjectCreated:CompleteUpload",
                origin=call.origin if self._outbox else None,
            )
        finally:
            assembled.body.discard()
        if self._outbox:
            self._outbox.deliver(notices)
        return answer(
            {
                "Bucket": call.bucket,
                "Key": call.key,
                "ETag": quoted(stored.etag),
                "Location": f"http://{call.headers['host']}/{call.key}",
                "CompletedParts": [
                    {"PartNumber": part.number, "ETag": quoted(part.etag)}
                    for part in assembled.parts
                ],
            },
            written(stored),
        )

    def _list_parts(self, call: Call) -> Response:
        upload = call.query["uploadId"]
        marker = _number(call.query.get("part-number-marker", "0"))
        limit = min(_number(call.query.get("max-parts", str(_MAX_PARTS))), _MAX_PARTS)
        parts = self._store.uploads.parts(call.bucket, call.key, upload)
        left = [part for part in parts if part.number > marker]
        shown = left[:limit]
        return answer(
            {
                "Bucket": call.bucket,
                "Key": call.key,
                "UploadId": upload,
                "PartNumberMarker": marker,
                "NextPartNumberMarker": shown[-1].number if shown else marker,
                "MaxParts": limit,
                "IsTruncated": len(left) > len(shown),
                "Owner": OWNER,
                "StorageClass": "STANDARD",
                "Parts": [
                    {
                        "PartNumber": part.number,
                        "LastModified": iso(part.modified),
                        "ETag": quoted(part.etag),
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
