"""Verify the signature of every request, as object storage does.

A signature is verified by making it anew from the request as it arrived and the secret of the key
that it names. It comes in a header or, in a presigned address, in the query.
"""

import calendar
import hmac
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from local.keys import KeyRing
from local.tos.errors import TosError

# What signing puts together is what is put together anew here.
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
class Arrived:
    """A request as it arrived.

    `key` and `query` are decoded; header names are in lower case, their values the bytes that
    were sent, read as latin-1.
    """

    method: str
    host: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Verified:
    """Who made the request, and the SHA-256 that its body must have, None where it is unsigned."""

    access_key: str
    payload_sha256: str | None


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a request says of its signature, wherever it says so."""

    scope: re.Match[str]
    signed: list[str]
    signature: str
    moment: str
    token: str
    query: Mapping[str, str]
    expires: str | None


def verify(request: Arrived, keys: KeyRing, *, region: str, now: float) -> Verified:
    """Return who signed the request. Raises TosError where that cannot be established."""
    if "authorization" in request.headers:
        claim = _from_header(request)
    elif "X-Tos-Signature" in request.query:
        claim = _from_query(request)
    else:
        raise _refused(
            "AccessDenied", "The request is not signed; sign it with an access key and its secret."
        )
    credentials = _credentials(claim, keys)
    _check_scope(claim, region)
    _check_time(claim, now)
    payload = request.headers.get("x-tos-content-sha256", UNSIGNED_PAYLOAD)
    if not hmac.compare_digest(claim.signature, _expected(request, claim, credentials, payload)):
        raise _refused(
            "SignatureDoesNotMatch",
            "The signature is not that of this request: check the secret, and that nothing that is "
            "signed (method, host, key, query, headers) was changed afterwards.",
        )
    return Verified(credentials.access_key, None if payload == UNSIGNED_PAYLOAD else payload)


def _from_header(request: Arrived) -> _Claim:
    match = _AUTHORIZATION.fullmatch(request.headers["authorization"])
    if match is None:
        raise _refused(
            "InvalidAuthorization",
            f"Authorization must be '{TOS_ALGORITHM} Credential=…, SignedHeaders=…, Signature=…'.",
        )
    signed = match["signed"].split(";")
    needed = {"host", *(name for name in request.headers if name.startswith("x-tos-"))}
    if missing := sorted(needed - set(signed)):
        raise _refused(
            "SignatureDoesNotMatch",
            f"These headers must be signed and are not: {', '.join(missing)}; sign them too.",
        )
    return _Claim(
        scope=match,
        signed=signed,
        signature=match["signature"],
        moment=request.headers.get("x-tos-date", ""),
        token=request.headers.get("x-tos-security-token", ""),
        query=request.query,
        expires=None,
    )


def _from_query(request: Arrived) -> _Claim:
    query = dict(request.query)
    signature = query.pop("X-Tos-Signature")
    scope = _CREDENTIAL.fullmatch(query.get("X-Tos-Credential", ""))
    signed = query.get("X-Tos-SignedHeaders", "").split(";")
    # Whoever was given an address to write one object must not choose what to copy into it.
    if "x-tos-copy-source" in request.headers and "x-tos-copy-source" not in signed:
        raise _refused("SignatureDoesNotMatch", "x-tos-copy-source must be signed; sign it too.")
    if scope is None or query.get("X-Tos-Algorithm") != TOS_ALGORITHM or "host" not in signed:
        raise _refused(
            "InvalidAuthorization",
            f"A presigned address needs X-Tos-Algorithm={TOS_ALGORITHM}, X-Tos-Credential, and "
            "X-Tos-SignedHeaders with the host among them.",
        )
    return _Claim(
        scope=scope,
        signed=signed,
        signature=signature,
        moment=query.get("X-Tos-Date", ""),
        token=query.get("X-Tos-Security-Token", ""),
        query=query,
        expires=query.get("X-Tos-Expires", ""),
    )


def _credentials(claim: _Claim, keys: KeyRing) -> Credentials:
    credentials = keys.find(claim.scope["key"])
    if credentials is None:
        raise _refused(
            "InvalidAccessKeyId",
            f"There is no access key {claim.scope['key']!r}; use one that the local cloud issued.",
        )
    if not hmac.compare_digest(claim.token.encode(), (credentials.session_token or "").encode()):
        raise _refused(
            "InvalidSecurityToken",
            "The session token is not the one that belongs to the access key; send exactly the "
            "token that the key was issued with.",
        )
    return credentials


def _check_scope(claim: _Claim, region: str) -> None:
    if claim.scope["region"] != region or claim.scope["service"] != "tos":
        raise _refused(
            "SignatureDoesNotMatch",
            f"The signature is for {claim.scope['region']}/{claim.scope['service']}; sign for "
            f"{region}/tos.",
        )
    if not _MOMENT.fullmatch(claim.moment) or not claim.moment.startswith(claim.scope["date"]):
        raise _refused(
            "SignatureDoesNotMatch",
            "The date of the signature must be like 20250101T000000Z, and that of its credential "
            "the same day.",
        )


def _check_time(claim: _Claim, now: float) -> None:
    try:
        signed_at = calendar.timegm(time.strptime(claim.moment, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        raise _refused("SignatureDoesNotMatch", f"{claim.moment!r} is no moment.") from None
    late = now - signed_at
    if claim.expires is None:
        skewed = abs(late) > MAX_SKEW_SECONDS
    else:
        skewed = late < -MAX_SKEW_SECONDS
        if not re.fullmatch(r"\d{1,6}", claim.expires) or not (
            1 <= int(claim.expires) <= MAX_EXPIRES_SECONDS
        ):
            raise _refused(
                "AccessDenied", f"X-Tos-Expires must be between 1 and {MAX_EXPIRES_SECONDS}."
            )
        if late > int(claim.expires):
            raise _refused("AccessDenied", "The presigned address has expired; make a new one.")
    if skewed:
        raise _refused(
            "RequestTimeTooSkewed",
            f"The request was signed {abs(late):.0f} s {'ago' if late > 0 else 'ahead'}, and at "
            f"most {MAX_SKEW_SECONDS} s are allowed; set the clock.",
        )


def _expected(request: Arrived, claim: _Claim, credentials: Credentials, payload: str) -> str:
    signed = {name: _text(request.headers.get(name, "")) for name in claim.signed}
    canonical = canonical_request(
        request.method, object_path(request.key), claim.query, signed, payload
    )
    return signature(
        TOS_ALGORITHM,
        canonical,
        credentials.secret_key,
        claim.moment,
        claim.scope["region"],
        "tos",
    )


def _text(value: str) -> str:
    # Signers hash text as UTF-8. What was sent is UTF-8 as a rule; some HTTP clients send latin-1.
    sent = value.encode("latin-1")
    try:
        return sent.decode()
    except UnicodeDecodeError:
        return value


def _refused(code: str, message: str) -> TosError:
    return TosError(HTTPStatus.FORBIDDEN, code, message)
