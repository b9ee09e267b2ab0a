"""The one way from an upload to its end state."""

import secrets
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import unquote

from shared.clock import Clock
from shared.config import Settings
from shared.errors import (
    CredentialsError,
    ObjectMissing,
    RejectedUpload,
    RepaintError,
    TosError,
)
from shared.events import Upload
from shared.filters import outside
from shared.generation import Generation
from shared.instructions import Instructions, resolve
from shared.ledger import Entry, Ledger, Record
from shared.logs import Log, tell_misconfigured
from shared.metadata import GENERATED_MARK, META, decoded, identity, recognised
from shared.notices import Notices
from shared.objects import ObjectInfo
from shared.redaction import redact_text
from shared.results import Result, Status, duplicate_of, incomplete, result_of
from shared.suitability import problems_of
from shared.tos import Tos
from shared.trace import Trace, is_denied
from shared.turns import Turns
from shared.variants import write_siblings
from shared.work import Work

# Of one upload's variants, besides the first; more would only wait for their turns.
SIBLINGS_AT_ONCE = 8

Start = Callable[[Ledger, Trace], None]


class Pipeline:
    """Takes uploads to their end; safe to use from several threads.

    `storage` returns object storage in a region, `ledger` the ledger for an upload to a bucket in
    a region.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        storage: Callable[[str | None], Tos],
        ledger: Callable[[str, str | None], Ledger],
        generation: Generation,
        turns: Turns,
        notices: Notices,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._ledger = ledger
        self._generation = generation
        self._turns = turns
        self._notices = notices
        self._clock = clock

    def handle(self, upload: Upload, *, deadline: float, log: Log) -> list[Result]:
        """Take one upload as far as it goes before `deadline` (seconds since the epoch).

        Returns what became of it, or of each of its variants where a preset asks for several.
        Never raises for what can happen to an upload: status `incomplete` means that it has to be
        delivered again. Logs exactly one `delivery.finished` for each result.
        """
        log = log.bind(bucket=upload.bucket, key=upload.key)
        trace = Trace(upload.bucket, upload.key)
        siblings: list[Future[Result]] = []
        # Without variants nothing is submitted, and no thread begins.
        with ThreadPoolExecutor(SIBLINGS_AT_ONCE) as pool:

            def start(ledger: Ledger, sibling: Trace) -> None:
                siblings.append(pool.submit(self._resume, ledger, sibling, deadline, log))

            def handle() -> Result:
                return self._handle(upload, deadline, log, trace, start)

            return [self._told(handle, trace, log), *(each.result() for each in siblings)]

    def _told(
        self, do: Callable[[], Result], trace: Trace, log: Log, *, waits: bool = True
    ) -> Result:
        """Do one delivery's work for one upload, and tell how it ended: the log, then the receiver.

        With `waits` false, an answer that somebody waits for does not wait for the receiver.
        """
        started = self._clock.now()
        try:
            result = do()
        except (RepaintError, sqlite3.Error) as error:
            # The ledger or object storage cannot be reached, or the lease was lost: not paying.
            if isinstance(error, CredentialsError) or is_denied(error):
                tell_misconfigured(trace.bound(log), str(error))
            result = trace.incomplete(str(error))
        except Exception as error:  # noqa: BLE001 - a mistake of ours must not hide other uploads
            trace.bound(log).exception("upload.failed")
            result = trace.incomplete(redact_text(f"{type(error).__name__}: {error}"))
        log = log.bind(bucket=result.bucket, key=result.key, record=result.record)
        if result.variant is not None:
            log = log.bind(variant=result.variant)
        if result.status in ("skipped", "rejected"):
            event = {"skipped": "upload.skipped", "rejected": "upload.rejected"}[result.status]
            log.info(event, reason=result.reason)
        write = log.warning if result.status == "incomplete" else log.info
        write(
            "delivery.finished",
            status=result.status,
            reason=result.reason,
            attempts=result.attempts,
            duration_ms=round((self._clock.now() - started) * 1000),
            **result.addresses(),
        )
        work = trace.work
        if work and work.news:
            self._notices.try_first(
                work.ledger, *work.news, deadline=work.deadline, log=log, waits=waits
            )
        return result

    def _handle(
        self, upload: Upload, deadline: float, log: Log, trace: Trace, start: Start
    ) -> Result:
        def ended(status: Status, reason: str) -> Result:
            return Result(status, upload.bucket, upload.key, reason=reason)

        # Whether an event's key is percent-encoded is not documented: both readings count.
        reasons = [self._not_ours(upload, key) for key in (upload.key, unquote(upload.key))]
        if all(reasons):
            return ended("skipped", str(reasons[0]))
        storage = self._storage(upload.region)
        try:
            key, info = _find(storage, upload)
        except ObjectMissing:
            return ended("skipped", "The object is gone.")
        reason = self._not_ours(upload, key)
        if reason:
            return ended("skipped", reason)
        if GENERATED_MARK in info.metadata:
            return ended("skipped", f"The object is an output of Repaint ({META}{GENERATED_MARK}).")
        if upload.etag not in (None, info.etag):
            return ended("superseded", "The object was overwritten; its own event follows.")

        metadata = recognised(info.metadata)
        record_id = identity(upload.bucket, key, info.version_id or info.etag, metadata)
        log, trace.record = log.bind(record=record_id), record_id
        problems = problems_of(key, info)
        instructions: Instructions | str | None = None
        try:
            instructions = resolve(key, decoded(info.metadata), self._settings)
        except RejectedUpload as error:
            problems += error.reasons
        if isinstance(instructions, str):
            return ended("skipped", instructions)
        record = Record(
            id=record_id,
            bucket=upload.bucket,
            key=key,
            etag=info.etag,
            version_id=info.version_id,
            region=upload.region,
            instructions=None if problems else instructions,
            reason=" ".join(problems),
            owner=secrets.token_hex(8),
        )
        claim = self._claim_all(record, deadline, log, trace, start)
        if isinstance(claim, Result):
            return claim
        trace.work = claim
        return result_of(self._generation.run(claim))

    def _claim_all(
        self, record: Record, deadline: float, log: Log, trace: Trace, start: Start
    ) -> Result | Work:
        """Claim an upload, and start what goes on beside it: its further variants."""
        ledger = self._ledger(record.bucket, record.region)
        # The upload's own claim comes last: see `variants` for what that prevents.
        siblings = write_siblings(ledger, record, self._settings.output_prefix, self._left)
        if siblings is None:
            return incomplete(record, "Not all of its variants could be written down.")
        trace.variant = 1 if siblings else None
        claim = self._claim(ledger, record, deadline, log)
        for number, sibling in enumerate(siblings, 2):
            start(ledger, Trace(record.bucket, record.key, sibling, number))
        return claim

    def submit(
        self, ledger: Ledger, record: Record, *, deadline: float, log: Log, later: bool = False
    ) -> Result:
        """Take a caller's record as far as it goes, or with `later` leave it to the sweep."""
        log = log.bind(record=record.id)
        trace = Trace(record.bucket or None, record.key or None, record.id)

        def go() -> Result:
            claim = (
                self._leave(ledger, record) if later else self._claim(ledger, record, deadline, log)
            )
            if isinstance(claim, Result):
                return claim
            trace.work = claim
            return result_of(self._generation.run(claim))

        return self._told(go, trace, log, waits=False)

    def _leave(self, ledger: Ledger, record: Record) -> Result:
        """Leave a caller's record to the sweep."""
        stands = self._left(ledger, record)
        if stands is None:
            return incomplete(record, "Another delivery of it ended just now.")
        return result_of(stands) if stands.state == "pending" else duplicate_of(stands)

    def _left(self, ledger: Ledger, record: Record) -> Record | None:
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

    def resume(
        self, ledger: Ledger, record_id: str, *, deadline: float, log: Log, early: bool = False
    ) -> Result:
        """Go on with a pending record, as the sweep does; see `handle`.

        A parked one that is not due yet is left alone, unless `early`.
        """
        return self._resume(ledger, Trace(record=record_id), deadline, log, early=early)

    def _resume(
        self, ledger: Ledger, trace: Trace, deadline: float, log: Log, *, early: bool = False
    ) -> Result:
        record_id = trace.record or ""
        log = log.bind(record=record_id)

        def go_on() -> Result:
            entry = ledger.pending(record_id)
            if entry is None:
                ended = ledger.finished(record_id)
                if ended is not None:
                    return duplicate_of(ended)
                return Result("duplicate", None, None, record_id, "It ended meanwhile.")
            trace.bucket, trace.key = entry.record.bucket, entry.record.key
            claim = self._take_over(ledger, entry, deadline, trace.bound(log), early=early)
            if isinstance(claim, Result):
                return claim
            trace.work = claim
            return result_of(self._generation.run(claim))

        return self._told(go_on, trace, log)

    def _claim(self, ledger: Ledger, record: Record, deadline: float, log: Log) -> Result | Work:
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

    def _not_ours(self, upload: Upload, key: str) -> str | None:
        """Say why an upload is none of ours, without a request; None where it is."""
        if not upload.is_creation:
            return f"{upload.name} is not the creation of an object."
        return outside(self._settings, upload.bucket, key)


def _find(storage: Tos, upload: Upload) -> tuple[str, ObjectInfo]:
    """Look at the object; return the key it was found under, and what the look told.

    An event's key is used as it is, and on a 404 tried once more decoded. Raises TosError where
    there is not even the bucket: a wrong region must not pass for an object that is gone.
    """
    for key in dict.fromkeys((upload.key, unquote(upload.key))):
        with suppress(ObjectMissing):
            return key, storage.head(upload.bucket, key)
    if not storage.has_bucket(upload.bucket):
        raise TosError(
            f"There is no bucket {upload.bucket} in this region: check TOS_REGION and "
            "TOS_ENDPOINT.",
            status=403,
        )
    raise ObjectMissing(f"There is no {upload.bucket}/{upload.key}.", status=404)
