"""Pictures in and out: upload one, run one again, return it before and after."""

import mimetypes
import secrets
import unicodedata
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

import urllib3

from local.console.backend import Backend
from local.console.card import UploadCard
from local.console.responses import HttpProblem
from local.console.uploads import AGAIN_OF, record_id_of
from local.imagex.generate import picture_address
from local.samples import SAMPLE_PROMPTS, SAMPLES
from shared.errors import ObjectMissing, RepaintError
from shared.runtime import Runtime

_MAX_PICTURE_BYTES = 40 * 1024 * 1024
# Of a larger body, so much is read and dropped: a client that still sends reads no response.
_MAX_DRAINED_BYTES = 1024 * 1024 * 1024
_MAX_NAME_BYTES = 200
_MAX_METADATA_BYTES = 8 * 1024
_SETTINGS = ("prompt", "seed", "steps", "scale")
# Control characters, halves of characters, separators of lines. Invisible characters are usual:
# macOS puts a narrow space into a screenshot's name, Chinese names hold a wide one.
_UNUSABLE = ("Cc", "Cs", "Zl", "Zp")
_MEDIA_TYPES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
)


class Pictures:
    """Puts pictures into the cloud as any client does, and gets them. Thread-safe."""

    def __init__(self, backend: Backend, runtime: Runtime) -> None:
        self._backend = backend
        self._storage = runtime.storage(None)
        self._http = urllib3.PoolManager(timeout=10.0, retries=False)

    def close(self) -> None:
        """Close the connections."""
        self._http.clear()

    def upload(self, name: str, body: bytes, settings: Mapping[str, str]) -> str:
        """Upload a picture under a key of its own; return the upload's id. Raises HttpProblem."""
        _check_name(name)
        if not body:
            raise HttpProblem(400, f"{name} is empty: choose a file that holds a picture.")
        metadata = {key: quote(value, safe="") for key, value in settings.items() if value.strip()}
        return self._put(name, body, metadata)

    def upload_samples(self) -> list[str]:
        """Upload the sample photographs, each with its prompt; return the uploads' ids."""
        return [
            self.upload(name, (SAMPLES / name).read_bytes(), {"prompt": prompt})
            for name, prompt in SAMPLE_PROMPTS.items()
        ]

    def run_again(self, card: UploadCard) -> str:
        """Upload the same picture with the same settings once more; return the new id."""
        body, content_type, found = self._object(card)
        # As ASCII, which is what metadata is: other values were not encoded.
        metadata = {k: v if v.isascii() else quote(v, safe="") for k, v in found.items()}
        given = {k: quote(str(v), safe="") for k, v in card.settings().items() if v is not None}
        return self._put(card.name, body, {**metadata, **given, AGAIN_OF: card.id}, content_type)

    def before(self, card: UploadCard) -> tuple[bytes, str]:
        """Return the uploaded picture and its media type. Raises HttpProblem if it is gone."""
        body, _, _ = self._object(card)
        return body, _media_type(body)

    def after(self, card: UploadCard) -> tuple[bytes, str]:
        """Return the repainted picture and its media type. Raises HttpProblem without one."""
        uris = card.store_uris
        if not uris:
            raise HttpProblem(404, f"{card.name} has not been repainted.")
        # The image's own address may name the port of an earlier cloud.
        host = self._backend.addresses["imagex"].partition("://")[2]
        url = picture_address(host, uris[0], self._backend.template)
        try:
            answer = self._http.request("GET", url)
        except urllib3.exceptions.HTTPError as error:
            raise HttpProblem(502, f"veImageX did not answer: {error}") from error
        if answer.status != 200:
            raise HttpProblem(404, f"The repainted version of {card.name} is gone from veImageX.")
        return answer.data, _media_type(answer.data)

    def _object(self, card: UploadCard) -> tuple[bytes, str, Mapping[str, str]]:
        if not card.bucket or not card.key:
            raise HttpProblem(404, f"{card.name} was never uploaded here: it was given by address.")
        place = f"{card.bucket}/{card.key}"
        try:
            info = self._storage.head(card.bucket, card.key)
            body, etag = self._storage.get(card.bucket, card.key)
        except ObjectMissing:
            raise HttpProblem(
                404, f"{place} is gone from object storage: upload it again."
            ) from None
        except RepaintError as error:
            raise HttpProblem(502, str(error)) from error
        if card.version not in ("", info.version_id, info.etag) or etag != info.etag:
            raise HttpProblem(404, f"{place} was overwritten: this picture is gone.")
        return body, info.content_type, info.metadata

    def _put(
        self,
        name: str,
        body: bytes,
        metadata: Mapping[str, str],
        content_type: str | None = None,
    ) -> str:
        size = sum(len(value) for value in metadata.values())
        if size > _MAX_METADATA_BYTES:
            raise HttpProblem(
                400,
                f"The prompt takes {size} bytes of metadata: at most {_MAX_METADATA_BYTES} are "
                "allowed. Shorten it.",
            )
        bucket = self._backend.bucket
        key = f"{self._backend.prefix}{secrets.token_hex(4)}/{name}"
        kind = content_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        try:
            self._storage.put(bucket, key, body, content_type=kind, metadata=metadata)
            return record_id_of(bucket, key, self._storage.head(bucket, key))
        except RepaintError as error:
            raise HttpProblem(502, str(error)) from error


async def read_picture(stream: AsyncIterator[bytes]) -> bytes:
    """Read a request's body. Raises HttpProblem if it is too large for a picture."""
    pieces: list[bytes] = []
    size = 0
    async for piece in stream:
        size += len(piece)
        if size > _MAX_PICTURE_BYTES:
            pieces.clear()
            if size > _MAX_DRAINED_BYTES:
                break
        else:
            pieces.append(piece)
    if size > _MAX_PICTURE_BYTES:
        raise HttpProblem(
            413,
            f"The file is larger than {_MAX_PICTURE_BYTES // 1024**2} MB, the most that is taken "
            "here; the model takes 35 MB. Make the picture smaller.",
        )
    return b"".join(pieces)


def settings_in(query: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings in a request's query, as text."""
    return {name: str(query[name]) for name in _SETTINGS if query.get(name)}


def _check_name(name: str) -> None:
    problem = None
    if not name.strip():
        problem = "The picture has no name: add ?name=cat.png."
    elif "/" in name or "\\" in name or name in {".", ".."}:
        problem = f"{name!r} is a path: give the file's name alone."
    elif any(unicodedata.category(character) in _UNUSABLE for character in name):
        problem = "The picture's name holds a control character: rename the file."
    elif len(name.encode()) > _MAX_NAME_BYTES:
        problem = f"The picture's name is longer than {_MAX_NAME_BYTES} bytes: rename the file."
    if problem:
        raise HttpProblem(400, problem)


def _media_type(body: bytes) -> str:
    """Return a picture's media type by its first bytes.

    The uploader's own media type does not count: a page or a script among the uploads must not
    become one of the console's own.
    """
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "image/webp"
    return next(
        (kind for start, kind in _MEDIA_TYPES if body.startswith(start)), "application/octet-stream"
    )
