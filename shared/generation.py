"""From a claim to an end state: send, and where the outcome is unknown look before paying again.

    begin ──▶ send ──▶ generated · rejected                      (end records)
      ▲        │ throttled, not executed: pause, begin again
      │        │ configuration: parked                           (nothing is this upload's fault)
      │        └ unknown ──▶ settle ──▶ look ──▶ found: generated
      └───────────────────────── absent ◀──┘└──▶ cannot tell: parked in doubt

Each step returns the next one, or the record to stop with.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from shared.attempts import MAX_ATTEMPTS, next_number, output_name
from shared.clock import Clock
from shared.codes import Verdict
from shared.config import Settings
from shared.errors import ObjectMissing, ProbeFailed
from shared.imagex import Imagex
from shared.ledger import Attempt, EndState, Entry, Ledger, Parked, Record
from shared.logs import Log
from shared.outcome import Failed, Generated
from shared.tos import Tos

# From writing an attempt down to its first byte on the wire, connecting included. A send later
# than this is given up: whoever takes over counts on the settle time having passed by then.
SEND_GRACE_SECONDS = 5.0
# What is left of an invocation for writing the end down.
WRITE_SECONDS = 2.0
SOURCE_VALID_SECONDS = 600
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 10.0
_FIRST_PARK_SECONDS, _LONGEST_PARK_SECONDS = 60.0, 3600.0


@dataclass(slots=True)
class Work:
    """One claim being worked on. `entry` is the record as this owner last wrote it."""

    ledger: Ledger
    entry: Entry
    source: Tos
    deadline: float
    log: Log
    pauses: int = 0
    sent_at: float = field(default=0.0, init=False)

    @property
    def record(self) -> Record:
        """Return the record as this owner last wrote it."""
        return self.entry.record


Step = Callable[[Work], "Record | Step"]


class _TooLateError(Exception):
    """The send came later than its attempt allows."""


class Generation:
    """Carries claims out; safe to use from several threads."""

    def __init__(
        self, *, settings: Settings, imagex: Imagex, clock: Clock, rng: random.Random
    ) -> None:
        self._settings = settings
        self._imagex = imagex
        self._clock = clock
        self._rng = rng

    def lease_until(self, sent_at: float) -> float:
        """Return when an attempt sent at `sent_at` is settled, whatever became of its sender.

        Who takes over after that need not wait: one look tells.
        """
        slowest = max(self._settings.timeout_seconds, self._settings.settle_seconds)
        return sent_at + SEND_GRACE_SECONDS + slowest

    def has_time(self, deadline: float, pause: float = 0.0) -> bool:
        """Tell whether a call that begins after `pause` seconds can be answered in time."""
        needed = pause + self._settings.timeout_seconds + WRITE_SECONDS
        return deadline - self._clock.now() >= needed

    def first_attempt(self, record: Record, now: float) -> tuple[Attempt, ...]:
        """Return what the claim itself can already hold.

        A name that the user chose may exist; it is looked for after the claim, so that claim
        holds no attempt yet.
        """
        if record.instructions is None or record.instructions.output:
            return ()
        return (Attempt(number=1, output=self._name(record, 1), sent_at=now),)

    def run(self, work: Work, *, taken_over: bool) -> Record:
        """Carry a claim to an end state, or to where it has to wait.

        Raises LeaseLost where another owner has it by now, and what the ledger raises.
        """
        record = work.record
        step: Record | Step
        if record.instructions is None:
            # The claim says what is wrong with the upload, so that the sweep can end it as well.
            return self.finish(work, "rejected", record.reason)
        if record.may_have_been_paid:
            step = self._look if taken_over else self._send
        else:
            step = self._begin
        while not isinstance(step, Record):
            step = step(work)
        return step

    def finish(self, work: Work, state: EndState, reason: str = "", **fields: object) -> Record:
        """Write the end record; return the one that stands, which may be an earlier one.

        Raises LeaseLost where the lease is over and another owner has the record.
        """
        now = self._clock.now()
        if now > work.record.lease_until:
            # Somebody may have taken over: only who can still write the record may end it.
            work.entry = work.ledger.replace(work.entry, self._leased(work.record, now))
        ended = work.record.changed(
            state=state, reason=reason, parked=None, owner="", lease_until=0.0, updated_at=now,
            **fields,
        )  # fmt: skip
        return work.ledger.finish(work.entry, ended)

    def _begin(self, work: Work) -> "Record | Step":
        """Write the next attempt down, if there may be one."""
        record, number = work.record, next_number(work.record)
        instructions = record.instructions
        if instructions is None:
            raise AssertionError("a claim without instructions is ended by the pipeline")
        if number > MAX_ATTEMPTS:
            return self._park(
                work, "in_doubt", f"{MAX_ATTEMPTS} attempts were sent and none made an image."
            )
        if not self.has_time(work.deadline):
            return self._park(work, "deferred", "Too little time is left for a call.", pause=0.0)
        ended = self._source_is_gone(work) if record.attempts or record.parks else None
        if ended is not None:
            return ended
        name, before = self._name(record, number), None
        if instructions.output and number == 1:
            try:
                found = self._imagex.find_output(name)
            except ProbeFailed as error:
                return self._park(work, "deferred", f"Whether {name} exists is not known: {error}")
            if found is not None and not instructions.overwrite:
                return self.finish(
                    work, "rejected",
                    f"An output {name!r} exists already: choose another name, or set "
                    "x-tos-meta-overwrite to true.",
                )  # fmt: skip
            before = found.last_modified if found else None
        now = self._clock.now()
        begun = self._leased(record, now).changed(parked=None, reason="", due_at=0.0)
        attempt = Attempt(number=number, output=name, sent_at=now, before=before)
        work.entry = work.ledger.replace(work.entry, begun.with_attempt(attempt))
        return self._send

    def _send(self, work: Work) -> "Record | Step":
        """Make the paid call of the attempt that is written down."""
        record, attempt = work.record, _last(work.record)
        if record.instructions is None:
            raise AssertionError("an attempt has instructions")
        body = record.instructions.call_body(
            domain=self._settings.domain,
            output=attempt.output,
            image_url=work.source.presign(
                record.bucket,
                record.key,
                version_id=record.version_id,
                expires_seconds=SOURCE_VALID_SECONDS,
            ),
        )

        def before_sending() -> None:
            # An owner that was frozen here must not pay after another took over. The instant
            # between this look and the first byte stays: no client can close it.
            work.sent_at = self._clock.now()
            if work.sent_at > attempt.sent_at + SEND_GRACE_SECONDS:
                raise _TooLateError
            work.log.info("attempt.sent", attempt=attempt.number, output=attempt.output)

        try:
            outcome = self._imagex.generate(
                body, read_timeout=self._settings.timeout_seconds, before_sending=before_sending
            )
        except _TooLateError:
            # Not sent. Written down anew if the record is still ours: the swap tells.
            told = attempt.model_copy(update={"outcome": Verdict.NOT_EXECUTED})
            return self._again(work, record.with_attempt(told))
        if isinstance(outcome, Generated):
            return self._generated(work, outcome)
        return self._failed(work, outcome)

    def _failed(self, work: Work, outcome: Failed) -> "Record | Step":
        attempt = _last(work.record)
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
                work.log.error(
                    "configuration.refused", attempt=attempt.number, code=outcome.code,
                    reason=outcome.message,
                    mend="Check the function's role, the veImageX service, domain and template, "
                    "and that the model is activated.",
                )  # fmt: skip
                return self._park(work, "deferred", f"Configuration: {outcome}", record=record)
            case Verdict.RESEED if may_reseed and earlier.count(Verdict.RESEED) < 2:
                return self._again(work, record)
            case Verdict.RETRY_ONCE if Verdict.RETRY_ONCE not in earlier:
                return self._again(work, record)
            case _:
                return self.finish(work, "rejected", str(outcome), attempts=record.attempts)

    def _again(self, work: Work, record: Record) -> "Record | Step":
        work.entry = work.ledger.replace(work.entry, record)
        return self._begin

    def _pause(self, work: Work, record: Record, outcome: Failed) -> "Record | Step":
        """Back off with full jitter where the time allows, else park. Nothing was executed."""
        ceiling = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**work.pauses)
        pause = self._rng.uniform(0.0, ceiling)
        work.log.warning(
            "attempt.throttled",
            attempt=_last(record).number,
            reason=str(outcome),
            pause_seconds=round(pause, 3),
        )
        if not self.has_time(work.deadline, pause):
            return self._park(work, "deferred", str(outcome), record=record)
        # A claim that is given up while pausing is looked for in vain: that costs nothing.
        work.pauses += 1
        self._clock.sleep(pause)
        return self._again(work, record)

    def _settle(self, work: Work) -> "Record | Step":
        """Wait until a call that was not answered can no longer store its image."""
        settled_at = work.sent_at + self._settings.settle_seconds
        wait = settled_at - self._clock.now()
        if self._clock.now() + wait + WRITE_SECONDS > work.deadline:
            # The lease ends no sooner than the settle time: who comes next takes over and looks.
            return work.record
        self._clock.sleep(wait)
        return self._look

    def _look(self, work: Work) -> "Record | Step":
        """Find out whether the last attempt left an image. Its settle time has passed."""
        record, attempt = work.record, _last(work.record)
        try:
            found = self._imagex.find_output(attempt.output)
            if found is not None and found.last_modified != attempt.before:
                url = self._imagex.address_of(
                    found.store_uri,
                    domain=self._settings.domain,
                    template=record.instructions.template if record.instructions else "",
                )
                return self._generated(work, Generated([url], [found.store_uri], ""), probed=True)
        except ProbeFailed as error:
            return self._park(work, "in_doubt", f"Whether an image was made is not known: {error}")
        absent = attempt.model_copy(update={"outcome": "absent"})
        return self._again(work, record.with_attempt(absent))

    def _generated(self, work: Work, made: Generated, *, probed: bool = False) -> Record:
        attempt = _last(work.record)
        told = attempt.model_copy(update={"outcome": "found" if probed else "generated"})
        ended = self.finish(
            work,
            "generated",
            attempts=work.record.with_attempt(told).attempts,
            image_urls=tuple(made.image_urls),
            store_uris=tuple(made.store_uris),
            model_request_id=made.request_id,
        )
        if ended.state == "generated" and _last(ended).output == attempt.output:
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

    def _park(
        self,
        work: Work,
        parked: Parked,
        reason: str,
        *,
        record: Record | None = None,
        pause: float | None = None,
    ) -> Record:
        """Put the record where the sweep and the operator see it."""
        now, record = self._clock.now(), record or work.record
        if pause is None:
            pause = min(_LONGEST_PARK_SECONDS, _FIRST_PARK_SECONDS * 2 ** min(record.parks, 10))
        work.entry = work.ledger.replace(
            work.entry,
            record.changed(
                parked=parked, reason=reason, due_at=now + pause, parks=record.parks + 1,
                owner="", lease_until=0.0, updated_at=now,
            ),
        )  # fmt: skip
        work.log.warning("upload.parked", status=parked, reason=reason, due_in_seconds=round(pause))
        return work.record

    def _source_is_gone(self, work: Work) -> Record | None:
        """End the record where the object was removed or overwritten since it was claimed."""
        record = work.record
        try:
            info = work.source.head(record.bucket, record.key, record.version_id)
        except ObjectMissing:
            return self.finish(work, "skipped", "The object is gone.")
        if info.etag != record.etag:
            return self.finish(work, "superseded", "The object was overwritten.")
        return None

    def _leased(self, record: Record, now: float) -> Record:
        return record.changed(lease_until=self.lease_until(now), updated_at=now)

    def _name(self, record: Record, number: int) -> str:
        chosen = record.instructions.output if record.instructions else None
        return output_name(self._settings.output_prefix, record.id, chosen, number)


def _last(record: Record) -> Attempt:
    attempt = record.last_attempt
    if attempt is None:
        raise AssertionError("an attempt was begun")
    return attempt
