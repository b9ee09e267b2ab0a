"""Errors in the services' answers, of object storage and of veImageX alike: code, description."""

from typing import Any

from shared.clients.http import Response
from shared.clients.imagex import error_of
from shared.json_utils import as_object
from shared.redaction import redact_text

_DENIED = ("AccessDenied", "LackPolicy", "Forbidden")
_MESSAGE_LENGTH = 300


def code_of(answer: Response) -> str:
    """Return the error's code in an answer, up to the first dot; empty if there is none."""
    return _field(answer, "Code").partition(".")[0]


def is_denied(answer: Response) -> bool:
    """Return whether the access key is known and lacks the permission."""
    return code_of(answer) in _DENIED or (answer.status == 403 and not code_of(answer))


def describe(answer: Response) -> str:
    """Return status, code and message of a refusal as a sentence without secrets."""
    message = _field(answer, "Message").strip()[:_MESSAGE_LENGTH]
    words = [f"HTTP {answer.status}", code_of(answer), message]
    return redact_text(" ".join(word for word in words if word)).rstrip(".") + "."


def _field(answer: Response, name: str) -> str:
    document: dict[str, Any] = as_object(answer.body) or {}
    error = error_of(document, answer.status) or {}
    return str(document.get(name) or error.get(name) or "")
