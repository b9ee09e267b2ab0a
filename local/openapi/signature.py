"""Verify the OpenAPI signature of a request (document 6369/67269).

The canonical request is rebuilt from the request and the headers that it lists as signed: the
official clients do not agree on which those are. Nothing here calls `shared.signing`: a verifier
that shared the signer's code would confirm the signer's mistakes.
"""

import hashlib
import hmac
import re
import time
from calendar import timegm
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote

from starlette.requests import Request

from local.keys import KeyRing
from local.openapi.responses import ApiError

CLOCK_SKEW_SECONDS = 15 * 60

_AUTHORIZATION = re.compile(
    r"HMAC-SHA256 +Credential=(?P<credential>[^,\s]+), *"
    r"SignedHeaders=(?P<headers>[^,\s]+), *Signature=(?P<signature>[0-9a-f]+)"
)
_MUST_BE_SIGNED = frozenset({"host", "x-date", "x-content-sha256"})


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it was received; header names in lower case."""

    method: str
    path: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    async def read(cls, request: Request) -> "Received":
        """Read a whole request. Raises ClientDisconnect if the client is gone by then."""
        headers: dict[str, str] = {}
        for name, value in request.headers.items():
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        return cls(
            method=request.method,
            path=request.scope["raw_path"].decode("ascii"),
            query=parse_qsl(request.url.query, keep_blank_values=True),
            headers=headers,
            body=await request.body(),
        )


def verify(request: Received, keys: KeyRing, *, service: str, region: str, now: float) -> str:
    """Return the access key that signed `request`. Raises ApiError if the signature is not valid.

    `service` is the name that clients sign for: `ImageX`, `vefaas`.
    """
    headers = request.headers
    authorization = headers.get("authorization")
    if not authorization:
        raise ApiError("MissingAuthenticationToken", "The header Authorization is missing.")
    if "Signature=" not in authorization:
        raise ApiError("MissingSignature", "The header Authorization has no Signature.")
    parts = _AUTHORIZATION.fullmatch(authorization.strip())
    if parts is None:
        raise ApiError(
            "InvalidAuthorization",
            "The header Authorization is not of the form 'HMAC-SHA256 Credential=…, "
            "SignedHeaders=…, Signature=…'.",
        )
    date = headers.get("x-date", "")
    _check_date(date, now)
    access_key, scope = _scope(parts["credential"], f"{date[:8]}/{region}/{service}/request")
    found = keys.find(access_key)
    if found is None:
        raise ApiError("InvalidAccessKey", f"There is no access key {access_key}.")
    if headers.get("x-security-token", "") != (found.session_token or ""):
        raise ApiError(
            "InvalidSecretToken",
            "The header X-Security-Token is not the session token that belongs to the access key.",
        )
    names = parts["headers"].split(";")
    _check_signed(names, headers)
    payload = hashlib.sha256(request.body).hexdigest()
    if headers["x-content-sha256"] != payload:
        raise ApiError(
            "SignatureDoesNotMatch", "The header X-Content-Sha256 is not the hash of the body."
        )
    expected = _signature(_canonical(request, names, payload), found.secret_key, date, scope)
    if not hmac.compare_digest(expected, parts["signature"]):
        raise ApiError(
            "SignatureDoesNotMatch",
            "The signature is not that of this request: check the secret key, and that nothing "
            "changed the request after it was signed.",
        )
    return access_key


def _check_date(date: str, now: float) -> None:
    if not date:
        raise ApiError("MissingRequestInfo", "The header X-Date is missing.")
    try:
        moment = timegm(time.strptime(date, "%Y%m%dT%H%M%SZ"))
    except ValueError as error:
        raise ApiError(
            "InvalidTimestamp", f"The header X-Date, {date}, is not like 20250101T000000Z."
        ) from error
    if abs(moment - now) > CLOCK_SKEW_SECONDS:
        raise ApiError(
            "InvalidTimestamp",
            f"The header X-Date, {date}, is more than 15 minutes from this server's time.",
        )


def _scope(credential: str, expected: str) -> tuple[str, str]:
    access_key, _, scope = credential.partition("/")
    if scope != expected:
        raise ApiError(
            "InvalidCredential", f"The scope of the credential is {scope}, not {expected}."
        )
    return access_key, scope


def _check_signed(names: Sequence[str], headers: Mapping[str, str]) -> None:
    wanted = _MUST_BE_SIGNED | ({"x-security-token"} & headers.keys())
    missing = sorted(name for name in wanted if name not in names or name not in headers)
    missing += [name for name in names if name not in headers]
    if missing:
        raise ApiError(
            "SignatureDoesNotMatch", f"The header {missing[0]} is not sent, or not signed."
        )


def _canonical(request: Received, names: Sequence[str], payload: str) -> str:
    query = "&".join(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
        for name, value in sorted(request.query)
    )
    values = dict(request.headers)
    # The official signers leave a default port out of the signed host, whatever the scheme.
    values["host"] = values["host"].removesuffix(":80").removesuffix(":443")
    lines = "".join(f"{name}:{values[name].strip()}\n" for name in names)
    return "\n".join([request.method, request.path, query, lines, ";".join(names), payload])


def _signature(canonical: str, secret_key: str, date: str, scope: str) -> str:
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    key = secret_key.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    to_sign = f"HMAC-SHA256\n{date}\n{scope}\n{hashed}"
    return hmac.digest(key, to_sign.encode(), "sha256").hex()
