"""Pictures in and out: upload what is dropped, run one again, show before and after."""

import mimetypes
import secrets
import unicodedata
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

import urllib3

from local.console.answers import Problem
from local.console.gallery import AGAIN_OF, record_of
from local.console.parts import Parts
from local.console.uploads import Upload
from local.imagex.generate import picture_address
from local.samples import SAMPLE_PROMPTS, SAMPLES
from shared.errors import ObjectMissing, RepaintError
from shared.runtime import Runtime

MAX_PICTURE_BYTES = 40 * 1024 * 1024
# Of a body that is too large, so much is read and forgotten: who still sends sees no answer.
_MOST_DRAINED = 1024 * 1024 * 1024
_MOST_NAME_BYTES = 200
_MOST_METADATA_BYTES = 8 * 1024
_GIVEN = ("prompt", "seed", "steps", "scale")
# Control characters, halves of characters, separators of lines. What merely cannot be seen is
# usual: macOS puts a narrow space into a screenshot's name, Chinese names hold a wide one.
_UNUSABLE = ("Cc", "Cs", "Zl", "Zp")
_KINDS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
)


class Intake:
    """Puts pictures into the cloud as any client would, and gets them; safe to use from threads."""

    def __init__(self, parts: Parts, runtime: Runtime) -> None:
        self._parts = parts
        self._storage = runtime.storage(None)
        self._http = urllib3.PoolManager(timeout=10.0, retries=False)

    def close(self) -> None:
        """Close the connections."""
        self._http.clear()

    def upload(self, name: str, body: bytes, given: Mapping[str, str]) -> str:
        """Upload a picture under a key of its own; return the upload's id.

        `given` is the metadata, as text. Raises Problem.
        """
        problem = name_problem(name)
        if problem:
            raise Problem(400, problem)
        if not body:
            raise Problem(400, f"{name} is empty: choose a file that holds a picture.")
        metadata = {key: quote(value, safe="") for key, value in given.items() if value.strip()}
        return self._put(name, body, metadata)

    def samples(self) -> list[str]:
        """Upload the sample photographs, each with its prompt; return the uploads' ids."""
        return [
            self.upload(name, (SAMPLES / name).read_bytes(), {"prompt": prompt})
            for name, prompt in SAMPLE_PROMPTS.items()
        ]

    def again(self, upload: Upload) -> str:
        """Upload the same picture once more, to be repainted the same way; return the new id."""
        body, content_type, found = self._object(upload)
        # As ASCII, which is what metadata is: a value that came otherwise was not encoded.
        metadata = {k: v if v.isascii() else quote(v, safe="") for k, v in found.items()}
        asked = {k: quote(str(v), safe="") for k, v in upload.shown().items() if v is not None}
        return self._put(
            upload.name, body, {**metadata, **asked, AGAIN_OF: upload.id}, content_type
        )

    def before(self, upload: Upload) -> tuple[bytes, str]:
        """Return the uploaded picture and its media type. Raises Problem where it is gone."""
        body, _, _ = self._object(upload)
        return body, media_type(body)

    def after(self, upload: Upload) -> tuple[bytes, str]:
        """Return the repainted picture and its media type. Raises Problem where there is none."""
        uris = upload.store_uris
        if not uris:
            raise Problem(404, f"{upload.name} has not been repainted.")
        # The cloud may listen elsewhere than when it told the image's address.
        host = self._parts.addresses["imagex"].partition("://")[2]
        url = picture_address(host, uris[0], self._parts.template)
        try:
            answer = self._http.request("GET", url)
        except urllib3.exceptions.HTTPError as error:
            raise Problem(502, f"veImageX did not answer: {error}") from error
        if answer.status != 200:
            raise Problem(404, f"The repainted version of {upload.name} is gone from veImageX.")
        return answer.data, media_type(answer.data)

    def _object(self, upload: Upload) -> tuple[bytes, str, Mapping[str, str]]:
        if not upload.bucket or not upload.key:
            raise Problem(404, f"{upload.name} was never uploaded here: it was given by address.")
        try:
            info = self._storage.head(upload.bucket, upload.key)
            body, etag = self._storage.get(upload.bucket, upload.key)
        except ObjectMissing:
            raise Problem(
                404, f"{upload.bucket}/{upload.key} is gone from object storage: upload it again."
            ) from None
        except RepaintError as error:
            raise Problem(502, str(error)) from error
        if upload.version not in ("", info.version_id, info.etag) or etag != info.etag:
            raise Problem(
                404, f"{upload.bucket}/{upload.key} was overwritten: this picture is gone."
            )
        return body, info.content_type, info.metadata

    def _put(
        self,
        name: str,
        body: bytes,
        metadata: Mapping[str, str],
        content_type: str | None = None,
    ) -> str:
        size = sum(len(value) for value in metadata.values())
        if size > _MOST_METADATA_BYTES:
            raise Problem(
                400,
                f"The prompt takes {size} bytes of metadata: at most {_MOST_METADATA_BYTES} are "
                "allowed. Shorten it.",
            )
        bucket = self._parts.bucket
        key = f"{self._parts.prefix}{secrets.token_hex(4)}/{name}"
        kind = content_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        try:
            self._storage.put(bucket, key, body, content_type=kind, metadata=metadata)
            return record_of(bucket, key, self._storage.head(bucket, key))
        except RepaintError as error:
            raise Problem(502, str(error)) from error


async def picture(stream: AsyncIterator[bytes]) -> bytes:
    """Read a request's body. Raises Problem where it is larger than a picture may be."""
    pieces: list[bytes] = []
    size = 0
    async for piece in stream:
        size += len(piece)
        if size > MAX_PICTURE_BYTES:
            pieces.clear()
            if size > _MOST_DRAINED:
                break
        else:
            pieces.append(piece)
    if size > MAX_PICTURE_BYTES:
        raise Problem(
            413,
            f"The file is larger than {MAX_PICTURE_BYTES // 1024**2} MB, the most that is taken "
            "here; the model takes 35 MB. Make the picture smaller.",
        )
    return b"".join(pieces)


def given_in(query: Mapping[str, Any]) -> dict[str, str]:
    """Return the metadata that a request's query gives, as text."""
    return {name: str(query[name]) for name in _GIVEN if query.get(name)}


def name_problem(name: str) -> str | None:
    """Say why a file's name cannot be used as the end of a key; None where it can."""
    if not name.strip():
        return "The picture has no name: add ?name=cat.png."
    if "/" in name or "\\" in name or name in {".", ".."}:
        return f"{name!r} is a path: give the file's name alone."
    if any(unicodedata.category(character) in _UNUSABLE for character in name):
        return "The picture's name holds a control character: rename the file."
    if len(name.encode()) > _MOST_NAME_BYTES:
        return f"The picture's name is longer than {_MOST_NAME_BYTES} bytes: rename the file."
    return None


def media_type(body: bytes) -> str:
    """Tell what a picture is by its first bytes.

    Not by what its uploader said: a page or a script among the uploads must not become one of
    the console's own.
    """
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "image/webp"
    return next(
        (kind for start, kind in _KINDS if body.startswith(start)), "application/octet-stream"
    )
