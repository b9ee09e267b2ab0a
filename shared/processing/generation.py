"""From a claim to an end state: send, and where the outcome is unknown look before paying again.

    begin ──▶ send ──▶ generated · rejected                      (end records)
      ▲        │ throttled, not executed: pause, begin again, or parked
      │        │ configuration: parked                           (nothing is this upload's fault)
      │        └ unknown ──▶ settle ──▶ look ──▶ found: generated
      └───────────────────────── absent ◀──┘└──▶ cannot tell: parked in doubt

Each step returns the next one, or the record to stop with.
"""

import random
from collections.abc import Callable

from shared.clients.imagex import Failed, Generated, Imagex
from shared.clients.imagex_errors import Verdict
from shared.clock import Clock
from shared.errors import ObjectMissing, ProbeFailed
from shared.ledger import Attempt, Record
from shared.logs import tell_misconfigured
from shared.processing.attempts import MAX_ATTEMPTS, billing_day, next_number, output_name
from shared.processing.endings import Endings
from shared.processing.output_names import Names
from shared.processing.outputs import Outputs
from shared.processing.rate_limit import Pace
from shared.processing.redrive import end_replaced
from shared.processing.turns import SEND_GRACE_SECONDS, WRITE_SECONDS, Turns
from shared.processing.work import Work
from shared.redaction import hide_queries
from shared.settings import Settings
from shared.webhook import Notices

SOURCE_VALID_SECONDS = 600
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 10.0
_EXHAUSTED = f"{MAX_ATTEMPTS} attempts were sent and none made an image."

Step = Callable[[Work], "Record | Step"]


class _TooLateError(Exception):
    """The send came later than its attempt allows."""


class Generation:
    """Carries claims out; safe to use from several threads."""

    def __init__(
        self,
        *,
        settings: Settings,
        imagex: Imagex,
        pace: Pace,
        turns: Turns,
        notices: Notices,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._settings = settings
        self._imagex = imagex
        self._pace = pace
        self._turns = turns
        self._outputs = Outputs(imagex, settings.domain)
        self._end = Endings(turns, notices, clock)
        self._names = Names(self._outputs, self._end)
        self._clock = clock
        self._rng = rng

    def first_attempt(self, record: Record, now: float) -> tuple[Attempt, ...]:
        """Return what the claim itself can already hold.

        Nothing where the claim comes before something else: a name that the user chose is looked
        for, and an attempt is counted against the daily cap.
        """
        capped = self._settings.daily_cap is not None
        if capped or record.instructions is None or record.instructions.output:
            return ()
        return (Attempt(number=1, output=self._name(record, 1), sent_at=now),)

    def run(self, work: Work) -> Record:
        """Carry a claim to an end state, or to where it has to wait.

        Raises LeaseLost where another owner has it by now, and what the ledger raises.
        """
        ended = end_replaced(work, self._end) if work.record.again_as else None
        if ended is not None:
            return ended
        record = work.record
        step: Record | Step
        if record.instructions is None:
            # The claim says what is wrong with the upload, so that the sweep can end it as well.
            return self._end.finish(work, "rejected", record.reason)
        if record.may_have_been_paid:
            step = self._look if work.taken_over else self._send
        else:
            step = self._begin
        while not isinstance(step, Record):
            step = step(work)
        return step

    def _begin(self, work: Work) -> "Record | Step":
        """Write the next attempt down, if there may be one."""
        record, number = work.record, next_number(work.record)
        if number > MAX_ATTEMPTS:
            return self._exhausted(work)
        if not self._turns.has_time(work.deadline):
            return self._end.park(work, "deferred", "time", "Too little time is left for a call.")
        # What was claimed a moment ago was looked at a moment ago.
        ended = self._source_is_gone(work) if record.attempts or work.taken_over else None
        if ended is not None:
            return ended
        if not (work.has_turn or self._turns.wait(work.deadline)):
            return self._end.park(work, "deferred", "pace", "No turn to call comes in time.")
        work.has_turn = False
        name, before = self._name(record, number), None
        if number == 1 and record.instructions and record.instructions.output:
            ended, before = self._names.settle(work, name, record.instructions.overwrite)
            if ended is not None:
                return ended
        if not self._turns.has_time(work.deadline):
            return self._end.park(work, "deferred", "time", "Too little time is left for a call.")
        day, cap = billing_day(self._clock.now()), self._settings.daily_cap
        # Counted before it is written down: dying in between leaves a place that the next owner
        # finds taken by its own attempt. The other way round, a reached cap would use up attempts.
        if cap is not None and not work.ledger.spend(day, f"{record.id}-{number}", cap):
            return self._end.park(
                work, "deferred", "cap", f"The daily cap of {cap} (REPAINT_DAILY_CAP) is reached."
            )
        now = self._clock.now()
        if cap is not None and billing_day(now) != day:
            # It took over midnight: the attempt would be sent on a day that does not count it.
            work.ledger.unspend(day, f"{record.id}-{number}")
            return self._begin
        begun = self._turns.leased(record, now).changed(
            parked=None, cause="", reason="", due_at=0.0
        )
        attempt = Attempt(
            number=number, output=name, sent_at=now, before=before, day=day if cap else ""
        )
        work.entry = work.ledger.replace(work.entry, begun.with_attempt(attempt))
        return self._send

    def _exhausted(self, work: Work) -> Record:
        """Look once more for what the attempts may have left after all; never pay again."""
        last, absent = work.attempt, [a for a in work.record.attempts if a.outcome == "absent"]
        try:
            for attempt in absent:
                made = self._outputs.made_by(work.record, attempt)
                if made is not None:
                    return self._end.made(work, made, attempt, probed=True)
        except ProbeFailed as error:
            return self._end.park(work, "in_doubt", "exhausted", f"{_EXHAUSTED} {error}")
        if last.outcome != "absent":
            # Nothing is in doubt about the last one: the provider said why it made nothing.
            return self._end.finish(work, "rejected", f"{last.code}: {last.message}")
        return self._end.park(work, "in_doubt", "exhausted", _EXHAUSTED)

    def _send(self, work: Work) -> "Record | Step":
        """Make the paid call of the attempt that is written down."""
        record, attempt = work.record, work.attempt
        if record.instructions is None:
            raise AssertionError("an attempt has instructions")
        source = record.source or work.source.presign(
            record.bucket,
            record.key,
            version_id=record.version_id,
            expires_seconds=SOURCE_VALID_SECONDS,
        )
        body = record.instructions.call_body(
            domain=self._settings.domain, output=attempt.output, image_url=source
        )

        def before_sending() -> None:
            # An owner that was frozen here must not pay after another took over. The instant
            # between this look and the first byte stays: no client can close it.
            work.sent_at = self._clock.now()
            too_late = work.sent_at > attempt.sent_at + SEND_GRACE_SECONDS
            if too_late or not self._turns.has_time(work.deadline):
                raise _TooLateError
            work.log.info("attempt.sent", attempt=attempt.number, output=attempt.output)

        try:
            outcome = self._imagex.generate(
                body, read_timeout=self._settings.timeout_seconds, before_sending=before_sending
            )
        except _TooLateError:
            # Not sent. Written down anew if the record is still ours: the swap tells.
            told = attempt.model_copy(update={"outcome": Verdict.NOT_EXECUTED})
            self._end.uncount(work, attempt)
            return self._again(work, record.with_attempt(told))
        if isinstance(outcome, Failed) and outcome.verdict is Verdict.THROTTLED:
            self._pace.refused()
        else:
            self._pace.accepted()
        if isinstance(outcome, Generated):
            return self._end.made(work, outcome, attempt)
        # A refusal may repeat a picture's address, in whatever form.
        pictures = [source, record.instructions.req_json]
        message = hide_queries(outcome.message, pictures)
        return self._failed(work, outcome._replace(message=message))

    def _failed(self, work: Work, outcome: Failed) -> "Record | Step":
        attempt = work.attempt
        told = attempt.model_copy(
            update={"outcome": outcome.verdict, "code": outcome.code, "message": outcome.message}
        )
        earlier = [a.outcome for a in work.record.attempts if a.number != attempt.number]
        record = work.record.with_attempt(told)
        may_reseed = record.instructions is not None and record.instructions.seed_is_free
        match outcome.verdict:
            case Verdict.UNKNOWN:
                work.log.warning("attempt.unknown", attempt=attempt.number, reason=str(outcome))
                return self._settle
            case Verdict.THROTTLED | Verdict.NOT_EXECUTED:
                return self._pause(work, record, outcome)
            case Verdict.CONFIGURATION:
                tell_misconfigured(work.log, outcome.message, outcome.code)
                self._end.uncount(work, attempt)
                return self._end.park(
                    work, "deferred", "configuration", f"Configuration: {outcome}", record=record
                )
            case Verdict.RESEED if may_reseed and earlier.count(Verdict.RESEED) < 2:
                return self._again(work, record)
            case Verdict.RETRY_ONCE if Verdict.RETRY_ONCE not in earlier:
                return self._again(work, record)
            case _:
                if outcome.verdict is Verdict.REFUSED:
                    self._end.uncount(work, attempt)
                return self._end.finish(work, "rejected", str(outcome), attempts=record.attempts)

    def _again(self, work: Work, record: Record) -> "Record | Step":
        work.entry = work.ledger.replace(work.entry, record)
        return self._begin

    def _pause(self, work: Work, record: Record, outcome: Failed) -> "Record | Step":
        """Back off with full jitter where the time allows, else park. Nothing was executed."""
        ceiling = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**work.pauses)
        pause = self._rng.uniform(0.0, ceiling)
        work.log.warning(
            "attempt.throttled",
            attempt=work.attempt.number,
            reason=str(outcome),
            pause_seconds=round(pause, 3),
        )
        self._end.uncount(work, work.attempt)
        if not self._turns.has_time(work.deadline, pause):
            return self._end.park(work, "deferred", "pace", str(outcome), record=record)
        work.pauses += 1
        self._clock.sleep(pause)
        return self._again(work, record)

    def _settle(self, work: Work) -> "Record | Step":
        """Wait until a call that was not answered can no longer store its image."""
        wait = max(0.0, self._turns.settled_at(work.sent_at) - self._clock.now())
        if self._clock.now() + wait + WRITE_SECONDS > work.deadline:
            # The lease ends no sooner than the settle time: who comes next takes over and looks.
            return work.record
        self._clock.sleep(wait)
        return self._look

    def _look(self, work: Work) -> "Record | Step":
        """Find out whether the last attempt left an image. Its settle time has passed."""
        attempt = work.attempt
        try:
            made = self._outputs.made_by(work.record, attempt)
        except ProbeFailed as error:
            reason = f"What became of the call is not known yet: {error}"
            return self._end.cannot_look(work, "in_doubt", reason, error)
        if made is not None:
            return self._end.made(work, made, attempt, probed=True)
        absent = attempt.model_copy(update={"outcome": "absent"})
        return self._again(work, work.record.with_attempt(absent))

    def _source_is_gone(self, work: Work) -> Record | None:
        """End the record where the object was removed or overwritten since it was claimed."""
        record = work.record
        if record.source:
            return None
        try:
            info = work.source.head(record.bucket, record.key, record.version_id)
        except ObjectMissing:
            return self._end.finish(work, "skipped", "The object is gone.")
        if info.etag != record.etag:
            return self._end.finish(work, "superseded", "The object was overwritten.")
        return None

    def _name(self, record: Record, number: int) -> str:
        chosen = record.instructions.output if record.instructions else None
        return output_name(self._settings.output_prefix, record.id, chosen, number)
