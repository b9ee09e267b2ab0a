"""Errors as `application/problem+json` (RFC 9457), each kind with a stable `type`."""

from http import HTTPStatus
from typing import Any

TYPE_PREFIX = "urn:repaint:problem:"

# Each kind's status; its name is the last part of its `type`.
KINDS: dict[str, HTTPStatus] = {
    "malformed-json": HTTPStatus.BAD_REQUEST,
    "bad-encoding": HTTPStatus.BAD_REQUEST,
    "bad-parameter": HTTPStatus.BAD_REQUEST,
    "unauthorized": HTTPStatus.UNAUTHORIZED,
    "not-found": HTTPStatus.NOT_FOUND,
    "method-not-allowed": HTTPStatus.METHOD_NOT_ALLOWED,
    "still-running": HTTPStatus.CONFLICT,
    "too-large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "unsupported-media-type": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "invalid-fields": HTTPStatus.UNPROCESSABLE_ENTITY,
    "key-reused": HTTPStatus.UNPROCESSABLE_ENTITY,
    "internal": HTTPStatus.INTERNAL_SERVER_ERROR,
    "unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
}


class HttpProblem(Exception):
    """An answer that is an error; `detail` is a sentence that says what to do."""

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        errors: list[dict[str, str]] | None = None,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        self.kind = kind
        self.status = KINDS[kind]
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}
        self.more = more
        super().__init__(detail)

    def document(self, request_id: str) -> dict[str, Any]:
        """Return the problem's members; `errors` has a pointer and a sentence for each field."""
        document: dict[str, Any] = {
            "type": TYPE_PREFIX + self.kind,
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": self.detail,
            "request_id": request_id,
            **self.more,
        }
        if self.errors is not None:
            document["errors"] = self.errors
        return document
