"""Object storage's calls for a bucket's notification rules, which only deploying makes.

A PUT replaces every rule of the bucket. It names the version that was read, so that a change in
between is refused and not undone; then everything is read and merged anew.
"""

import json
from collections.abc import Callable
from typing import Any, Protocol

from ops.deployment.state import Rules
from shared.clients.tos import Tos
from shared.errors import MaybeExecuted, ObjectMissing, TosError
from shared.json_utils import as_object

_TRIES = 5
_QUERY = {"notification_v2": ""}

Merge = Callable[[tuple[dict[str, Any], ...]], list[dict[str, Any]]]


class Buckets(Protocol):
    """The buckets of a region. Every method raises TosError, NoAnswer or CredentialsError."""

    def rules(self, bucket: str) -> Rules | None:
        """Return a bucket's rules; None where there is no such bucket."""
        ...

    def set_rules(self, bucket: str, rules: list[dict[str, Any]], version: str | None) -> None:
        """Replace every rule of a bucket, where `version` is what they have still."""
        ...


class TosBuckets(Tos):
    """The buckets of object storage; see `Buckets`."""

    def rules(self, bucket: str) -> Rules | None:
        """Return a bucket's rules; None where there is no such bucket."""
        try:
            answer = self._send("GET", bucket, "", query=_QUERY)
        except ObjectMissing as missing:
            # One whose rules were never set may be told so as well.
            return None if missing.code == "NoSuchBucket" else Rules((), None)
        document = as_object(answer.body)
        rules = [] if document is None else document.get("Rules") or []
        if document is None or not all(isinstance(rule, dict) for rule in rules):
            raise MaybeExecuted(f"The rules of {bucket} cannot be read.")
        return Rules(tuple(rules), document.get("Version") or None)

    def set_rules(self, bucket: str, rules: list[dict[str, Any]], version: str | None) -> None:
        """Replace every rule of a bucket, where `version` is what they have still."""
        document = {"Rules": rules, **({"Version": version} if version else {})}
        headers = {"content-type": "application/json"}
        body = json.dumps(document, ensure_ascii=False).encode()
        self._send("PUT", bucket, "", query=_QUERY, headers=headers, body=body)


def change_rules(buckets: Buckets, bucket: str, merge: Merge) -> None:
    """Write what `merge` makes of a bucket's rules; nothing where that is what they are.

    Where somebody changed them meanwhile, what they are now is merged. Raises TosError.
    """
    refused: TosError | None = None
    before: Rules | None = None
    for _ in range(_TRIES):
        found = buckets.rules(bucket) or Rules((), None)
        if refused is not None and found == before:
            raise refused  # for another reason than that somebody was faster
        rules = merge(found.rules)
        if rules == list(found.rules):
            return
        try:
            buckets.set_rules(bucket, rules, found.version)
        except TosError as error:
            refused, before = error, found
        else:
            return
    raise refused or AssertionError("no try, no refusal")
