"""The gateway's event → a request that is known to be well formed."""

import hmac
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import quote, unquote

from pydantic import SecretStr

from shared.http_api.problems import HttpProblem
from shared.json_utils import depth_of, is_utf8

MAX_BODY_BYTES = 1024 * 1024
_MAX_DEPTH, _TOO_DEEP = 100, "it is nested too deep"
# Behind whatever the gateway puts before it, such as a stage.
_ROUTE = re.compile(r"/(generations(?:/(?P<id>[^/]+))?|healthz|openapi\.json)/?$")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request; header names are lower case, `path` is behind the gateway's `stage`.

    `stage` is percent-encoded and fit for a header: empty, or it begins with one slash.
    """

    method: str
    stage: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: object


def read_request(event: object) -> HttpRequest:
    """Read the gateway's event; any field but the method and the path may be missing.

    Shape: veFaaS documentation of API gateway triggers.
    """
    fields = event if isinstance(event, dict) else {}
    headers = fields.get("headers")
    query = fields.get("queryStringParameters")
    path = unquote(str(fields.get("path") or "/"))
    found = _ROUTE.search(path)
    # Two slashes at its beginning would make another host of it.
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
    """Return what of a part of the event is given: null is not."""
    pairs = fields.items() if isinstance(fields, dict) else ()
    return {str(name): str(value) for name, value in pairs if value is not None}


def authorize(request: HttpRequest, tokens: Sequence[SecretStr]) -> None:
    """Let through who holds one of the tokens. Raises HttpProblem for everybody else.

    Every token is compared, each in constant time: how long it takes says nothing.
    """
    challenge = {"WWW-Authenticate": 'Bearer realm="repaint"'}
    if not tokens:
        raise HttpProblem(
            "unauthorized",
            "No token is configured, so every request is refused: set REPAINT_HTTP_TOKENS to one "
            "or more, separated by commas.",
            headers=challenge,
        )
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    presented = given.strip().encode("utf-8", "surrogatepass")
    matches = [hmac.compare_digest(presented, t.get_secret_value().encode()) for t in tokens]
    if scheme.lower() != "bearer" or not any(matches):
        raise HttpProblem(
            "unauthorized",
            "Send the header 'Authorization: Bearer <token>' with one of the tokens of "
            "REPAINT_HTTP_TOKENS.",
            headers=challenge,
        )


def read_json(request: HttpRequest) -> Any:
    """Return the request's body. Raises HttpProblem for what is no JSON of an acceptable size."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HttpProblem(
            "unsupported-media-type", "Send the body as 'Content-Type: application/json'."
        )
    body = request.body or ""
    if isinstance(body, bytes):
        try:
            body = body.decode()
        except UnicodeDecodeError:
            raise HttpProblem("bad-encoding", "The body is not valid UTF-8.") from None
    if not isinstance(body, str):
        raise HttpProblem("malformed-json", "The body is not a text.")
    if not is_utf8(body) or "\ufffd" in body:
        # The gateway hands the body over as text: what was not UTF-8 has become U+FFFD by then.
        raise HttpProblem("bad-encoding", "The body is not valid UTF-8.")
    if len(body.encode()) > MAX_BODY_BYTES:
        raise HttpProblem("too-large", f"The body is over {MAX_BODY_BYTES} bytes (1 MB).")
    try:
        document = json.loads(body, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        reason = _TOO_DEEP if isinstance(error, RecursionError) else str(error)
        raise HttpProblem("malformed-json", f"The body is not JSON: {reason}.") from None
    if depth_of(document) > _MAX_DEPTH:
        # Whoever writes it again, for the ledger or the model, goes less deep than who reads it.
        raise HttpProblem("malformed-json", f"The body is not JSON: {_TOO_DEEP}.")
    if not is_utf8(json.dumps(document, ensure_ascii=False)):
        raise HttpProblem("bad-encoding", r"The body has half a character, such as '\ud83d' alone.")
    return document


def idempotency_key(request: HttpRequest) -> str | None:
    """Return the `Idempotency-Key`, with or without the quotes of the draft's syntax."""
    raw = request.headers.get("idempotency-key")
    if raw is None:
        return None
    key = raw.strip().removeprefix('"').removesuffix('"')
    if not re.fullmatch(r"[\x21-\x7e]{1,255}", key):
        raise HttpProblem(
            "bad-parameter",
            "The Idempotency-Key is 1 to 255 visible ASCII characters; a UUID is a good one.",
        )
    return key


def wants_async(request: HttpRequest) -> bool:
    """Tell whether `Prefer: respond-async` (RFC 7240) asks for an answer at once."""
    preferences = request.headers.get("prefer", "").split(",")
    return any(p.partition(";")[0].strip().lower() == "respond-async" for p in preferences)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is out of range")
    return number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
