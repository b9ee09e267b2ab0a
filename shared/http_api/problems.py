"""Errors as `application/problem+json` (RFC 9457), each kind with a stable `type`."""

from http import HTTPStatus
from typing import Any

TYPE_PREFIX = "urn:repaint:problem:"

# The status of each kind; the kind is the last part of the problem's `type`.
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


class ApiProblem(Exception):
    """A response that is an error; `detail` is a sentence for the caller."""

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        errors: list[dict[str, str]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.kind = kind
        self.status = KINDS[kind]
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}
        super().__init__(detail)

    def document(self, request_id: str) -> dict[str, Any]:
        """Return the problem document; `errors` has a pointer and a sentence for each field."""
        document: dict[str, Any] = {
            "type": TYPE_PREFIX + self.kind,
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": self.detail,
            "request_id": request_id,
        }
        if self.errors is not None:
            document["errors"] = self.errors
        return document
