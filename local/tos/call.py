"""One verified request, and its body on the way to the disk."""

import base64
import binascii
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from local.tos.blobs import Blobs, Incoming
from local.tos.errors import TosError, invalid, not_implemented
from local.tos.notifications import Origin

MAX_BODY_BYTES = 100 * 1024 * 1024
_MAX_JSON_BYTES = 4 * 1024 * 1024


class Body:
    """A request's body; read once."""

    def __init__(self, receive: Receive, headers: dict[str, str]) -> None:
        self._receive = receive
        self._headers = headers
        self._ended = False
        self._begun = False

    async def pieces(self, limit: int) -> AsyncIterator[bytes]:
        """Yield the body. Raises TosError where it is longer than `limit` bytes."""
        declared = self._headers.get("content-length", "0")
        if int(declared) > limit:
            raise _too_large(limit)
        size = 0
        while not self._ended:
            self._begun = True
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._ended = True
                raise ClientDisconnect
            self._ended = not message.get("more_body", False)
            size += len(message.get("body", b""))
            if size > limit:
                raise _too_large(limit)
            yield message.get("body", b"")

    async def drain(self) -> None:
        """Read what is left and forget it: a client that is still sending sees no answer."""
        if "expect" in self._headers and not self._begun:
            return  # it waits to be asked for the body, and will not be
        try:
            async for _ in self.pieces(MAX_BODY_BYTES):
                pass
        except (ClientDisconnect, TosError):
            return

    async def json(self, payload_sha256: str | None) -> Any:
        """Return the body read as JSON. Raises TosError where it is none, or another's."""
        data = b"".join([piece async for piece in self.pieces(_MAX_JSON_BYTES)])
        self._check(
            hashlib.md5(data, usedforsecurity=False).digest(),
            hashlib.sha256(data).hexdigest(),
            payload_sha256,
        )
        try:
            return json.loads(data)
        except ValueError:
            raise invalid("The body must be JSON.") from None

    async def into(self, blobs: Blobs, payload_sha256: str | None) -> Incoming:
        """Write the body to the disk, a piece at a time, and return it there, not yet kept."""
        incoming = blobs.incoming()
        try:
            async for piece in self.pieces(MAX_BODY_BYTES):
                incoming.add(piece)
                if incoming.full:
                    await run_in_threadpool(incoming.flush)
            await run_in_threadpool(incoming.close)
            self._check(incoming.md5, incoming.sha256, payload_sha256)
        except BaseException:
            incoming.discard()
            raise
        return incoming

    def _check(self, md5: bytes, sha256: str, payload_sha256: str | None) -> None:
        if payload_sha256 is not None and payload_sha256.lower() != sha256:
            raise TosError(
                HTTPStatus.BAD_REQUEST,
                "ContentSHA256Mismatch",
                "The body does not have the SHA-256 that x-tos-content-sha256 says; compute it of "
                "the bytes that are sent, or send UNSIGNED-PAYLOAD.",
            )
        declared = self._headers.get("content-md5")
        if declared is None:
            return
        try:
            same = base64.b64decode(declared, validate=True) == md5
        except binascii.Error:
            same = False
        if not same:
            raise TosError(
                HTTPStatus.BAD_REQUEST,
                "BadDigest",
                "The body does not have the MD5 that Content-MD5 says (in base64); compute it of "
                "the bytes that are sent.",
            )


@dataclass(frozen=True, slots=True)
class Call:
    """One verified request; header names in lower case, values read as latin-1."""

    method: str
    bucket: str
    key: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Body
    payload_sha256: str | None
    origin: Origin

    def flag(self, header: str) -> bool:
        """Whether a header says true."""
        return self.headers.get(header, "").lower() == "true"

    def etag(self, header: str) -> str | None:
        """Return the ETag in a header, without its quotes."""
        value = self.headers.get(header)
        return None if value is None else value.strip().strip('"')

    def copy_source(self) -> tuple[str, str, str | None]:
        """Return what is to be copied: bucket, key, and version if one is named."""
        path, _, version = self.headers["x-tos-copy-source"].partition("?versionId=")
        bucket, _, key = path.removeprefix("/").partition("/")
        try:
            key = unquote_to_bytes(key.encode("latin-1")).decode()
        except UnicodeDecodeError:
            key = ""
        if not bucket or not key:
            raise invalid("x-tos-copy-source must be <bucket>/<key>, the key percent-encoded.")
        return bucket, key, version or None

    def operation(self, *known: str) -> str:
        """Return the parameter in the query that says what is meant, empty if none does.

        Raises TosError for a parameter that is neither `known` nor part of a signature: taking a
        request for a simpler one than it is would write or delete what was never meant.
        """
        found = ""
        for name in self.query:
            if name in known:
                found = found or name
            elif not name.startswith("X-Tos-") or name.lower() == "x-tos-process":
                raise not_implemented(f"operation or parameter ?{name} for {self.method}")
        return found


def _too_large(limit: int) -> TosError:
    return TosError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "EntityTooLarge",
        f"The body is longer than {limit} bytes, which is the most that is accepted here.",
    )
