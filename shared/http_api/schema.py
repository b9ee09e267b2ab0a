"""The bodies of requests and responses; the OpenAPI document is built from them."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    field_validator,
    model_validator,
)

from shared.clients.imagex_model import MODEL, OWN_KEYS, ReqJsonParts, Scale, Seed, Steps
from shared.clients.tos import BUCKET_NAME
from shared.ledger import Record
from shared.uploads.metadata import Requested

GenerationStatus = Literal[
    "generated", "rejected", "skipped", "superseded", "deferred", "in_doubt", "running"
]
LISTED_STATUSES: tuple[str, ...] = ("pending", "running", "deferred", "in_doubt")
Line = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
# Segments of visible characters without '~', separated by single '/'; as many as fit 180 bytes.
_ASCII, _CHINESE = r"[!-.0-}]", r"[!-.0-}\u4e00-\u9fff]"
Output = (
    Annotated[str, StringConstraints(pattern=rf"^{_ASCII}+(/{_ASCII}+)*$", max_length=140)]
    | Annotated[str, StringConstraints(pattern=rf"^{_CHINESE}+(/{_CHINESE}+)*$", max_length=45)]
)
# A host's name and a port; path and query in ASCII or Chinese. More is accepted: IP addresses,
# names in other scripts.
IMAGE_URL = (
    r"https?://([A-Za-z0-9_](-?[A-Za-z0-9_]){0,40}\.){1,5}[A-Za-z]{2,24}\.?(:[1-9][0-9]{1,3})?"
    r"([/?][!-\"$-~\u4e00-\u9fff]*)?"
)
_NO_DOT, _ANY = r"[!-\-0-\[\]-}\u4e00-\u9fff]", r"[!-.0-\[\]-}\u4e00-\u9fff]"
STORE_PATH = rf"(/{_NO_DOT}{_ANY}*)+"
# Without the characters that Python strips and not every regular expression takes for space.
_VISIBLE = r"[^\s\x1c-\x1f\x85]"
TemplateName = Annotated[str, StringConstraints(pattern=r"^[!-}]+$", max_length=256)]
Bucket = Annotated[str, StringConstraints(pattern=BUCKET_NAME.pattern)]
# A segment of dots may be taken for a relative path.
Key = Annotated[str, StringConstraints(pattern=r"^[^./][^/]*(/[^./][^/]*)*$", max_length=1024)]


RecordId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


class OwnModel(ReqJsonParts):
    """Further parts of this model's request; `image_urls` are pictures that follow the first."""


class OtherModel(BaseModel):
    """Another model's request: its `req_key`, and that model's parameters.

    A URL in it is a public https one, as `image_url` is.
    """

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "properties": {
                "req_key": {"type": "string", "minLength": 1, "not": {"const": MODEL}},
                "image_urls": {"type": "array"},
                **dict.fromkeys((*OWN_KEYS, "binary_data_base64"), False),
            },
        },
    )

    req_key: Annotated[str, StringConstraints(min_length=1)]


def _one_source(schema: dict[str, Any]) -> None:
    """Add the rules of `_check_source` to the schema: one source, a prompt without an object."""
    for properties in schema["properties"].values():
        kinds = [kind for kind in properties.pop("anyOf", []) if kind != {"type": "null"}]
        properties.pop("default", None)
        properties.update(kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {})
    sources = ("bucket", "key", "image_url", "store_uri")
    schema["oneOf"] = [
        {"required": needed, "properties": {s: False for s in sources if s not in needed}}
        for needed in (["bucket", "key"], ["image_url", "prompt"], ["store_uri", "prompt"])
    ]


class GenerationRequest(BaseModel):
    """One picture to repaint: exactly one of `bucket` with `key`, `image_url` and `store_uri`.

    With `bucket` and `key`, fields that are not given come from the object's metadata, then from
    the presets, then from the defaults.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=_one_source)

    bucket: Bucket | None = Field(default=None, description="The bucket of an uploaded object.")
    key: Key | None = Field(default=None, description="The key of an uploaded object.")
    image_url: Annotated[str, StringConstraints(min_length=1)] | None = Field(
        default=None, description="A public https URL of the picture; its canonical form is sent."
    )
    store_uri: Line | None = Field(
        default=None, description="A picture that the veImageX service already has."
    )
    prompt: (
        Annotated[str, StringConstraints(pattern=_VISIBLE, min_length=1, max_length=8192)] | None
    ) = Field(default=None, description="The prompt, in Chinese or English.")
    seed: Seed | None = Field(default=None, description="-1 for a random one.")
    steps: Steps | None = None
    scale: Scale | None = None
    output: Output | None = Field(default=None, description="The name of the output.")
    template: TemplateName | None = None
    overwrite: StrictBool | None = None
    req_json: OwnModel | OtherModel | None = Field(
        default=None,
        description="Merged into the model's request, for parameters that have no field here.",
    )

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_null(cls, value: Any) -> Any:
        if value is None:
            raise ValueError("null is not allowed: leave the field out")
        return value

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        given = [
            name
            for name, value in (
                ("bucket and key", self.bucket or self.key),
                ("image_url", self.image_url),
                ("store_uri", self.store_uri),
            )
            if value
        ]
        if len(given) != 1:
            raise ValueError(
                "give exactly one of bucket and key, image_url, store_uri"
                + (f", not {' and '.join(given)}" if given else "")
            )
        if bool(self.bucket) != bool(self.key):
            raise ValueError("bucket and key must be given together")
        if not self.bucket and not self.prompt:
            raise ValueError("a prompt is needed without an object that may have one")
        return self

    def given(self) -> dict[str, Any]:
        """Return the values that are given, by the names of `Requested`."""
        given = {name: getattr(self, name, None) for name in Requested._fields}
        if self.prompt is not None:
            given["prompt"] = self.prompt.strip()
        if self.req_json is not None:
            # In our own model's parts null means "not given"; another model may give it a meaning.
            ours = isinstance(self.req_json, OwnModel)
            given["req_json"] = self.req_json.model_dump(exclude_unset=True, exclude_none=ours)
        return {name: value for name, value in given.items() if value is not None}


class GenerationAttempt(BaseModel):
    """One paid call. Times are RFC 3339."""

    number: int
    output: str
    sent_at: datetime
    outcome: str | None = Field(description="Null until it is known.")
    code: str
    message: str


class Generation(BaseModel):
    """A record of the ledger without credentials and signed URLs."""

    id: RecordId
    status: GenerationStatus
    reason: str
    bucket: str | None
    key: str | None
    image_url: str | None = Field(description="Without its query.")
    store_uri: str | None
    prompt: str | None
    image_urls: list[str]
    store_uris: list[str]
    attempts: list[GenerationAttempt]
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, record: Record) -> Self:
        """Return a record as its caller may see it."""
        address = record.source.address
        is_url = address is not None and "://" in address
        return cls(
            id=record.id,
            status=record.status.value,
            reason=record.reason or "",
            bucket=record.source.bucket,
            key=record.source.key,
            image_url=address.partition("?")[0] if address and is_url else None,
            store_uri=None if is_url else address,
            prompt=record.instructions.prompt if record.instructions else None,
            image_urls=list(record.image_urls),
            store_uris=list(record.store_uris),
            attempts=[
                GenerationAttempt(
                    number=attempt.number,
                    output=attempt.output,
                    sent_at=_moment(attempt.sent_at),
                    outcome=attempt.outcome,
                    code=attempt.code or "",
                    message=attempt.message or "",
                )
                for attempt in record.attempts
            ],
            created_at=_moment(record.created_at),
            updated_at=_moment(record.updated_at),
        )


class GenerationList(BaseModel):
    """A page of pending generations; `next_cursor` is null on the last one."""

    items: list[Generation]
    next_cursor: str | None


class Health(BaseModel):
    """The function is running."""

    status: Literal["ok"] = "ok"


class FieldError(BaseModel):
    """The problem of one field."""

    pointer: str = Field(description="A JSON pointer into the body.")
    detail: str


class ProblemDocument(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[FieldError] | None = None


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
