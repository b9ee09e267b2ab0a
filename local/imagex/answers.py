"""What the API answers: the envelope, and every error with its number and HTTP status.

Refusal                an error of the gateway or of veImageX: `ResponseMetadata.Error`
ModelRefusal           an error of the model behind it: `Result.RespJson`, or inside a message

Sources: the public error codes of Volcengine's OpenAPI, document 508/66156 (veImageX), document
6791/1330203 (the model).
"""

import json
import secrets
import time
from typing import Any

CODES: dict[str, tuple[int, int]] = {
    # code: (CodeN, HTTP status)
    "MissingParameter": (100002, 400),
    "MissingAuthenticationToken": (100003, 401),
    "MissingRequestInfo": (100004, 400),
    "MissingSignature": (100005, 401),
    "InvalidTimestamp": (100006, 400),
    "ServiceNotFound": (100007, 404),
    "InvalidActionOrVersion": (100008, 404),
    "InvalidAccessKey": (100009, 401),
    "SignatureDoesNotMatch": (100010, 401),
    "UndefinedError": (100011, 500),
    "LackPolicy": (100012, 403),
    "AccessDenied": (100013, 403),
    "InternalError": (100014, 500),
    "FailToConnect": (100015, 502),
    "InternalServiceTimeout": (100016, 504),
    "FlowLimitExceeded": (100018, 429),
    "ServiceUnavailableTemp": (100019, 503),
    "MethodNotAllowed": (100020, 405),
    # Their numbers are not documented; these are made up and above the documented ones.
    "InvalidParameter": (100900, 400),
    "InvalidAuthorization": (100901, 401),
    "InvalidCredential": (100902, 401),
    "InvalidSecretToken": (100903, 401),
    "InternalServiceError": (100904, 502),
    "AccountFlowLimitExceeded": (100905, 429),
    "RequestLimitExceeded": (100906, 429),
    "FileNotFound": (100907, 404),
}

IMAGEX_CODES: dict[int, tuple[str, str]] = {
    # CodeN: (the case's name in document 508/66156, its message)
    600003: ("ERR_PARAM_ERR", "parameter not valid"),
    600005: ("ERR_EMPTY_ACCOUNTID", "account id is empty"),
    600006: ("ERR_DB", "db error"),
    600007: ("ERR_CACHE", "cache error"),
    600008: ("ERR_EMPTY_SERVICEID", "service id is empty"),
    600010: ("ERR_REDIRECT_FAIL", "redirect service failed"),
    600011: ("ERR_INTERNAL_ERROR", "internal error"),
    600013: ("ERR_INSTANCE_NOT_FOUND", "instance not found"),
    600014: ("ERR_TOO_MANY_REQUESTS", "too many requests"),
    601000: ("ERR_SERVICE_BASE", "service base error"),
    601001: ("ERR_SUBSCRIPTION_NOTFOUND", "account subscription not found"),
    601002: ("ERR_SERVICE_NOTFOUND", "service not found"),
    601006: ("ERR_SERVICE_INTERNAL_ERR", "service internal error"),
    601008: ("ERR_SERVICE_NOT_ENABLED", "service not enabled"),
    601009: ("ERR_SERVICE_ACCOUNT_MISMATCH", "service account mismatch"),
}

MODEL_CODES: dict[int, str] = {
    50200: "Invalid request",
    50204: "Image could not be fetched",
    50205: "Image size not supported",
    50206: "Request body too large",
    50207: "Image decode error",
    50400: "Access denied: Internal Error",
    50402: "Access denied: no permission for this req_key",
    50411: "Pre Img Risk Not Pass",
    50412: "Text Risk Not Pass",
    50413: "Post Text Risk Not Pass: sensitive words",
    50429: "Request has reached API limit, please try later",
    50430: "Request has reached API concurrent limit, please try later",
    50500: "Internal error",
    50501: "Internal RPC error",
    50511: "Post Img Risk Not Pass",
    50512: "Post Text Risk Not Pass",
    50518: "Pre Img Risk Not Pass: copyright",
    50519: "Post Img Risk Not Pass: copyright",
    50520: "Risk internal error",
    50521: "Antidirt internal error",
    50522: "Image copyright internal error",
    60102: "No face detected",
    60208: "Image risk not pass",
}

MODEL_SUCCESS = 10000


class Refusal(Exception):
    """The gateway or veImageX refuses: answered as `ResponseMetadata.Error`."""

    def __init__(self, code: str, message: str, *, number: int | None = None) -> None:
        super().__init__(message)
        known, status = CODES.get(code.partition(".")[0], (0, 400))
        self.code = code
        self.number = known if number is None else number
        self.status = status
        self.message = message

    @classmethod
    def imagex(cls, number: int, message: str = "") -> "Refusal":
        """Make the refusal that document 508/66156 lists under `number`."""
        name, text = IMAGEX_CODES.get(number, ("ERR_UNLISTED", "unlisted error"))
        return cls(name, f"{text}: {message}" if message else text, number=number)


class ModelRefusal(Exception):
    """The model refuses, or fails."""

    def __init__(self, code: int, detail: str = "") -> None:
        text = MODEL_CODES.get(code, "Unlisted error")
        self.code = code
        self.message = f"{text}: {detail}" if detail else text
        super().__init__(self.message)

    def resp_json(self, request_id: str) -> dict[str, Any]:
        """Return the model's own answer."""
        return model_answer(self.code, self.message, request_id)

    def as_gateway_error(self) -> Refusal:
        """Return the other form that a model's failure may take: its code inside a message."""
        inner = {"code": self.code, "data": None, "message": self.message}
        refusal = Refusal("UndefinedError", f"model error: {json.dumps(inner)}")
        refusal.status = 400
        return refusal


def model_answer(code: int, message: str, request_id: str) -> dict[str, Any]:
    """Return what the model itself answers, success or not."""
    return {"code": code, "data": {}, "message": message, "request_id": request_id}


def new_request_id(now: float) -> str:
    """Make up a request's id in the service's form: the date, then hexadecimal digits."""
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(now)) + secrets.token_hex(10).upper()


def envelope(
    request_id: str,
    action: str,
    version: str,
    region: str,
    *,
    result: Any = None,
    error: Refusal | None = None,
) -> dict[str, Any]:
    """Wrap a result or an error as every answer of the API is."""
    metadata: dict[str, Any] = {
        "RequestId": request_id,
        "Action": action,
        "Version": version,
        "Service": "ImageX",
        "Region": region,
    }
    if error is not None:
        metadata["Error"] = {"CodeN": error.number, "Code": error.code, "Message": error.message}
        return {"ResponseMetadata": metadata}
    return {"ResponseMetadata": metadata, "Result": result}
