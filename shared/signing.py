"""Sign requests: the OpenAPI signature, the TOS signature, presigned TOS URLs, webhooks.

The first three have one shape: a canonical request is hashed into a string to sign, which is
signed with a key derived from secret, date, region and service. They differ in the algorithm's
name, in the headers that are signed, and in the place of the signature. The fourth is the scheme of
Standard Webhooks, with which a receiver verifies the sender.

The official signers read the system's clock; these functions take the time, so that a wrong clock
can be corrected (`InvalidTimestamp`) and a test can stop it.

Sources: document 6369/67269 (OpenAPI); the official packages `volcenginesdkcore.signv4` and
`tos.auth`, and the published `standardwebhooks`, to which the tests compare every result.
"""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

OPENAPI_ALGORITHM = "HMAC-SHA256"
TOS_ALGORITHM = "TOS4-HMAC-SHA256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"

_UNRESERVED = "-_.~"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key, its secret, and the session token that temporary keys come with."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def timestamp(now: float) -> str:
    """Format `now` (seconds since the epoch) for signatures: `20250101T000000Z`."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))


def object_path(key: str) -> str:
    """Encode an object's key as the path of its URL: `/` and `~` are not escaped."""
    return "/" + quote(key, safe="/~")


def canonical_query(query: Mapping[str, str]) -> str:
    """Encode query parameters in the sorted form that both signatures hash.

    The names must be ASCII: others are sorted differently by the two official signers.
    """
    return "&".join(
        f"{quote(name, safe=_UNRESERVED)}={quote(query[name], safe=_UNRESERVED)}"
        for name in sorted(query)
    )


def openapi_headers(
    *,
    method: str,
    host: str,
    path: str,
    query: Mapping[str, str],
    content_type: str,
    body: bytes,
    credentials: Credentials,
    region: str,
    service: str,
    now: float,
) -> dict[str, str]:
    """Return every header of a signed OpenAPI request, `Authorization` among them."""
    date = timestamp(now)
    payload = hashlib.sha256(body).hexdigest()
    headers = {
        "Content-Type": content_type,
        "Host": host,
        "X-Content-Sha256": payload,
        "X-Date": date,
    }
    if credentials.session_token:
        headers["X-Security-Token"] = credentials.session_token
    signed = {name.lower(): value for name, value in headers.items()}
    # The official signers remove a default port from the signed host, whatever the scheme.
    signed["host"] = host.removesuffix(":80").removesuffix(":443")
    canonical = canonical_request(method, path, query, signed, payload)
    headers["Authorization"] = _authorization(
        OPENAPI_ALGORITHM, canonical, signed, credentials, date, region, service
    )
    return headers


def tos_headers(
    *,
    method: str,
    host: str,
    key: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    credentials: Credentials,
    region: str,
    now: float,
    payload_sha256: str = UNSIGNED_PAYLOAD,
) -> dict[str, str]:
    """Return `headers` and the headers that sign a TOS request.

    `key` is the object's key, not encoded; empty for the bucket itself. Signed are `host`,
    `content-type` and every header that begins with `x-tos-`.
    """
    date = timestamp(now)
    result = {
        **headers,
        "Host": host,
        "x-tos-date": date,
        "x-tos-content-sha256": payload_sha256,
    }
    if credentials.session_token:
        result["x-tos-security-token"] = credentials.session_token
    lowered = {name.lower(): value for name, value in result.items()}
    signed = {
        name: value
        for name, value in lowered.items()
        if name in ("host", "content-type") or name.startswith("x-tos-")
    }
    canonical = canonical_request(method, object_path(key), query, signed, payload_sha256)
    result["Authorization"] = _authorization(
        TOS_ALGORITHM, canonical, signed, credentials, date, region, "tos"
    )
    return result


def tos_presigned_url(
    *,
    method: str,
    scheme: str,
    host: str,
    key: str,
    query: Mapping[str, str],
    credentials: Credentials,
    region: str,
    now: float,
    expires_seconds: int,
) -> str:
    """Return a URL with which anybody can send one kind of request, for `expires_seconds`.

    It is a secret while it is valid: never stored, never logged.
    """
    date = timestamp(now)
    parameters = {
        **query,
        "X-Tos-Algorithm": TOS_ALGORITHM,
        "X-Tos-Credential": f"{credentials.access_key}/{_scope(date, region, 'tos')}",
        "X-Tos-Date": date,
        "X-Tos-Expires": str(expires_seconds),
    }
    if credentials.session_token:
        parameters["X-Tos-Security-Token"] = credentials.session_token
    parameters["X-Tos-SignedHeaders"] = "host"
    canonical = canonical_request(
        method, object_path(key), parameters, {"host": host}, UNSIGNED_PAYLOAD
    )
    parameters["X-Tos-Signature"] = signature(
        TOS_ALGORITHM, canonical, credentials.secret_key, date, region, "tos"
    )
    encoded = "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in parameters.items())
    return f"{scheme}://{host}{object_path(key)}?{encoded}"


def webhook_key(secret: str) -> bytes:
    """Return the key of a webhook's secret, which is base64 with or without `whsec_` before it.

    Raises ValueError, which does not repeat the secret, unless it has 24 to 64 bytes.
    """
    encoded = secret.removeprefix("whsec_").rstrip("=")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("it is not base64") from None
    if not 24 <= len(key) <= 64:
        raise ValueError(f"it has {len(key)} bytes, and 24 to 64 are needed")
    return key


def webhook_headers(*, message_id: str, body: bytes, key: bytes, now: float) -> dict[str, str]:
    """Return the headers that sign a webhook; a receiver accepts them for some minutes."""
    moment = str(int(now))
    signed = hmac.digest(key, f"{message_id}.{moment}.".encode() + body, "sha256")
    return {
        "webhook-id": message_id,
        "webhook-timestamp": moment,
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }


def canonical_request(
    method: str, path: str, query: Mapping[str, str], signed: Mapping[str, str], payload: str
) -> str:
    """Return the canonical form of a request; `signed` are the signed headers."""
    names = sorted(signed)
    lines = "".join(f"{name}:{signed[name]}\n" for name in names)
    return "\n".join([method, path, canonical_query(query), lines, ";".join(names), payload])


def _authorization(
    algorithm: str,
    canonical: str,
    signed: Mapping[str, str],
    credentials: Credentials,
    date: str,
    region: str,
    service: str,
) -> str:
    signed_with = signature(algorithm, canonical, credentials.secret_key, date, region, service)
    return (
        f"{algorithm} Credential={credentials.access_key}/{_scope(date, region, service)}, "
        f"SignedHeaders={';'.join(sorted(signed))}, Signature={signed_with}"
    )


def signature(
    algorithm: str, canonical: str, secret_key: str, date: str, region: str, service: str
) -> str:
    """Return a canonical request's signature in hexadecimal; `date` as from `timestamp`."""
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join([algorithm, date, _scope(date, region, service), hashed])
    key = secret_key.encode()
    for part in (date[:8], region, service, "request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, to_sign.encode(), "sha256").hex()


def _scope(date: str, region: str, service: str) -> str:
    return f"{date[:8]}/{region}/{service}/request"
