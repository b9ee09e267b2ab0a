"""From a request's body to the record of what is asked for, or everything that is wrong with it."""

import json
import re
import secrets
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import ValidationError

from shared.clients.imagex_model import MODEL
from shared.clients.tos import Tos
from shared.errors import ObjectMissing, Problem, RejectedUpload
from shared.http_api.problems import HttpProblem
from shared.http_api.schema import STORE_PATH, GenerationRequest
from shared.json_utils import as_text, is_address, pointer_to, texts_in
from shared.ledger import Record
from shared.redaction import redact_text
from shared.settings import Settings
from shared.uploads.eligibility import head_problems
from shared.uploads.image_url import image_url_problem, store_uri_problem
from shared.uploads.instructions import resolve
from shared.uploads.metadata import GENERATED_MARK, read_metadata

_MESSAGES = {
    "string_pattern_mismatch": "it has a form that is not possible; /openapi.json says which is"
}
_BRANCHES = ("OwnModel", "OtherModel", "constrained-str")
# A little more than the document promises: names in Punycode are for the guard to judge.
_WHOLE_URL = re.compile(
    r"https?://([A-Za-z0-9-]+\.)+[A-Za-z][A-Za-z0-9-]*(:[0-9]+)?(/[!-\"$-\[\]-~]*)?"
)


class Asking:
    """Turns what callers ask for into records; safe to use from several threads."""

    def __init__(self, settings: Settings, storage: Callable[[str | None], Tos]) -> None:
        self._settings = settings
        self._storage = storage

    def record(self, document: object, record_id: str, fingerprint: str) -> Record:
        """Return the record of a request. Raises HttpProblem with every problem."""
        errors = [_error(*item) for item in self._address_problems(document)]
        try:
            asked = GenerationRequest.model_validate(document)
        except ValidationError as error:
            raise _invalid(_field_errors(error) + errors) from None
        given = asked.given()
        metadata = read_metadata({})
        etag, version_id = "", None
        # Without its metadata, nothing can be said of what the request leaves to an object.
        is_looked_at = bool(asked.bucket and asked.key and not errors)
        if asked.bucket and asked.key and is_looked_at:
            try:
                info = self._storage(None).head(asked.bucket, asked.key)
            except ObjectMissing:
                raise HttpProblem("not-found", "There is no such object.") from None
            etag, version_id = info.etag, info.version_id
            # What the request gives, the object need not have right.
            unused = {"skip", *(name.replace("_", "-") for name in given)}
            metadata = read_metadata({k: v for k, v in info.metadata.items() if k not in unused})
            errors = [_error("/key", problem) for problem in head_problems(asked.key, info)]
            if GENERATED_MARK in info.metadata:
                errors.append(_error("/key", "The object is an output of Repaint."))
        metadata = metadata._replace(
            requested=metadata.requested._replace(**given),
            texts={**metadata.texts, **_texts(given)},
        )
        try:
            instructions = resolve(asked.key or "", metadata, self._settings.defaults)
        except RejectedUpload as error:
            raise _invalid(errors + [_pointed(problem) for problem in error.problems]) from None
        if isinstance(instructions, str) and (is_looked_at or not errors):
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
            # One request, one generation, also where a preset makes several of an upload.
            instructions=instructions.model_copy(update={"variants": 1}),
            owner=secrets.token_hex(8),
        )

    def _address_problems(self, document: object) -> Iterator[tuple[str, str]]:
        """Go through the addresses that may not be handed on, with what is wrong with each."""
        fields = document if isinstance(document, dict) else {}
        image_url, store_uri = as_text(fields.get("image_url")), as_text(fields.get("store_uri"))
        if image_url and (problem := self._image_url_problem(image_url)):
            yield "/image_url", problem
        if store_uri and (problem := self._store_uri_problem(store_uri)):
            yield "/store_uri", problem
        req_json = fields.get("req_json")
        parts = req_json if isinstance(req_json, dict) else {}
        pictures = pointer_to("req_json", "image_urls")
        of_this_model = parts.get("req_key", MODEL) == MODEL
        for pointer, text in texts_in(parts, pointer_to("req_json")):
            if pointer.startswith(f"{pictures}/"):
                stored = text.startswith("tos-cn-i-")
                problem = (self._store_uri_problem if stored else self._image_url_problem)(text)
            elif of_this_model or not is_address(text):
                # What another model takes is not known: it may fetch any address.
                continue
            else:
                problem = self._image_url_problem(text)
            if problem:
                yield pointer, problem

    def _image_url_problem(self, url: str) -> str | None:
        problem = image_url_problem(
            url,
            allow_http=self._settings.http_allow_http,
            allowed_hosts=self._settings.http_image_hosts,
        )
        if not problem and not _WHOLE_URL.fullmatch(url):
            return "A host's name in ASCII is needed, and the rest percent-encoded."
        return problem

    def _store_uri_problem(self, uri: str) -> str | None:
        problem = store_uri_problem(uri, self._settings.service_id)
        if not problem and not re.fullmatch(rf"[^/]+{STORE_PATH}", uri):
            return "Its name has a character that is not possible here."
        return problem


def _field_errors(error: ValidationError) -> list[dict[str, str]]:
    """Return one error for each place that pydantic complains of."""
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
    """Return what a request gives as a preset's placeholders show it."""
    return {
        name.replace("_", "-"): value if isinstance(value, str) else json.dumps(value)
        for name, value in given.items()
    }


def _pointed(problem: Problem) -> dict[str, str]:
    if not problem.field:
        return _error("", problem.message)  # a preset lacks something: no field is to blame
    return _error(f"/{problem.field}", f"{problem.field} {problem.message}")


def _error(pointer: str, detail: str) -> dict[str, str]:
    return {"pointer": pointer, "detail": redact_text(detail)}


def _invalid(errors: list[dict[str, str]]) -> HttpProblem:
    return HttpProblem("invalid-fields", f"{len(errors)} field(s) to mend.", errors=errors)
