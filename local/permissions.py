"""Which action of IAM each request of the local cloud is, and on which resource.

TOS's names are documented (6349/102133, and the international site's documents on IAM and bucket
policies). That HEAD of an object needs the right to get it is concluded: policies are seen that
name tos:HeadObject too, so whoever writes one does best to grant both. veImageX's and veFaaS's
actions are those of their APIs, as 6257/1134321 says of every service; veImageX's resources are
named as its official client does in the policies that it makes.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from local.policy import Asked

if TYPE_CHECKING:
    from local.tos.call import Call

TOS_ACTIONS: dict[tuple[str, str, str], str] = {
    # what the request is to, its method, what tells it apart: the action
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
_TELLING = ("versioning", "notification_v2", "delete", "uploads", "uploadId", "versionId")
_UNKNOWN = "Unknown"
"""What is in no table is no action that a policy could name; only `tos:*` allows it."""


def of_tos(call: "Call") -> list[Asked]:
    """Return what a request to object storage asks for."""
    level = "object" if call.key else "bucket" if call.bucket else "service"
    telling = next((name for name in _TELLING if name in call.query), "")
    action = TOS_ACTIONS.get((level, call.method, telling), _UNKNOWN)
    region = call.origin.region
    if level == "object":
        asked = [Asked.of(f"tos:{action}", region, f"{call.bucket}/{call.key}")]
        if "x-tos-copy-source" in call.headers:
            bucket, key, version = call.copy_source()
            reading = TOS_ACTIONS["object", "GET", "versionId" if version else ""]
            asked.append(Asked.of(f"tos:{reading}", region, f"{bucket}/{key}"))
        return asked
    if action == "ListBucket":
        context = {"tos:prefix": call.query.get("prefix", "")}
        return [Asked.of("tos:ListBucket", region, call.bucket, context)]
    if action == "DeleteObject":
        # Which objects is in the body, read later: whoever deletes many at once must be allowed to
        # delete any.
        return [Asked.of("tos:DeleteObject", region, f"{call.bucket}/*")]
    return [Asked.of(f"tos:{action}", region, call.bucket or "*")]


def of_imagex(query: Mapping[str, str], region: str) -> list[Asked]:
    """Return what a request to veImageX asks for; one that names no service is about all."""
    service = query.get("ServiceId") or "*"
    return [Asked.of(f"ImageX:{query.get('Action', _UNKNOWN)}", region, f"ServiceId/{service}")]


def of_vefaas(action: str, function_id: str | None, region: str) -> list[Asked]:
    """Return what a request to the function platform's control plane asks for."""
    return [Asked.of(f"vefaas:{action}", region, f"function/{function_id or '*'}")]
