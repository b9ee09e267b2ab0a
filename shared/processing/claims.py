"""Becoming the owner of an upload's record, or leaving it to the sweep."""

import secrets
from collections.abc import Callable

from shared.clients.tos import Tos
from shared.clock import Clock
from shared.ledger import Entry, Ledger, Record
from shared.logs import Log
from shared.processing.generation import Generation
from shared.processing.trace import Trace
from shared.processing.turns import Turns
from shared.processing.work import Work
from shared.results import Result, duplicate_of, incomplete, result_of


class Claims:
    """Lets one delivery at a time own a record; safe to use from several threads.

    `storage` returns object storage in a region.
    """

    def __init__(
        self,
        *,
        storage: Callable[[str | None], Tos],
        generation: Generation,
        turns: Turns,
        clock: Clock,
    ) -> None:
        self._storage = storage
        self._generation = generation
        self._turns = turns
        self._clock = clock

    def claim(self, ledger: Ledger, record: Record, deadline: float, log: Log) -> Result | Work:
        """Become the upload's owner, or say why not.

        The end record is looked for twice. The first look only saves a duplicate the claim. The
        one that counts comes after the claim: see `ledger.tos` for what it prevents.
        """
        finished = ledger.finished(record.id)
        if finished is not None:
            return duplicate_of(finished)
        has_turn = record.instructions is not None and self._turns.wait(deadline)
        now = self._clock.now()
        record = record.changed(
            lease_until=self._turns.lease_until(now),
            attempts=self._generation.first_attempt(record, now) if has_turn else (),
            created_at=now,
            updated_at=now,
        )
        entry = ledger.create(record)
        if entry is not None:
            finished = ledger.finished(record.id)
            if finished is not None:
                ledger.drop(entry)
                return duplicate_of(finished)
            log.info("upload.claimed", taken_over=False)
            return self._work(ledger, entry, deadline, log, has_turn=has_turn)
        other = ledger.pending(record.id)
        if other is not None:
            return self._take_over(ledger, other, deadline, log)
        finished = ledger.finished(record.id)
        if finished is not None:
            return duplicate_of(finished)
        return incomplete(record, "Another delivery of it ended just now.")

    def take_up(
        self, ledger: Ledger, trace: Trace, deadline: float, log: Log, *, early: bool
    ) -> Result | Work:
        """Become the owner of the pending record that `trace` names, or say why not.

        One that is parked and not due yet is left alone, unless `early`.
        """
        record_id = trace.record or ""
        entry = ledger.pending(record_id)
        if entry is None:
            ended = ledger.finished(record_id)
            if ended is not None:
                return duplicate_of(ended)
            return Result("duplicate", None, None, record_id, "It ended meanwhile.")
        trace.bucket, trace.key = entry.record.bucket, entry.record.key
        return self._take_over(ledger, entry, deadline, trace.bound(log), early=early)

    def leave(self, ledger: Ledger, record: Record) -> Result:
        """Leave a caller's record to the sweep."""
        stands = self.left(ledger, record)
        if stands is None:
            return incomplete(record, "Another delivery of it ended just now.")
        return result_of(stands) if stands.state == "pending" else duplicate_of(stands)

    def left(self, ledger: Ledger, record: Record) -> Record | None:
        """Write a record that is due at once, and that nobody is working on; return what stands.

        That is an earlier one where there is one. None where there is none for sure: a create may
        be refused for another reason than that, and what was there may have ended since.
        """
        now = self._clock.now()
        left = record.changed(
            owner="", parked="deferred", cause="time", reason="It is left to the sweep.",
            due_at=now, created_at=now, updated_at=now,
        )  # fmt: skip
        entry = ledger.create(left)
        finished = ledger.finished(record.id)
        if finished is not None:
            # As with every claim: the look that counts comes after it.
            if entry is not None:
                ledger.drop(entry)
            return finished
        other = entry or ledger.pending(record.id)
        return other.record if other else None

    def _take_over(
        self, ledger: Ledger, other: Entry, deadline: float, log: Log, *, early: bool = False
    ) -> Result | Work:
        """Become the owner of a pending record whose owner's lease is over, or say why not."""
        now, record = self._clock.now(), other.record
        waits = record.parked and record.due_at > now and not early
        if record.lease_until > now or waits:
            finished = ledger.finished(record.id)
            if finished is not None:
                # Its owner died between the end record and the removal: tidy up.
                ledger.drop(other)
                return duplicate_of(finished)
            if record.parked:
                return result_of(record)
            return incomplete(record, "Another delivery is working on it.")
        mine = record.changed(
            owner=secrets.token_hex(8),
            lease_until=self._turns.lease_until(now),
            updated_at=now,
        )
        # The version compared is the one that was read: of two that take over, one wins.
        entry = ledger.replace(other, mine)
        finished = ledger.finished(record.id)
        if finished is not None:
            ledger.drop(entry)
            return duplicate_of(finished)
        log.info("upload.claimed", taken_over=True)
        return self._work(ledger, entry, deadline, log, taken_over=True)

    def _work(self, ledger: Ledger, entry: Entry, deadline: float, log: Log, **how: bool) -> Work:
        source = self._storage(entry.record.region)
        return Work(ledger, entry, source, deadline, log, **how)
