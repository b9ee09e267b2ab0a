"""Check that every promise was kept, by the billing records, the bucket and the ledger."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from urllib.parse import unquote, urlsplit

from local.cloud import UPLOADS_BUCKET
from local.imagex import Charge
from local.tos import ObjectStore
from shared.clients.imagex_errors import Verdict
from shared.ledger import Record, Status
from shared.processing.attempts import MAX_ATTEMPTS
from tests.chaos.evidence import ProbedBilling, StoredLedger
from tests.chaos.plan import SETTLE_SECONDS, Kind, PlannedUpload

PAID_ACTION = "GetCVImageGenerateResult"
# The reason of a record that waits for an output name (`shared.processing.output_names`).
_NAME_OF = re.compile(r"The upload (\w+) is not done with the output name ")
ENDS: dict[Kind, tuple[str, ...]] = {
    "refused": ("rejected",),
    "invalid": ("rejected",),
    "no prompt": ("skipped",),
    "same name": ("generated", "rejected"),
}


@dataclass(slots=True)
class Tally:
    """The counts of one run; `broken` has a sentence for each rule that was broken."""

    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        """Return whether every promise was kept."""
        return not (self.counts["lost"] or self.counts["unexplained"] or self.broken)


class Judge:
    """Judges a run that is at rest. `earlier` has the digests of end records in mid-run."""

    def __init__(
        self,
        objects: ObjectStore,
        billing: ProbedBilling,
        ledger: StoredLedger,
        earlier: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._objects = objects
        self._billing = billing
        self._ledger = ledger
        self._earlier = earlier
        self._pending = ledger.pending()
        self._parked = waiting_for_operator(self._pending)
        self._arrived = {call.request_id: call.at for call in billing.calls()}
        self._tally = Tally()

    def judge(self, uploads: list[PlannedUpload]) -> Tally:
        """Check every upload, then the charges and records that belong to none."""
        counts, charges = self._tally.counts, self._charges(uploads)
        counts["uploads"], counts["charges"] = len(uploads), len(self._billing.charges())
        holders: Counter[str] = Counter()
        for upload in uploads:
            paid = charges.pop(upload.id, [])
            state = self._one(upload, paid)
            record = self._ledger.end(upload.id)
            if upload.kind == "same name" and record is not None and state == "generated":
                # Stored names: an attempt that left nothing leaves the chosen name to the next one.
                holders.update(record.store_uris)
        for name in (name for name, number in holders.items() if number > 1):
            self._broken(f"The output {name} was given to {holders[name]} uploads.")
        for record_id, strange in charges.items():
            counts["unexplained"] += len(strange)
            self._broken(f"{len(strange)} charges for {record_id}, which was not uploaded.")
        calls = [call.outcome for call in self._billing.calls() if call.action == PAID_ACTION]
        counts["calls"] = len(calls)
        counts["refused"] = sum(o in ("FlowLimitExceeded", "50429", "50430") for o in calls)
        known = {upload.id for upload in uploads}
        for record_id, document in self._ledger.documents(finished=True):
            if record_id not in known:
                self._broken(f"There is an end record {record_id}, which was not uploaded.")
            if self._earlier.get(record_id, digest(document)) != digest(document):
                self._broken(f"The end record {record_id} changed after it was written.")
        return self._tally

    def _charges(self, uploads: list[PlannedUpload]) -> dict[str, list[Charge]]:
        """Return each upload's charges, oldest first, by the id of its record."""
        by_key = {upload.key: upload.id for upload in uploads}
        found: dict[str, list[Charge]] = defaultdict(list)
        for charge in self._billing.charges():
            name = charge.output.removeprefix("repaint/").rpartition("-")[0]
            # A name that the user chose holds no id; the key of such an upload is put only once.
            key = unquote(urlsplit(charge.source).path).removeprefix("/")
            chosen = charge.output.startswith(("repaint/named/", "repaint/same/", "repaint/over/"))
            found[by_key.get(key, charge.output) if chosen else name].append(charge)
        return found

    def _one(self, upload: PlannedUpload, paid: list[Charge]) -> str:
        """Judge one upload; return its end."""
        counts, record = self._tally.counts, self._ledger.end(upload.id)
        pending = self._pending.get(upload.id)
        if record is not None and pending is not None:
            self._broken(f"{upload.key} ended and is pending still.")
        if record is not None:
            state: str = record.state
        elif pending is not None:
            state = "parked" if upload.id in self._parked else "lost"
        elif upload.kind == "no prompt":
            state = "skipped"
        else:
            state = "superseded" if self._is_replaced(upload) else "lost"
        counts[state] += 1
        if state == "lost":
            self._broken(f"{upload.key} ({upload.id}, {upload.kind}) has no end: {pending!r}")
        elif state not in ("parked", *self._allowed(upload, record)):
            reason = record.reason if record else ""
            self._broken(f"{upload.key} ({upload.kind}) ended {state}: {reason}")
        if record is not None:
            counts["recovered"] += any(a.outcome == "found" for a in record.attempts)
            self._stored(upload, record, paid)
        self._explain(upload, record, state, paid)
        return state

    def _allowed(self, upload: PlannedUpload, record: Record | None) -> tuple[str, ...]:
        outcomes = [attempt.outcome for attempt in record.attempts] if record else []
        if upload.kind == "refused once" and outcomes[MAX_ATTEMPTS - 1 :] == [Verdict.RESEED]:
            # Refused in the last attempt; after an earlier one, another would have made the image.
            first = Verdict.RESEED not in outcomes[:-1]
            return ("generated", "rejected") if first else ("generated",)
        if upload.kind == "replaced" and self._is_replaced(upload):
            return ("generated", "superseded")
        return ENDS.get(upload.kind, ("generated",))

    def _is_replaced(self, upload: PlannedUpload) -> bool:
        return self._objects.head(UPLOADS_BUCKET, upload.key).etag != upload.etag

    def _stored(self, upload: PlannedUpload, record: Record, paid: list[Charge]) -> None:
        """Check that an upload that ended generated has its image, and was paid for."""
        if record.state != "generated":
            return
        names = [uri.partition("/")[2] for uri in record.store_uris]
        if not names or not all(self._billing.find(name) for name in names):
            self._broken(f"{upload.key} ended generated; {names} are not all stored.")
        # Two may overwrite one name: whose file a probe finds cannot be known.
        shared = upload.kind == "overwriting"
        if not shared and not any(c.stored and c.output in names for c in paid):
            self._broken(f"{upload.key} ended generated; nothing was charged for {names}.")

    def _explain(
        self, upload: PlannedUpload, record: Record | None, state: str, paid: list[Charge]
    ) -> None:
        """Find the reason of every charge but the image's own."""
        counts, pending = self._tally.counts, self._pending.get(upload.id)
        # A record that waits for a name has not sent anything.
        in_doubt = record is None and pending is not None and _is_in_doubt(pending)
        made = [c for c in paid if record and c.store_uri in record.store_uris and c.stored]
        for charge in paid:
            if made and charge is made[0]:
                continue
            after = charge.at - self._sent_at(charge, record or pending)
            if not charge.stored:
                counts["nothing stored"] += 1
            elif after > SETTLE_SECONDS:
                counts["too late"] += 1
            elif in_doubt and charge is paid[-1]:
                counts["in doubt"] += 1
            else:
                counts["unexplained"] += 1
                self._broken(
                    f"{upload.key} ({state}): {charge.output} was charged and stored {after:.3f} s "
                    f"after it was sent, and is not the image. {self._history(paid)} {record}"
                )
        for first, second in pairwise(paid):
            sent, sent_again = (self._sent_at(c) for c in (first, second))
            probes = self._billing.probes.get(first.output, ())
            if not any(sent <= probe <= sent_again for probe in probes):
                counts["unexplained"] += 1
                self._broken(
                    f"{upload.key}: {second.output} was paid without a probe for {first.output}. "
                    f"{self._history(paid)} {record}"
                )

    def _sent_at(self, charge: Charge, record: Record | None = None) -> float:
        """Return when a charge's call was sent, by its record, or else when it arrived."""
        sent = [a.sent_at for a in record.attempts if a.output == charge.output] if record else []
        return min([self._arrived.get(charge.request_id, charge.at), *sent])

    def _history(self, paid: list[Charge]) -> str:
        return "; ".join(
            f"{c.output} sent {self._sent_at(c):.3f} charged {c.at:.3f} "
            f"stored {c.stored} probed {self._billing.probes.get(c.output, [])}"
            for c in paid
        )

    def _broken(self, sentence: str) -> None:
        self._tally.broken.append(sentence)


def waiting_for_operator(pending: Mapping[str, Record]) -> set[str]:
    """Return the ids of the records that only an operator can get to an end.

    These are in doubt, or wait for an output name that such a one holds.
    """
    in_doubt = {i for i, record in pending.items() if _is_in_doubt(record)}
    holders = {
        i: _NAME_OF.match(record.reason or "")
        for i, record in pending.items()
        if record.status is Status.DEFERRED
    }
    return in_doubt | {i for i, holder in holders.items() if holder and holder[1] in in_doubt}


def _is_in_doubt(record: Record) -> bool:
    return record.status is Status.IN_DOUBT


def digest(document: bytes) -> str:
    """Return the digest of an end record, by which a change shows."""
    return hashlib.sha256(document).hexdigest()
