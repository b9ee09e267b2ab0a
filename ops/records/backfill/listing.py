"""Fill a plan: the bucket's listing without the objects that have ended according to the ledger.

Both are read in pages of a thousand; no request is made for a single object.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from ops.records.backfill.plan import BackfillPlan
from ops.records.backfill.skipped import SkippedObjects
from shared.clients.imagex_model import MAX_IMAGE_BYTES
from shared.clients.tos import ListedObject, Tos
from shared.errors import RejectedUpload
from shared.ledger import Ledger
from shared.settings import Settings
from shared.uploads.instructions import resolve
from shared.uploads.metadata import (
    GENERATED_MARK,
    OBJECT_DIGITS,
    identity,
    object_id,
    read_metadata,
    recognised,
    variant_id,
)
from shared.uploads.presets import MAX_VARIANTS, preset_for

_PAGE = 1000

Report = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Scope:
    """Which objects are meant: `since` is in seconds since the epoch, `limit` their number."""

    bucket: str
    prefix: str = ""
    since: float | None = None
    limit: int | None = None


def read_ledger(plan: BackfillPlan, ledger: Ledger, report: Report) -> None:
    """Add the ids of ended and of pending records to a plan. Raises what the ledger raises.

    This comes before the listing: an upload that ends between the two is planned, and found to
    have ended.
    """
    with plan.filling():
        for number, (record_id, at) in enumerate(ledger.finished_ids(), 1):
            plan.add_ended(record_id, at)
            report(number)
        after = ""
        while page := ledger.pending_page(after, _PAGE):
            plan.add_pending(page)
            after = page[-1]


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans the objects that neither ended nor were skipped before."""

    plan: BackfillPlan
    scope: Scope
    settings: Settings
    skipped: SkippedObjects

    def read_listing(self, storage: Tos, report: Report) -> None:
        """Plan what is listed. Raises TosError, NoAnswer."""
        counts = self.plan.counts
        with self.plan.filling():
            for listed in _listing(storage, self.scope):
                if counts["planned"] == self.scope.limit:
                    self.plan.is_cut = True
                    break
                counts["listed"] += 1
                counts[self._add(listed)] += 1
                report(counts["listed"])

    def _add(self, listed: ListedObject) -> str:
        """Plan an object; return "planned", or the count that it belongs to instead."""
        bucket, key = self.scope.bucket, listed.key
        self.plan.shows_metadata = self.plan.shows_metadata or bool(listed.metadata)
        if self.settings.upload_filter.exclusion(bucket, key) is not None:
            return "outside"
        if GENERATED_MARK in listed.metadata:
            return "outputs"
        modified = _moment(listed.last_modified)
        if self.scope.since is not None and modified < self.scope.since:
            return "older"
        # If objects have versions, or the listing hides metadata, the record's id differs from
        # this one: then the object is checked, which costs one request. The time at which a key's
        # end records were written does not help: the record of overwritten content may end long
        # after that, and the new content would count as done.
        upload = identity(bucket, key, listed.etag, recognised(listed.metadata))
        if self._has_ended(upload):
            return "done"
        if (upload, listed.last_modified) in self.skipped:
            return "skipped"
        pending = bool(self.plan.pending_of(object_id(bucket, key)))
        self.plan.counts["pending"] += pending
        self._expect(listed, modified)
        self.plan.add(upload, listed, pending=pending)
        return "planned"

    def _has_ended(self, upload: str) -> bool:
        """Return whether an upload has ended, with all of its variants."""
        if not self.plan.has_ended(upload):
            return False
        pending = self.plan.pending_of(upload[:OBJECT_DIGITS])
        others = range(2, MAX_VARIANTS + 1)
        return not (pending and any(variant_id(upload, number) in pending for number in others))

    def _expect(self, listed: ListedObject, modified: float) -> None:
        """Count what will become of an object, for the estimate; nothing is decided here."""
        counts, preset = self.plan.counts, preset_for(listed.key, self.settings.presets)
        variants = preset.variants if preset else 1
        if not 0 < listed.size <= MAX_IMAGE_BYTES:
            counts["unsuitable"] += 1
            return
        try:
            instructions = resolve(
                listed.key, read_metadata(listed.metadata), self.settings.defaults
            )
        except RejectedUpload:
            counts["unsuitable"] += 1
            counts["hidden"] += variants
            return
        if isinstance(instructions, str):
            counts["promptless"] += 1
            counts["hidden"] += variants
        elif self.plan.has_ended_since(object_id(self.scope.bucket, listed.key), modified):
            counts["maybe_done"] += 1
            counts["payable"] += variants
        else:
            counts["repaint"] += 1
            counts["generations"] += variants


def _listing(storage: Tos, scope: Scope) -> Iterator[ListedObject]:
    token = None
    while True:
        page = storage.list_page(scope.bucket, scope.prefix, token=token, with_metadata=True)
        yield from page.objects
        token = page.next_token
        if token is None:
            return


def _moment(last_modified: str) -> float:
    """Return a listing's `LastModified` in seconds; an unreadable one counts as just now."""
    try:
        return datetime.fromisoformat(last_modified).timestamp()
    except ValueError:
        return float("inf")
