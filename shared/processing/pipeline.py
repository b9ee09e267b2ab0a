"""The one way from an upload to its end state."""

import secrets
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import unquote

from shared.clients.tos import META, ObjectInfo, Tos
from shared.clock import Clock
from shared.errors import CredentialsError, ObjectMissing, RejectedUpload, RepaintError, TosError
from shared.ledger import Ledger, Record
from shared.logs import Log, tell_misconfigured
from shared.processing.claims import Claims
from shared.processing.generation import Generation
from shared.processing.trace import Trace, is_denied
from shared.processing.variants import write_siblings
from shared.processing.work import Work
from shared.redaction import redact_text
from shared.results import Result, Status, incomplete, result_of
from shared.settings import Settings
from shared.uploads.eligibility import head_problems
from shared.uploads.events import Upload
from shared.uploads.instructions import Instructions, resolve
from shared.uploads.metadata import GENERATED_MARK, identity, read_metadata
from shared.webhook import Notices

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
        claims: Claims,
        generation: Generation,
        notices: Notices,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._ledger = ledger
        self._claims = claims
        self._generation = generation
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
        except RepaintError as error:
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

        if not upload.is_creation:
            return ended("skipped", f"{upload.name} is not the creation of an object.")
        # Whether an event's key is percent-encoded is not documented: both readings count.
        readings = (upload.key, unquote(upload.key))
        key_filter = self._settings.filter_for(upload.bucket)
        reason = key_filter.exclusion(upload.bucket, *readings)
        if reason:
            return ended("skipped", reason)
        storage = self._storage(upload.region)
        try:
            key, info = _find(storage, upload)
        except ObjectMissing:
            return ended("skipped", "The object is gone.")
        reason = key_filter.exclusion(upload.bucket, key)
        if reason:
            return ended("skipped", reason)
        if GENERATED_MARK in info.metadata:
            return ended("skipped", f"The object is an output of Repaint ({META}{GENERATED_MARK}).")
        if upload.etag not in (None, info.etag):
            return ended("superseded", "The object was overwritten; its own event follows.")

        metadata = read_metadata(info.metadata)
        record_id = identity(upload.bucket, key, info.version_id or info.etag, metadata.texts)
        log, trace.record = log.bind(record=record_id), record_id
        problems = head_problems(key, info)
        instructions: Instructions | str | None = None
        try:
            instructions = resolve(key, metadata, self._settings.defaults)
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
        return self._carry_out(self._claim_all(record, deadline, log, trace, start), trace)

    def _claim_all(
        self, record: Record, deadline: float, log: Log, trace: Trace, start: Start
    ) -> Result | Work:
        """Claim an upload, and start what goes on beside it: its further variants."""
        ledger = self._ledger(record.bucket, record.region)
        # The upload's own claim comes last: see `variants` for what that prevents.
        siblings = write_siblings(ledger, record, self._settings.output_prefix, self._claims.left)
        if siblings is None:
            return incomplete(record, "Not all of its variants could be written down.")
        trace.variant = 1 if siblings else None
        claim = self._claims.claim(ledger, record, deadline, log)
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
            if later:
                return self._claims.leave(ledger, record)
            return self._carry_out(self._claims.claim(ledger, record, deadline, log), trace)

        return self._told(go, trace, log, waits=False)

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
        log = log.bind(record=trace.record)

        def go() -> Result:
            claim = self._claims.take_up(ledger, trace, deadline, log, early=early)
            return self._carry_out(claim, trace)

        return self._told(go, trace, log)

    def _carry_out(self, claim: Result | Work, trace: Trace) -> Result:
        """Take a claim as far as it goes; what is a result already, stays it."""
        if isinstance(claim, Result):
            return claim
        trace.work = claim
        return result_of(self._generation.run(claim))


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
