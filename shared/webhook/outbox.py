"""Write notices down, send them at once, and again until they are delivered."""

import random
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

from shared.clients.http import Transport
from shared.clock import Clock
from shared.errors import RepaintError
from shared.ledger import Ledger, Notice, Record, find
from shared.logs import Log
from shared.settings import Settings
from shared.signing import webhook_key
from shared.webhook.courier import Courier
from shared.webhook.event import type_of
from shared.webhook.sender import TIMEOUTS, Receiver

FIRST_TRY_SECONDS = 3.0
# Longer than a receiver can take that is not out to.
_TRY_SECONDS = TIMEOUTS.connect + TIMEOUTS.read + 1.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 60.0, 3600.0
_GIVE_UP_SECONDS = 86400.0
_AT_ONCE = 8
# For how much of its time a tick of the sweep begins tries, and after how many that failed it
# leaves the rest to the next one: the receiver is the same for all.
_SHARE, _ENOUGH = 0.25, 8


class Notices:
    """Tells the receiver of the settings, if there is one; safe to use from several threads."""

    def __init__(
        self, *, settings: Settings, transport: Transport, clock: Clock, rng: random.Random
    ) -> None:
        self._courier: Courier | None = None
        if settings.webhook_url and settings.webhook_secret:
            receiver = Receiver(
                url=settings.webhook_url.get_secret_value(),
                key=webhook_key(settings.webhook_secret.get_secret_value()),
                transport=transport,
                clock=clock,
            )
            source = f"/repaint/{quote(settings.service_id, safe='')}"
            self._courier = Courier(receiver, source, clock)
        self._clock = clock
        self._rng = rng

    def write(self, ledger: Ledger, record: Record) -> Notice | None:
        """Write down what is to be told of `record`, right before the record itself is written.

        None where nothing is. Raises what the ledger raises: then the record must not be written.
        """
        kind = type_of(record)
        if self._courier is None or kind is None:
            return None
        notice = Notice(
            id=f"{record.id}-{kind.rpartition('.')[2]}",
            record=record.id,
            type=kind,
            created_at=record.updated_at,
            due_at=record.updated_at + _pause(1),
            tries=1,
        )
        ledger.put_notice(notice)
        return notice

    def try_first(
        self,
        ledger: Ledger,
        notice: Notice,
        record: Record,
        *,
        deadline: float,
        log: Log,
        waits: bool,
    ) -> None:
        """Send a notice that was just written; what does not arrive is left to the sweep.

        Takes `FIRST_TRY_SECONDS` at most, and is not begun where less is left before `deadline`
        or a try failed a moment ago. Where nobody `waits` it takes no time.
        """
        if self._courier is None or self._courier.rests:
            return
        # Of another type where another owner's end record stands.
        if type_of(record) != notice.type or deadline - self._clock.now() < FIRST_TRY_SECONDS:
            return
        wait = FIRST_TRY_SECONDS if waits else None
        self._courier.send(ledger, notice, record, wait=wait, log=log)

    def deliver_due(self, ledger: Ledger, *, deadline: float, log: Log) -> None:
        """Send what is due, side by side, as far as a tick of the sweep has time for that."""
        if self._courier is None:
            return
        courier, now = self._courier, self._clock.now()
        until = min(now + _SHARE * (deadline - now), deadline - _TRY_SECONDS)
        failed: list[str] = []

        def deliver(notice_id: str) -> None:
            if self._clock.now() > until or len(failed) >= _ENOUGH:
                return
            try:
                if not self._deliver(courier, ledger, notice_id, log):
                    failed.append(notice_id)
            except RepaintError as error:
                log.warning("notice.failed", notice=notice_id, reason=str(error))

        try:
            ids = list(ledger.notice_ids())
        except RepaintError as error:
            log.warning("notice.failed", reason=str(error))
            return
        # In another order each time: what cannot be delivered must not always come first.
        self._rng.shuffle(ids)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for _ in pool.map(deliver, ids):
                pass

    def _deliver(self, courier: Courier, ledger: Ledger, notice_id: str, log: Log) -> bool:
        """Send a notice if it is due and what it tells is so; False where that failed."""
        notice, now = ledger.notice(notice_id), self._clock.now()
        if notice is None or notice.due_at > now:
            return True
        record = find(ledger, notice.record)
        is_over = now - notice.created_at > _GIVE_UP_SECONDS
        if record is None or type_of(record) != notice.type:
            # Not so yet: whoever wrote it died before the record was written, or is about to; or
            # what was parked is being worked on. Or not so any more: it ended otherwise, or what
            # was parked has ended.
            if is_over if record is None else record.state != "pending":
                ledger.drop_notice(notice_id)
            return True
        log = log.bind(bucket=record.bucket, key=record.key, record=record.id)
        tries = notice.tries + 1
        begun = notice.model_copy(update={"tries": tries, "due_at": now + _pause(tries)})
        ledger.put_notice(begun)
        is_sent = courier.send(ledger, begun, record, wait=_TRY_SECONDS, log=log)
        # Only after a try: the sweep itself may have been off for as long.
        if is_sent is False and is_over:
            reason = "It could not be delivered within 24 hours."
            log.error("notice.dropped", status=None, reason=reason, **begun.shown())
            ledger.drop_notice(notice_id)
        return is_sent is True


def _pause(tries: int) -> float:
    """Return how long after so many tries the next one is due, in seconds."""
    return min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** (tries - 1))
