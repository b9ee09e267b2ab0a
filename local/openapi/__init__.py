"""The parts that the platform's OpenAPI services share: signature, envelope, gateway errors."""

from local.openapi.responses import CODES, ApiError, envelope, new_request_id
from local.openapi.signature import Received, verify

__all__ = ["CODES", "ApiError", "Received", "envelope", "new_request_id", "verify"]
