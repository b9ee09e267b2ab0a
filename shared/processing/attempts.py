"""The protocol that pays at most once: from a claim to its end, or to where it has to wait.

    begin ──▶ send ──▶ generated · rejected                       (end records)
      ▲        │ throttled, not executed: pause, begin again, or park
      │        │ configuration: park                              (nothing is this upload's fault)
      │        └ unknown ──▶ settle ──▶ probe ──▶ found: generated
      └────────────────────────── absent ◀──┘└──▶ undecidable: park in doubt

Each step returns the next one, or the record to stop with. `claims` has the lease's time line.

The writes of one attempt, in their order:

    daily cap reserved ──▶ attempt written, with its output name and send time ──▶ call ──▶ end

* Dying after the first leaves a place of the cap that the next owner finds taken by its own
  attempt. The other way round, a reached cap would use up attempts.
* Dying after the second, or during the call, leaves an attempt without an outcome: it may have been
  paid, and the next owner probes for its output before it pays. The other way round, an image would
  be paid that nobody knows the name of.
* Dying before the end leaves the same, and the probe finds the image.
"""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from shared.clients.imagex import Failed, Generated, Imagex
from shared.clients.imagex_errors import Verdict
from shared.clients.rate_limit import RateLimiter
from shared.clock import Clock
from shared.errors import ObjectMissing, ProbeFailed
from shared.ledger import (
    Attempt,
    Cause,
    EndState,
    Entry,
    Park,
    ParkStatus,
    Record,
    State,
    Status,
    find,
)
from shared.ledger.daily_cap import billing_day
from shared.logs import log_configuration_refused
from shared.processing.claims import SEND_GRACE_SECONDS, WRITE_SECONDS, Claim, LeasePolicy
from shared.processing.output_names import output_name, reserve
from shared.redaction import hide_queries

if TYPE_CHECKING:
    from shared.ledger import OutboxEntry
    from shared.webhook import WebhookOutbox

MAX_ATTEMPTS = 3
SOURCE_VALID_SECONDS = 600
ABSENT = "absent"
"""The outcome of an attempt whose output was probed for, and is not there."""

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 10.0
_FIRST_PARK_SECONDS, _LONGEST_PARK_SECONDS = 60.0, 3600.0
# Parked for these, a record goes on as soon as there is room: nothing is wrong with it.
_WAITS_FOR_ROOM = (Cause.TIME, Cause.RATE_LIMIT, Cause.CAP)
_NOT_EXECUTED = (Verdict.THROTTLED, Verdict.NOT_EXECUTED, Verdict.CONFIGURATION)
_EXHAUSTED = f"{MAX_ATTEMPTS} attempts were sent and none made an image."
_NO_TIME = "Too little time is left for a call."

Step = Callable[[Claim], "Record | Step"]


class _TooLateError(Exception):
    """The send came later than its attempt allows."""


class Attempts:
    """Carries claims out. Thread-safe.

    `domain` and `output_prefix` are the settings of these names, `daily_cap` is None without one.
    """

    def __init__(
        self,
        *,
        imagex: Imagex,
        limiter: RateLimiter,
        policy: LeasePolicy,
        webhook: "WebhookOutbox | None",
        clock: Clock,
        rng: random.Random,
        domain: str,
        output_prefix: str,
        daily_cap: int | None,
    ) -> None:
        self._imagex = imagex
        self._limiter = limiter
        self._policy = policy
        self._webhook = webhook
        self._clock = clock
        self._rng = rng
        self._domain = domain
        self._output_prefix = output_prefix
        self._daily_cap = daily_cap

    def run(self, claim: Claim) -> Record:
        """Carry a claim to an end state, or to where it has to wait.

        Raises LeaseLost if another owner has it by now, and what the ledger raises.
        """
        ended = self.end_superseded(claim) if claim.record.redriven_as else None
        if ended is not None:
            return ended
        record = claim.record
        step: Record | Step
        if record.instructions is None:
            # The claim has the upload's problems, so that the sweep can end it as well.
            return self.finish(claim, State.REJECTED, record.reason)
        if record.may_have_been_paid:
            step = self._probe if claim.taken_over else self._send
        else:
            step = self._begin
        while not isinstance(step, Record):
            step = step(claim)
        return step

    # Begin: everything that has to be so before an attempt may be written.

    def _begin(self, claim: Claim) -> "Record | Step":
        """Write the next attempt, if there may be one."""
        record, number = claim.record, _next_number(claim.record)
        if number > MAX_ATTEMPTS:
            return self._exhausted(claim)
        if not self._has_time(claim):
            return self.park(claim, Status.DEFERRED, Cause.TIME, _NO_TIME)
        # The picture of a fresh claim was read a moment ago.
        ended = self._source_is_gone(claim) if record.attempts or claim.taken_over else None
        if ended is not None:
            return ended
        latest = self._policy.latest_call(claim.delivery.deadline)
        if not (claim.has_slot or self._limiter.acquire(until=latest)):
            reason = "No slot for a call comes in time (rate limit)."
            return self.park(claim, Status.DEFERRED, Cause.RATE_LIMIT, reason)
        claim.has_slot = False
        name, before = output_name(self._output_prefix, record, number), None
        if number == 1 and record.instructions and record.instructions.output:
            ended, before = self._reserve_name(claim, name, record.instructions.overwrite)
            if ended is not None:
                return ended
        if not self._has_time(claim):
            return self.park(claim, Status.DEFERRED, Cause.TIME, _NO_TIME)
        day, cap = billing_day(self._clock.now()), self._daily_cap
        # Before the attempt is written: see the order at the top.
        if cap is not None and not claim.delivery.ledger.reserve(day, f"{record.id}-{number}", cap):
            reason = f"The daily cap of {cap} (REPAINT_DAILY_CAP) is reached."
            return self.park(claim, Status.DEFERRED, Cause.CAP, reason)
        now = self._clock.now()
        if cap is not None and billing_day(now) != day:
            # It took over midnight: the attempt would be sent on a day that does not count it.
            claim.delivery.ledger.release(day, f"{record.id}-{number}")
            return self._begin
        attempt = Attempt(
            number=number, output=name, sent_at=now, before=before, day=day if cap else None
        )
        begun = self._policy.leased(record, now, renew=True).changed(park=None, reason=None)
        claim.write(begun.with_attempt(attempt))
        return self._send

    def _has_time(self, claim: Claim, pause: float = 0.0) -> bool:
        """Return whether a call that begins after `pause` seconds can be answered in time."""
        return self._clock.now() + pause <= self._policy.latest_call(claim.delivery.deadline)

    def _source_is_gone(self, claim: Claim) -> Record | None:
        """End the record if its object was removed or overwritten since it was claimed."""
        source = claim.record.source
        if source.bucket is None or source.key is None:
            return None
        try:
            storage = claim.delivery.storage(source.region)
            info = storage.head(source.bucket, source.key, source.version_id)
        except ObjectMissing:
            return self.finish(claim, State.SKIPPED, "The object is gone.")
        if info.etag != source.etag:
            return self.finish(claim, State.SUPERSEDED, "The object was overwritten.")
        return None

    def _reserve_name(
        self, claim: Claim, name: str, overwrite: bool
    ) -> tuple[Record | None, str | None]:
        """Make sure that the claim may store its output as the `name` that its user chose.

        Returns the record to stop with, or else the `LastModified` of the file that is to be
        overwritten, if there is one. The name is reserved in the ledger before it is probed for:
        of two uploads that find no file, one would otherwise pay in vain.
        """
        refused = reserve(claim.delivery.ledger, claim.record.id, name, overwrite=overwrite)
        if refused is not None and refused.for_good:
            return self.finish(claim, State.REJECTED, refused.reason), None
        if refused is not None:
            return self.park(claim, Status.DEFERRED, Cause.UNSURE, refused.reason), None
        try:
            found = self._imagex.find_output(name)
        except ProbeFailed as error:
            reason = f"It is not known whether {name} exists: {error}"
            return self._park_unprobed(claim, Status.DEFERRED, reason, error), None
        if found is not None and not overwrite:
            reason = (
                f"An output {name!r} exists already: choose another name, or set "
                "x-tos-meta-overwrite to true."
            )
            return self.finish(claim, State.REJECTED, reason), None
        return None, found.last_modified if found else None

    def _exhausted(self, claim: Claim) -> Record:
        """Probe once more for what the attempts may have left after all; never pay again."""
        last = claim.record.begun
        try:
            for attempt in claim.record.attempts:
                made = self.probe_output(claim.record, attempt) if _is_absent(attempt) else None
                if made is not None:
                    return self.generated(claim, made, attempt, by_probe=True)
        except ProbeFailed as error:
            reason = f"{_EXHAUSTED} {error}"
            return self.park(claim, Status.IN_DOUBT, Cause.EXHAUSTED, reason)
        if not _is_absent(last):
            # Nothing is in doubt about the last one: the provider said why it made nothing.
            return self.finish(claim, State.REJECTED, f"{last.code or ''}: {last.message or ''}")
        return self.park(claim, Status.IN_DOUBT, Cause.EXHAUSTED, _EXHAUSTED)

    # Send: the paid call of the attempt that is written.

    def _send(self, claim: Claim) -> "Record | Step":
        record, attempt = claim.record, claim.record.begun
        if record.instructions is None:
            raise AssertionError("an attempt has instructions")
        source = record.source.address or claim.delivery.storage(record.source.region).presign(
            record.source.bucket or "",
            record.source.key or "",
            version_id=record.source.version_id,
            expires_seconds=SOURCE_VALID_SECONDS,
        )
        body = record.instructions.call_body(
            domain=self._domain, output=attempt.output, image_url=source
        )

        def before_sending() -> None:
            # An owner that was frozen here must not pay after another took over. The instant
            # between this reading and the first byte stays: no client can close it.
            claim.sent_at = self._clock.now()
            too_late = claim.sent_at > attempt.sent_at + SEND_GRACE_SECONDS
            if too_late or not self._has_time(claim):
                raise _TooLateError
            claim.delivery.log.info("attempt.sent", attempt=attempt.number, output=attempt.output)

        try:
            outcome = self._imagex.generate(
                body,
                read_timeout=self._policy.timeout_seconds,
                before_sending=before_sending,
            )
        except _TooLateError:
            # Not sent. Written anew if the record is still ours: the swap shows it.
            unsent = attempt.model_copy(update={"outcome": Verdict.NOT_EXECUTED})
            self._release(claim, attempt)
            return self._begin_again(claim, record.with_attempt(unsent))
        if isinstance(outcome, Failed) and outcome.verdict is Verdict.THROTTLED:
            self._limiter.on_throttled()
        else:
            self._limiter.on_accepted()
        if isinstance(outcome, Generated):
            return self.generated(claim, outcome, attempt)
        # A refusal may repeat a picture's address, in whatever form.
        pictures = [source, record.instructions.req_json]
        message = hide_queries(outcome.message, pictures)
        return self._failed(claim, outcome._replace(message=message))

    def _failed(self, claim: Claim, outcome: Failed) -> "Record | Step":
        """Decide on a call that did not generate."""
        attempt = claim.record.begun
        failed = attempt.model_copy(
            update={"outcome": outcome.verdict, "code": outcome.code, "message": outcome.message}
        )
        earlier = [a.outcome for a in claim.record.attempts if a.number != attempt.number]
        record = claim.record.with_attempt(failed)
        may_reseed = record.instructions is not None and record.instructions.seed_is_free
        match outcome.verdict:
            case Verdict.UNKNOWN:
                claim.delivery.log.warning(
                    "attempt.unknown", attempt=attempt.number, reason=str(outcome)
                )
                return self._settle
            case Verdict.THROTTLED | Verdict.NOT_EXECUTED:
                return self._pause(claim, record, outcome)
            case Verdict.CONFIGURATION:
                log_configuration_refused(claim.delivery.log, outcome.message, outcome.code)
                self._release(claim, attempt)
                reason = f"Configuration: {outcome}"
                return self.park(claim, Status.DEFERRED, Cause.CONFIGURATION, reason, record=record)
            case Verdict.RESEED if may_reseed and earlier.count(Verdict.RESEED) < 2:
                return self._begin_again(claim, record)
            case Verdict.RETRY_ONCE if Verdict.RETRY_ONCE not in earlier:
                return self._begin_again(claim, record)
            case _:
                if outcome.verdict is Verdict.REFUSED:
                    self._release(claim, attempt)
                return self.finish(claim, State.REJECTED, str(outcome), attempts=record.attempts)

    def _begin_again(self, claim: Claim, record: Record) -> "Record | Step":
        claim.write(record)
        return self._begin

    def _pause(self, claim: Claim, record: Record, outcome: Failed) -> "Record | Step":
        """Back off with full jitter if the time allows, else park. Nothing was executed."""
        ceiling = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**claim.pauses)
        pause = self._rng.uniform(0.0, ceiling)
        claim.delivery.log.warning(
            "attempt.throttled",
            attempt=claim.record.begun.number,
            reason=str(outcome),
            pause_seconds=round(pause, 3),
        )
        self._release(claim, claim.record.begun)
        if not self._has_time(claim, pause):
            return self.park(claim, Status.DEFERRED, Cause.RATE_LIMIT, str(outcome), record=record)
        claim.pauses += 1
        self._clock.sleep(pause)
        return self._begin_again(claim, record)

    # Settle and probe: the outcome of the call is unknown.

    def _settle(self, claim: Claim) -> "Record | Step":
        """Wait until a call that was not answered can no longer store its image."""
        wait = max(0.0, self._policy.settled_at(claim.sent_at) - self._clock.now())
        if self._clock.now() + wait + WRITE_SECONDS > claim.delivery.deadline:
            # The lease ends no sooner than the settle time: the next owner takes over and probes.
            return claim.record
        self._clock.sleep(wait)
        return self._probe

    def _probe(self, claim: Claim) -> "Record | Step":
        """Find out whether the last attempt left an image. Its settle time has passed."""
        attempt = claim.record.begun
        try:
            made = self.probe_output(claim.record, attempt)
        except ProbeFailed as error:
            reason = f"The outcome of the call is not known yet: {error}"
            return self._park_unprobed(claim, Status.IN_DOUBT, reason, error)
        if made is not None:
            return self.generated(claim, made, attempt, by_probe=True)
        absent = attempt.model_copy(update={"outcome": ABSENT})
        return self._begin_again(claim, claim.record.with_attempt(absent))

    def probe_output(self, record: Record, attempt: Attempt) -> Generated | None:
        """Return the image that an attempt made, None if it made none.

        Raises ProbeFailed if there is no clear answer.
        """
        found = self._imagex.find_output(attempt.output)
        if found is None:
            return None
        if record.instructions and record.instructions.output and attempt.number == 1:
            # A default name is nobody else's. This one may have been used before.
            _check_is_new(attempt, found.last_modified)
            if found.last_modified == attempt.before:
                return None
        url = self._imagex.address_of(
            found.store_uri,
            domain=self._domain,
            template=record.instructions.template if record.instructions else "",
        )
        return Generated([url], [found.store_uri], "")

    def probe_unknown(
        self, record: Record
    ) -> Iterator[tuple[Attempt, Generated | ProbeFailed | None]]:
        """Probe for the output of each attempt whose outcome is not known for good."""
        for attempt in record.attempts:
            if attempt.outcome is None or _is_absent(attempt):
                try:
                    yield attempt, self.probe_output(record, attempt)
                except ProbeFailed as error:
                    yield attempt, error

    # The ends.

    def generated(
        self, claim: Claim, made: Generated, attempt: Attempt, *, by_probe: bool = False
    ) -> Record:
        """End a claim with an image, and log its URLs and store URIs."""
        ended = attempt.model_copy(update={"outcome": "found" if by_probe else "generated"})
        others = tuple(a for a in claim.record.attempts if a.number != attempt.number)
        stands = self.finish(
            claim,
            State.GENERATED,
            attempts=tuple(sorted((*others, ended), key=lambda a: a.number)),
            image_urls=tuple(made.image_urls),
            store_uris=tuple(made.store_uris),
            model_request_id=made.request_id,
        )
        if ended in stands.attempts:
            claim.delivery.log.info(
                "image.generated",
                image_urls=list(stands.image_urls),
                store_uris=list(stands.store_uris),
                attempt=attempt.number,
                recovered_by_probe=by_probe,
                model_request_id=stands.model_request_id,
                duration_ms=round((self._clock.now() - attempt.sent_at) * 1000),
            )
        return stands

    def finish(
        self, claim: Claim, state: EndState, reason: str | None = None, **fields: object
    ) -> Record:
        """Write the end record; return the one that stands, which may be an earlier one.

        Raises LeaseLost if the lease is over and another owner has the record.
        """
        now = self._clock.now()
        if not claim.record.is_leased(now):
            # Somebody may have taken over: only an owner that can still write the record ends it.
            claim.write(self._policy.leased(claim.record, now, renew=True))
        entry = Entry(claim.record, claim.version)
        ended = claim.record.without_queries().changed(
            state=state, reason=reason, park=None, lease=None, updated_at=now, **fields
        )
        # The webhook's event comes first. Dying in between leaves an event of something that did
        # not happen, which nobody sends; the other way round, nobody would send what did happen.
        event = self._enqueue(claim, ended)
        stands = claim.delivery.ledger.finish(entry, ended)
        claim.pending_webhook = (event, stands) if event else None
        return stands

    def end_superseded(self, claim: Claim) -> Record | None:
        """End a claim that another record runs again; None if that one was never written.

        See `redrive` for the order of writes that this completes.
        """
        record = claim.record
        if record.redriven_as is None or find(claim.delivery.ledger, record.redriven_as) is None:
            claim.write(record.changed(redriven_as=None))
            return None
        return self.finish(claim, State.SUPERSEDED, f"Run again as {record.redriven_as}.")

    def park(
        self,
        claim: Claim,
        status: ParkStatus,
        cause: Cause,
        reason: str,
        *,
        record: Record | None = None,
    ) -> Record:
        """Put the record where the sweep and the operator see it."""
        now, record = self._clock.now(), record or claim.record
        pause = 0.0
        if cause not in _WAITS_FOR_ROOM:
            doublings = min(record.park_count, 10)
            pause = min(_LONGEST_PARK_SECONDS, _FIRST_PARK_SECONDS * 2**doublings)
        parked = record.changed(
            park=Park(status=status, cause=cause, due_at=now + pause),
            park_count=record.park_count + 1 if pause else record.park_count,
            reason=reason,
            lease=None,
            updated_at=now,
        )
        # Reported the first time only, which the park itself records: if it could not be written,
        # and the event is not true, the next one is the first.
        event = None if record.park_reported else self._enqueue(claim, parked)
        if event:
            parked = parked.changed(park_reported=True)
        claim.write(parked)
        claim.pending_webhook = (event, claim.record) if event else None
        claim.delivery.log.warning(
            "upload.parked", status=status, reason=reason, due_in_seconds=round(pause)
        )
        return claim.record

    def _enqueue(self, claim: Claim, record: Record) -> "OutboxEntry | None":
        return self._webhook.enqueue(claim.delivery.ledger, record) if self._webhook else None

    def _park_unprobed(
        self, claim: Claim, status: ParkStatus, reason: str, error: ProbeFailed
    ) -> Record:
        """Park a claim for which it cannot be found out what is stored."""
        if error.misconfigured:
            log_configuration_refused(claim.delivery.log, reason)
            return self.park(claim, status, Cause.CONFIGURATION, f"Configuration: {reason}")
        return self.park(claim, status, Cause.UNSURE, reason)

    def _release(self, claim: Claim, attempt: Attempt) -> None:
        """Take an attempt that was not charged back from the daily cap.

        Before its record is changed: dying in between leaves an attempt of unknown outcome, which
        is probed for in vain. The other way round, the day would have one place less.
        """
        if attempt.day:
            claim.delivery.ledger.release(attempt.day, f"{claim.record.id}-{attempt.number}")


def _next_number(record: Record) -> int:
    """Return the number of the attempt to begin next: one that was not executed comes again."""
    last = record.last_attempt
    if last is None:
        return 1
    return last.number if last.outcome in _NOT_EXECUTED else last.number + 1


def _is_absent(attempt: Attempt) -> bool:
    return attempt.outcome == ABSENT


def _check_is_new(attempt: Attempt, last_modified: str) -> None:
    """Raise ProbeFailed if it is not sure whether a file is the attempt's.

    The two moments come from two clocks, and one of them to the second only: if they contradict
    each other, nothing is taken for granted.
    """
    is_old = _changed_long_before(last_modified, attempt.sent_at)
    was_there = last_modified == attempt.before
    if is_old and not was_there:
        raise ProbeFailed(f"{attempt.output} seems to be older than the call that was to make it.")
    if was_there and not is_old:
        raise ProbeFailed(f"{attempt.output} was changed in the second it was to be replaced.")


def _changed_long_before(last_modified: str, sent_at: float) -> bool:
    """Return whether a file was surely last changed before an attempt was sent.

    `LastModified` is given to the second; two more are left for clocks that differ. False if it
    cannot be read.
    """
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(last_modified)
        except ValueError:
            continue
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() < sent_at - 3.0
    return False
