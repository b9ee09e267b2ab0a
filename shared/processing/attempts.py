"""The attempt protocol: no second paid call until the first is known to have made nothing.

A run takes a claimed record from step to step. Each step returns the next one, or the record if the
run is over.

    begin ──▶ send ──▶ settle ──▶ probe
      ▲         │                   │
      └─────────┴───────────────────┘

    after     if                                        then
    begin     attempts used up                          probe all once more: generated, or park
              no time, no slot, daily cap reached       park, deferred
              the object is gone or overwritten         end: skipped, superseded
              the chosen output name is taken           end: rejected
    send      an image came back                        end: generated
              refused                                   end: rejected
              the output or its review failed           begin again with the next number
              throttled, not executed                   pause, begin again with the same number
              the configuration is wrong                park, deferred
              no answer: unknown                        settle
    settle    the time is up                            leave it leased; the next owner probes
    probe     the image is there                        end: generated
              it is not there                           begin again with the next number
              no clear answer                           park, in doubt

The writes of a run, in their order. If the process dies after

    1. the claim              the lease ends, and the next owner begins. A plain upload's claim
                              contains its first attempt, and steps 2 and 3 do not apply to it.
    2. the output name        a chosen name is reserved for the record: the next owner has it.
    3. the daily cap's place  the place stays reserved under this attempt's id; the next owner
                              reserves it again, which changes nothing. In the opposite order,
                              attempt numbers would be used up without a call.
    4. the attempt            it has no outcome, so it may have been paid: the next owner probes
                              before it pays. In the opposite order, an image could be paid for
                              whose name no record holds.
    5. the call               the same. A refusal that was not written is lost: the probe finds
                              nothing, and the next attempt is refused again.
    6. the decision           (an end without an image) the next owner writes that end.
    7. the webhook's event    the sender finds that the record does not match, and does not send.
    8. the end record         the next reader removes the pending record.

`claims` has the timing of the lease.
"""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from shared.backoff import Backoff
from shared.clients.imagex import Failed, Generated, Imagex
from shared.clients.imagex_errors import Verdict
from shared.clients.rate_limit import RateLimiter
from shared.clock import Clock
from shared.errors import CredentialsError, ObjectMissing, ProbeFailed, TosError
from shared.ledger import (
    Attempt,
    Cause,
    Ending,
    Entry,
    Park,
    ParkStatus,
    Record,
    State,
    Status,
    Unmade,
    find,
)
from shared.ledger.daily_cap import billing_day
from shared.logs import log_configuration_refused
from shared.processing.claims import SEND_GRACE_SECONDS, WRITE_SECONDS, Claim, LeasePolicy
from shared.processing.output_names import output_name, reserve_name
from shared.redaction import hide_queries

if TYPE_CHECKING:
    from shared.ledger import OutboxEntry
    from shared.webhook import WebhookOutbox

# Of numbers, each with an output name of its own. A number whose call was not executed is reused.
MAX_ATTEMPTS = 3
# With another seed, after the output failed its review.
MAX_RESEEDS = 2
# The provider fetches the picture within its own time limit of 30 seconds; the rest is for clocks.
SOURCE_VALID_SECONDS = 600
# An attempt's outcome is None, one of these, or the verdict on its call.
GENERATED, FOUND, ABSENT = "generated", "found", "absent"

_BACKOFF = Backoff(base=0.5, ceiling=10.0)
_PARK_BACKOFF = Backoff(base=60.0, ceiling=3600.0)
# `LastModified` is given to the second; two more are left for clocks that differ.
_CLOCK_TOLERANCE_SECONDS = 3.0
# Causes that clear without a fix: such a record is due at once.
_DUE_AT_ONCE = (Cause.TIME, Cause.RATE_LIMIT, Cause.CAP)
# After these verdicts the provider has stored nothing under the attempt's name.
_NUMBER_REUSED = (Verdict.THROTTLED, Verdict.NOT_EXECUTED, Verdict.CONFIGURATION)
_EXHAUSTED = f"No image was found after {MAX_ATTEMPTS} attempts."
_NO_TIME = "Too little time is left for a call."

Step = Callable[[Claim], "Record | Step"]


class _NotSentError(Exception):
    """The call must not be sent any more."""


class AttemptRunner:
    """Runs claimed records to an end or a park.

    `domain` and `output_prefix` go into the call; `daily_cap` is None if there is no cap.
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
        """Run a claimed record until it ends, is parked, or has to wait for its lease to end.

        Raises LeaseLost if another owner has it by now, and what the ledger raises.
        """
        ended = self.end_if_redriven(claim)
        if ended is not None:
            return ended
        record = claim.record
        if record.ending is not None or record.instructions is None:
            # An earlier owner decided it; or `reason` says why the upload is invalid.
            return self._write_decision(claim)
        step: Record | Step = self._begin
        if record.outcome_is_unknown:
            # An attempt of a fresh claim was not sent yet. After a takeover it may have been.
            step = self._probe if claim.taken_over else self._send
        while not isinstance(step, Record):
            step = step(claim)
        return step

    # Begin: the preconditions of an attempt, then the attempt itself.

    def _begin(self, claim: Claim) -> "Record | Step":
        record, number = claim.record, _next_number(claim.record)
        if number > MAX_ATTEMPTS:
            return self._finish_exhausted(claim)
        if not self._has_time(claim):
            return self.park(claim, Status.DEFERRED, Cause.TIME, _NO_TIME)
        latest = self._policy.latest_call(claim.delivery.deadline)
        if not (claim.has_slot or self._limiter.acquire(until=latest)):
            reason = "Rate-limited: no call slot in time."
            return self.park(claim, Status.DEFERRED, Cause.RATE_LIMIT, reason)
        claim.has_slot = False
        # After the wait for a slot. A fresh claim's object was read a moment ago.
        stop = self._end_if_source_changed(claim) if record.attempts or claim.taken_over else None
        if stop is not None:
            return stop
        name, replaced = output_name(self._output_prefix, record, number), None
        if name != record.default_output(self._output_prefix, number):
            reserved = self._reserve_name(claim, name, number)
            if isinstance(reserved, Record):
                return reserved
            name, replaced = reserved
        return self._write_attempt(claim, number, name, replaced)

    def _write_attempt(
        self, claim: Claim, number: int, name: str, replaced: str | None
    ) -> "Record | Step":
        """Reserve the daily cap's place, and write the attempt."""
        record, day = claim.record, None
        if not self._has_time(claim):
            return self.park(claim, Status.DEFERRED, Cause.TIME, _NO_TIME)
        if self._daily_cap is not None:
            day = billing_day(self._clock.now())
            if not claim.delivery.ledger.reserve(day, _cap_key(record, number), self._daily_cap):
                reason = f"The daily cap of {self._daily_cap} (REPAINT_DAILY_CAP) is reached."
                return self.park(claim, Status.DEFERRED, Cause.CAP, reason)
        now = self._clock.now()
        if day is not None and billing_day(now) != day:
            # Midnight passed: the call would be sent on a day that does not count it. The write
            # comes first: an owner that was suspended here must not release the place of an attempt
            # that another owner has sent meanwhile.
            claim.write(record)
            claim.delivery.ledger.release(day, _cap_key(record, number))
            return self._begin
        attempt = Attempt(number=number, output=name, sent_at=now, before=replaced, day=day)
        begun = self._policy.with_renewed_lease(record, now).changed(park=None, reason=None)
        claim.write(begun.with_attempt(attempt))
        return self._send

    def _has_time(self, claim: Claim, pause: float = 0.0) -> bool:
        """Return whether a call that begins after `pause` seconds can be answered in time."""
        return self._clock.now() + pause <= self._policy.latest_call(claim.delivery.deadline)

    def _end_if_source_changed(self, claim: Claim) -> Record | None:
        """End the record if its object was removed or overwritten since it was claimed."""
        source = claim.record.source
        if source.bucket is None or source.key is None:
            return None
        storage = claim.delivery.storage(source.region)
        try:
            info = storage.head(source.bucket, source.key, source.version_id)
        except ObjectMissing:
            if not storage.has_bucket(source.bucket):
                # A wrong region must not pass for an object that is gone.
                raise TosError(
                    f"There is no bucket {source.bucket} in this region: check TOS_REGION.",
                    status=403,
                ) from None
            return self.finish(claim, State.SKIPPED, "The object is gone.")
        if info.etag != source.etag:
            return self.finish(claim, State.SUPERSEDED, "The object was overwritten.")
        return None

    def _reserve_name(
        self, claim: Claim, name: str, number: int
    ) -> "Record | tuple[str, str | None]":
        """Reserve the output name `name`, which is made from the one that the user chose.

        Returns the name to use, and the `LastModified` of the file that it replaces, if there is
        one; or the record, if the run is over. The name is reserved before it is probed: otherwise
        two uploads could both find no file and both pay.
        """
        record = claim.record
        overwrite = record.instructions is not None and record.instructions.overwrite
        refused = reserve_name(claim.delivery.ledger, record.id, name, overwrite=overwrite)
        if refused is not None and not refused.is_final:
            return self.park(claim, Status.DEFERRED, Cause.UNSURE, refused.reason)
        problem, stored = refused.reason if refused else None, None
        if problem is None:
            try:
                stored = self._imagex.find_output(name)
            except ProbeFailed as error:
                reason = f"It is not known whether {name} exists: {error}"
                return self._park_after_failed_probe(claim, Status.DEFERRED, reason, error)
            if stored is not None and not overwrite:
                problem = (
                    f"An output {name!r} exists already: choose another name, or set "
                    "x-tos-meta-overwrite to true."
                )
        if problem is None:
            return name, stored.last_modified if stored else None
        if number > 1:
            # The user chose another name; that this one is taken is not the upload's fault.
            return record.default_output(self._output_prefix, number), None
        return self.finish(claim, State.REJECTED, problem)

    def _finish_exhausted(self, claim: Claim) -> Record:
        """Probe every absent attempt once more, then end or park; never pay again.

        An absent output was good enough to pay for another. It is not good enough to give the
        upload up: a late image would be lost.
        """
        last = claim.record.begun
        try:
            recovered = self._recover_absent(claim)
        except ProbeFailed as error:
            reason = f"{_EXHAUSTED} {error}"
            return self._park_after_failed_probe(
                claim, Status.IN_DOUBT, reason, error, cause=Cause.EXHAUSTED
            )
        if recovered is not None:
            return recovered
        if last.outcome != ABSENT:
            # The provider gave the reason why the last attempt made nothing.
            return self.finish(claim, State.REJECTED, f"{last.code or ''}: {last.message or ''}")
        return self.park(claim, Status.IN_DOUBT, Cause.EXHAUSTED, _EXHAUSTED)

    def _recover_absent(self, claim: Claim) -> Record | None:
        """End the record with an image that turned up late. Raises ProbeFailed."""
        for attempt in claim.record.attempts:
            image = None
            if attempt.outcome == ABSENT:
                image = self.probe_output(claim.record, attempt)
            if image is not None:
                return self.finish_generated(claim, image, attempt, by_probe=True)
        return None

    # Send: the paid call of the attempt that is written.

    def _send(self, claim: Claim) -> "Record | Step":
        record, attempt = claim.record, claim.record.begun
        if record.instructions is None:
            raise AssertionError("an attempt has instructions")
        try:
            picture = record.source.address or claim.delivery.storage(record.source.region).presign(
                record.source.bucket or "",
                record.source.key or "",
                version_id=record.source.version_id,
                expires_seconds=SOURCE_VALID_SECONDS,
            )
        except CredentialsError as error:
            return self._failed(claim, Failed(Verdict.CONFIGURATION, "", str(error)))
        body = record.instructions.call_body(
            domain=self._domain, output=attempt.output, image_url=picture
        )
        latest = min(
            attempt.sent_at + SEND_GRACE_SECONDS,
            self._policy.latest_call(claim.delivery.deadline),
        )

        def before_first_byte() -> None:
            # The connection is open, and one reading of the clock decides on the lease, the
            # deadline and the day together: between two readings the process could be suspended. An
            # owner that was suspended, or waited for a name or a handshake, must not pay after
            # another one took over. A suspension between this reading and the first byte is not
            # detected; no client can detect it.
            claim.sent_at = now = self._clock.now()
            if now > latest or (attempt.day is not None and billing_day(now) != attempt.day):
                raise _NotSentError

        def sent() -> None:
            # Not earlier: a log that cannot be written at once would stand before the first byte.
            claim.delivery.log.info("attempt.sent", attempt=attempt.number, output=attempt.output)

        try:
            outcome = self._imagex.generate(
                body,
                read_timeout=self._policy.timeout_seconds,
                before_first_byte=before_first_byte,
                sent=sent,
            )
        except _NotSentError:
            unsent = attempt.model_copy(update={"outcome": Verdict.NOT_EXECUTED})
            self._release_cap(claim, attempt)
            # Raises LeaseLost if another owner took over.
            return self._write_then_begin(claim, record.with_attempt(unsent))
        if isinstance(outcome, Generated):
            self._limiter.on_accepted()
            return self.finish_generated(claim, outcome, attempt)
        if outcome.verdict is Verdict.THROTTLED:
            self._limiter.on_throttled()
        elif outcome.verdict not in (Verdict.UNKNOWN, Verdict.NOT_EXECUTED):
            self._limiter.on_accepted()
        # A refusal may repeat a picture's address, encoded or not.
        pictures = [picture, record.instructions.req_json]
        return self._failed(
            claim, outcome._replace(message=hide_queries(outcome.message, pictures))
        )

    def _failed(self, claim: Claim, outcome: Failed) -> "Record | Step":
        """Act on a call that did not generate."""
        attempt = claim.record.begun
        if outcome.verdict is Verdict.UNKNOWN:
            claim.delivery.log.warning(
                "attempt.unknown", attempt=attempt.number, reason=str(outcome)
            )
            return self._settle
        failed = attempt.model_copy(
            update={"outcome": outcome.verdict, "code": outcome.code, "message": outcome.message}
        )
        earlier = [a.outcome for a in claim.record.attempts if a.number != attempt.number]
        record = claim.record.with_attempt(failed)
        may_reseed = record.instructions is not None and record.instructions.seed_is_free
        match outcome.verdict:
            case Verdict.THROTTLED | Verdict.NOT_EXECUTED:
                return self._back_off(claim, record, outcome)
            case Verdict.CONFIGURATION:
                log_configuration_refused(claim.delivery.log, outcome.message, outcome.code)
                self._release_cap(claim, attempt)
                reason = f"Configuration: {outcome}"
                return self.park(claim, Status.DEFERRED, Cause.CONFIGURATION, reason, record=record)
            case Verdict.RESEED if may_reseed and earlier.count(Verdict.RESEED) < MAX_RESEEDS:
                return self._write_then_begin(claim, record)
            case Verdict.RETRY_ONCE if Verdict.RETRY_ONCE not in earlier:
                return self._write_then_begin(claim, record)
            case _:
                return self._refused(claim, record, outcome)

    def _refused(self, claim: Claim, record: Record, outcome: Failed) -> Record:
        """Reject the upload, unless the image of an earlier attempt turns up late."""
        if outcome.verdict is Verdict.REFUSED:
            # The others made an image that failed its review; whether it is charged is not known.
            self._release_cap(claim, record.begun)
        try:
            recovered = self._recover_absent(claim)
        except ProbeFailed:
            recovered = None
        if recovered is not None:
            return recovered
        return self.finish(claim, State.REJECTED, str(outcome), attempts=record.attempts)

    def _write_then_begin(self, claim: Claim, record: Record) -> "Record | Step":
        claim.write(record)
        return self._begin

    def _back_off(self, claim: Claim, record: Record, outcome: Failed) -> "Record | Step":
        """Pause with full jitter if the time allows, else park. Nothing was executed."""
        pause = _BACKOFF.pause(claim.pauses + 1, self._rng)
        claim.delivery.log.warning(
            "attempt.throttled",
            attempt=record.begun.number,
            reason=str(outcome),
            pause_seconds=round(pause, 3),
        )
        self._release_cap(claim, record.begun)
        if not self._has_time(claim, pause):
            return self.park(claim, Status.DEFERRED, Cause.RATE_LIMIT, str(outcome), record=record)
        claim.pauses += 1
        self._clock.sleep(pause)
        return self._write_then_begin(claim, record)

    # Settle and probe: the outcome of the call is unknown.

    def _settle(self, claim: Claim) -> "Record | Step":
        """Wait until a call that was not answered can no longer store its image."""
        wait = max(0.0, self._policy.settled_at(claim.sent_at) - self._clock.now())
        if self._clock.now() + wait + WRITE_SECONDS > claim.delivery.deadline:
            # The lease ends at or after the settle time, so the next owner can probe at once.
            return claim.record
        self._clock.sleep(wait)
        return self._probe

    def _probe(self, claim: Claim) -> "Record | Step":
        """Check whether the last attempt stored an image. Call only after its settle time."""
        attempt = claim.record.begun
        try:
            image = self.probe_output(claim.record, attempt)
        except ProbeFailed as error:
            reason = f"The outcome of the call is not known yet: {error}"
            return self._park_after_failed_probe(claim, Status.IN_DOUBT, reason, error)
        if image is not None:
            return self.finish_generated(claim, image, attempt, by_probe=True)
        absent = attempt.model_copy(update={"outcome": ABSENT})
        return self._write_then_begin(claim, claim.record.with_attempt(absent))

    def probe_output(self, record: Record, attempt: Attempt) -> Generated | None:
        """Return the image that an attempt stored, None if it stored none.

        Raises ProbeFailed if there is no clear answer.
        """
        stored = self._imagex.find_output(attempt.output)
        if stored is None:
            return None
        # No other upload uses a default name. A file under a chosen one may have been there before.
        is_chosen = attempt.output != record.default_output(self._output_prefix, attempt.number)
        if is_chosen and not _is_attempts_own(attempt, stored.last_modified):
            return None
        url = self._imagex.url_of(
            stored.store_uri,
            domain=self._domain,
            template=record.instructions.template if record.instructions else "",
        )
        return Generated([url], [stored.store_uri], "")

    # End records.

    def finish_generated(
        self, claim: Claim, image: Generated, attempt: Attempt, *, by_probe: bool = False
    ) -> Record:
        """Write the end record of an image, and log its URLs and store URIs.

        There is no fence, also if the lease is over: the image exists, and the record has to have
        it. Returns the end record in the ledger, which may be another owner's.
        """
        done = attempt.model_copy(update={"outcome": FOUND if by_probe else GENERATED})
        others = tuple(a for a in claim.record.attempts if a.number != attempt.number)
        final = self._write_end(
            claim,
            claim.record.changed(
                state=State.GENERATED,
                reason=None,
                ending=None,
                attempts=tuple(sorted((*others, done), key=lambda a: a.number)),
                image_urls=tuple(image.image_urls),
                store_uris=tuple(image.store_uris),
                model_request_id=image.request_id,
            ),
        )
        if done in final.attempts:
            claim.delivery.log.info(
                "image.generated",
                image_urls=list(final.image_urls),
                store_uris=list(final.store_uris),
                attempt=attempt.number,
                recovered_by_probe=by_probe,
                model_request_id=final.model_request_id,
                duration_ms=round((self._clock.now() - attempt.sent_at) * 1000),
            )
        elif final.state != State.GENERATED:
            # No interleaving that is known leads here. If one does, the image must not be lost.
            claim.delivery.log.error(
                "image.unrecorded",
                reason=f"The image exists, but the record had ended as {final.state}.",
                image_urls=image.image_urls,
                store_uris=image.store_uris,
                attempt=attempt.number,
            )
        return final

    def finish(self, claim: Claim, state: Unmade, reason: str | None, **fields: object) -> Record:
        """Write an end without an image; return the end record in the ledger.

        Raises LeaseLost if another owner has the record.
        """
        # A fence: the end is decided in the pending record, by compare-and-swap, before the end
        # record is written. Without it, an owner whose call was refused could be suspended here
        # while another one takes over, probes and pays, and then write "rejected" beside the paid
        # image. With it, either the swap fails, or the next owner finds the decision and does not
        # pay. If the process dies between the two writes, the next owner carries the decision out.
        claim.write(claim.record.changed(ending=Ending(state=state, reason=reason), **fields))
        return self._write_decision(claim)

    def _write_decision(self, claim: Claim) -> Record:
        """Write the end that the pending record decides.

        One without instructions decides it as well: nobody can pay for it.
        """
        record = claim.record
        decided = record.ending or Ending(state=State.REJECTED, reason=record.reason)
        return self._write_end(
            claim, record.changed(state=decided.state, reason=decided.reason, ending=None)
        )

    def _write_end(self, claim: Claim, record: Record) -> Record:
        """Write the end record; return the one in the ledger, which may be an earlier one."""
        ended = record.without_queries().changed(
            park=None, lease=None, updated_at=self._clock.now()
        )
        # Before the end record: if the process dies in between, the sender finds that the record
        # does not match and does not send. In the opposite order, the event would be lost.
        event = self._enqueue(claim, ended)
        final = claim.delivery.ledger.finish(Entry(claim.record, claim.version), ended)
        claim.pending_webhook = (event, final) if event else None
        return final

    def end_if_redriven(self, claim: Claim) -> Record | None:
        """End a record that must not pay because of a redrive; see `redrive` for the writes.

        The old record of a redrive that was completed, and the new one of a redrive that was
        overtaken, end superseded. If the new record was never written, the old one forgets it.
        """
        record, ledger = claim.record, claim.delivery.ledger
        if record.redriven_as is not None:
            if find(ledger, record.redriven_as) is not None:
                reason = f"Run again as {record.redriven_as}."
                return self.finish(claim, State.SUPERSEDED, reason)
            claim.write(record.changed(redriven_as=None))
        if record.redrive_of is not None and record.replaces_pending:
            old = find(ledger, record.redrive_of)
            if old is not None and old.redriven_as != record.id:
                reason = f"{old.id} went on before this redrive of it was written."
                return self.finish(claim, State.SUPERSEDED, reason)
        return None

    # Parking.

    def park(
        self,
        claim: Claim,
        status: ParkStatus,
        cause: Cause,
        reason: str,
        *,
        record: Record | None = None,
    ) -> Record:
        """Park the record and release its lease: the sweep takes it up when it is due."""
        now, record = self._clock.now(), record or claim.record
        delay = 0.0 if cause in _DUE_AT_ONCE else _PARK_BACKOFF.pause(record.park_count + 1)
        parked = record.changed(
            park=Park(status=status, cause=cause, due_at=now + delay),
            park_count=record.park_count + 1 if delay else record.park_count,
            reason=reason,
            lease=None,
            updated_at=now,
        )
        # Only the first park is reported. `park_reported` is part of the park's own write: if that
        # write fails, the next park reports.
        event = None if record.park_reported else self._enqueue(claim, parked)
        if event:
            parked = parked.changed(park_reported=True)
        claim.write(parked)
        claim.pending_webhook = (event, claim.record) if event else None
        claim.delivery.log.warning(
            "upload.parked", status=status, reason=reason, due_in_seconds=round(delay)
        )
        return claim.record

    def park_unread(self, claim: Claim, reason: str) -> Record:
        """Park a record whose object still cannot be read."""
        return self.park(claim, Status.DEFERRED, Cause.UNREAD, reason)

    def _park_after_failed_probe(
        self,
        claim: Claim,
        status: ParkStatus,
        reason: str,
        error: ProbeFailed,
        *,
        cause: Cause = Cause.UNSURE,
    ) -> Record:
        """Park a claim because a probe failed; an operator's configuration may be the cause."""
        if error.misconfigured:
            log_configuration_refused(claim.delivery.log, reason)
            return self.park(claim, status, Cause.CONFIGURATION, f"Configuration: {reason}")
        return self.park(claim, status, cause, reason)

    def _enqueue(self, claim: Claim, record: Record) -> "OutboxEntry | None":
        return self._webhook.enqueue(claim.delivery.ledger, record) if self._webhook else None

    def _release_cap(self, claim: Claim, attempt: Attempt) -> None:
        """Release the daily cap's place of an attempt that was not charged.

        Before the outcome is written: if the process dies in between, the next owner probes for an
        output that is not there. In the opposite order, the place would stay reserved.
        """
        if attempt.day:
            key = _cap_key(claim.record, attempt.number)
            claim.delivery.ledger.release(attempt.day, key)


def _cap_key(record: Record, number: int) -> str:
    """Return the id under which an attempt counts against the daily cap."""
    return f"{record.id}-{number}"


def _next_number(record: Record) -> int:
    """Return the number of the attempt to begin next; one whose call was not executed is reused."""
    last = record.last_attempt
    if last is None:
        return 1
    return last.number if last.outcome in _NUMBER_REUSED else last.number + 1


def _is_attempts_own(attempt: Attempt, last_modified: str) -> bool:
    """Return whether a file is the attempt's and not one that had its name before.

    The two moments come from two clocks. Raises ProbeFailed if they contradict each other.
    """
    is_old = _is_older(last_modified, attempt.sent_at)
    is_unchanged = last_modified == attempt.before
    if is_old and not is_unchanged:
        raise ProbeFailed(f"{attempt.output} seems to be older than the call that was to store it.")
    if is_unchanged and not is_old:
        raise ProbeFailed(f"It is not clear whether {attempt.output} is the old or the new file.")
    return not is_unchanged


def _is_older(last_modified: str, sent_at: float) -> bool:
    """Return whether a file was certainly last changed before an attempt was sent.

    False if its `LastModified` cannot be read.
    """
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(last_modified)
        except ValueError:
            continue
        stamp = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
        return stamp < sent_at - _CLOCK_TOLERANCE_SECONDS
    return False
