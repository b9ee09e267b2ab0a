"""From a request's body to the record of what is asked for, or everything that is wrong with it."""

import re
import secrets
from collections.abc import Callable

from pydantic import ValidationError

from shared.addresses import image_url_problem, store_uri_problem
from shared.config import BUCKET_NAME, Settings
from shared.errors import ObjectMissing, RejectedUpload
from shared.http.models import IMAGE_URL, STORE_PATH, GenerationRequest, OwnModel
from shared.http.problems import Problem
from shared.instructions import resolve
from shared.ledger import Record
from shared.metadata import GENERATED_MARK, META, recognised
from shared.redaction import redact_text
from shared.suitability import problems_of
from shared.tos import Tos

_MESSAGES = {
    "string_pattern_mismatch": "it has a form that is not possible; /openapi.json says which is"
}
_BRANCHES = ("OwnModel", "OtherModel", "constrained-str")
_POINTED = re.compile(rf"{META}([a-z-]+)")


class Asking:
    """Turns what callers ask for into records; safe to use from several threads."""

    def __init__(self, settings: Settings, storage: Callable[[str | None], Tos]) -> None:
        self._settings = settings
        self._storage = storage

    def record(self, asked: GenerationRequest, record_id: str, fingerprint: str) -> Record:
        """Return the record of what is asked for. Raises Problem with everything that is wrong."""
        errors = self._source_errors(asked)
        if errors:
            raise _invalid(errors)
        metadata: dict[str, str] = {}
        etag, version_id = "", None
        if asked.bucket and asked.key:
            try:
                info = self._storage(None).head(asked.bucket, asked.key)
            except ObjectMissing:
                raise Problem("not-found", "There is no object of that bucket and key.") from None
            metadata, etag, version_id = recognised(info.metadata), info.etag, info.version_id
            metadata.pop("skip", None)
            errors = [_error("/key", problem) for problem in problems_of(asked.key, info)]
            if GENERATED_MARK in info.metadata:
                errors.append(_error("/key", "The object is an output of Repaint."))
        try:
            instructions = resolve(asked.key or "", metadata | _as_metadata(asked), self._settings)
        except RejectedUpload as error:
            raise _invalid(errors + [_pointed(reason) for reason in error.reasons]) from None
        if isinstance(instructions, str):
            errors.append(_error("/prompt", "There is no prompt, here or in the defaults."))
        if errors or isinstance(instructions, str):
            raise _invalid(errors)
        return Record(
            id=record_id,
            bucket=asked.bucket or "",
            key=asked.key or "",
            etag=etag,
            version_id=version_id,
            source=asked.image_url or asked.store_uri,
            fingerprint=fingerprint,
            instructions=instructions,
            owner=secrets.token_hex(8),
        )

    def _source_errors(self, asked: GenerationRequest) -> list[dict[str, str]]:
        errors = []
        if asked.bucket and not BUCKET_NAME.fullmatch(asked.bucket):
            errors.append(_error("/bucket", "This cannot be a bucket's name."))
        if asked.image_url:
            problem = image_url_problem(
                asked.image_url,
                allow_http=self._settings.http_allow_http,
                allowed_hosts=self._settings.http_image_hosts,
            )
            if not problem and not re.fullmatch(IMAGE_URL, asked.image_url):
                problem = "A host's name in ASCII is needed, and the rest percent-encoded."
            errors += [_error("/image_url", problem)] if problem else []
        if asked.store_uri:
            problem = store_uri_problem(asked.store_uri, self._settings.service_id)
            if not problem and not re.fullmatch(rf"[^/]+{STORE_PATH}", asked.store_uri):
                problem = "Its name has a character that is not possible here."
            errors += [_error("/store_uri", problem)] if problem else []
        return errors


def validated(document: object) -> GenerationRequest:
    """Return a request's body as a value. Raises Problem with every invalid field."""
    try:
        return GenerationRequest.model_validate(document)
    except ValidationError as error:
        found = {
            _pointer(problem["loc"]): _MESSAGES.get(
                problem["type"], problem["msg"].removeprefix("Value error, ")
            )
            for problem in error.errors(include_url=False, include_input=False)
        }
        raise _invalid([_error(*item) for item in found.items()]) from None


def _pointer(place: tuple[str | int, ...]) -> str:
    """Return the JSON pointer of a place, without the names of a type's branches."""
    return "".join(f"/{part}" for part in place if part not in _BRANCHES)


def _as_metadata(asked: GenerationRequest) -> dict[str, str]:
    """Return what a request says in the form that an object's metadata says it in."""
    given = asked.model_dump(
        exclude_none=True, exclude={"bucket", "key", "image_url", "store_uri", "req_json"}
    )
    texts = {name: str(v).lower() if isinstance(v, bool) else str(v) for name, v in given.items()}
    if asked.req_json is not None:
        # Of our own model's parts null means "not given"; another model's are its own affair.
        ours = isinstance(asked.req_json, OwnModel)
        texts["req-json"] = asked.req_json.model_dump_json(exclude_unset=True, exclude_none=ours)
    return texts


def _pointed(reason: str) -> dict[str, str]:
    found = _POINTED.match(reason)
    pointer = f"/{found[1].replace('-', '_')}" if found else "/req_json"
    return _error(pointer, _POINTED.sub(r"\1", reason))


def _error(pointer: str, detail: str) -> dict[str, str]:
    return {"pointer": pointer, "detail": redact_text(detail)}


def _invalid(errors: list[dict[str, str]]) -> Problem:
    return Problem("invalid-fields", f"{len(errors)} field(s) to mend.", errors=errors)
