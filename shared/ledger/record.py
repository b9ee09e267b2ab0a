"""The record of one upload: its picture, who works on it, what was sent, how it ended."""

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import RecordUnreadable
from shared.redaction import without_queries
from shared.uploads.instructions import Instructions

FORMAT = 1
"""The format that records are written in. A reader leaves later ones to a newer version."""


class State(StrEnum):
    """What the record says of its upload's end. An end never changes."""

    PENDING = "pending"  #: it has not ended
    GENERATED = "generated"  #: its image is stored
    REJECTED = "rejected"  #: it can never be generated as it is
    SKIPPED = "skipped"  #: there is nothing to generate: the object went away
    SUPERSEDED = "superseded"  #: another upload or a redrive took its place


EndState = Literal[State.GENERATED, State.REJECTED, State.SKIPPED, State.SUPERSEDED]
# What ended without an image: few among the many that were generated.
Unmade = Literal[State.REJECTED, State.SKIPPED, State.SUPERSEDED]
UNMADE: tuple[Unmade, ...] = (State.REJECTED, State.SKIPPED, State.SUPERSEDED)


class Status(StrEnum):
    """How far an upload is: the one derivation, for the log, the HTTP API, the CLI and console."""

    RUNNING = "running"  #: an owner works on it
    ABANDONED = "abandoned"  #: its owner's lease ended; the next delivery or sweep takes over
    DEFERRED = "deferred"  #: parked; no call is in doubt, and it is tried again when it is due
    IN_DOUBT = "in_doubt"  #: parked; a call may have been paid and its outcome is not known
    GENERATED = "generated"  #: its image is stored
    REJECTED = "rejected"  #: it can never be generated as it is
    SKIPPED = "skipped"  #: there was nothing to generate
    SUPERSEDED = "superseded"  #: another upload or a redrive took its place


ParkStatus = Literal[Status.DEFERRED, Status.IN_DOUBT]


class Cause(StrEnum):
    """Why a record is parked. The sweep takes those with the same cause together."""

    TIME = "time"  #: too little time was left in the invocation
    RATE_LIMIT = "rate_limit"  #: no call slot came in time
    CAP = "cap"  #: the daily cap is reached
    CONFIGURATION = "configuration"  #: an operator has to fix the configuration
    UNSURE = "unsure"  #: it could not be found out what is stored
    UNREAD = "unread"  #: its object could not be read yet: its record comes when it can
    EXHAUSTED = "exhausted"  #: every attempt was sent, and no image was found


# Unknown fields of a later version are ignored. No base class: building one takes time at a start.
_STORED = ConfigDict(extra="ignore", frozen=True)
# Built when it is first used: few uploads need it.
_SELDOM = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class Attempt(BaseModel):
    """One paid call: the name it stores its output under, written down before it is sent.

    `outcome` is None until something is known: an attempt without one may have been executed.
    `sent_at` is in seconds since the epoch. `before` is the `LastModified` of a file that had the
    name already, `day` the one on which the attempt counts against the daily cap.
    """

    model_config = _STORED

    number: int
    output: str
    sent_at: float
    outcome: str | None = None
    code: str | None = None
    message: str | None = None
    before: str | None = None
    day: str | None = None


class Source(BaseModel):
    """The picture: an object in a bucket, or the `address` that a caller of the HTTP API gave.

    `address` is a public URL or a StoreUri; the other fields are None then.
    """

    model_config = _STORED

    bucket: str | None = None
    key: str | None = None
    etag: str | None = None
    version_id: str | None = None
    region: str | None = None
    address: str | None = None


class Lease(BaseModel):
    """`owner` alone may act until `until` (seconds since the epoch); then anybody may take over."""

    model_config = _STORED

    owner: str
    until: float


class Park(BaseModel):
    """Where a record waits, why, and when it is due (seconds since the epoch)."""

    model_config = _SELDOM

    status: ParkStatus
    cause: Cause
    due_at: float


class Ending(BaseModel):
    """An end without an image that is decided, but perhaps not written yet."""

    model_config = _SELDOM

    state: Unmade
    reason: str | None = None


class Record(BaseModel):
    """One upload's entry in the ledger. Never holds an address that Repaint signed.

    `park` stays while a parked record is worked on, until the record ends or is parked anew.
    `park_reported` is set once the webhook's outbox has the first park. `redrive_of` is the record
    that this one runs again because an operator asked for it, `note` the operator's reason;
    `replaces_pending` means that the other was pending then; `redriven_as` is the record that runs
    this one again (see `processing.redrive`). `fingerprint` is the SHA-256 of a caller's request.
    Once `ending` is set, nobody pays for the record any more: its owner writes that end. Times are
    seconds since the epoch.
    """

    model_config = _STORED

    format: int = FORMAT
    id: str
    source: Source
    fingerprint: str | None = None
    instructions: Instructions | None = None
    redrive_of: str | None = None
    redriven_as: str | None = None
    replaces_pending: bool = False
    note: str | None = None

    state: State = State.PENDING
    reason: str | None = None
    ending: Ending | None = None
    lease: Lease | None = None
    park: Park | None = None
    park_count: int = 0
    park_reported: bool = False
    attempts: tuple[Attempt, ...] = ()

    image_urls: tuple[str, ...] = ()
    store_uris: tuple[str, ...] = ()
    model_request_id: str | None = None
    created_at: float = 0.0
    updated_at: float = 0.0

    @property
    def status(self) -> Status:
        """Return how far the upload is, as the record says it."""
        if self.state != State.PENDING:
            return Status(self.state.value)
        return self.park.status if self.park else Status.RUNNING

    def status_at(self, now: float) -> Status:
        """Return how far the upload is at `now`, which also shows who works on it.

        A parked record that is worked on is running; one that nobody holds any more is abandoned.
        """
        if self.state != State.PENDING:
            return self.status
        if self.is_leased(now):
            return Status.RUNNING
        return self.park.status if self.park else Status.ABANDONED

    def is_leased(self, now: float) -> bool:
        """Return whether an owner may act alone at `now`."""
        return self.lease is not None and self.lease.until > now

    @property
    def due_at(self) -> float:
        """Return from when on a pending record may be taken over."""
        if self.park is not None and self.lease is None:
            return self.park.due_at
        return self.lease.until if self.lease else 0.0

    @property
    def last_attempt(self) -> Attempt | None:
        """Return the attempt that was begun last."""
        return self.attempts[-1] if self.attempts else None

    @property
    def begun(self) -> Attempt:
        """Return the attempt that was begun last; there is one."""
        if not self.attempts:
            raise AssertionError("an attempt was begun")
        return self.attempts[-1]

    @property
    def outcome_is_unknown(self) -> bool:
        """Return whether the last attempt was begun and nothing is known of it: it may be paid."""
        return self.last_attempt is not None and self.last_attempt.outcome is None

    @property
    def variant(self) -> int | None:
        """Return which of several variants of its upload this is, None if there is only one."""
        instructions = self.instructions
        return instructions.variant if instructions and instructions.variants > 1 else None

    def default_output(self, prefix: str, number: int) -> str:
        """Return the name of attempt `number`'s output, unless the user chose one."""
        return f"{prefix}{self.id}-{number}"

    def with_attempt(self, attempt: Attempt) -> "Record":
        """Return the record with `attempt` added, or in place of the one with its number."""
        kept = tuple(a for a in self.attempts if a.number != attempt.number)
        return self.changed(attempts=(*kept, attempt))

    def changed(self, **fields: Any) -> "Record":
        """Return the record with other values in some fields."""
        return self.model_copy(update=fields)

    def without_queries(self) -> "Record":
        """Return the record with its caller's addresses cut before their queries.

        An address may hold a signature of the caller's own: it is kept while it is needed.
        """
        return self.changed(
            source=self.source.model_copy(update={"address": without_queries(self.source.address)}),
            instructions=self.instructions
            and self.instructions.model_copy(
                update={"req_json": without_queries(self.instructions.req_json)}
            ),
        )

    def to_json(self) -> bytes:
        """Return the record as it is stored."""
        return self.model_dump_json().encode()

    @classmethod
    def from_json(cls, text: bytes | str) -> "Record":
        """Read a stored record. Raises RecordUnreadable."""
        try:
            record = cls.model_validate_json(text)
        except ValidationError as error:
            places = ", ".join(".".join(map(str, p["loc"])) for p in error.errors()) or "JSON"
            raise RecordUnreadable(
                f"A record in the ledger cannot be read ({places}): move it away to have its "
                "upload processed anew."
            ) from None
        if record.format > FORMAT:
            raise RecordUnreadable(
                f"The record {record.id} has format {record.format}, this version reads up to "
                f"{FORMAT}: it is left to the newer version that wrote it."
            )
        return record
