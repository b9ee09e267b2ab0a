"""Redrive: run a record again on an operator's word, as a new record in the place of the old one.

An end state never changes, so what is run again is another record, which says whose place it took
(`redrive_of`). If the old one is still pending, the two must not both pay:

    old: redriven_as ──▶ new: created ──▶ old: superseded ──▶ new: carried out

* If the process dies after the first write, the old record names a new one that is not there: the
  next owner finds that, and goes on with the old one as it was.
* After the second, both are there. The old one pays nothing any more: its next owner finds the new
  one, and ends the old one. In the opposite order, the old one could pay beside the new one.
* After the third, the new record is due, as any that was parked.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from shared.clients.imagex import Generated
from shared.clock import Clock
from shared.delivery import Delivery
from shared.errors import ProbeFailed
from shared.ledger import Attempt, Entry, Record, find
from shared.processing.attempts import ABSENT, AttemptRunner
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
        runner: AttemptRunner,
        policy: LeasePolicy,
        pipeline: Pipeline,
        clock: Clock,
        later: bool,
    ) -> None:
        self._claims = claims
        self._runner = runner
        self._policy = policy
        self._pipeline = pipeline
        self._clock = clock
        self._later = later

    def run(
        self,
        record_id: str,
        *,
        shown_at: float,
        successor: Callable[[Record], Record],
        delivery: Delivery,
    ) -> Redriven:
        """Run a record again as it was shown to the operator, whose yes was for that state.

        `shown_at` is the `updated_at` of the record that was shown; `successor` returns the record
        that is to take a record's place. Raises NotRedriven, also out of `successor`; LeaseLost if
        another owner has the record by now; and what the ledger raises.
        """
        ledger = delivery.ledger
        entry, ended = ledger.pending(record_id), ledger.finished(record_id)
        if ended is not None:
            entry = None
        old = ended or (entry.record if entry else None)
        if old is None:
            raise NotRedriven("There is no such record.")
        known = find(ledger, redrive_id(record_id))
        if known is not None:
            if entry is not None:
                # The process that wrote it died before it could end the old one.
                self._supersede(self._take(entry, delivery), known.id)
            raise NotRedriven(
                f"It was run again already, as {known.id} "
                f"({self._describe(known)}): redrive that one."
            )
        if old.updated_at != shown_at:
            raise NotRedriven(
                f"It changed since it was shown, and is {self._describe(old)} now: check it again."
            )
        new = successor(old)
        if entry is not None:
            return self._run_pending(entry, new.changed(replaces_pending=True), delivery)
        return self._go_on(old, new, self._write(old, new, delivery), delivery)

    def _describe(self, record: Record) -> str:
        return record.status_at(self._clock.now()).replace("_", " ")

    def _run_pending(self, entry: Entry, new: Record, delivery: Delivery) -> Redriven:
        """Run a pending record again, which ends it."""
        old = entry.record
        claim = self._take(entry, delivery)
        for attempt, image in probe_unknown(self._runner, old):
            if isinstance(image, Generated):
                ended = self._runner.finish_generated(claim, image, attempt, by_probe=True)
                reason = "Its image was there after all: nothing was run again."
                return Redriven(old.id, result_of(ended), reason)
        # Renewing the lease fails if the probes took longer than it lasted.
        renewed = self._policy.with_renewed_lease(claim.record, self._clock.now())
        claim.write(renewed.changed(redriven_as=new.id))
        # If this process is suspended here, another owner may take the old record over, find no new
        # one, and pay. The new record written after that pays nothing: its first owner finds that
        # the old one does not name it.
        result = self._write(old, new, delivery)
        # If the new one was not written after all, the old one stays.
        self._supersede(claim, new.id)
        return self._go_on(old, new, result, delivery)

    def _supersede(self, claim: Claim, new_id: str) -> None:
        """End the old record, if its new one is written."""
        if claim.record.redriven_as != new_id:
            claim.write(claim.record.changed(redriven_as=new_id))
        self._runner.end_if_redriven(claim)

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


def probe_unknown(
    runner: AttemptRunner, record: Record
) -> Iterator[tuple[Attempt, Generated | ProbeFailed | None]]:
    """Probe the output of each attempt whose outcome is unknown, or absent so far."""
    for attempt in record.attempts:
        if attempt.outcome in (None, ABSENT):
            try:
                yield attempt, runner.probe_output(record, attempt)
            except ProbeFailed as error:
                yield attempt, error
