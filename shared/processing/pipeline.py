"""How an upload is processed: from an event's upload to its result, which is logged once."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import unquote

from shared.clients.tos import META, ObjectInfo, Tos
from shared.clock import Clock
from shared.delivery import Delivery
from shared.errors import (
    CredentialsError,
    ObjectMissing,
    RejectedUpload,
    RepaintError,
    SettingsError,
    TosError,
)
from shared.ledger import Cause, Record, Source, State, Status, Unmade
from shared.logs import Log, log_configuration_refused
from shared.processing.attempts import AttemptRunner
from shared.processing.claims import Claim, Claims
from shared.processing.variants import write_siblings
from shared.redaction import redact_text
from shared.results import Result, ResultStatus, duplicate_of, incomplete, result_of
from shared.uploads.eligibility import Filter, head_problems
from shared.uploads.events import Unreadable, Upload
from shared.uploads.instructions import Defaults, Instructions, resolve
from shared.uploads.metadata import GENERATED_MARK, identity, read_metadata

if TYPE_CHECKING:
    from shared.webhook import WebhookOutbox

UPLOADS_AT_ONCE = 8
# Of one upload; more would only wait for their slots.
VARIANTS_AT_ONCE = 9
# Object storage is taken to show an object within that long after its event.
_YOUNG_SECONDS = 60.0
_VISIBLE_SECONDS = 1.0
# A permanent refusal to read an object ends its upload once it was parked as often as that.
_UNREAD_PARKS = 2

Found = TypeVar("Found")


class Unread(NamedTuple):
    """An object cannot be read; `is_permanent` if its refusal looks as if no retry helps."""

    reason: str
    is_permanent: bool = False


@dataclass(slots=True)
class DeliveryContext:
    """What is known so far of the upload in hand, for a result if processing it is cut short."""

    bucket: str | None = None
    key: str | None = None
    record: str | None = None
    variant: int | None = None
    claim: Claim | None = None

    def incomplete(self, reason: str) -> Result:
        """Return that this delivery was cut short and has to come again."""
        attempts = len(self.claim.record.attempts) if self.claim else 0
        return Result(
            "incomplete", self.bucket, self.key, self.record, reason,
            attempts=attempts, variant=self.variant,
        )  # fmt: skip


class Pipeline:
    """Takes uploads to their end. Thread-safe."""

    def __init__(
        self,
        *,
        upload_filter: Filter,
        defaults: Defaults,
        claims: Claims,
        runner: AttemptRunner,
        webhook: "WebhookOutbox | None",
        clock: Clock,
    ) -> None:
        self._filter = upload_filter
        self._defaults = defaults
        self._claims = claims
        self._runner = runner
        self._webhook = webhook
        self._clock = clock

    def handle_all(
        self, uploads: Sequence[Upload | Unreadable], delivery: Delivery
    ) -> list[list[Result]]:
        """Process the uploads of one event, several at a time; see `handle`."""

        def handle(upload: Upload | Unreadable) -> list[Result]:
            if isinstance(upload, Unreadable):
                # Delivering it again would not make it readable: it is logged and counts as done.
                context = DeliveryContext(upload.bucket, upload.key)
                refused = Result("rejected", upload.bucket, upload.key, reason=upload.reason)
                return [self._finished(refused, context, delivery, self._clock.now())]
            return self.handle(upload, delivery)

        if len(uploads) < 2:
            return [handle(upload) for upload in uploads]
        with ThreadPoolExecutor(min(len(uploads), UPLOADS_AT_ONCE)) as pool:
            return list(pool.map(handle, uploads))

    def handle(self, upload: Upload, delivery: Delivery) -> list[Result]:
        """Take one upload as far as it goes before the delivery's deadline.

        Returns its result, or one for each of its variants if a preset asks for several. Never
        raises for what can happen to an upload: status `incomplete` means that it has to be
        delivered again. Logs exactly one `delivery.finished` for each result.
        """
        started = self._clock.now()
        delivery = delivery.bind(bucket=upload.bucket, key=upload.key)
        context = DeliveryContext(upload.bucket, upload.key)
        records = self._guarded(
            lambda: self._prepared(upload, delivery, context), context, delivery
        )
        if isinstance(records, Result):
            return [self._finished(records, context, delivery, started)]
        first = records[0]

        def process(record: Record) -> Result:
            if record is first:
                return self._process(
                    lambda bound: self._claims.claim(record, bound), context, delivery, started
                )
            sibling = DeliveryContext(upload.bucket, upload.key, record.id, record.variant)
            return self._resume(sibling, delivery)

        if len(records) == 1:
            return [process(first)]
        with ThreadPoolExecutor(min(len(records), VARIANTS_AT_ONCE)) as pool:
            return list(pool.map(process, records))

    def submit(self, record: Record, delivery: Delivery, *, later: bool = False) -> Result:
        """Take a caller's record as far as it goes, or with `later` leave it to the sweep."""
        context = DeliveryContext(record.source.bucket, record.source.key, record.id)

        def claim(bound: Delivery) -> Claim | Result:
            if later:
                return self._claims.defer(record, bound)
            return self._claims.claim(record, bound)

        # The caller waits for the answer, so the answer does not wait for the webhook.
        return self._process(claim, context, delivery, self._clock.now(), waits=False)

    def resume(self, record_id: str, delivery: Delivery, *, early: bool = False) -> Result:
        """Go on with a pending record, as the sweep does; see `handle`.

        A parked one that is not due yet is left alone, unless `early`.
        """
        return self._resume(DeliveryContext(record=record_id), delivery, early=early)

    def _resume(
        self, context: DeliveryContext, delivery: Delivery, *, early: bool = False
    ) -> Result:
        record_id = context.record or ""

        def claim(bound: Delivery) -> Claim | Result:
            entry = bound.ledger.pending(record_id)
            if entry is None:
                ended = bound.ledger.finished(record_id)
                if ended is not None:
                    return duplicate_of(ended)
                return Result("duplicate", None, None, record_id, "It ended meanwhile.")
            source = entry.record.source
            context.bucket, context.key = source.bucket, source.key
            bound = bound.bind(bucket=source.bucket, key=source.key)
            claimed = self._claims.take_over(entry, bound, early=early)
            if isinstance(claimed, Claim) and is_unread(claimed.record):
                return self._read_again(claimed)
            return claimed

        return self._process(claim, context, delivery, self._clock.now())

    def _read_again(self, claim: Claim) -> Result:
        """Read the object of a record that could not be read when its event came.

        If it can be read, its own record is left to the sweep, and this one ends. The other record
        is written first: if the process dies in between, this one is read again, and the other
        exists already.
        """
        unread, delivery = claim.record, claim.delivery
        source = unread.source
        upload = Upload(
            source.bucket or "", source.key or "", etag=source.etag, version_id=source.version_id,
            region=source.region, at=unread.created_at,
        )  # fmt: skip
        context = DeliveryContext(upload.bucket, upload.key)
        found = self._records(upload, delivery, context)
        if isinstance(found, Unread):
            if found.is_permanent and unread.park_count >= _UNREAD_PARKS:
                return result_of(self._runner.finish(claim, State.REJECTED, found.reason))
            return result_of(self._runner.park_unread(claim, found.reason))
        if isinstance(found, Result):
            is_later = found.status == "superseded"
            state: Unmade = State.SUPERSEDED if is_later else State.SKIPPED
            return result_of(self._runner.finish(claim, state, found.reason))
        for record in found:
            if self._claims.leave(record, delivery.ledger) is None:
                return incomplete(unread, "Its record could not be written.")
        reason = f"Its object can be read now: its record is {found[0].id}."
        return result_of(self._runner.finish(claim, State.SUPERSEDED, reason))

    def _process(
        self,
        claim: Callable[[Delivery], Claim | Result],
        context: DeliveryContext,
        delivery: Delivery,
        started: float,
        *,
        waits: bool = True,
    ) -> Result:
        """Claim a record and carry the claim out; log the result."""
        delivery = delivery.bind(record=context.record)

        def run() -> Result:
            claimed = claim(delivery)
            if isinstance(claimed, Result):
                return claimed
            context.claim = claimed
            return result_of(self._runner.run(claimed))

        result = self._guarded(run, context, delivery)
        return self._finished(result, context, delivery, started, waits=waits)

    def _prepared(
        self, upload: Upload, delivery: Delivery, context: DeliveryContext
    ) -> list[Record] | Result:
        """Return the upload's records to process, or its result.

        An upload whose object cannot be read is parked, so that it is not lost when the platform
        drops its event. Also if the refusal looks permanent: one answer may be garbage.
        """
        found = self._records(upload, delivery, context)
        if not isinstance(found, Unread):
            return found
        record = unread_record(upload, found.reason)
        context.record = record.id
        result = self._claims.defer(record, delivery, cause=Cause.UNREAD)
        if result.status == Status.DEFERRED.value:
            delivery.log.warning(
                "upload.parked", status=result.status, reason=found.reason, due_in_seconds=0
            )
        return result

    def _records(
        self, upload: Upload, delivery: Delivery, context: DeliveryContext
    ) -> "list[Record] | Result | Unread":
        """Return the upload's record and those of its further variants, or why there is none."""
        found = self._find_object(upload, delivery)
        if isinstance(found, (Result, Unread)):
            return found
        key, info = found
        metadata = read_metadata(info.metadata)
        record_id = identity(upload.bucket, key, info.version_id or info.etag, metadata.texts)
        context.record = record_id
        problems = head_problems(key, info)
        instructions: Instructions | str | None = None
        try:
            instructions = resolve(key, metadata, self._defaults)
        except RejectedUpload as error:
            problems += error.reasons
        if isinstance(instructions, str):
            return _ended("skipped", upload, instructions)
        source = Source(
            bucket=upload.bucket,
            key=key,
            etag=info.etag,
            version_id=info.version_id,
            region=upload.region,
        )
        record = Record(
            id=record_id,
            source=source,
            instructions=None if problems else instructions,
            reason=" ".join(problems) or None,
        )
        if record.variant is None:
            return [record]
        # The upload's own claim comes last: see `variants` for the interleaving that it prevents.
        siblings = write_siblings(record, delivery.ledger, self._claims)
        if siblings is None:
            return incomplete(record, "Not all of its variants could be written.")
        context.variant = record.variant
        return [record, *siblings]

    def _find_object(
        self, upload: Upload, delivery: Delivery
    ) -> "tuple[str, ObjectInfo] | Result | Unread":
        """Return the key and the headers of an upload's object, or why it is left alone."""
        if not upload.is_creation:
            return _ended("skipped", upload, f"{upload.name} is not the creation of an object.")
        # Whether an event's key is percent-encoded is not documented: both readings count.
        readings = list(dict.fromkeys((upload.key, unquote(upload.key))))
        reasons = [self._filter.exclusion(upload.bucket, key) for key in readings]
        if all(reasons):
            return _ended("skipped", upload, str(reasons[0]))
        found = self._head(delivery, upload, readings)
        if isinstance(found, (Result, Unread)):
            return found
        key, info = found
        reason = reasons[readings.index(key)]
        if reason:
            return _ended("skipped", upload, reason)
        if GENERATED_MARK in info.metadata:
            mark = f"{META}{GENERATED_MARK}"
            return _ended("skipped", upload, f"The object is an output of Repaint ({mark}).")
        return key, info

    def _head(
        self, delivery: Delivery, upload: Upload, keys: Sequence[str]
    ) -> "tuple[str, ObjectInfo] | Result | Unread":
        """Read the headers of an upload's object, under the first of `keys` that has one.

        Right after its event an object may not be visible yet, or still be the one before: then it
        is read once more, and after that its record waits.
        """
        storage = delivery.storage(upload.region)
        for pause in (0.0, _VISIBLE_SECONDS):
            self._clock.sleep(pause)
            try:
                key, info = _first_of(storage, upload.bucket, keys)
            except ObjectMissing:
                unread = Unread("The object is not visible yet.")
                sure = _ended("skipped", upload, "The object is gone.")
                is_young = self._is_young(upload)
            except TosError as error:
                if not (error.is_denied or error.is_permanent):
                    raise
                if error.is_denied:
                    log_configuration_refused(delivery.log, str(error))
                return Unread(str(error), is_permanent=error.is_permanent)
            else:
                if upload.etag in (None, info.etag):
                    return key, info
                unread = Unread("The object is still the one before.")
                sure = _ended(
                    "superseded", upload, "The object was overwritten; its own event follows."
                )
                # Changed after the event, it is surely a later one.
                changed = info.last_modified
                is_later = changed is None or upload.at is None or changed > upload.at + 1.0
                is_young = self._is_young(upload) and not is_later
            if not is_young:
                return sure
        return unread

    def _is_young(self, upload: Upload) -> bool:
        """Return whether an event is so young that its object may not be visible yet."""
        return upload.at is not None and abs(self._clock.now() - upload.at) < _YOUNG_SECONDS

    def _guarded(
        self, do: Callable[[], Found], context: DeliveryContext, delivery: Delivery
    ) -> Found | Result:
        """Return an incomplete result for an error: nothing is paid, and it is delivered again."""
        log = delivery.log.bind(bucket=context.bucket, key=context.key, record=context.record)
        try:
            return do()
        except RepaintError as error:
            # The ledger or object storage cannot be reached, or the lease was lost.
            denied = isinstance(error, TosError) and error.is_denied
            if denied or isinstance(error, CredentialsError):
                log_configuration_refused(log, str(error))
            return context.incomplete(str(error))
        except Exception as error:
            log.exception("upload.failed")
            return context.incomplete(redact_text(f"{type(error).__name__}: {error}"))

    def _finished(
        self,
        result: Result,
        context: DeliveryContext,
        delivery: Delivery,
        started: float,
        *,
        waits: bool = True,
    ) -> Result:
        """Log a result, then send the webhook's event if one was written; return the result."""
        log_result(delivery.log, result, duration_seconds=self._clock.now() - started)
        claim = context.claim
        if self._webhook is not None and claim is not None and claim.pending_webhook is not None:
            self._webhook.send_first(*claim.pending_webhook, claim.delivery, waits=waits)
        return result


def log_result(log: Log, result: Result, *, duration_seconds: float = 0.0) -> None:
    """Log how a delivery's work for one upload ended, in one line `delivery.finished`."""
    log = log.bind(bucket=result.bucket, key=result.key, record=result.record)
    if result.variant is not None:
        log = log.bind(variant=result.variant)
    if result.status == "skipped":
        log.info("upload.skipped", reason=result.reason)
    if result.status == "rejected":
        # Without a record, it was not even an upload that could be read.
        write = log.info if result.record else log.error
        write("upload.rejected", reason=result.reason)
    write = log.warning if result.status == "incomplete" else log.info
    write(
        "delivery.finished",
        status=result.status,
        reason=result.reason,
        attempts=result.attempts,
        duration_ms=round(duration_seconds * 1000),
        **result.image_fields(),
    )


def log_unconfigured(
    uploads: Sequence[Upload | Unreadable], error: SettingsError, log: Log
) -> None:
    """Log that the uploads of an event have to come again, because the settings are invalid."""
    for upload in uploads:
        log_result(log, Result("incomplete", upload.bucket, upload.key, reason=str(error)))


def _ended(status: ResultStatus, upload: Upload, reason: str) -> Result:
    """Return the result of an upload that has no record."""
    return Result(status, upload.bucket, upload.key, reason=reason)


def _first_of(storage: Tos, bucket: str, keys: Sequence[str]) -> tuple[str, ObjectInfo]:
    """Return the first of `keys` that has an object, and its headers.

    A role that may not list gets 403 for what does not exist: another key is tried then as well.
    Raises ObjectMissing, or TosError, also if there is not even the bucket: a wrong region must not
    pass for an object that is gone.
    """
    denied: TosError | None = None
    for key in keys:
        try:
            return key, storage.head(bucket, key)
        except ObjectMissing:
            continue
        except TosError as error:
            if not error.is_denied:
                raise
            denied = denied or error
    if denied is not None:
        raise denied
    if not storage.has_bucket(bucket):
        raise TosError(
            f"There is no bucket {bucket} in this region: check TOS_REGION and TOS_ENDPOINT.",
            status=403,
        )
    raise ObjectMissing(f"There is no {bucket}/{keys[0]}.", status=404)


def unread_record(upload: Upload, reason: str) -> Record:
    """Return the record of an upload whose object cannot be read, and so has no identity yet."""
    version = upload.version_id or upload.etag or ""
    source = Source(
        bucket=upload.bucket, key=upload.key, etag=upload.etag, version_id=upload.version_id,
        region=upload.region,
    )  # fmt: skip
    record_id = identity(upload.bucket, upload.key, version, {"unread": ""})
    return Record(id=record_id, source=source, reason=reason)


def is_unread(record: Record) -> bool:
    """Return whether a record waits for its object to be readable."""
    return record.park is not None and record.park.cause == Cause.UNREAD
