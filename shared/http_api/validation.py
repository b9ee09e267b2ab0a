"""Turn a request's body into a record, or into all of its problems."""

import json
import re
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from shared.clients.imagex_model import MODEL
from shared.clients.tos import Tos
from shared.errors import ObjectMissing, Problem, RejectedUpload
from shared.http_api.problems import ApiProblem
from shared.http_api.schema import STORE_PATH, GenerationRequest
from shared.json_utils import map_texts, pointer_to
from shared.ledger import Record, Source
from shared.redaction import redact_text
from shared.settings import Settings
from shared.uploads.eligibility import head_problems
from shared.uploads.image_url import image_url, store_uri
from shared.uploads.instructions import resolve
from shared.uploads.metadata import GENERATED_MARK, read_metadata

_MESSAGES = {"string_pattern_mismatch": "its form is not valid; /openapi.json has the pattern"}
_BRANCHES = ("OwnModel", "OtherModel", "constrained-str")
_URL = re.compile(r"[\x00-\x20\s]*(https?:|[a-z][a-z0-9+.-]*://)", re.ASCII | re.IGNORECASE)


class RequestValidator:
    """Turns the bodies of requests into records."""

    def __init__(self, settings: Settings, storage: Callable[[str | None], Tos]) -> None:
        self._settings = settings
        self._storage = storage

    def record(self, document: object, record_id: str, fingerprint: str) -> Record:
        """Return the record of a request. Raises ApiProblem with every problem."""
        errors: list[dict[str, str]] = []
        document = self._canonical(document, errors)
        try:
            request = GenerationRequest.model_validate(document)
        except ValidationError as error:
            raise _invalid(_field_errors(error) + errors) from None
        given = request.given()
        metadata = read_metadata({})
        etag, version_id = None, None
        # Without the object's metadata, it is not known whether a prompt is missing.
        is_read = bool(request.bucket and request.key and not errors)
        if request.bucket and request.key and is_read:
            try:
                info = self._storage(None).head(request.bucket, request.key)
            except ObjectMissing:
                raise ApiProblem("not-found", "There is no such object.") from None
            etag, version_id = info.etag, info.version_id
            # A value that the request gives may be invalid in the object.
            unused = {"skip", *(name.replace("_", "-") for name in given)}
            metadata = read_metadata({k: v for k, v in info.metadata.items() if k not in unused})
            errors = [_error("/key", problem) for problem in head_problems(request.key, info)]
            if GENERATED_MARK in info.metadata:
                errors.append(_error("/key", "The object is an output of Repaint."))
        metadata = metadata._replace(
            requested=metadata.requested._replace(**given),
            texts={**metadata.texts, **_texts(given)},
        )
        try:
            instructions = resolve(request.key or "", metadata, self._settings.defaults)
        except RejectedUpload as error:
            raise _invalid(errors + [_pointed(problem) for problem in error.problems]) from None
        if isinstance(instructions, str) and (is_read or not errors):
            errors.append(_error("/prompt", "There is no prompt, here or in the defaults."))
        if errors or isinstance(instructions, str):
            raise _invalid(errors)
        return Record(
            id=record_id,
            source=Source(
                bucket=request.bucket,
                key=request.key,
                etag=etag,
                version_id=version_id,
                address=request.image_url or request.store_uri,
            ),
            fingerprint=fingerprint,
            # One request is one generation, even if a preset makes several of an upload.
            instructions=instructions.model_copy(update={"variants": 1}),
        )

    def _canonical(self, document: object, errors: list[dict[str, str]]) -> object:
        """Return a request with every URL in its canonical form; append an error for each refused.

        The parameters of another model are not known: all of its texts that a client may take for
        a URL are checked.
        """
        parts = document.get("req_json") if isinstance(document, dict) else None
        other_model = isinstance(parts, dict) and parts.get("req_key", MODEL) != MODEL

        def canonical(pointer: str, text: str) -> str:
            pictures = pointer.startswith("/req_json/image_urls/")
            may_be_url = other_model and pointer.startswith("/req_json/") and _is_like_url(text)
            try:
                if pointer == "/store_uri" or (pictures and text.startswith("tos-cn-i-")):
                    return self._store_uri(text)
                if pointer == "/image_url" or pictures or may_be_url:
                    return image_url(
                        text,
                        allow_http=self._settings.http_allow_http,
                        allowed_hosts=self._settings.http_image_hosts,
                    )
            except ValueError as error:
                errors.append(_error(pointer, str(error)))
            return text

        return map_texts(document, canonical)

    def _store_uri(self, uri: str) -> str:
        if not re.fullmatch(rf"[^/]+{STORE_PATH}", store_uri(uri, self._settings.service_id)):
            raise ValueError("The StoreUri's name has a character that is not allowed here.")
        return uri


def _is_like_url(text: str) -> bool:
    """Return whether some client may take a text for an absolute URL."""
    return _URL.match(re.sub(r"[\t\r\n]", "", text)) is not None


def _field_errors(error: ValidationError) -> list[dict[str, str]]:
    """Return one error for each place that pydantic refuses."""
    found = {
        _pointer(problem["loc"]): _MESSAGES.get(
            problem["type"], problem["msg"].removeprefix("Value error, ")
        )
        for problem in error.errors(include_url=False, include_input=False)
    }
    return [_error(*item) for item in found.items()]


def _pointer(place: tuple[str | int, ...]) -> str:
    """Return the JSON pointer of a place, without the names of a type's branches."""
    return pointer_to(*(part for part in place if part not in _BRANCHES))


def _texts(given: dict[str, Any]) -> dict[str, str]:
    """Return the values that a request gives as texts for a preset's placeholders."""
    texts = {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in given.items()
    }
    return {name.replace("_", "-"): text for name, text in texts.items()}


def _pointed(problem: Problem) -> dict[str, str]:
    if not problem.field:
        return _error("", problem.message)  # a preset needs a value: no field is invalid
    return _error(f"/{problem.field}", f"{problem.field} {problem.message}")


def _error(pointer: str, detail: str) -> dict[str, str]:
    return {"pointer": pointer, "detail": redact_text(detail)}


def _invalid(errors: list[dict[str, str]]) -> ApiProblem:
    return ApiProblem("invalid-fields", f"{len(errors)} invalid field(s).", errors=errors)
