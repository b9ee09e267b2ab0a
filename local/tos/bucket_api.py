"""The requests to the service and to a bucket."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from local.tos import listing, notifications
from local.tos.answers import OWNER, answer, empty, iso, quoted
from local.tos.call import Call
from local.tos.errors import TosError, invalid, method_not_allowed, not_implemented
from local.tos.outbox import Outbox
from local.tos.records import Stored
from local.tos.store import ObjectStore

_META = "x-tos-meta-"
_LIST_PARAMETERS = (
    "prefix",
    "delimiter",
    "start-after",
    "continuation-token",
    "max-keys",
    "encoding-type",
    "fetch-owner",
    "fetch-meta",
)


class BucketApi:
    """Answers requests without a key."""

    def __init__(
        self,
        store: ObjectStore,
        outbox: Outbox | None,
        region: str,
        is_released: Callable[[str], bool] | None = None,
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._region = region
        self._is_released = is_released

    async def service(self, call: Call) -> Response:
        """Answer a request without a bucket: list the buckets."""
        call.operation()
        if call.method != "GET":
            raise method_not_allowed(call.method, "the service")
        buckets = await run_in_threadpool(self._store.buckets.all)
        endpoint = f"tos-{self._region}"
        return answer(
            {
                "Buckets": [
                    {
                        "Name": bucket.name,
                        "Location": self._region,
                        "CreationDate": iso(bucket.created),
                        "ExtranetEndpoint": f"{endpoint}.volces.com",
                        "IntranetEndpoint": f"{endpoint}.ivolces.com",
                    }
                    for bucket in buckets
                ],
                "Owner": OWNER,
            }
        )

    async def bucket(self, call: Call) -> Response:
        """Answer a request to a bucket."""
        match call.method, call.operation(*_operations(call.method)):
            case "PUT", "versioning":
                settings = await self._settings(call)
                await run_in_threadpool(
                    self._store.buckets.set_versioning, call.bucket, settings.get("Status")
                )
                return empty()
            case "PUT", "notification_v2":
                settings = await self._settings(call)
                return await run_in_threadpool(self._put_rules, call, settings)
            case "POST", "delete":
                request = await self._settings(call)
                return await run_in_threadpool(self._delete_many, call, request)
            case "PUT" | "HEAD" | "GET" | "DELETE" as method, operation:
                handler = self._handler(method, operation)
                return await run_in_threadpool(handler, call)
            case "POST", _:
                raise not_implemented("upload by an HTML form")
            case method, _:
                raise method_not_allowed(method, "a bucket")

    def _handler(self, method: str, operation: str) -> Callable[[Call], Response]:
        match method, operation:
            case "GET", "versioning":
                return self._get_versioning
            case "GET", "notification_v2":
                return self._get_rules
            case "GET", _:
                return self._list
            case "PUT", _:
                return self._create
            case "DELETE", _:
                return self._delete
            case _:
                return self._head

    async def _settings(self, call: Call) -> dict[str, Any]:
        value = await call.body.json(call.payload_sha256)
        if not isinstance(value, dict):
            raise invalid("The body must be a JSON object.")
        return value

    def _create(self, call: Call) -> Response:
        if not self._store.buckets.create(call.bucket):
            raise TosError(
                HTTPStatus.CONFLICT,
                "BucketAlreadyExists",
                f"There is a bucket {call.bucket!r} already; use it, or choose another name.",
            )
        return empty({"location": f"/{call.bucket}"})

    def _head(self, call: Call) -> Response:
        self._store.buckets.get(call.bucket)
        return empty({"x-tos-bucket-region": self._region, "x-tos-storage-class": "STANDARD"})

    def _delete(self, call: Call) -> Response:
        self._store.buckets.delete(call.bucket)
        return empty(status=HTTPStatus.NO_CONTENT)

    def _get_versioning(self, call: Call) -> Response:
        return answer({"Status": self._store.buckets.get(call.bucket).versioning})

    def _get_rules(self, call: Call) -> Response:
        bucket = self._store.buckets.get(call.bucket)
        return answer({"Rules": bucket.rules, "Version": bucket.rules_version})

    def _put_rules(self, call: Call, settings: dict[str, Any]) -> Response:
        # The official SDK leaves Rules out where there are none.
        rules = notifications.validated(settings.get("Rules", []))
        for rule, function in notifications.destinations(rules):
            if self._is_released and not self._is_released(function):
                raise invalid(
                    f"Rule {rule!r}: there is no function {function!r} that was ever released; "
                    "release it once before a rule calls it."
                )
        version = self._store.buckets.set_rules(call.bucket, rules, settings.get("Version"))
        return answer({"Version": version})

    def _list(self, call: Call) -> Response:
        query = call.query
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
            call.bucket,
            prefix=query.get("prefix", ""),
            delimiter=query.get("delimiter", ""),
            start=listing.after(query.get("start-after", "")) if start is None else start,
            limit=max(0, limit),
        )
        return answer(_listing(call, page, limit))

    def _delete_many(self, call: Call, request: dict[str, Any]) -> Response:
        objects = request.get("Objects")
        if (
            not isinstance(objects, list)
            or len(objects) > listing.MAX_KEYS
            or not all(isinstance(o, dict) and isinstance(o.get("Key"), str) for o in objects)
        ):
            raise invalid(
                f'The body must be {{"Objects": [{{"Key": "…"}}, …]}}, at most {listing.MAX_KEYS}.'
            )
        for item in objects:
            _, notices = self._store.delete(
                call.bucket,
                item["Key"],
                item.get("VersionId") or None,
                origin=call.origin if self._outbox else None,
            )
            if self._outbox:
                self._outbox.deliver(notices)
        deleted = [] if request.get("Quiet") else [{"Key": item["Key"]} for item in objects]
        return answer({"Deleted": deleted, "Error": []})


def _operations(method: str) -> tuple[str, ...]:
    match method:
        case "GET":
            return ("versioning", "notification_v2", "list-type", *_LIST_PARAMETERS)
        case "PUT":
            return ("versioning", "notification_v2")
        case "POST":
            return ("delete",)
        case _:
            return ()


def _listing(call: Call, page: listing.Page, limit: int) -> dict[str, Any]:
    encoded = call.query.get("encoding-type") == "url"

    def text(value: str) -> str:
        return quote(value, safe="/~") if encoded else value

    def entry(stored: Stored) -> dict[str, Any]:
        shown = {
            "Key": text(stored.key),
            "LastModified": iso(stored.modified),
            "ETag": quoted(stored.etag),
            "Size": stored.size,
            "StorageClass": "STANDARD",
            "HashCrc64ecma": str(stored.crc),
            "Owner": OWNER,
            "Type": "Normal",
        }
        if call.query.get("fetch-meta", "").lower() == "true":
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
        "Name": call.bucket,
        "Prefix": text(call.query.get("prefix", "")),
        "MaxKeys": limit,
        "KeyCount": len(page.objects) + len(page.prefixes),
        "IsTruncated": page.resume is not None,
        "Contents": [entry(stored) for stored in page.objects],
        "CommonPrefixes": [{"Prefix": text(prefix)} for prefix in page.prefixes],
    }
    for name, parameter in (("Delimiter", "delimiter"), ("StartAfter", "start-after")):
        if parameter in call.query:
            result[name] = text(call.query[parameter])
    if encoded:
        result["EncodingType"] = "url"
    if "continuation-token" in call.query:
        result["ContinuationToken"] = call.query["continuation-token"]
    if page.resume is not None:
        result["NextContinuationToken"] = page.resume.encode().hex()
    return result
