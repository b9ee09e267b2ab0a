"""Make a plan: the bucket's listing without what the ledger says has ended.

A page of either for a thousand objects, and no request for any single one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from ops.records.backfill.memory import Memory
from ops.records.backfill.plan import Plan
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

Tell = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Scope:
    """Which objects are meant; `since` in seconds since the epoch, `limit` a number of them."""

    bucket: str
    prefix: str = ""
    since: float | None = None
    limit: int | None = None


def read_ledger(plan: Plan, ledger: Ledger, tell: Tell) -> None:
    """Take over which uploads have ended, and which are unfinished.

    Before the listing: what ends meanwhile is planned, looked at, and found to have ended. Raises
    what the ledger does.
    """
    with plan.filling():
        for number, (record_id, at) in enumerate(ledger.finished_ids(), 1):
            plan.add_ended(record_id, at)
            tell(number)
        after = ""
        while page := ledger.pending_page(after, _PAGE):
            plan.add_pending(page)
            after = page[-1]


def read_listing(
    plan: Plan, storage: Tos, scope: Scope, settings: Settings, memory: Memory, tell: Tell
) -> None:
    """Plan what is listed, unless it has ended or was skipped. Raises TosError, NoAnswer."""
    planner, counts = _Planner(plan, scope, settings, memory), plan.counts
    with plan.filling():
        for listed in _listing(storage, scope):
            if counts["planned"] == scope.limit:
                plan.is_cut = True
                break
            counts["listed"] += 1
            counts[planner.take(listed)] += 1
            tell(counts["listed"])


class _Planner:
    def __init__(self, plan: Plan, scope: Scope, settings: Settings, memory: Memory) -> None:
        self._plan = plan
        self._scope = scope
        self._settings = settings
        self._memory = memory

    def take(self, listed: ListedObject) -> str:
        """Plan an object, or say what it is instead."""
        bucket, key = self._scope.bucket, listed.key
        self._plan.tells_metadata = self._plan.tells_metadata or bool(listed.metadata)
        if self._settings.filter_for(bucket).exclusion(bucket, key) is not None:
            return "outside"
        if GENERATED_MARK in listed.metadata:
            return "outputs"
        modified = _moment(listed.last_modified)
        if self._scope.since is not None and modified < self._scope.since:
            return "older"
        # Where objects have versions, or the listing keeps metadata to itself, the record has
        # another id than this: then the object is looked at, and that is all it costs. When the
        # end records of a key were written tells less: the record of a content that was
        # overwritten may end long after that, and the new content would pass for done.
        upload = identity(bucket, key, listed.etag, recognised(listed.metadata))
        if self._has_ended(upload):
            return "done"
        if (upload, listed.last_modified) in self._memory:
            return "skipped"
        pending = bool(self._plan.pending_of(object_id(bucket, key)))
        self._plan.counts["pending"] += pending
        self._expect(listed, modified)
        self._plan.add(upload, listed, pending=pending)
        return "planned"

    def _has_ended(self, upload: str) -> bool:
        """Tell whether an upload has ended, and all of its variants."""
        if not self._plan.has_ended(upload):
            return False
        left = self._plan.pending_of(upload[:OBJECT_DIGITS])
        others = range(2, MAX_VARIANTS + 1)
        return not (left and any(variant_id(upload, number) in left for number in others))

    def _expect(self, listed: ListedObject, modified: float) -> None:
        """Guess what will become of an object, for what it may cost; nothing is decided here."""
        counts, preset = self._plan.counts, preset_for(listed.key, self._settings.presets)
        variants = preset.variants if preset else 1
        if not 0 < listed.size <= MAX_IMAGE_BYTES:
            counts["unsuitable"] += 1
            return
        try:
            instructions = resolve(
                listed.key, read_metadata(listed.metadata), self._settings.defaults
            )
        except RejectedUpload:
            counts["unsuitable"] += 1
            counts["hidden"] += variants
            return
        if isinstance(instructions, str):
            counts["promptless"] += 1
            counts["hidden"] += variants
        elif self._plan.has_ended_since(object_id(self._scope.bucket, listed.key), modified):
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
    """Read a listing's `LastModified`; what cannot be read counts as just now."""
    try:
        return datetime.fromisoformat(last_modified).timestamp()
    except ValueError:
        return float("inf")
