"""The HTTP door's answers: the same pipeline, for applications that want the result at once."""

import hashlib
import json
import re
import secrets
import sqlite3
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ValidationError

from shared.addresses import image_url_problem, store_uri_problem
from shared.config import BUCKET_NAME, Settings
from shared.errors import ObjectMissing, RejectedUpload, RepaintError
from shared.http.models import (
    IMAGE_URL,
    SHOWN_STATUSES,
    STORE_PATH,
    GenerationList,
    GenerationRequest,
    Health,
    OwnModel,
    shown,
)
from shared.http.openapi import openapi_document
from shared.http.problems import Problem
from shared.http.requests import (
    HttpRequest,
    authorize,
    idempotency_key,
    read_json,
    read_request,
    wants_async,
)
from shared.instructions import resolve
from shared.ledger import Ledger, Record
from shared.logs import Log
from shared.metadata import GENERATED_MARK, META, recognised
from shared.pipeline import Pipeline
from shared.redaction import redact_text
from shared.suitability import problems_of
from shared.tos import Tos

PAGE = 50
_RETRY_SECONDS = "5"
_MESSAGES = {
    "string_pattern_mismatch": "it has a form that is not possible; /openapi.json says which is"
}
_BRANCHES = ("OwnModel", "OtherModel", "constrained-str")
_POINTED = re.compile(rf"{META}([a-z-]+)")

Answer = dict[str, Any]


class HttpDoor:
    """Answers requests; safe to use from several threads."""

    def __init__(
        self,
        *,
        settings: Settings,
        pipeline: Pipeline,
        storage: Callable[[str | None], Tos],
        ledger: Ledger,
    ) -> None:
        self._settings = settings
        self._pipeline = pipeline
        self._storage = storage
        self._ledger = ledger

    def answer(self, event: object, *, request_id: str, deadline: float, log: Log) -> Answer:
        """Answer one request of the gateway; what goes wrong is a problem document."""
        request = read_request(event)
        try:
            answer = self._route(request, deadline, log)
        except Problem as problem:
            answer = _refusal(problem, request_id)
        except (RepaintError, sqlite3.Error) as error:
            log.warning("request.failed", reason=str(error))
            text = "The ledger or object storage cannot be reached; try again in a while."
            answer = _refusal(_unavailable(text), request_id)
        log.info(
            "request.finished",
            method=request.method,
            path=request.path,
            status=answer["statusCode"],
        )
        return answer

    def _route(self, request: HttpRequest, deadline: float, log: Log) -> Answer:
        if request.path != "/healthz" or not self._settings.http_tokens:
            authorize(request, self._settings.http_tokens)
        match request.method, request.path.strip("/").split("/"):
            case "GET", ["healthz"]:
                return _answer(200, Health())
            case "GET", ["openapi.json"]:
                return _answer(200, self._openapi())
            case "POST", ["generations"]:
                return self._post(request, deadline, log)
            case "GET", ["generations"]:
                return self._list(request)
            case "GET", ["generations", record_id]:
                return self._get(record_id)
            case _, ["healthz"] | ["openapi.json"] | ["generations", _]:
                raise _not_allowed(request.method, "GET")
            case _, ["generations"]:
                raise _not_allowed(request.method, "GET, POST")
        raise Problem("not-found", "There are /generations, /healthz and /openapi.json.")

    def _openapi(self) -> dict[str, Any]:
        return openapi_document(self._settings.service_id, self._settings.http_allow_http)

    def _get(self, record_id: str) -> Answer:
        record = self._find(record_id) if re.fullmatch(r"[0-9a-f]{32}", record_id) else None
        if record is None:
            raise Problem("not-found", "There is no generation of that id.")
        return _answer(200, shown(record))

    def _list(self, request: HttpRequest) -> Answer:
        status, cursor = request.query.get("status", "pending"), request.query.get("cursor")
        if status not in SHOWN_STATUSES:
            raise Problem("bad-parameter", f"status is one of {', '.join(SHOWN_STATUSES)}.")
        if cursor is not None and not re.fullmatch(r"[0-9a-f]{32}", cursor):
            raise Problem("bad-parameter", "cursor is the next_cursor of the page before.")
        ids = self._ledger.pending_page(cursor or "", PAGE)
        entries = [self._ledger.pending(record_id) for record_id in ids]
        items = [shown(entry.record) for entry in entries if entry is not None]
        wanted = [item for item in items if status in ("pending", item.status)]
        return _answer(
            200, GenerationList(items=wanted, next_cursor=ids[-1] if len(ids) == PAGE else None)
        )

    def _post(self, request: HttpRequest, deadline: float, log: Log) -> Answer:
        document, key = read_json(request), idempotency_key(request)
        asked = _validated(document)
        canonical = json.dumps(document, sort_keys=True, ensure_ascii=False)
        fingerprint = hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()
        record_id = secrets.token_hex(16)
        if key is not None:
            # The deployment's own keys: tokens may be rotated between two tries.
            record_id = hashlib.sha256(f"http {key}".encode()).hexdigest()[:32]
            earlier = self._find(record_id)
            if earlier is not None and earlier.fingerprint != fingerprint:
                raise Problem("key-reused", "This Idempotency-Key came with another body before.")
            if earlier is not None and (earlier.state != "pending" or earlier.parked):
                return self._told(request, earlier)
        record = self._record(asked, record_id, fingerprint)
        result = self._pipeline.submit(
            self._ledger, record, deadline=deadline, log=log, later=wants_async(request)
        )
        after = self._find(record_id)
        if after is None:
            raise _unavailable(redact_text(result.reason))
        if after.fingerprint != fingerprint:
            raise Problem("key-reused", "This Idempotency-Key came with another body before.")
        running = after.state == "pending" and not after.parked
        if running and after.owner != record.owner:
            raise Problem(
                "still-running",
                "A request with this Idempotency-Key is being worked on.",
                headers={"Retry-After": _RETRY_SECONDS},
            )
        return self._told(request, after)

    def _told(self, request: HttpRequest, record: Record) -> Answer:
        """Answer with a record: 200 once it has ended, 202 before."""
        place = {"Location": f"{request.stage}/generations/{record.id}"}
        if record.state == "pending":
            return _answer(202, shown(record), place)
        return _answer(200, shown(record), place)

    def _record(self, asked: GenerationRequest, record_id: str, fingerprint: str) -> Record:
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

    def _find(self, record_id: str) -> Record | None:
        entry = self._ledger.pending(record_id)
        # Read in this order: it moves from pending to finished, and never back.
        return self._ledger.finished(record_id) or (entry.record if entry else None)


def _validated(document: object) -> GenerationRequest:
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


def _unavailable(detail: str) -> Problem:
    return Problem("unavailable", detail, headers={"Retry-After": _RETRY_SECONDS})


def _refusal(problem: Problem, request_id: str) -> Answer:
    headers = {"Content-Type": "application/problem+json", **problem.headers}
    return _answer(int(problem.status), problem.document(request_id), headers)


def _not_allowed(method: str, allowed: str) -> Problem:
    return Problem(
        "method-not-allowed", f"{method} is not possible here.", headers={"Allow": allowed}
    )


def _answer(
    status: int, body: BaseModel | dict[str, Any], headers: dict[str, str] | None = None
) -> Answer:
    document = body.model_dump(mode="json") if isinstance(body, BaseModel) else body
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json; charset=utf-8", **(headers or {})},
        "body": json.dumps(document, ensure_ascii=False),
    }
