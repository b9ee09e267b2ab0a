"""Requests to the service and to a bucket."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from local.tos import listing, notification_rules, responses
from local.tos.errors import TosApiError, invalid, method_not_allowed, not_implemented
from local.tos.events import EventOutbox
from local.tos.request import TosRequest
from local.tos.store import ObjectStore
from local.tos.versions import StoredObject

_META = "x-tos-meta-"
_SETTINGS = ("versioning", "notification_v2")
_CHANGES = (("PUT", "versioning"), ("PUT", "notification_v2"), ("POST", "delete"))
_OPERATIONS: dict[str, tuple[str, ...]] = {
    "GET": (
        *_SETTINGS,
        "list-type",
        "prefix",
        "delimiter",
        "start-after",
        "continuation-token",
        "max-keys",
        "encoding-type",
        "fetch-owner",
        "fetch-meta",
    ),
    "PUT": _SETTINGS,
    "POST": ("delete",),
}


class BucketApi:
    """Responds to requests without a key."""

    def __init__(
        self,
        store: ObjectStore,
        outbox: EventOutbox,
        region: str,
        is_released: Callable[[str], bool] | None = None,
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._region = region
        self._is_released = is_released

    async def service(self, request: TosRequest) -> Response:
        """Respond to a request without a bucket: list the buckets."""
        request.operation()
        if request.method != "GET":
            raise method_not_allowed(request.method, "the service")
        buckets = await run_in_threadpool(self._store.buckets.all)
        endpoint = f"tos-{self._region}"
        return responses.json_body(
            {
                "Buckets": [
                    {
                        "Name": bucket.name,
                        "Location": self._region,
                        "CreationDate": responses.iso(bucket.created),
                        "ExtranetEndpoint": f"{endpoint}.volces.com",
                        "IntranetEndpoint": f"{endpoint}.ivolces.com",
                    }
                    for bucket in buckets
                ],
                "Owner": responses.OWNER,
            }
        )

    async def bucket(self, request: TosRequest) -> Response:
        """Respond to a request to a bucket."""
        method, operation = request.method, request.operation(*_OPERATIONS.get(request.method, ()))
        if (method, operation) in _CHANGES:
            document = await request.body.json(request.payload_sha256)
            if not isinstance(document, dict):
                raise invalid("The body must be a JSON object.")
            return await run_in_threadpool(self._change, request, operation, document)
        if method == "POST":
            raise not_implemented("upload by an HTML form")
        handlers = {
            "GET": self._list,
            "GET versioning": self._get_versioning,
            "GET notification_v2": self._get_rules,
            "PUT": self._create,
            "HEAD": self._head,
            "DELETE": self._delete,
        }
        handler = handlers.get(f"{method} {operation}") or handlers.get(method)
        if handler is None:
            raise method_not_allowed(method, "a bucket")
        return await run_in_threadpool(handler, request)

    def _create(self, request: TosRequest) -> Response:
        if not self._store.buckets.create(request.bucket):
            raise TosApiError(
                HTTPStatus.CONFLICT,
                "BucketAlreadyExists",
                f"There is a bucket {request.bucket!r} already; use it, or choose another name.",
            )
        return responses.empty({"location": f"/{request.bucket}"})

    def _head(self, request: TosRequest) -> Response:
        self._store.buckets.get(request.bucket)
        return responses.empty(
            {"x-tos-bucket-region": self._region, "x-tos-storage-class": "STANDARD"}
        )

    def _delete(self, request: TosRequest) -> Response:
        self._store.buckets.delete(request.bucket)
        return responses.empty(status=HTTPStatus.NO_CONTENT)

    def _get_versioning(self, request: TosRequest) -> Response:
        return responses.json_body({"Status": self._store.buckets.get(request.bucket).versioning})

    def _get_rules(self, request: TosRequest) -> Response:
        bucket = self._store.buckets.get(request.bucket)
        return responses.json_body({"Rules": bucket.rules, "Version": bucket.rules_version})

    def _change(self, request: TosRequest, operation: str, document: dict[str, Any]) -> Response:
        if operation == "versioning":
            self._store.buckets.set_versioning(request.bucket, document.get("Status"))
            return responses.empty()
        if operation == "delete":
            return self._delete_many(request, document)
        # The official SDK leaves Rules out if there are none.
        rules = notification_rules.validated(document.get("Rules", []))
        for rule, function in notification_rules.destinations(rules):
            if self._is_released and not self._is_released(function):
                raise invalid(
                    f"Rule {rule!r}: there is no function {function!r} that was ever released; "
                    "release it once before a rule calls it."
                )
        version = self._store.buckets.set_rules(request.bucket, rules, document.get("Version"))
        return responses.json_body({"Version": version})

    def _delete_many(self, request: TosRequest, document: dict[str, Any]) -> Response:
        objects = document.get("Objects")
        if (
            not isinstance(objects, list)
            or len(objects) > listing.MAX_KEYS
            or not all(isinstance(o, dict) and isinstance(o.get("Key"), str) for o in objects)
        ):
            raise invalid(
                f'The body must be {{"Objects": [{{"Key": "…"}}, …]}}, at most {listing.MAX_KEYS}.'
            )
        for item in objects:
            _, events = self._store.delete(
                request.bucket, item["Key"], item.get("VersionId") or None, origin=request.origin
            )
            self._outbox.deliver(events)
        deleted = [] if document.get("Quiet") else [{"Key": item["Key"]} for item in objects]
        return responses.json_body({"Deleted": deleted, "Error": []})

    def _list(self, request: TosRequest) -> Response:
        query = request.query
        if query.get("list-type") != "2":
            raise not_implemented("listing but by ?list-type=2")
        try:
            limit = min(int(query.get("max-keys") or listing.MAX_KEYS), listing.MAX_KEYS)
            token = query.get("continuation-token")
            start = bytes.fromhex(token).decode() if token else None
        except ValueError:
            raise invalid(
                "max-keys must be a number, and continuation-token one that a listing returned."
            ) from None
        page = self._store.list(
            request.bucket,
            prefix=query.get("prefix", ""),
            delimiter=query.get("delimiter", ""),
            start=listing.after(query.get("start-after", "")) if start is None else start,
            limit=max(0, limit),
        )
        return responses.json_body(_listing(request, page, limit))


def _listing(request: TosRequest, page: listing.ListingPage, limit: int) -> dict[str, Any]:
    query = request.query
    encoded = query.get("encoding-type") == "url"

    def text(value: str) -> str:
        return quote(value, safe="/~") if encoded else value

    def entry(stored: StoredObject) -> dict[str, Any]:
        shown = {
            "Key": text(stored.key),
            "LastModified": responses.iso(stored.modified),
            "ETag": responses.quoted(stored.etag),
            "Size": stored.size,
            "StorageClass": "STANDARD",
            "HashCrc64ecma": str(stored.crc),
            "Owner": responses.OWNER,
            "Type": "Normal",
        }
        if query.get("fetch-meta", "").lower() == "true":
            shown["UserMeta"] = [
                {
                    "Key": name.removeprefix(_META),
                    "Value": value.encode("latin-1").decode(errors="replace"),
                }
                for name, value in stored.headers.items()
                if name.startswith(_META)
            ]
        return shown

    result = {
        "Name": request.bucket,
        "Prefix": text(query.get("prefix", "")),
        "MaxKeys": limit,
        "KeyCount": len(page.objects) + len(page.prefixes),
        "IsTruncated": page.resume is not None,
        "Contents": [entry(stored) for stored in page.objects],
        "CommonPrefixes": [{"Prefix": text(prefix)} for prefix in page.prefixes],
    }
    for name, parameter in (("Delimiter", "delimiter"), ("StartAfter", "start-after")):
        if parameter in query:
            result[name] = text(query[parameter])
    if encoded:
        result["EncodingType"] = "url"
    if "continuation-token" in query:
        result["ContinuationToken"] = query["continuation-token"]
    if page.resume is not None:
        result["NextContinuationToken"] = page.resume.encode().hex()
    return result
