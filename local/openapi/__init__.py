"""What the platform's OpenAPI services share: the signature, the envelope, the gateway's errors."""

from local.openapi.answers import CODES, Refusal, envelope, new_request_id
from local.openapi.auth import Received, verify

__all__ = ["CODES", "Received", "Refusal", "envelope", "new_request_id", "verify"]
