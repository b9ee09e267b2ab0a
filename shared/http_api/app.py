"""Route the requests of the HTTP API and answer them."""

import hashlib
import json
import re
import secrets
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from shared.clients.tos import Tos
from shared.delivery import Delivery
from shared.errors import RecordUnreadable, RepaintError
from shared.http_api.openapi import openapi_document
from shared.http_api.problems import ApiProblem
from shared.http_api.requests import (
    HttpRequest,
    authorize,
    idempotency_key,
    read_json,
    read_request,
    wants_async,
)
from shared.http_api.schema import LISTED_STATUSES, Generation, GenerationList, Health
from shared.http_api.validation import RequestValidator
from shared.ledger import Ledger, Record, State, Status, find
from shared.logs import Log
from shared.processing.pipeline import Pipeline
from shared.redaction import redact_text
from shared.settings import Settings

PAGE = 50
_RETRY_SECONDS = "5"
_KEY_REUSED = "This Idempotency-Key was used with another body."

HttpResponse = dict[str, Any]


class HttpApi:
    """Answers the requests that the gateway sends."""

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
        self._validator = RequestValidator(settings, storage)
        self._ledger = ledger

    def handle(self, event: object, *, request_id: str, delivery: Delivery) -> HttpResponse:
        """Answer a request of the gateway; every error becomes a problem document."""
        request, log = read_request(event), delivery.log
        try:
            response = self._route(request, delivery)
        except ApiProblem as problem:
            response = _problem_response(problem, request_id)
        except RepaintError as error:
            log.warning("request.failed", reason=str(error))
            text = "The ledger or object storage cannot be reached; try again later."
            response = _problem_response(_unavailable(text), request_id)
        except Exception:
            # A bug: the platform would show its trace to callers.
            log.exception("request.failed")
            text = "Repaint failed; its log has the details under this request_id."
            response = _problem_response(ApiProblem("internal", text), request_id)
        log.info(
            "request.finished",
            method=request.method,
            path=request.path,
            status=response["statusCode"],
        )
        return response

    def _route(self, request: HttpRequest, delivery: Delivery) -> HttpResponse:
        if request.path != "/healthz" or not self._settings.http_tokens:
            authorize(request, self._settings.http_tokens)
        match request.method, request.path.strip("/").split("/"):
            case "GET", ["healthz"]:
                return _response(200, Health())
            case "GET", ["openapi.json"]:
                return _response(200, self._openapi())
            case "POST", ["generations"]:
                return self._post(request, delivery)
            case "GET", ["generations"]:
                return self._list(request, delivery.log)
            case "GET", ["generations", record_id]:
                return self._get(record_id)
            case _, ["healthz"] | ["openapi.json"] | ["generations", _]:
                raise _not_allowed(request.method, "GET")
            case _, ["generations"]:
                raise _not_allowed(request.method, "GET, POST")
        raise ApiProblem("not-found", "The paths are /generations, /healthz and /openapi.json.")

    def _openapi(self) -> dict[str, Any]:
        return openapi_document(self._settings.service_id, self._settings.http_allow_http)

    def _get(self, record_id: str) -> HttpResponse:
        record = self._find(record_id) if re.fullmatch(r"[0-9a-f]{32}", record_id) else None
        if record is None:
            raise ApiProblem("not-found", "There is no generation with that id.")
        return _response(200, Generation.of(record))

    def _list(self, request: HttpRequest, log: Log) -> HttpResponse:
        status, cursor = request.query.get("status", "pending"), request.query.get("cursor")
        if status not in LISTED_STATUSES:
            raise ApiProblem(
                "bad-parameter", f"status must be one of {', '.join(LISTED_STATUSES)}."
            )
        if cursor is not None and not re.fullmatch(r"[0-9a-f]{32}", cursor):
            raise ApiProblem("bad-parameter", "cursor must be the next_cursor of the page before.")
        ids = self._ledger.pending_page(cursor or "", PAGE)
        items = []
        for record_id in ids:
            try:
                entry = self._ledger.pending(record_id)
            except RecordUnreadable as error:
                reason = str(error)
                log.error("record.unreadable", record=record_id, reason=reason)  # noqa: TRY400 - no bug, so no trace
                continue
            items += [Generation.of(entry.record)] if entry else []
        wanted = [item for item in items if status in ("pending", item.status)]
        return _response(
            200, GenerationList(items=wanted, next_cursor=ids[-1] if len(ids) == PAGE else None)
        )

    def _post(self, request: HttpRequest, delivery: Delivery) -> HttpResponse:
        document, key = read_json(request), idempotency_key(request)
        canonical = json.dumps(document, sort_keys=True, ensure_ascii=False)
        fingerprint = hashlib.sha256(canonical.encode()).hexdigest()
        record_id, earlier = secrets.token_hex(16), None
        if key is not None:
            # Keys belong to the deployment: tokens may be rotated between two tries.
            record_id = hashlib.sha256(f"http {key}".encode()).hexdigest()[:32]
            earlier = self._find(record_id)
            if earlier is not None and earlier.fingerprint != fingerprint:
                raise ApiProblem("key-reused", _KEY_REUSED)
            if earlier is not None and earlier.status is not Status.RUNNING:
                return self._record_response(request, earlier)
        # An earlier request is not validated again: the object or the settings may have changed.
        record = earlier or self._validator.record(document, record_id, fingerprint)
        result = self._pipeline.submit(record, delivery, later=wants_async(request))
        after = self._find(record_id)
        if after is None:
            raise _unavailable(redact_text(result.reason))
        if after.fingerprint != fingerprint:
            raise ApiProblem("key-reused", _KEY_REUSED)
        if result.held:
            raise ApiProblem(
                "still-running",
                "A request with this Idempotency-Key is still running.",
                headers={"Retry-After": _RETRY_SECONDS},
            )
        return self._record_response(request, after)

    def _record_response(self, request: HttpRequest, record: Record) -> HttpResponse:
        """Return a record with 200 if it has ended, with 202 before."""
        status = 202 if record.state == State.PENDING else 200
        location = {"Location": f"{request.stage}/generations/{record.id}"}
        return _response(status, Generation.of(record), location)

    def _find(self, record_id: str) -> Record | None:
        return find(self._ledger, record_id)


def _unavailable(detail: str) -> ApiProblem:
    return ApiProblem("unavailable", detail, headers={"Retry-After": _RETRY_SECONDS})


def _problem_response(problem: ApiProblem, request_id: str) -> HttpResponse:
    headers = {"Content-Type": "application/problem+json", **problem.headers}
    return _response(int(problem.status), problem.document(request_id), headers)


def _not_allowed(method: str, allowed: str) -> ApiProblem:
    return ApiProblem(
        "method-not-allowed", f"{method} is not allowed here.", headers={"Allow": allowed}
    )


def _response(
    status: int, body: BaseModel | dict[str, Any], headers: dict[str, str] | None = None
) -> HttpResponse:
    document = body.model_dump(mode="json") if isinstance(body, BaseModel) else body
    return {
        "statusCode": status,
        "headers": {
            "Content-Type": "application/json; charset=utf-8",
            "Cache-Control": "no-store",
            **(headers or {}),
        },
        "body": json.dumps(document, ensure_ascii=False),
    }
