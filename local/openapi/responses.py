"""The envelope of every OpenAPI response, and the errors of the gateway.

Source: the public error codes of Volcengine's OpenAPI.
"""

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
    # Their numbers are not documented; these are invented and above the documented ones.
    "InvalidParameter": (100900, 400),
    "InvalidAuthorization": (100901, 401),
    "InvalidCredential": (100902, 401),
    "InvalidSecretToken": (100903, 401),
    "InternalServiceError": (100904, 502),
    "AccountFlowLimitExceeded": (100905, 429),
    "RequestLimitExceeded": (100906, 429),
    "FileNotFound": (100907, 404),
}


class ApiError(Exception):
    """An error of the gateway or of the service behind it: `ResponseMetadata.Error`.

    `number` and `status` default to those of the gateway's `code`.
    """

    def __init__(
        self, code: str, message: str, *, number: int | None = None, status: int | None = None
    ) -> None:
        super().__init__(message)
        known, usual = CODES.get(code.partition(".")[0], (0, 400))
        self.code = code
        self.number = known if number is None else number
        self.status = usual if status is None else status
        self.message = message


def new_request_id(now: float) -> str:
    """Return a new request id in the platform's form: the date, then hexadecimal digits."""
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(now)) + secrets.token_hex(10).upper()


def envelope(
    request_id: str,
    action: str,
    version: str,
    service: str,
    region: str,
    *,
    result: Any = None,
    error: ApiError | None = None,
) -> dict[str, Any]:
    """Wrap a result or an error in `ResponseMetadata`."""
    metadata: dict[str, Any] = {
        "RequestId": request_id,
        "Action": action,
        "Version": version,
        "Service": service,
        "Region": region,
    }
    if error is not None:
        metadata["Error"] = {"CodeN": error.number, "Code": error.code, "Message": error.message}
        return {"ResponseMetadata": metadata}
    return {"ResponseMetadata": metadata, "Result": result}
