"""The webhook's outbox: write events, send them at once, and again until they are delivered."""

import random
from concurrent.futures import ThreadPoolExecutor

from shared.backoff import Backoff
from shared.clock import Clock
from shared.delivery import Delivery
from shared.errors import RepaintError
from shared.ledger import Ledger, OutboxEntry, Record, State, find
from shared.logs import Log
from shared.webhook.sender import TIMEOUTS, Sender, event_type

FIRST_TRY_SECONDS = 3.0
# Longer than a well-meaning endpoint can take.
_TRY_SECONDS = TIMEOUTS.connect + TIMEOUTS.read + 1.0
_BACKOFF = Backoff(base=60.0, ceiling=3600.0)
_GIVE_UP_SECONDS = 86400.0
_AT_ONCE = 8
# For how much of its time a tick of the sweep begins tries, and after how many that failed it
# leaves the rest to the next one: the endpoint is the same for all.
_SHARE, _ENOUGH = 0.25, 8


class WebhookOutbox:
    """Writes events to the ledger's outbox and has them sent."""

    def __init__(self, sender: Sender, *, clock: Clock, rng: random.Random) -> None:
        self._sender = sender
        self._clock = clock
        self._rng = rng

    def enqueue(self, ledger: Ledger, record: Record) -> OutboxEntry | None:
        """Write the event of `record`'s state, right before the record itself is written.

        None if there is no event of it. Raises what the ledger raises: then the record must not be
        written.
        """
        kind = event_type(record)
        if kind is None:
            return None
        entry = OutboxEntry(
            id=f"{record.id}-{kind.rpartition('.')[2]}",
            record=record.id,
            type=kind,
            created_at=record.updated_at,
            due_at=record.updated_at + _BACKOFF.pause(1),
            tries=1,
        )
        ledger.put_entry(entry)
        return entry

    def send_first(
        self, entry: OutboxEntry, record: Record, delivery: Delivery, *, waits: bool
    ) -> None:
        """Send an event that was just written; one that does not arrive is left to the sweep.

        Takes `FIRST_TRY_SECONDS` at most, and is not begun if less is left before the deadline or
        a try failed a moment ago. With `waits` false it takes no time.
        """
        if self._sender.rests:
            return
        left = delivery.deadline - self._clock.now()
        # Of another type if another owner's end record stands.
        if event_type(record) != entry.type or left < FIRST_TRY_SECONDS:
            return
        wait = FIRST_TRY_SECONDS if waits else None
        self._sender.send(delivery.ledger, entry, record, wait=wait, log=delivery.log)

    def send_due(self, delivery: Delivery) -> None:
        """Send what is due, several at a time, as far as a tick of the sweep has time for that."""
        ledger, log, now = delivery.ledger, delivery.log, self._clock.now()
        until = min(now + _SHARE * (delivery.deadline - now), delivery.deadline - _TRY_SECONDS)
        failed: list[str] = []

        def send(entry_id: str) -> None:
            if self._clock.now() > until or len(failed) >= _ENOUGH:
                return
            try:
                if not self._send_due(entry_id, ledger, log):
                    failed.append(entry_id)
            except RepaintError as error:
                log.warning("notice.failed", notice=entry_id, reason=str(error))

        try:
            ids = list(ledger.entry_ids())
        except RepaintError as error:
            log.warning("notice.failed", reason=str(error))
            return
        # In another order each time: what cannot be delivered must not always come first.
        self._rng.shuffle(ids)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for _ in pool.map(send, ids):
                pass

    def _send_due(self, entry_id: str, ledger: Ledger, log: Log) -> bool:
        """Send an event if it is due and true; return False if that failed."""
        entry, now = ledger.entry(entry_id), self._clock.now()
        if entry is None or entry.due_at > now:
            return True
        record = find(ledger, entry.record)
        is_over = now - entry.created_at > _GIVE_UP_SECONDS
        if record is None or event_type(record) != entry.type:
            # Not true yet: its writer died before the record was written, or is about to write it;
            # or the parked record is being worked on. Or not true any more: the record ended
            # otherwise.
            if is_over if record is None else record.state != State.PENDING:
                ledger.drop_entry(entry_id)
            return True
        log = log.bind(bucket=record.source.bucket, key=record.source.key, record=record.id)
        tries = entry.tries + 1
        begun = entry.model_copy(update={"tries": tries, "due_at": now + _BACKOFF.pause(tries)})
        ledger.put_entry(begun)
        is_sent = self._sender.send(ledger, begun, record, wait=_TRY_SECONDS, log=log)
        # Only after a try: the sweep itself may have been off for as long.
        if is_sent is False and is_over:
            reason = "It could not be delivered within 24 hours."
            log.error("notice.dropped", status=None, reason=reason, **begun.log_fields())
            ledger.drop_entry(entry_id)
        return is_sent is True
