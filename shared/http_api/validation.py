"""From a request's body to the record of what is asked for, or everything that is wrong with it."""

import re
from collections.abc import Callable, Iterator

from pydantic import ValidationError

from shared.clients.imagex_model import MODEL
from shared.clients.tos import Tos
from shared.errors import ObjectMissing, RejectedUpload
from shared.http_api.problems import Problem
from shared.http_api.schema import STORE_PATH, GenerationRequest, OwnModel
from shared.json_utils import as_text, is_address, pointer_to, texts_in
from shared.ledger import Record, Source
from shared.redaction import redact_text
from shared.settings import Settings
from shared.uploads.eligibility import problems_of
from shared.uploads.image_url import image_url_problem, store_uri_problem
from shared.uploads.instructions import resolve
from shared.uploads.metadata import GENERATED_MARK, META, decoded
from shared.uploads.presets import OF_PRESET

_MESSAGES = {
    "string_pattern_mismatch": "it has a form that is not possible; /openapi.json says which is"
}
_BRANCHES = ("OwnModel", "OtherModel", "constrained-str")
# A little more than the document promises: names in Punycode are for the guard to judge.
_WHOLE_URL = re.compile(
    r"https?://([A-Za-z0-9-]+\.)+[A-Za-z][A-Za-z0-9-]*(:[0-9]+)?(/[!-\"$-\[\]-~]*)?"
)
_POINTED = re.compile(rf"{META}([a-z-]+)")


class Asking:
    """Turns what callers ask for into records; safe to use from several threads."""

    def __init__(self, settings: Settings, storage: Callable[[str | None], Tos]) -> None:
        self._settings = settings
        self._storage = storage

    def record(self, document: object, record_id: str, fingerprint: str) -> Record:
        """Return the record of what is asked for. Raises Problem with everything that is wrong."""
        errors = [_error(*item) for item in self._address_problems(document)]
        try:
            asked = GenerationRequest.model_validate(document)
        except ValidationError as error:
            raise _invalid(_field_errors(error) + errors) from None
        metadata: dict[str, str] = {}
        etag, version_id = None, None
        # Without its metadata, nothing can be said of what the request leaves to an object.
        is_looked_at = bool(asked.bucket and asked.key and not errors)
        if asked.bucket and asked.key and is_looked_at:
            try:
                info = self._storage(None).head(asked.bucket, asked.key)
            except ObjectMissing:
                raise Problem("not-found", "There is no object of that bucket and key.") from None
            metadata, etag, version_id = decoded(info.metadata), info.etag, info.version_id
            metadata.pop("skip", None)
            errors = [_error("/key", problem) for problem in problems_of(asked.key, info)]
            if GENERATED_MARK in info.metadata:
                errors.append(_error("/key", "The object is an output of Repaint."))
        try:
            instructions = resolve(asked.key or "", metadata | _as_metadata(asked), self._settings)
        except RejectedUpload as error:
            raise _invalid(errors + [_pointed(reason) for reason in error.reasons]) from None
        if isinstance(instructions, str) and (is_looked_at or not errors):
            errors.append(_error("/prompt", "There is no prompt, here or in the defaults."))
        if errors or isinstance(instructions, str):
            raise _invalid(errors)
        return Record(
            id=record_id,
            source=Source(
                bucket=asked.bucket,
                key=asked.key,
                etag=etag,
                version_id=version_id,
                address=asked.image_url or asked.store_uri,
            ),
            fingerprint=fingerprint,
            # One request, one generation, also where a preset makes several of an upload.
            instructions=instructions.model_copy(update={"variants": 1}),
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
    if reason.startswith(OF_PRESET):
        return _error("", reason)  # what the preset needs is not there: that is no field's fault
    found = _POINTED.match(reason)
    pointer = f"/{found[1].replace('-', '_')}" if found else "/req_json"
    return _error(pointer, _POINTED.sub(r"\1", reason))


def _error(pointer: str, detail: str) -> dict[str, str]:
    return {"pointer": pointer, "detail": redact_text(detail)}


def _invalid(errors: list[dict[str, str]]) -> Problem:
    return Problem("invalid-fields", f"{len(errors)} field(s) to mend.", errors=errors)
