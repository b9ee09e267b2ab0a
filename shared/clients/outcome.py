"""Read what an answer says about the generation: made, or not, and then what to do."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from shared.clients.http import Response
from shared.clients.imagex_errors import Verdict, verdict_of_error, verdict_of_model
from shared.json_utils import as_object
from shared.redaction import redact_text

_GENERATED = "10000"


class Generated(NamedTuple):
    """The call made an image. Addresses come in more than one form: never parse them."""

    image_urls: list[str]
    store_uris: list[str]
    request_id: str


class Failed(NamedTuple):
    """The call did not say that it made an image; `verdict` says what to do about it."""

    verdict: Verdict
    code: str
    message: str
    request_id: str = ""

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.code else self.message


Outcome = Generated | Failed


def read_outcome(answer: Response) -> Outcome:
    """Tell what an answer of `GetCVImageGenerateResult` says about the generation.

    A success is HTTP 200 without an error, both lists filled, and the model's code 10000 if it
    gave one.
    """
    document = as_object(answer.body)
    if document is None:
        verdict = Verdict.THROTTLED if answer.status == 429 else Verdict.UNKNOWN
        return Failed(verdict, "", f"HTTP {answer.status} without a readable body.")
    metadata = document.get("ResponseMetadata")
    request_id = str(metadata.get("RequestId") or "") if isinstance(metadata, dict) else ""
    result = document.get("Result")
    result = result if isinstance(result, dict) else {}
    urls, uris = _texts(result.get("ImageUrls")), _texts(result.get("StoreUris"))
    error, model = error_of(document, answer.status), as_object(result.get("RespJson"))
    if uris and (error or (model and str(model.get("code")) != _GENERATED)):
        # It says both that it made an image and that it did not: look.
        return Failed(Verdict.UNKNOWN, "", "The answer contradicts itself.", request_id)
    if model and str(model.get("code")) != _GENERATED:
        code = str(model.get("code") or "")
        return Failed(
            verdict_of_model(code),
            code,
            redact_text(str(model.get("message") or "the model failed")),
            request_id,
        )
    if error:
        return Failed(
            verdict_of(error),
            str(error.get("Code") or ""),
            redact_text(str(error.get("Message") or "")),
            request_id,
        )
    if answer.status == 200 and urls and uris:
        return Generated(urls, uris, request_id)
    verdict = Verdict.THROTTLED if answer.status == 429 else Verdict.UNKNOWN
    return Failed(verdict, "", f"HTTP {answer.status} without a result or an error.", request_id)


def verdict_of(error: Mapping[str, Any]) -> Verdict:
    """Return what a gateway's error means."""
    return verdict_of_error(
        str(error.get("Code") or ""), error.get("CodeN"), str(error.get("Message") or "")
    )


def error_of(document: dict[str, Any] | None, status: int) -> dict[str, Any] | None:
    """Return the gateway's error, if it reports one; under HTTP 200 `CodeN` 0 is none."""
    metadata = (document or {}).get("ResponseMetadata")
    error = metadata.get("Error") if isinstance(metadata, dict) else None
    if not isinstance(error, dict) or not error:
        return None
    return None if status == 200 and error.get("CodeN") == 0 else error


def _texts(value: Any) -> list[str]:
    return [v for v in value if isinstance(v, str) and v] if isinstance(value, list) else []
