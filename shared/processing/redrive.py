"""Redrive: run a record again on an operator's word, as a new record in the place of the old one.

An end state never changes, so what is run again is another record, which says whose place it took
(`redrive_of`). If the old one is still pending, the two must not both pay:

    old: redriven_as ──▶ new: created ──▶ old: superseded ──▶ new: carried out

* Dying after the first write leaves an old record that names a new one which is not there: the
  next owner finds that, and goes on with it as it was.
* Dying after the second leaves both. The old one pays nothing any more: its next owner finds the
  new one, and ends the old one. The other way round, the old one could pay beside the new one.
* Dying after the third leaves a new record that is due, as any that was parked.
"""

from collections.abc import Callable
from dataclasses import dataclass

from shared.clients.imagex import Generated
from shared.clock import Clock
from shared.delivery import Delivery
from shared.errors import LeaseLost
from shared.ledger import Entry, Record, find
from shared.processing.attempts import Attempts
from shared.processing.claims import Claim, Claims, LeasePolicy
from shared.processing.pipeline import Pipeline
from shared.processing.variants import write_siblings
from shared.results import Result, incomplete, result_of
from shared.uploads.metadata import redrive_id


class NotRedriven(Exception):
    """A record is not run again; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Redriven:
    """The result of running a record again.

    `record` is the id of the new one; or of the old one, if it had made its image after all.
    """

    record: str
    result: Result
    reason: str = ""


class Redrive:
    """Runs records again. Thread-safe. With `later`, the new ones are left to the sweep."""

    def __init__(
        self,
        *,
        claims: Claims,
        attempts: Attempts,
        policy: LeasePolicy,
        pipeline: Pipeline,
        clock: Clock,
        later: bool,
    ) -> None:
        self._claims = claims
        self._attempts = attempts
        self._policy = policy
        self._pipeline = pipeline
        self._clock = clock
        self._later = later

    def run(
        self, record_id: str, successor: Callable[[Record], Record], delivery: Delivery
    ) -> Redriven:
        """Run a record again. `successor` returns the record that is to take a record's place.

        Raises NotRedriven, also out of `successor`; LeaseLost if somebody else has the record by
        now; and what the ledger raises.
        """
        entry = delivery.ledger.pending(record_id)
        ended = delivery.ledger.finished(record_id)
        if ended is not None:
            entry = None
        old = ended or (entry.record if entry else None)
        if old is None:
            raise NotRedriven("There is no such record.")
        known = find(delivery.ledger, redrive_id(record_id))
        if known is not None:
            if entry is not None:
                # The process that wrote it died before it could end the old one.
                self._supersede(self._take(entry, delivery), known.id)
            status = known.status_at(self._clock.now()).replace("_", " ")
            raise NotRedriven(
                f"It was run again already, as {known.id} ({status}): redrive that one."
            )
        new = successor(old)
        if entry is not None:
            return self._run_pending(entry, new, delivery)
        return self._go_on(old, new, self._write(old, new, delivery), delivery)

    def _run_pending(self, entry: Entry, new: Record, delivery: Delivery) -> Redriven:
        """Run a pending record again, which ends it."""
        old = entry.record
        claim = self._take(entry, delivery)
        for attempt, made in self._attempts.probe_unknown(old):
            if isinstance(made, Generated):
                ended = self._attempts.generated(claim, made, attempt, by_probe=True)
                reason = "Its image was there after all: nothing was run again."
                return Redriven(old.id, result_of(ended), reason)
        # Renewing the lease fails if the probes took longer than it lasted.
        renewed = self._policy.leased(claim.record, self._clock.now(), renew=True)
        claim.write(renewed.changed(redriven_as=new.id))
        if not claim.record.is_leased(self._clock.now()):
            # This process was frozen here: the old one may be another's, and be paid for, by now.
            raise LeaseLost(f"The record {old.id} was held for too long.")
        result = self._write(old, new, delivery)
        # If the new one was not written after all, the old one stays.
        self._supersede(claim, new.id)
        return self._go_on(old, new, result, delivery)

    def _supersede(self, claim: Claim, new_id: str) -> None:
        """End the old record, whose new one is written."""
        if claim.record.redriven_as != new_id:
            claim.write(claim.record.changed(redriven_as=new_id))
        self._attempts.end_superseded(claim)

    def _take(self, entry: Entry, delivery: Delivery) -> Claim:
        """Become the owner of a pending record that nobody works on. Raises NotRedriven."""
        source, record_id = entry.record.source, entry.record.id
        if entry.record.is_leased(self._clock.now()):
            raise NotRedriven("It is being worked on: wait for its end.")
        bound = delivery.bind(bucket=source.bucket, key=source.key, record=record_id)
        claim = self._claims.take(entry, bound)
        if isinstance(claim, Result):
            ended = delivery.ledger.finished(record_id)
            raise NotRedriven(f"It ended meanwhile: {ended.state if ended else claim.reason}.")
        return claim

    def _write(self, old: Record, new: Record, delivery: Delivery) -> Result:
        """Write the new record, due at once and without an owner; return its result so far.

        A record that was rejected as it was uploaded never had its variants. They are written
        before the new record, as those of an upload are (see `variants`).
        """
        if (
            further_variants(old, new)
            and write_siblings(new, delivery.ledger, self._claims) is None
        ):
            return incomplete(new, "Not all of its variants could be written.")
        return self._pipeline.submit(new, delivery, later=True)

    def _go_on(self, old: Record, new: Record, result: Result, delivery: Delivery) -> Redriven:
        if result.status == "deferred" and not self._later:
            result = self._pipeline.resume(new.id, delivery, early=True)
        reason, further = result.reason, further_variants(old, new)
        if result.status != "incomplete" and further:
            left = f"Its further variants ({further}) are left to the sweep."
            reason = f"{reason} {left}".lstrip()
        return Redriven(new.id, result, reason)


def further_variants(old: Record, new: Record) -> int:
    """Return how many variants come beside the new record that the old one never had."""
    if old.instructions is not None or new.instructions is None:
        return 0
    return new.instructions.variants - 1
