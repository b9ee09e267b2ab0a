"""The HTTP door's answers: the same pipeline, for applications that want the result at once."""

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
from shared.http_api.problems import HttpProblem
from shared.http_api.requests import (
    HttpRequest,
    authorize,
    idempotency_key,
    read_json,
    read_request,
    wants_async,
)
from shared.http_api.schema import (
    SHOWN_STATUSES,
    GenerationList,
    Health,
    shown,
)
from shared.http_api.validation import Asking
from shared.ledger import Ledger, Record, State, Status, find
from shared.logs import Log
from shared.processing.pipeline import Pipeline
from shared.redaction import redact_text
from shared.settings import Settings

PAGE = 50
_RETRY_SECONDS = "5"
_KEY_REUSED = "This Idempotency-Key came with another body before."

Answer = dict[str, Any]


class HttpApi:
    """Answers requests."""

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
        self._asking = Asking(settings, storage)
        self._ledger = ledger

    def answer(self, event: object, *, request_id: str, delivery: Delivery) -> Answer:
        """Answer one request of the gateway; what goes wrong is a problem document."""
        request, log = read_request(event), delivery.log
        try:
            answer = self._route(request, delivery)
        except HttpProblem as problem:
            answer = _refusal(problem, request_id)
        except RepaintError as error:
            log.warning("request.failed", reason=str(error))
            text = "The ledger or object storage cannot be reached; try again in a while."
            answer = _refusal(_unavailable(text), request_id)
        except Exception:
            # A mistake of ours: the platform would show its trace to callers.
            log.exception("request.failed")
            text = "Repaint made a mistake; its log tells more under this request_id."
            answer = _refusal(HttpProblem("internal", text), request_id)
        log.info(
            "request.finished",
            method=request.method,
            path=request.path,
            status=answer["statusCode"],
        )
        return answer

    def _route(self, request: HttpRequest, delivery: Delivery) -> Answer:
        if request.path != "/healthz" or not self._settings.http_tokens:
            authorize(request, self._settings.http_tokens)
        match request.method, request.path.strip("/").split("/"):
            case "GET", ["healthz"]:
                return _answer(200, Health())
            case "GET", ["openapi.json"]:
                return _answer(200, self._openapi())
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
        raise HttpProblem("not-found", "There are /generations, /healthz and /openapi.json.")

    def _openapi(self) -> dict[str, Any]:
        return openapi_document(self._settings.service_id, self._settings.http_allow_http)

    def _get(self, record_id: str) -> Answer:
        record = self._find(record_id) if re.fullmatch(r"[0-9a-f]{32}", record_id) else None
        if record is None:
            raise HttpProblem("not-found", "There is no generation of that id.")
        return _answer(200, shown(record))

    def _list(self, request: HttpRequest, log: Log) -> Answer:
        status, cursor = request.query.get("status", "pending"), request.query.get("cursor")
        if status not in SHOWN_STATUSES:
            raise HttpProblem("bad-parameter", f"status is one of {', '.join(SHOWN_STATUSES)}.")
        if cursor is not None and not re.fullmatch(r"[0-9a-f]{32}", cursor):
            raise HttpProblem("bad-parameter", "cursor is the next_cursor of the page before.")
        ids = self._ledger.pending_page(cursor or "", PAGE)
        items = []
        for record_id in ids:
            try:
                entry = self._ledger.pending(record_id)
            except RecordUnreadable as error:
                reason = str(error)
                log.error("record.unreadable", record=record_id, reason=reason)  # noqa: TRY400 - no mistake of ours, so no trace
                continue
            items += [shown(entry.record)] if entry else []
        wanted = [item for item in items if status in ("pending", item.status)]
        return _answer(
            200, GenerationList(items=wanted, next_cursor=ids[-1] if len(ids) == PAGE else None)
        )

    def _post(self, request: HttpRequest, delivery: Delivery) -> Answer:
        document, key = read_json(request), idempotency_key(request)
        canonical = json.dumps(document, sort_keys=True, ensure_ascii=False)
        fingerprint = hashlib.sha256(canonical.encode()).hexdigest()
        record_id, earlier = secrets.token_hex(16), None
        if key is not None:
            # The deployment's own keys: tokens may be rotated between two tries.
            record_id = hashlib.sha256(f"http {key}".encode()).hexdigest()[:32]
            earlier = self._find(record_id)
            if earlier is not None and earlier.fingerprint != fingerprint:
                raise HttpProblem(
                    "key-reused", "This Idempotency-Key came with another body before."
                )
            if earlier is not None and earlier.status is not Status.RUNNING:
                return self._told(request, earlier)
        # An earlier request is not read anew: the object, or the settings, may be others by now.
        record = earlier or self._asking.record(document, record_id, fingerprint)
        result = self._pipeline.submit(record, delivery, later=wants_async(request))
        after = self._find(record_id)
        if after is None:
            raise _unavailable(redact_text(result.reason))
        if after.fingerprint != fingerprint:
            raise HttpProblem("key-reused", _KEY_REUSED)
        if result.held:
            raise HttpProblem(
                "still-running",
                "A request with this Idempotency-Key is being worked on.",
                headers={"Retry-After": _RETRY_SECONDS},
            )
        return self._told(request, after)

    def _told(self, request: HttpRequest, record: Record) -> Answer:
        """Answer with a record: 200 once it has ended, 202 before."""
        place = {"Location": f"{request.stage}/generations/{record.id}"}
        if record.state == State.PENDING:
            return _answer(202, shown(record), place)
        return _answer(200, shown(record), place)

    def _find(self, record_id: str) -> Record | None:
        return find(self._ledger, record_id)


def _unavailable(detail: str) -> HttpProblem:
    return HttpProblem("unavailable", detail, headers={"Retry-After": _RETRY_SECONDS})


def _refusal(problem: HttpProblem, request_id: str) -> Answer:
    headers = {"Content-Type": "application/problem+json", **problem.headers}
    return _answer(int(problem.status), problem.document(request_id), headers)


def _not_allowed(method: str, allowed: str) -> HttpProblem:
    return HttpProblem(
        "method-not-allowed", f"{method} is not possible here.", headers={"Allow": allowed}
    )


def _answer(
    status: int, body: BaseModel | dict[str, Any], headers: dict[str, str] | None = None
) -> Answer:
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
