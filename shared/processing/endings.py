"""Writing down how a claim ends, or where it waits."""

from shared.clients.imagex import Generated
from shared.clock import Clock
from shared.errors import ProbeFailed
from shared.ledger import Attempt, Cause, EndState, Parked, Record
from shared.logs import tell_misconfigured
from shared.processing.turns import Turns
from shared.processing.work import Work
from shared.webhook import Notices

_FIRST_PARK_SECONDS, _LONGEST_PARK_SECONDS = 60.0, 3600.0
# What is parked for these goes on as soon as there is room: nothing is wrong with it.
_WAITS_FOR_ROOM = ("time", "pace", "cap")


class Endings:
    """Writes ends; safe to use from several threads."""

    def __init__(self, turns: Turns, notices: Notices, clock: Clock) -> None:
        self._turns = turns
        self._notices = notices
        self._clock = clock

    def finish(self, work: Work, state: EndState, reason: str = "", **fields: object) -> Record:
        """Write the end record; return the one that stands, which may be an earlier one.

        Raises LeaseLost where the lease is over and another owner has the record.
        """
        now = self._clock.now()
        if now > work.record.lease_until:
            # Somebody may have taken over: only who can still write the record may end it.
            work.entry = work.ledger.replace(work.entry, self._turns.leased(work.record, now))
        ended = work.record.without_queries().changed(
            state=state, reason=reason, parked=None, cause="", owner="", lease_until=0.0,
            updated_at=now,
            **fields,
        )  # fmt: skip
        # Dying in between leaves a notice of something that did not happen, which nobody sends; the
        # other way round, nobody would be told of what did.
        notice = self._notices.write(work.ledger, ended)
        stands = work.ledger.finish(work.entry, ended)
        work.news = (notice, stands) if notice else None
        return stands

    def made(
        self, work: Work, made: Generated, attempt: Attempt, *, probed: bool = False
    ) -> Record:
        """End a claim as generated, and tell the log the addresses."""
        told = attempt.model_copy(update={"outcome": "found" if probed else "generated"})
        others = tuple(a for a in work.record.attempts if a.number != attempt.number)
        ended = self.finish(
            work,
            "generated",
            attempts=tuple(sorted((*others, told), key=lambda a: a.number)),
            image_urls=tuple(made.image_urls),
            store_uris=tuple(made.store_uris),
            model_request_id=made.request_id,
        )
        if told in ended.attempts:
            work.log.info(
                "image.generated",
                image_urls=list(ended.image_urls),
                store_uris=list(ended.store_uris),
                attempt=attempt.number,
                found_by_looking=probed,
                model_request_id=ended.model_request_id,
                duration_ms=round((self._clock.now() - attempt.sent_at) * 1000),
            )
        return ended

    def cannot_look(self, work: Work, parked: Parked, reason: str, error: ProbeFailed) -> Record:
        """Park a claim for which it cannot be found out what is stored."""
        if error.misconfigured:
            tell_misconfigured(work.log, reason)
            return self.park(work, parked, "configuration", f"Configuration: {reason}")
        return self.park(work, parked, "unsure", reason)

    def uncount(self, work: Work, attempt: Attempt) -> None:
        """Take an attempt that was not charged back from the daily cap.

        Before its record is changed: dying in between leaves an attempt of unknown outcome, which
        is looked for in vain. The other way round, the day would have one place less.
        """
        if attempt.day:
            work.ledger.unspend(attempt.day, f"{work.record.id}-{attempt.number}")

    def park(
        self,
        work: Work,
        parked: Parked,
        cause: Cause,
        reason: str,
        *,
        record: Record | None = None,
    ) -> Record:
        """Put the record where the sweep and the operator see it."""
        now, record = self._clock.now(), record or work.record
        pause = 0.0
        if cause not in _WAITS_FOR_ROOM:
            pause = min(_LONGEST_PARK_SECONDS, _FIRST_PARK_SECONDS * 2 ** min(record.parks, 10))
        waiting = record.changed(
            parked=parked, cause=cause, reason=reason, due_at=now + pause,
            parks=record.parks + 1 if pause else record.parks,
            owner="", lease_until=0.0, updated_at=now,
        )  # fmt: skip
        # Told the first time only, which the park itself says: where it could not be written, and
        # the notice is not so, the next one is the first.
        notice = None if record.park_told else self._notices.write(work.ledger, waiting)
        if notice:
            waiting = waiting.changed(park_told=True)
        work.entry = work.ledger.replace(work.entry, waiting)
        work.news = (notice, work.record) if notice else None
        work.log.warning("upload.parked", status=parked, reason=reason, due_in_seconds=round(pause))
        return work.record
