"""Which bucket and key a request means."""

import re
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote, unquote_to_bytes

from starlette.types import ASGIApp, Receive, Scope, Send

from local.tos.errors import TosError, invalid

MAX_KEY_BYTES = 1024
_HOST = re.compile(
    r"(?:(?P<bucket>[^.:/]+)\.)?(?:127\.0\.0\.1|localhost|tos-[a-z0-9-]+\.i?volces\.com)(?::\d+)?",
    re.IGNORECASE,
)
_ABSOLUTE = re.compile(rb"https?://[^/?#]*", re.IGNORECASE)


class AbsoluteForm:
    """Turns `PUT http://host/key`, as clients write to a proxy, into `PUT /key`.

    The official SDK, told to use a proxy, reaches this server that way without any name having to
    be resolved. The Host header stays as it is: it is what the client has signed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on in the form that a server is addressed in."""
        if scope["type"] == "http" and (match := _ABSOLUTE.match(scope["raw_path"])):
            raw = scope["raw_path"][match.end() :] or b"/"
            scope = {**scope, "raw_path": raw, "path": unquote(raw.decode("latin-1"))}
        await self.app(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Address:
    """What a request addresses: the service, a bucket (`key` empty) or an object."""

    host: str
    bucket: str | None
    key: str
    query: dict[str, str]


def address(scope: Scope) -> Address:
    """Read a request's address. Raises TosError where it is none of object storage."""
    host = next((v.decode("latin-1") for n, v in scope["headers"] if n == b"host"), "")
    match = _HOST.fullmatch(host)
    if match is None:
        raise TosError(
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
    if key and match["bucket"] is None:
        raise invalid("The address has a key and no bucket; put the bucket before the host.")
    return Address(host, match["bucket"], key, query)
