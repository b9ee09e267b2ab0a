"""Read a request from the gateway's event, and check its token, its headers and its body."""

import hmac
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import quote, unquote

from pydantic import SecretStr

from shared.http_api.problems import ApiProblem
from shared.json_utils import depth_of, is_utf8

MAX_BODY_BYTES = 1024 * 1024
_MAX_DEPTH, _TOO_DEEP = 100, "it is nested too deep"
# After a prefix that the gateway may add, such as a stage.
_ROUTE = re.compile(r"/(generations(?:/(?P<id>[^/]+))?|healthz|openapi\.json)/?$")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request; header names are lower case, `path` follows the gateway's `stage`.

    `stage` is percent-encoded and fit for a header: empty, or it begins with exactly one slash.
    """

    method: str
    stage: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: object


def read_request(event: object) -> HttpRequest:
    """Read the gateway's event; any field may be missing.

    Source of the shape: veFaaS documentation of API gateway triggers.
    """
    fields = event if isinstance(event, dict) else {}
    headers = fields.get("headers")
    query = fields.get("queryStringParameters")
    path = unquote(str(fields.get("path") or "/"))
    found = _ROUTE.search(path)
    # With two slashes at its beginning, a Location would point to another host.
    before = path[: found.start()].strip("/") if found else ""
    return HttpRequest(
        method=str(fields.get("httpMethod") or "GET").upper(),
        stage=f"/{quote(before, errors='replace')}" if before else "",
        path=f"/{found[1]}" if found else path,
        query=_given(query),
        headers={name.lower(): value for name, value in _given(headers).items()},
        body=fields.get("body"),
    )


def _given(fields: object) -> dict[str, str]:
    """Return the fields of a part of the event that are not null, as text."""
    pairs = fields.items() if isinstance(fields, dict) else ()
    return {str(name): str(value) for name, value in pairs if value is not None}


def authorize(request: HttpRequest, tokens: Sequence[SecretStr]) -> None:
    """Check that a request has one of the tokens. Raises ApiProblem.

    Every token is compared, each in constant time: the duration reveals nothing.
    """
    challenge = {"WWW-Authenticate": 'Bearer realm="repaint"'}
    if not tokens:
        raise ApiProblem(
            "unauthorized",
            "No token is configured, so every request is refused: set REPAINT_HTTP_TOKENS to one "
            "or more, separated by commas.",
            headers=challenge,
        )
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    presented = given.strip().encode("utf-8", "surrogatepass")
    matches = [hmac.compare_digest(presented, t.get_secret_value().encode()) for t in tokens]
    if scheme.lower() != "bearer" or not any(matches):
        raise ApiProblem(
            "unauthorized",
            "Send the header 'Authorization: Bearer <token>' with one of the tokens of "
            "REPAINT_HTTP_TOKENS.",
            headers=challenge,
        )


def read_json(request: HttpRequest) -> Any:
    """Return the request's JSON body. Raises ApiProblem if it is none or too large."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ApiProblem(
            "unsupported-media-type", "Send the body as 'Content-Type: application/json'."
        )
    body = request.body or ""
    if isinstance(body, bytes):
        try:
            body = body.decode()
        except UnicodeDecodeError:
            raise ApiProblem("bad-encoding", "The body is not valid UTF-8.") from None
    if not isinstance(body, str):
        raise ApiProblem("malformed-json", "The body is not text.")
    if not is_utf8(body) or "\ufffd" in body:
        # The gateway delivers text: bytes that are not UTF-8 have become U+FFFD.
        raise ApiProblem("bad-encoding", "The body is not valid UTF-8.")
    if len(body.encode()) > MAX_BODY_BYTES:
        raise ApiProblem("too-large", f"The body is over {MAX_BODY_BYTES} bytes (1 MB).")
    try:
        document = json.loads(body, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        reason = _TOO_DEEP if isinstance(error, RecursionError) else str(error)
        raise ApiProblem("malformed-json", f"The body is not JSON: {reason}.") from None
    if depth_of(document) > _MAX_DEPTH:
        # Writing JSON, for the ledger or the model, fails at a smaller depth than reading it.
        raise ApiProblem("malformed-json", f"The body is not JSON: {_TOO_DEEP}.")
    if not is_utf8(json.dumps(document, ensure_ascii=False)):
        raise ApiProblem(
            "bad-encoding", r"The body has half a surrogate pair, such as '\ud83d' alone."
        )
    return document


def idempotency_key(request: HttpRequest) -> str | None:
    """Return the `Idempotency-Key` without the quotes of the draft's syntax, if it has them."""
    raw = request.headers.get("idempotency-key")
    if raw is None:
        return None
    key = raw.strip().removeprefix('"').removesuffix('"')
    if not re.fullmatch(r"[\x21-\x7e]{1,255}", key):
        raise ApiProblem(
            "bad-parameter",
            "The Idempotency-Key must be 1 to 255 visible ASCII characters, such as a UUID.",
        )
    return key


def wants_async(request: HttpRequest) -> bool:
    """Return whether `Prefer: respond-async` (RFC 7240) asks for an immediate response."""
    preferences = request.headers.get("prefer", "").split(",")
    return any(p.partition(";")[0].strip().lower() == "respond-async" for p in preferences)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is out of range")
    return number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
