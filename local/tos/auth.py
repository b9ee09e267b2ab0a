"""Verify the signature of every request, as object storage does.

The signature is computed again from the request as received and the secret of the access key that
it names. It is in a header or, in a presigned URL, in the query.
"""

import calendar
import hmac
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from local.keys import KeyRing
from local.tos.addressing import Address
from local.tos.errors import TosApiError
from shared.signing import (
    TOS_ALGORITHM,
    UNSIGNED_PAYLOAD,
    Credentials,
    canonical_request,
    object_path,
    signature,
)

MAX_SKEW_SECONDS = 15 * 60
MAX_EXPIRES_SECONDS = 7 * 24 * 3600

_SCOPE = r"(?P<key>[^/,\s]+)/(?P<date>\d{8})/(?P<region>[^/,\s]+)/(?P<service>[^/,\s]+)/request"
_CREDENTIAL = re.compile(_SCOPE)
_AUTHORIZATION = re.compile(
    rf"{TOS_ALGORITHM} Credential={_SCOPE}, ?"
    r"SignedHeaders=(?P<signed>[^,\s]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)
_MOMENT = re.compile(r"\d{8}T\d{6}Z")


@dataclass(frozen=True, slots=True)
class Verified:
    """The access key that signed, and the SHA-256 of the body, None if the body is not signed."""

    access_key: str
    payload_sha256: str | None


@dataclass(frozen=True, slots=True)
class _SignatureParts:
    """The parts of a signature, from the header or the query."""

    scope: re.Match[str]
    signed: list[str]
    signature: str
    moment: str
    token: str
    query: Mapping[str, str]
    expires: str | None


def verify(
    method: str,
    address: Address,
    headers: Mapping[str, str],
    keys: KeyRing,
    *,
    region: str,
    now: float,
) -> Verified:
    """Return the access key that signed the request. Raises TosApiError if it is not verified.

    The names of `headers` are in lower case, their values the bytes that were sent, read as
    latin-1.
    """
    if "authorization" in headers:
        parts = _from_header(headers, address.query)
    elif "X-Tos-Signature" in address.query:
        parts = _from_query(headers, address.query)
    else:
        raise _refused(
            "AccessDenied", "The request is not signed; sign it with an access key and its secret."
        )
    credentials = _credentials(parts, keys)
    _check_scope(parts, region)
    _check_time(parts, now)
    payload = headers.get("x-tos-content-sha256", UNSIGNED_PAYLOAD)
    signed = {name: _text(headers.get(name, "")) for name in parts.signed}
    expected = signature(
        TOS_ALGORITHM,
        canonical_request(method, object_path(address.key), parts.query, signed, payload),
        credentials.secret_key,
        parts.moment,
        parts.scope["region"],
        "tos",
    )
    if not hmac.compare_digest(parts.signature, expected):
        raise _refused(
            "SignatureDoesNotMatch",
            "The signature is not that of this request: check the secret, and that no signed part "
            "(method, host, key, query, headers) was changed afterwards.",
        )
    return Verified(credentials.access_key, None if payload == UNSIGNED_PAYLOAD else payload)


def _from_header(headers: Mapping[str, str], query: Mapping[str, str]) -> _SignatureParts:
    match = _AUTHORIZATION.fullmatch(headers["authorization"])
    if match is None:
        raise _refused(
            "InvalidAuthorization",
            f"Authorization must be '{TOS_ALGORITHM} Credential=…, SignedHeaders=…, Signature=…'.",
        )
    signed = match["signed"].split(";")
    needed = {"host", *(name for name in headers if name.startswith("x-tos-"))}
    if missing := sorted(needed - set(signed)):
        raise _refused(
            "SignatureDoesNotMatch",
            f"These headers must be signed and are not: {', '.join(missing)}; sign them too.",
        )
    return _SignatureParts(
        scope=match,
        signed=signed,
        signature=match["signature"],
        moment=headers.get("x-tos-date", ""),
        token=headers.get("x-tos-security-token", ""),
        query=query,
        expires=None,
    )


def _from_query(headers: Mapping[str, str], address_query: Mapping[str, str]) -> _SignatureParts:
    query = dict(address_query)
    signature = query.pop("X-Tos-Signature")
    scope = _CREDENTIAL.fullmatch(query.get("X-Tos-Credential", ""))
    signed = query.get("X-Tos-SignedHeaders", "").split(";")
    # The holder of a URL to write one object must not choose an object to copy into it.
    if "x-tos-copy-source" in headers and "x-tos-copy-source" not in signed:
        raise _refused("SignatureDoesNotMatch", "x-tos-copy-source must be signed; sign it too.")
    if scope is None or query.get("X-Tos-Algorithm") != TOS_ALGORITHM or "host" not in signed:
        raise _refused(
            "InvalidAuthorization",
            f"A presigned URL needs X-Tos-Algorithm={TOS_ALGORITHM}, X-Tos-Credential, and "
            "X-Tos-SignedHeaders with the host among them.",
        )
    return _SignatureParts(
        scope=scope,
        signed=signed,
        signature=signature,
        moment=query.get("X-Tos-Date", ""),
        token=query.get("X-Tos-Security-Token", ""),
        query=query,
        expires=query.get("X-Tos-Expires", ""),
    )


def _credentials(parts: _SignatureParts, keys: KeyRing) -> Credentials:
    credentials = keys.find(parts.scope["key"])
    if credentials is None:
        raise _refused(
            "InvalidAccessKeyId",
            f"There is no access key {parts.scope['key']!r}; use one that the local cloud issued.",
        )
    if not hmac.compare_digest(parts.token.encode(), (credentials.session_token or "").encode()):
        raise _refused(
            "InvalidSecurityToken",
            "The session token is not the one that belongs to the access key; send exactly the "
            "token that the key was issued with.",
        )
    return credentials


def _check_scope(parts: _SignatureParts, region: str) -> None:
    if parts.scope["region"] != region or parts.scope["service"] != "tos":
        raise _refused(
            "SignatureDoesNotMatch",
            f"The signature is for {parts.scope['region']}/{parts.scope['service']}; sign for "
            f"{region}/tos.",
        )
    if not _MOMENT.fullmatch(parts.moment) or not parts.moment.startswith(parts.scope["date"]):
        raise _refused(
            "SignatureDoesNotMatch",
            "The date of the signature must be like 20250101T000000Z, and that of its credential "
            "the same day.",
        )


def _check_time(parts: _SignatureParts, now: float) -> None:
    try:
        signed_at = calendar.timegm(time.strptime(parts.moment, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        raise _refused("SignatureDoesNotMatch", f"{parts.moment!r} is not a time.") from None
    late = now - signed_at
    if parts.expires is None:
        skewed = abs(late) > MAX_SKEW_SECONDS
    else:
        skewed = late < -MAX_SKEW_SECONDS
        if not re.fullmatch(r"\d{1,6}", parts.expires) or not (
            1 <= int(parts.expires) <= MAX_EXPIRES_SECONDS
        ):
            raise _refused(
                "AccessDenied", f"X-Tos-Expires must be between 1 and {MAX_EXPIRES_SECONDS}."
            )
        if late > int(parts.expires):
            raise _refused("AccessDenied", "The presigned URL has expired; make a new one.")
    if skewed:
        raise _refused(
            "RequestTimeTooSkewed",
            f"The request was signed {abs(late):.0f} s {'ago' if late > 0 else 'ahead'}, and at "
            f"most {MAX_SKEW_SECONDS} s are allowed; set the clock.",
        )


def _text(value: str) -> str:
    # Signers hash text as UTF-8. Most HTTP clients send UTF-8, some latin-1.
    sent = value.encode("latin-1")
    try:
        return sent.decode()
    except UnicodeDecodeError:
        return value


def _refused(code: str, message: str) -> TosApiError:
    return TosApiError(HTTPStatus.FORBIDDEN, code, message)
