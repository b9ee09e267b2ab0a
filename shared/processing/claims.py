"""Claims: one delivery at a time owns a record, and for how long.

The timing of a lease, from the write of an attempt, which a plain upload's claim contains:

    written             latest send     arrived                     lease ends
       │ ── send grace ──▶ │ ── margin ──▶ │ ──── settle time ────────▶ │
       │                   │               │                            │
       │ create-only, or   │ nothing is    │ a call may still store     │ one probe is conclusive;
       │ compare-and-swap  │ sent later    │ its image, unanswered      │ anybody may take over

One reading of the clock, right before the first byte, decides whether it is too late to send. If
the timeout is longer than the settle time, the lease lasts until its owner stops waiting.
"""

import secrets
from dataclasses import dataclass, field
from typing import NamedTuple

from shared.clients.rate_limit import RateLimiter
from shared.clock import Clock
from shared.delivery import Delivery
from shared.ledger import (
    Attempt,
    Cause,
    Entry,
    Lease,
    Ledger,
    OutboxEntry,
    Park,
    Record,
    State,
    Status,
)
from shared.results import Result, duplicate_of, incomplete, result_of

# The longest time from writing an attempt to sending its call. The lease counts on it.
SEND_GRACE_SECONDS = 5.0
# From the last reading of the clock to the arrival of the request, and for clocks that differ.
MARGIN_SECONDS = 6.0
# Reserved at the end of an invocation for the writes of an end.
WRITE_SECONDS = 2.0

_RACED = "Another delivery changed it at the same time."


class LeasePolicy(NamedTuple):
    """How long a lease lasts and how late a call may begin. Moments are seconds since the epoch.

    `timeout_seconds` is how long an answer may take, `settle_seconds` how long a call that was not
    answered may still store its image.
    """

    timeout_seconds: float
    settle_seconds: float

    def lease_until(self, written_at: float) -> float:
        """Return when the lease of an attempt that is written at `written_at` ends.

        Its call is certainly settled then, even if it was sent at the last allowed moment, and its
        owner has stopped waiting for the answer.
        """
        slowest = max(self.timeout_seconds, self.settle_seconds)
        return written_at + SEND_GRACE_SECONDS + MARGIN_SECONDS + slowest

    def settled_at(self, sent_at: float) -> float:
        """Return when a call that was sent at `sent_at` can no longer store its image."""
        return sent_at + MARGIN_SECONDS + self.settle_seconds

    def latest_call(self, deadline: float) -> float:
        """Return the last moment at which a call can begin and be answered before `deadline`."""
        return deadline - self.timeout_seconds - WRITE_SECONDS

    def with_lease(self, record: Record, now: float, owner: str | None = None) -> Record:
        """Return the record with a lease of `owner`, or of a new one, that begins now."""
        lease = Lease(owner=owner or secrets.token_hex(8), until=self.lease_until(now))
        return record.changed(lease=lease, updated_at=now)

    def with_renewed_lease(self, record: Record, now: float) -> Record:
        """Return the record with its owner's lease beginning anew now."""
        return self.with_lease(record, now, record.lease.owner if record.lease else None)


@dataclass(slots=True)
class Claim:
    """A record that this delivery owns, as it was last written, and the version of that write.

    `has_slot` is a call slot that was acquired and not used yet, `pauses` how often the run backed
    off, `sent_at` when its last call was sent (seconds since the epoch). `pending_webhook` is the
    event that was written for the record's last change, and the record that it reports.
    """

    delivery: Delivery
    record: Record
    version: str
    taken_over: bool = False
    has_slot: bool = False
    pauses: int = field(default=0, init=False)
    sent_at: float = field(default=0.0, init=False)
    pending_webhook: tuple[OutboxEntry, Record] | None = field(default=None, init=False)

    def write(self, record: Record) -> None:
        """Put `record` in place of the pending one. Raises LeaseLost if that was changed."""
        entry = Entry(self.record, self.version)
        self.record, self.version = self.delivery.ledger.replace(entry, record)


class Claims:
    """Lets one delivery at a time own a record.

    `output_prefix` is that of the outputs' names; with `capped` attempts count against a daily cap.
    """

    def __init__(
        self,
        *,
        policy: LeasePolicy,
        limiter: RateLimiter,
        clock: Clock,
        output_prefix: str,
        capped: bool,
    ) -> None:
        self._policy = policy
        self._limiter = limiter
        self._clock = clock
        self.output_prefix = output_prefix
        self._capped = capped

    def claim(self, record: Record, delivery: Delivery) -> Claim | Result:
        """Become the owner of an upload's record, or return why not.

        The end record is read twice. The first read avoids a claim for a duplicate. The second,
        after the claim, is the safe one: see `ledger.tos` for the interleaving that it prevents.
        """
        ledger = delivery.ledger
        finished = ledger.finished(record.id)
        if finished is not None:
            return duplicate_of(finished)
        has_slot = record.instructions is not None and self._limiter.acquire(
            until=self._policy.latest_call(delivery.deadline)
        )
        now = self._clock.now()
        # The claim holds the first attempt's name and time: if the process dies right after it, the
        # next owner probes. A write of its own would cost every upload a round trip.
        record = self._policy.with_lease(record, now).changed(
            attempts=self._first_attempt(record, now) if has_slot else (), created_at=now
        )
        entry = ledger.create(record)
        if entry is not None:
            finished = ledger.finished(record.id)
            if finished is not None:
                ledger.drop(entry)
                return duplicate_of(finished)
            delivery.log.info("upload.claimed", taken_over=False)
            return Claim(delivery, *entry, has_slot=has_slot and not record.attempts)
        other = ledger.pending(record.id)
        if other is not None:
            return self.take_over(other, delivery)
        finished = ledger.finished(record.id)
        return duplicate_of(finished) if finished else incomplete(record, _RACED)

    def take_over(self, other: Entry, delivery: Delivery, *, early: bool = False) -> Claim | Result:
        """Become the owner of a pending record whose owner's lease is over, or return why not.

        A parked one that is not due yet is left alone, unless `early`.
        """
        now, record = self._clock.now(), other.record
        waits = record.park is not None and record.park.due_at > now and not early
        if record.is_leased(now) or waits:
            finished = delivery.ledger.finished(record.id)
            if finished is not None:
                # Its owner is, or died, between the end record and the removal: tidy up.
                delivery.ledger.drop(other)
                return duplicate_of(finished)
            if record.park:
                return result_of(record)
            return incomplete(record, "Another delivery is working on it.", held=True)
        return self.take(other, delivery)

    def take(self, other: Entry, delivery: Delivery) -> Claim | Result:
        """Become the owner of a pending record whose lease is over; the caller has checked that.

        Returns the end if it has one by now. Raises LeaseLost if another owner changed it first.
        """
        now = self._clock.now()
        mine = self._policy.with_lease(other.record, now)
        # The version compared is the one that was read: of two that take over, one wins.
        entry = delivery.ledger.replace(other, mine)
        # As with every claim, the end record is read after it.
        finished = delivery.ledger.finished(mine.id)
        if finished is not None:
            delivery.ledger.drop(entry)
            return duplicate_of(finished)
        delivery.log.info("upload.claimed", taken_over=True)
        return Claim(delivery, *entry, taken_over=True)

    def leave(self, record: Record, ledger: Ledger, cause: Cause = Cause.TIME) -> Record | None:
        """Create a parked record without an owner, due at once; return the record in the ledger.

        None if it is not clear whether there is one: a create may be refused for another reason
        than an earlier record, or for one that has ended since.
        """
        now = self._clock.now()
        left = record.changed(
            lease=None, park=Park(status=Status.DEFERRED, cause=cause, due_at=now),
            reason=record.reason or "It is left to the sweep.", created_at=now, updated_at=now,
        )  # fmt: skip
        entry = ledger.create(left)
        finished = ledger.finished(record.id)
        if finished is not None:
            # As with every claim, the end record is read after it.
            if entry is not None:
                ledger.drop(entry)
            return finished
        other = entry or ledger.pending(record.id)
        return other.record if other else None

    def defer(self, record: Record, delivery: Delivery, *, cause: Cause = Cause.TIME) -> Result:
        """Leave a record of the HTTP API to the sweep; return its result so far."""
        stands = self.leave(record, delivery.ledger, cause)
        if stands is None:
            return incomplete(record, _RACED)
        return result_of(stands) if stands.state == State.PENDING else duplicate_of(stands)

    def _first_attempt(self, record: Record, now: float) -> tuple[Attempt, ...]:
        """Return the attempt that the claim itself can already hold.

        Empty if something comes before the attempt: a name that the user chose is reserved first,
        and an attempt is counted against the daily cap.
        """
        chosen = record.instructions is not None and record.instructions.output
        if self._capped or chosen:
            return ()
        output = record.default_output(self.output_prefix, 1)
        return (Attempt(number=1, output=output, sent_at=now),)
