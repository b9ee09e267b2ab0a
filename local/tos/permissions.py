"""The IAM actions of requests to object storage.

TOS's names are documented (6349/102133, and the international site's documents on IAM and bucket
policies). That HEAD of an object needs the right to get it is concluded: policies are seen that
name tos:HeadObject too, so it is best to grant both.
"""

from local.permissions import RequestedAction
from local.tos.request import TosRequest

ACTIONS: dict[tuple[str, str, str], str] = {
    # level, method, subresource in the query: the action
    ("service", "GET", ""): "ListBuckets",
    ("bucket", "PUT", ""): "CreateBucket",
    ("bucket", "HEAD", ""): "HeadBucket",
    ("bucket", "GET", ""): "ListBucket",
    ("bucket", "DELETE", ""): "DeleteBucket",
    ("bucket", "GET", "versioning"): "GetBucketVersioning",
    ("bucket", "PUT", "versioning"): "PutBucketVersioning",
    ("bucket", "GET", "notification_v2"): "GetBucketNotification",
    ("bucket", "PUT", "notification_v2"): "PutBucketNotification",
    ("bucket", "POST", "delete"): "DeleteObject",
    ("object", "GET", ""): "GetObject",
    ("object", "HEAD", ""): "GetObject",
    ("object", "PUT", ""): "PutObject",
    ("object", "DELETE", ""): "DeleteObject",
    ("object", "GET", "versionId"): "GetObjectVersion",
    ("object", "HEAD", "versionId"): "GetObjectVersion",
    ("object", "DELETE", "versionId"): "DeleteObjectVersion",
    ("object", "POST", "uploads"): "PutObject",
    ("object", "PUT", "uploadId"): "PutObject",
    ("object", "POST", "uploadId"): "PutObject",
    ("object", "GET", "uploadId"): "ListMultipartUploadParts",
    ("object", "DELETE", "uploadId"): "AbortMultipartUpload",
}
_SUBRESOURCES = ("versioning", "notification_v2", "delete", "uploads", "uploadId", "versionId")
_UNKNOWN = "Unknown"
"""A request that is in no table: no policy can name it, and only `tos:*` allows it."""


def requested_actions(request: TosRequest, region: str) -> list[RequestedAction]:
    """Return the actions that a request needs."""
    level = "object" if request.key else "bucket" if request.bucket else "service"
    subresource = next((name for name in _SUBRESOURCES if name in request.query), "")
    action = ACTIONS.get((level, request.method, subresource), _UNKNOWN)
    if level == "object":
        requested = [RequestedAction.of(f"tos:{action}", region, f"{request.bucket}/{request.key}")]
        if "x-tos-copy-source" in request.headers:
            bucket, key, version = request.copy_source()
            reading = ACTIONS["object", "GET", "versionId" if version else ""]
            requested.append(RequestedAction.of(f"tos:{reading}", region, f"{bucket}/{key}"))
        return requested
    if action == "ListBucket":
        context = {"tos:prefix": request.query.get("prefix", "")}
        return [RequestedAction.of("tos:ListBucket", region, request.bucket, context)]
    if action == "DeleteObject":
        # The keys are in the body, which is read later: deleting many at once needs the right to
        # delete any.
        return [RequestedAction.of("tos:DeleteObject", region, f"{request.bucket}/*")]
    return [RequestedAction.of(f"tos:{action}", region, request.bucket or "*")]
