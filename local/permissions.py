"""The IAM actions and resources that a request to the local cloud needs.

An `Authorizer` may decide about them, for the keys of roles. The local cloud has none of its own:
its keys may do everything, and the tests bring an engine that evaluates policies.

TOS's names are documented (6349/102133, and the international site's documents on IAM and bucket
policies). That HEAD of an object needs the right to get it is concluded: policies are seen that
name tos:HeadObject too, so it is best to grant both. veImageX's and veFaaS's actions are those of
their APIs, as 6257/1134321 describes for every service; veImageX's resources have the names that
its official client gives them in the policies that it makes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from local.keys import KeyRing

if TYPE_CHECKING:
    from local.tos.call import Call

ACCOUNT = "local"


@dataclass(frozen=True, slots=True)
class RequestedAction:
    """One action on one resource; `context` has the values that conditions compare."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, action: str, region: str, path: str, context: Mapping[str, str] | None = None
    ) -> "RequestedAction":
        """Return `<service>:<Action>` on a resource of this account."""
        service = action.partition(":")[0]
        return cls(action, f"trn:{service}:{region}:{ACCOUNT}:{path}", context or {})


class Authorizer(Protocol):
    """Decides what the keys of a role may do."""

    def denial(self, role: str, requested: Iterable[RequestedAction]) -> str | None:
        """Return why one of the actions is denied to the role (a name or TRN), None if none is."""


def denial(
    authorizer: Authorizer | None,
    keys: KeyRing,
    access_key: str,
    requested: Iterable[RequestedAction],
) -> str | None:
    """Return why a request signed with a key is denied; the account's own keys are not."""
    role = keys.role_of(access_key)
    if authorizer is None or role is None:
        return None
    return authorizer.denial(role, requested)


TOS_ACTIONS: dict[tuple[str, str, str], str] = {
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


def of_tos(call: "Call") -> list[RequestedAction]:
    """Return the actions that a request to object storage needs."""
    level = "object" if call.key else "bucket" if call.bucket else "service"
    subresource = next((name for name in _SUBRESOURCES if name in call.query), "")
    action = TOS_ACTIONS.get((level, call.method, subresource), _UNKNOWN)
    region = call.origin.region
    if level == "object":
        requested = [RequestedAction.of(f"tos:{action}", region, f"{call.bucket}/{call.key}")]
        if "x-tos-copy-source" in call.headers:
            bucket, key, version = call.copy_source()
            reading = TOS_ACTIONS["object", "GET", "versionId" if version else ""]
            requested.append(RequestedAction.of(f"tos:{reading}", region, f"{bucket}/{key}"))
        return requested
    if action == "ListBucket":
        context = {"tos:prefix": call.query.get("prefix", "")}
        return [RequestedAction.of("tos:ListBucket", region, call.bucket, context)]
    if action == "DeleteObject":
        # The keys are in the body, which is read later: deleting many at once needs the right to
        # delete any.
        return [RequestedAction.of("tos:DeleteObject", region, f"{call.bucket}/*")]
    return [RequestedAction.of(f"tos:{action}", region, call.bucket or "*")]


def of_imagex(query: Mapping[str, str], region: str) -> list[RequestedAction]:
    """Return the action that a request to veImageX needs; without a ServiceId, on any service."""
    service = query.get("ServiceId") or "*"
    return [
        RequestedAction.of(
            f"ImageX:{query.get('Action', _UNKNOWN)}", region, f"ServiceId/{service}"
        )
    ]


def of_vefaas(action: str, function_id: str | None, region: str) -> list[RequestedAction]:
    """Return the action that a request to the function platform's control plane needs."""
    return [RequestedAction.of(f"vefaas:{action}", region, f"function/{function_id or '*'}")]
