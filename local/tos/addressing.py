"""The bucket and key that a request addresses."""

import re
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote, unquote_to_bytes

from starlette.types import ASGIApp, Receive, Scope, Send

from local.tos.errors import TosApiError, invalid

MAX_KEY_BYTES = 1024
_HOST = re.compile(
    r"(?:(?P<bucket>[^.:/]+)\.)?(?:127\.0\.0\.1|localhost|tos-[a-z0-9-]+\.i?volces\.com)(?::\d+)?",
    re.IGNORECASE,
)
_ABSOLUTE = re.compile(rb"https?://[^/?#]*", re.IGNORECASE)


class AbsoluteForm:
    """Turns `PUT http://host/key`, the form of a request to a proxy, into `PUT /key`.

    With this server as its proxy, the official SDK reaches it without resolving a name. The Host
    header stays as it is: the client has signed it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on in origin form."""
        if scope["type"] == "http" and (match := _ABSOLUTE.match(scope["raw_path"])):
            raw = scope["raw_path"][match.end() :] or b"/"
            scope = {**scope, "raw_path": raw, "path": unquote(raw.decode("latin-1"))}
        await self.app(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Address:
    """The service (`bucket` empty), a bucket (`key` empty) or an object; `query` is decoded."""

    host: str
    bucket: str
    key: str
    query: dict[str, str]


def address_of(scope: Scope) -> Address:
    """Return a request's address. Raises TosApiError if it is not one of object storage."""
    host = next((v.decode("latin-1") for n, v in scope["headers"] if n == b"host"), "")
    match = _HOST.fullmatch(host)
    if match is None:
        raise TosApiError(
            HTTPStatus.BAD_REQUEST,
            "InvalidHost",
            f"The host {host!r} is not object storage: address a bucket as "
            "<bucket>.localhost:<port> or <bucket>.tos-cn-beijing.volces.com.",
        )
    try:
        key = unquote_to_bytes(scope["raw_path"]).decode()[1:]
    except UnicodeDecodeError:
        raise invalid("The key must be UTF-8, percent-encoded in the address.") from None
    if len(key.encode()) > MAX_KEY_BYTES:
        raise invalid(f"The key is longer than {MAX_KEY_BYTES} bytes of UTF-8; shorten it.")
    query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    bucket = match["bucket"] or ""
    if key and not bucket:
        raise invalid("The address has a key and no bucket; put the bucket before the host.")
    return Address(host, bucket, key, query)
