"""The record of one upload: what it is, who works on it, what was sent, how it ended."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import RecordUnreadable
from shared.redaction import without_queries
from shared.uploads.instructions import Instructions

# What ended without an image: few among the many that were generated.
Unmade = Literal["rejected", "skipped", "superseded"]
EndState = Literal["generated"] | Unmade
Parked = Literal["deferred", "in_doubt"]
# Why a record is parked; the sweep lets those that wait for the same thing go together.
Cause = Literal["", "time", "pace", "cap", "configuration", "unsure", "exhausted"]


class Attempt(BaseModel):
    """One paid call: the name it stores its output under, written down before it is sent.

    `outcome` is None until something is known: an attempt without one may have been executed.
    `sent_at` is in seconds since the epoch. `before` is the `LastModified` of a file that had the
    name already, `day` the one on which the attempt counts against the daily cap.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    number: int
    output: str
    sent_at: float
    outcome: str | None = None
    code: str = ""
    message: str = ""
    before: str | None = None
    day: str = ""


class Record(BaseModel):
    """One upload's entry in the ledger. Never holds an address that we signed.

    `owner` may act until `lease_until`; from then on anybody may take over. `due_at` is when a
    parked record wants to be looked at again. `park_told` tells that the first park was written
    down for the receiver of notices. `again_of` is the record that this one runs again on an
    operator's word, `note` what that one said why; `again_as` the record that runs this one again
    (see `shared.processing.redrive`). Times are seconds since the epoch.
    """

    # A record that a newer version wrote stays readable.
    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    bucket: str
    key: str
    etag: str
    version_id: str | None = None
    region: str | None = None
    # A caller's own address or StoreUri, in place of an object; what it asked, hashed.
    source: str | None = None
    fingerprint: str = ""
    again_of: str = ""
    again_as: str = ""
    note: str = ""
    instructions: Instructions | None = None

    state: Literal["pending"] | EndState = "pending"
    reason: str = ""
    parked: Parked | None = None
    cause: Cause = ""
    due_at: float = 0.0
    parks: int = 0
    park_told: bool = False

    owner: str = ""
    lease_until: float = 0.0
    attempts: tuple[Attempt, ...] = ()

    image_urls: tuple[str, ...] = ()
    store_uris: tuple[str, ...] = ()
    model_request_id: str = ""
    created_at: float = 0.0
    updated_at: float = 0.0

    @property
    def last_attempt(self) -> Attempt | None:
        """Return the attempt that was begun last."""
        return self.attempts[-1] if self.attempts else None

    @property
    def may_have_been_paid(self) -> bool:
        """Tell whether the last attempt was begun and nothing is known of it."""
        return self.last_attempt is not None and self.last_attempt.outcome is None

    def with_attempt(self, attempt: Attempt) -> "Record":
        """Return the record with `attempt` added, or put in place of the one of its number."""
        kept = tuple(a for a in self.attempts if a.number != attempt.number)
        return self.changed(attempts=(*kept, attempt))

    def changed(self, **fields: Any) -> "Record":
        """Return the record with other values in some fields."""
        return self.model_copy(update=fields)

    def without_queries(self) -> "Record":
        """Return the record with its callers' addresses cut before their queries.

        An address may hold a signature of its caller's own: it is kept while it is needed.
        """
        return self.changed(
            source=without_queries(self.source),
            instructions=self.instructions
            and self.instructions.model_copy(
                update={"req_json": without_queries(self.instructions.req_json)}
            ),
        )

    def to_json(self) -> bytes:
        """Write the record as it is stored."""
        return self.model_dump_json().encode()

    @classmethod
    def from_json(cls, text: bytes | str) -> "Record":
        """Read a stored record. Raises RecordUnreadable."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            places = ", ".join(".".join(map(str, p["loc"])) for p in error.errors()) or "JSON"
            raise RecordUnreadable(
                f"A record in the ledger cannot be read ({places}): move it away to have its "
                "upload done anew."
            ) from None
