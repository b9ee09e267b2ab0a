"""The buckets: are they there, may this key do what is needed, is the ledger's unversioned."""

from ops.checks.checks import Told, ok, warning, wrong
from ops.checks.refusals import code_of, is_denied, refused, said
from ops.checks.wire import Wire
from shared.json_utils import as_object


class StateBucket:
    """The place of a ledger, `bucket`/`prefix`."""

    def __init__(self, wire: Wire, bucket: str, prefix: str) -> None:
        self._wire = wire
        self._bucket = bucket
        self._prefix = prefix

    def exists(self) -> Told:
        """List the ledger's prefix."""
        query = {"list-type": "2", "prefix": self._prefix, "max-keys": "1"}
        answer = self._wire.storage("GET", self._bucket, query=query)
        place = f"tos://{self._bucket}/{self._prefix}"
        if answer.status == 200:
            return ok(f"{place} is there and can be listed.")
        if code_of(answer) == "NoSuchBucket":
            return wrong(
                f"There is no bucket {self._bucket} in {self._wire.tos_region}.",
                "Create it there, or correct REPAINT_LEDGER or TOS_REGION.",
            )
        return refused(
            answer,
            f"Listing {place}",
            f"tos:ListBucket on {self._bucket} and tos:GetObject, tos:PutObject and "
            f"tos:DeleteObject on {self._bucket}/{self._prefix}*",
        )

    def versioning(self) -> Told:
        """Ask for the bucket's versioning; the ledger needs that it was never switched on."""
        answer = self._wire.storage("GET", self._bucket, query={"versioning": ""})
        if answer.status != 200:
            look = f"Look in the console whether {self._bucket} is versioned; it must not be."
            if is_denied(answer):
                look = f"{look} Or give this key tos:GetBucketVersioning."
            return warning(f"It could not be asked for: {said(answer)}", look)
        document = as_object(answer.body)
        status = document.get("Status") if document is not None else "an answer that is no JSON"
        if status in (None, "", "Disabled"):
            return ok(f"{self._bucket} keeps no versions.")
        return wrong(
            f"Versioning of {self._bucket} is {str(status)[:40]}. That conditional writes hold "
            "there is not documented, and every change of a record is kept for ever.",
            "Keep the ledger in another bucket whose versioning was never switched on: once on, "
            "it can only be suspended. Name it in REPAINT_LEDGER for every function.",
        )


def upload_bucket(wire: Wire, bucket: str) -> Told:
    """List the bucket, as backfill does, and ask for an object that is not there."""
    listed = wire.storage("GET", bucket, query={"list-type": "2", "max-keys": "1"})
    if code_of(listed) == "NoSuchBucket":
        return wrong(
            f"There is no bucket {bucket} in {wire.tos_region}.",
            "Correct --bucket, or set TOS_REGION to the region of the bucket.",
        )
    absent = wire.storage("GET", bucket, "repaint-doctor-asks-for-what-is-not-there")
    if absent.status not in (200, 404) and not (is_denied(absent) and is_denied(listed)):
        return refused(absent, f"Reading an object of {bucket}", f"tos:GetObject on {bucket}/*")
    if is_denied(absent):
        # Where one may not list, what is absent may look forbidden: it would give away what exists.
        return warning(
            f"Neither listing {bucket} nor reading an absent object is allowed; whether uploads "
            f"can be read cannot be told: {said(absent)}",
            f"Give the function's role, and this key, tos:GetObject on {bucket}/*; and "
            f"tos:ListBucket on {bucket}.",
        )
    if listed.status != 200:
        return warning(
            f"Objects of {bucket} can be read, and not be listed: {said(listed)}",
            f"The functions need no more; 'repaint backfill' needs tos:ListBucket on {bucket}.",
        )
    return ok(f"{bucket} is there; its objects can be read and listed.")
