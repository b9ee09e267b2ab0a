"""A verified request, and its body on the way to the disk."""

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
from local.tos.errors import TosApiError, invalid, not_implemented
from local.tos.events import EventOrigin

MAX_BODY_BYTES = 100 * 1024 * 1024
_MAX_JSON_BYTES = 4 * 1024 * 1024


class RequestBody:
    """A request's body; it can be read once."""

    def __init__(self, receive: Receive, headers: dict[str, str]) -> None:
        self._receive = receive
        self._headers = headers
        self._ended = False
        self._begun = False

    async def pieces(self, limit: int) -> AsyncIterator[bytes]:
        """Yield the body. Raises TosApiError if it is longer than `limit` bytes."""
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
        """Read and drop the rest: a client that is still sending reads no response."""
        if "expect" in self._headers and not self._begun:
            return  # the client waits for "100 Continue", which is not sent
        try:
            async for _ in self.pieces(MAX_BODY_BYTES):
                pass
        except (ClientDisconnect, TosApiError):
            return

    async def json(self, payload_sha256: str | None) -> Any:
        """Return the body as JSON. Raises TosApiError if it is not JSON or has another digest."""
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
        """Write the body to the disk, a piece at a time; return it, not yet a blob."""
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
            raise TosApiError(
                HTTPStatus.BAD_REQUEST,
                "ContentSHA256Mismatch",
                "The body does not have the SHA-256 of x-tos-content-sha256; compute it from "
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
            raise TosApiError(
                HTTPStatus.BAD_REQUEST,
                "BadDigest",
                "The body does not have the MD5 of Content-MD5 (in base64); compute it from "
                "the bytes that are sent.",
            )


@dataclass(frozen=True, slots=True)
class TosRequest:
    """A verified request; header names in lower case, values read as latin-1.

    `origin` is None if nobody listens to events.
    """

    method: str
    bucket: str
    key: str
    query: dict[str, str]
    headers: dict[str, str]
    body: RequestBody
    payload_sha256: str | None
    origin: EventOrigin | None

    @property
    def upload_id(self) -> str:
        """The id of the multipart upload."""
        return self.query["uploadId"]

    def conditions(self) -> dict[str, Any]:
        """Return the conditions of a write, as `ObjectStore.put` takes them."""
        forbid = self.headers.get("x-tos-forbid-overwrite", "").lower() == "true"
        return {"forbid_overwrite": forbid, "if_match": self.etag("x-tos-if-match")}

    def etag(self, header: str) -> str | None:
        """Return the ETag in a header, without its quotes."""
        value = self.headers.get(header)
        return None if value is None else value.strip().strip('"')

    def copy_source(self) -> tuple[str, str, str | None]:
        """Return the object to copy: bucket, key, and the version if one is named."""
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
        """Return the first `known` parameter in the query, empty if there is none.

        Raises TosApiError for a parameter that is neither `known` nor part of a signature: ignoring
        it could write or delete an object that the client did not mean.
        """
        found = ""
        for name in self.query:
            if name in known:
                found = found or name
            elif not name.startswith("X-Tos-") or name.lower() == "x-tos-process":
                raise not_implemented(f"operation or parameter ?{name} for {self.method}")
        return found


def _too_large(limit: int) -> TosApiError:
    return TosApiError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "EntityTooLarge",
        f"The body is longer than {limit} bytes, the limit of this server.",
    )
