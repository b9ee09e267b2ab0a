"""Object storage: head, get, put (create-only, compare-and-swap), delete, list, presign.

Every request is tried up to three times, also a conditional write: the caller has to find out, by
reading the object, whether a refused retry was in fact the first try's success.
"""

import hashlib
import random
import re
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import urlsplit

from shared.backoff import Backoff
from shared.clients.credentials import CredentialSource
from shared.clients.http import (
    Request,
    Response,
    Timeouts,
    Transport,
    is_loopback_or_address,
    last_modified_of,
    time_of,
)
from shared.clock import Clock
from shared.errors import ConditionFailed, MaybeExecuted, NoAnswer, ObjectMissing, TosError
from shared.json_utils import as_object
from shared.redaction import redact_text
from shared.signing import canonical_query, object_path, tos_headers, tos_presigned_url

META = "x-tos-meta-"
"""The prefix of the headers that carry user metadata."""
BUCKET_NAME = re.compile(r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$")
REGION_NAME = re.compile(r"^[a-z0-9-]+$")

_TRIES = 3
_BACKOFF = Backoff(base=0.3, factor=4.0, ceiling=1.2)
_ALREADY_EXISTS = "0017-00000004"  # document 6349/1189259
_CLOCK_SKEWED = "0002-00000018"  # document 6349/1188922


class ObjectInfo(NamedTuple):
    """An object's headers: `etag` without quotes, `size` in bytes, metadata not yet decoded.

    `last_modified` is in seconds since the epoch, to the second; None if it was not given.
    """

    etag: str
    size: int
    content_type: str
    version_id: str | None
    metadata: Mapping[str, str]
    last_modified: float | None = None


class ListedObject(NamedTuple):
    """One entry of a listing; `metadata` as in `ObjectInfo`, empty if it was not requested.

    `last_modified` is in ISO 8601.
    """

    key: str
    etag: str
    size: int
    last_modified: str
    metadata: Mapping[str, str] = {}


class Page(NamedTuple):
    """A part of a listing; `next_token` is None on the last one."""

    objects: list[ListedObject]
    next_token: str | None


class Tos:
    """Object storage in one region."""

    def __init__(
        self,
        *,
        endpoint: str,
        public_endpoint: str,
        region: str,
        credentials: CredentialSource,
        transport: Transport,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._endpoint = endpoint
        self._public_endpoint = public_endpoint
        self._region = region
        self._credentials = credentials
        self._transport = transport
        self._clock = clock
        self._rng = rng
        self._clock_lock = threading.Lock()
        self._clock_offset = 0.0

    def head(self, bucket: str, key: str, version_id: str | None = None) -> ObjectInfo:
        """Return an object's headers. Raises ObjectMissing if there is none; TosError, NoAnswer."""
        answer = self._send("HEAD", bucket, key, query=_version(version_id))
        etag = answer.headers.get("etag", "").strip('"')
        size = answer.headers.get("content-length", "")
        if not (etag and size.isascii() and size.isdigit() and len(size) < 20):
            # Otherwise it would pass for an object without metadata.
            raise TosError(
                f"The answer to HEAD {bucket}/{key} has no ETag or no Content-Length.",
                status=answer.status,
            )
        version = answer.headers.get("x-tos-version-id")
        return ObjectInfo(
            etag=etag,
            size=int(size),
            last_modified=last_modified_of(answer),
            content_type=answer.headers.get("content-type", ""),
            # If versioning was suspended, every version of an object is called "null".
            version_id=None if version == "null" else version,
            metadata={
                name.removeprefix(META): _as_utf8(value)
                for name, value in answer.headers.items()
                if name.startswith(META)
            },
        )

    def has_bucket(self, bucket: str) -> bool:
        """Return whether a bucket exists; one that denies access counts as existing."""
        try:
            self._send("HEAD", bucket, "")
        except ObjectMissing:
            return False
        except TosError as error:
            if error.status != 403:
                raise
        return True

    def get(self, bucket: str, key: str, version_id: str | None = None) -> tuple[bytes, str]:
        """Return an object's content and ETag. Raises ObjectMissing, TosError, NoAnswer."""
        answer = self._send("GET", bucket, key, query=_version(version_id))
        etag = answer.headers.get("etag", "").strip('"')
        if not etag:
            # Without it the next compare-and-swap would compare with nothing.
            raise MaybeExecuted(f"The answer to GET {bucket}/{key} has no ETag.")
        return answer.body, etag

    def put(
        self,
        bucket: str,
        key: str,
        body: bytes,
        *,
        content_type: str = "application/json",
        create_only: bool = False,
        if_match: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Write an object and return its new ETag.

        With `create_only` it must not exist yet, with `if_match` it must still have that ETag:
        raises ConditionFailed otherwise. Metadata values are ASCII. Raises TosError, NoAnswer.
        """
        headers = {"content-type": content_type}
        headers |= {META + name: value for name, value in (metadata or {}).items()}
        if create_only:
            headers["x-tos-forbid-overwrite"] = "true"
        if if_match is not None:
            headers["x-tos-if-match"] = if_match
        answer = self._send("PUT", bucket, key, headers=headers, body=body)
        etag = answer.headers.get("etag", "").strip('"')
        if not etag:
            # Without it the next compare-and-swap would compare with nothing.
            raise MaybeExecuted(f"The answer to PUT {bucket}/{key} has no ETag.")
        return etag

    def delete(self, bucket: str, key: str) -> None:
        """Remove an object, if it exists. Raises TosError, NoAnswer."""
        try:
            self._send("DELETE", bucket, key)
        except ObjectMissing:
            return

    def list_page(
        self,
        bucket: str,
        prefix: str,
        *,
        token: str | None = None,
        start_after: str | None = None,
        limit: int = 1000,
        with_metadata: bool = False,
    ) -> Page:
        """Return up to `limit` (1–1000) objects below `prefix` in the order of their keys.

        The page begins at the `token` of the page before, or after the key `start_after`. The
        official SDK can request metadata, the API's documents do not mention it: with
        `with_metadata` the metadata in the listing is right, but some may be missing.
        """
        query = {"list-type": "2", "prefix": prefix, "max-keys": str(limit)}
        if with_metadata:
            query["fetch-meta"] = "true"
        if token:
            query["continuation-token"] = token
        if start_after:
            query["start-after"] = start_after
        document = as_object(self._send("GET", bucket, "", query=query).body)
        if document is None:
            raise MaybeExecuted(f"The listing of {bucket}/{prefix} cannot be read.")
        objects = [
            ListedObject(
                entry["Key"],
                str(entry.get("ETag") or "").strip('"'),
                int(entry.get("Size") or 0),
                str(entry.get("LastModified") or ""),
                _listed_metadata(entry.get("UserMeta")),
            )
            for entry in document.get("Contents") or []
        ]
        more = document.get("IsTruncated")
        return Page(objects, (document.get("NextContinuationToken") or None) if more else None)

    def presign(
        self, bucket: str, key: str, *, version_id: str | None, expires_seconds: int
    ) -> str:
        """Return a URL with which anybody can read one object, for `expires_seconds`.

        It is a secret: never stored, never logged. Raises CredentialsError.
        """
        parts = urlsplit(self._public_endpoint)
        return tos_presigned_url(
            method="GET",
            scheme=parts.scheme,
            host=f"{bucket}.{parts.netloc}",
            key=key,
            query=_version(version_id),
            credentials=self._credentials.get(),
            region=self._region,
            now=self._clock.now() + self._clock_offset,
            expires_seconds=expires_seconds,
        )

    def _send(
        self,
        method: str,
        bucket: str,
        key: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Response:
        problem: NoAnswer | TosError | None = None
        for tries in range(_TRIES):
            if tries:
                self._clock.sleep(_BACKOFF.pause(tries, self._rng))
            try:
                request = self._signed(method, bucket, key, query or {}, headers or {}, body)
                # The failure of the last try may have broken every idle connection.
                answer = self._transport.send(
                    replace(request, fresh=problem is not None), Timeouts()
                )
            except NoAnswer as error:
                problem = error
                continue
            if answer.status < 300:
                return answer
            problem = _error(method, bucket, key, answer)
            skewed = problem.is_clock_skew and self._correct_clock(answer)
            if answer.status < 500 and answer.status != 429 and not skewed:
                break
        if problem is None:
            raise AssertionError("it was tried")
        raise problem

    def _signed(
        self,
        method: str,
        bucket: str,
        key: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Request:
        parts = urlsplit(self._endpoint)
        host = f"{bucket}.{parts.netloc}"
        signed = tos_headers(
            method=method,
            host=host,
            key=key,
            query=query,
            headers=headers,
            credentials=self._credentials.get(),
            region=self._region,
            now=self._clock.now() + self._clock_offset,
            payload_sha256=hashlib.sha256(body).hexdigest(),
        )
        # <bucket>.127.0.0.1 is not in DNS: connect to the address; Host has the bucket's name.
        connect_to = parts.netloc if is_loopback_or_address(self._endpoint) else host
        url = f"{parts.scheme}://{connect_to}{object_path(key)}"
        return Request(method, f"{url}?{canonical_query(query)}" if query else url, signed, body)

    def _correct_clock(self, answer: Response) -> bool:
        theirs = time_of(answer)
        if theirs is None:
            return False
        with self._clock_lock:
            self._clock_offset = theirs - self._clock.now()
        return True


def _version(version_id: str | None) -> dict[str, str]:
    return {"versionId": version_id} if version_id else {}


def _listed_metadata(pairs: object) -> dict[str, str]:
    """Read a listing's `UserMeta`, a list of {Key, Value}."""
    return {
        str(pair.get("Key")).lower().removeprefix(META): str(pair.get("Value") or "")
        for pair in (pairs if isinstance(pairs, list) else [])
        if isinstance(pair, dict)
    }


def _as_utf8(value: str) -> str:
    """Return a latin-1 header value as UTF-8, for clients that send raw UTF-8."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def _error(method: str, bucket: str, key: str, answer: Response) -> TosError:
    document = as_object(answer.body) or {}
    # A refused HEAD has no body: its code stands in a header.
    code = str(document.get("Code") or "")
    ec = str(document.get("EC") or answer.headers.get("x-tos-ec", ""))
    request_id = answer.headers.get("x-tos-request-id", "")
    place = f"{bucket}/{key}" if key else bucket
    message = (
        f"Object storage refused {method} {place}: HTTP {answer.status} "
        f"{code or ec} {document.get('Message') or ''}".rstrip()
        + (f" (request {request_id})." if request_id else ".")
    )
    kind = TosError
    if answer.status == 404:
        kind = ObjectMissing
    elif answer.status in (409, 412) or ec == _ALREADY_EXISTS:
        kind = ConditionFailed
    return kind(
        redact_text(message),
        status=answer.status,
        code=code,
        request_id=request_id,
        is_clock_skew=code == "RequestTimeTooSkewed" or ec == _CLOCK_SKEWED,
    )
