"""Claims: one delivery at a time owns a record, takes it over, or leaves it to the sweep.

A claim's life, seen along the clock:

    claim ──────────── sent_at ── send by ──────────────── lease ends
      │ create-only,      │  nothing    │ the call may still     │ from here on anybody may
      │ holds the first   │  is sent    │ store its image        │ take over, by compare-and-swap;
      │ attempt's name    │  after it   │ (settle time)          │ one probe then shows for good
                                                                 │ whether the attempt made it

`LeasePolicy` has the lengths, `Claims` the writes. Claims are thread-safe.
"""

import secrets
from dataclasses import dataclass, field
from typing import NamedTuple

from shared.clients.http import Timeouts
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

# From writing an attempt to sending it. A send later than this is given up: the next owner relies
# on the settle time having passed by then.
SEND_GRACE_SECONDS = 5.0
# From sending to the first byte on the wire: the host's name is resolved and a connection is made.
CONNECT_SECONDS = 2 * Timeouts().connect
# Left of an invocation for writing the end.
WRITE_SECONDS = 2.0

_RACED = "Another delivery of it ended just now."


class LeasePolicy(NamedTuple):
    """How long a lease lasts and how late a call may begin. Moments are seconds since the epoch.

    `timeout_seconds` is how long an answer may take, `settle_seconds` how long a call that was not
    answered may still store its image.
    """

    timeout_seconds: float
    settle_seconds: float

    def lease_until(self, sent_at: float) -> float:
        """Return when an attempt sent at `sent_at` is settled, whatever became of its sender.

        The next owner need not wait after that: one probe is conclusive.
        """
        slowest = max(self.timeout_seconds, self.settle_seconds)
        return sent_at + SEND_GRACE_SECONDS + CONNECT_SECONDS + slowest

    def settled_at(self, sent_at: float) -> float:
        """Return when a call that went out right at `sent_at` can no longer store its image."""
        return sent_at + CONNECT_SECONDS + self.settle_seconds

    def latest_call(self, deadline: float) -> float:
        """Return the last moment at which a call can begin and be answered before `deadline`."""
        return deadline - self.timeout_seconds - WRITE_SECONDS

    def leased(self, record: Record, now: float, *, renew: bool = False) -> Record:
        """Return the record with a new owner's lease for an attempt that is sent now.

        With `renew` it stays the owner's that it has.
        """
        kept = record.lease.owner if renew and record.lease else None
        lease = Lease(owner=kept or secrets.token_hex(8), until=self.lease_until(now))
        return record.changed(lease=lease, updated_at=now)


@dataclass(slots=True)
class Claim:
    """A record that this delivery owns, as it last wrote it, and the version of that write.

    `pending_webhook` is the webhook event that was written for the record's last change, and the
    record that stands.
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
        """Put `record` in place of the pending one. Raises LeaseLost if it has another owner."""
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

        The end record is read twice. The first time only saves a duplicate the claim. The one that
        counts comes after the claim: see `ledger.tos` for the interleaving that it prevents.
        """
        ledger = delivery.ledger
        finished = ledger.finished(record.id)
        if finished is not None:
            return duplicate_of(finished)
        has_slot = record.instructions is not None and self._limiter.acquire(
            until=self._policy.latest_call(delivery.deadline)
        )
        now = self._clock.now()
        # The claim holds the first attempt's name and send time: a process that dies right after it
        # leaves an attempt that the next owner probes. A second write would cost every upload a
        # round trip, and dying before it would be no better.
        record = self._policy.leased(record, now).changed(
            attempts=self._first_attempt(record, now) if has_slot else (), created_at=now
        )
        entry = ledger.create(record)
        if entry is not None:
            finished = ledger.finished(record.id)
            if finished is not None:
                ledger.drop(entry)
                return duplicate_of(finished)
            delivery.log.info("upload.claimed", taken_over=False)
            return Claim(delivery, *entry, has_slot=has_slot)
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
                # Its owner died between the end record and the removal: tidy up.
                delivery.ledger.drop(other)
                return duplicate_of(finished)
            if record.park:
                return result_of(record)
            return incomplete(record, "Another delivery is working on it.", held=True)
        return self.take(other, delivery)

    def take(self, other: Entry, delivery: Delivery) -> Claim | Result:
        """Become the owner of a pending record that nobody works on.

        Returns the end if it has one by now. Raises LeaseLost if somebody else was faster.
        """
        now = self._clock.now()
        mine = self._policy.leased(other.record, now)
        # The version compared is the one that was read: of two that take over, one wins.
        entry = delivery.ledger.replace(other, mine)
        # As with every claim, the end record is read after it.
        finished = delivery.ledger.finished(mine.id)
        if finished is not None:
            delivery.ledger.drop(entry)
            return duplicate_of(finished)
        delivery.log.info("upload.claimed", taken_over=True)
        return Claim(delivery, *entry, taken_over=True)

    def leave(self, record: Record, ledger: Ledger) -> Record | None:
        """Write a record that is due at once and has no owner, for the sweep; return what stands.

        That is an earlier one if there is one. None if none is there for sure: a create may be
        refused for another reason than an earlier record, which may have ended since.
        """
        now = self._clock.now()
        left = record.changed(
            lease=None, park=Park(status=Status.DEFERRED, cause=Cause.TIME, due_at=now),
            reason="It is left to the sweep.", created_at=now, updated_at=now,
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

    def defer(self, record: Record, delivery: Delivery) -> Result:
        """Leave a caller's record to the sweep; return the result that stands."""
        stands = self.leave(record, delivery.ledger)
        if stands is None:
            return incomplete(record, _RACED)
        return result_of(stands) if stands.state == State.PENDING else duplicate_of(stands)

    def _first_attempt(self, record: Record, now: float) -> tuple[Attempt, ...]:
        """Return the attempt that the claim itself can already hold.

        None if something comes before the attempt: a name that the user chose is reserved first,
        and an attempt is counted against the daily cap.
        """
        chosen = record.instructions is not None and record.instructions.output
        if self._capped or chosen:
            return ()
        output = record.default_output(self.output_prefix, 1)
        return (Attempt(number=1, output=output, sent_at=now),)
