"""The errors of veImageX and of the model behind it, with their numbers.

Sources: document 508/66156 (veImageX), document 6791/1330203 (the model).
"""

import json
from typing import Any

from local.openapi import ApiError

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


def imagex_error(number: int, message: str = "") -> ApiError:
    """Return the error that document 508/66156 lists under `number`."""
    name, text = IMAGEX_CODES.get(number, ("ERR_UNLISTED", "unlisted error"))
    return ApiError(name, f"{text}: {message}" if message else text, number=number)


class ModelError(Exception):
    """An error of the model: answered in `Result.RespJson`, or inside a gateway error."""

    def __init__(self, code: int, detail: str = "") -> None:
        text = MODEL_CODES.get(code, "Unlisted error")
        self.code = code
        self.message = f"{text}: {detail}" if detail else text
        super().__init__(self.message)

    def resp_json(self, request_id: str) -> dict[str, Any]:
        """Return the model's own response."""
        return model_response(self.code, self.message, request_id)

    def as_gateway_error(self) -> ApiError:
        """Return the other form that a model's error may take: its code inside a message."""
        inner = {"code": self.code, "data": None, "message": self.message}
        return ApiError("UndefinedError", f"model error: {json.dumps(inner)}", status=400)


def model_response(code: int, message: str, request_id: str) -> dict[str, Any]:
    """Return the model's response, for a success or an error."""
    return {"code": code, "data": {}, "message": message, "request_id": request_id}
