"""Fetch the pictures of a record and make them small enough for a page.

Size and time are limited: a URL can lead to anything. Thread-safe.
"""

import base64
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from urllib.parse import urlsplit

import urllib3
from PIL import Image, ImageOps
from urllib3.util import Retry

from shared.clients.imagex_model import MAX_IMAGE_BYTES
from shared.errors import ObjectMissing, RepaintError
from shared.json_utils import is_url
from shared.ledger import Record
from shared.redaction import redact_text
from shared.runtime import Runtime

SIDE = 900
_SECONDS = 30.0
_CHUNK_BYTES = 1 << 16
_QUALITY = 80
_TOO_LARGE = f"It is larger than {MAX_IMAGE_BYTES // (1 << 20)} MB."


class NoPicture(Exception):
    """There is no picture to show; the sentence is the reason."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as a `data:` URL; if there is none, the reason."""

    url: str = ""
    missing: str = ""


class RecordPictures:
    """Fetches the sources of records, and their images."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._http = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=5.0, read=10.0),
            retries=Retry(connect=1, read=1, redirect=3, status=0),
            headers={"Accept-Encoding": "identity"},
        )
        # One at a time: a large picture takes some hundred MB while it is read.
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connections."""
        self._http.clear()

    def before(self, record: Record) -> Picture:
        """Return the source of a record."""
        return self._shown(record, self._source)

    def after(self, record: Record) -> Picture:
        """Return the image of a record."""
        return self._shown(record, self._result)

    def _shown(self, record: Record, fetch: Callable[[Record], bytes]) -> Picture:
        try:
            content = fetch(record)
            with self._lock:
                return Picture(_small(content))
        except NoPicture as missing:
            return Picture(missing=str(missing))
        except RepaintError as error:
            return Picture(missing=redact_text(str(error)))

    def _source(self, record: Record) -> bytes:
        source = record.source
        if source.bucket is None or source.key is None:
            # A caller's URL can be any: veImageX fetches it, this machine does not.
            where = "at its caller's URL" if is_url(source.address or "") else "in veImageX"
            raise NoPicture(f"The picture is {where}, from where it is not fetched.")
        storage = self._runtime.storage(source.region)
        try:
            info = storage.head(source.bucket, source.key, source.version_id)
            if info.etag != source.etag:
                raise NoPicture("The object was overwritten since.")
            if info.size > MAX_IMAGE_BYTES:
                raise NoPicture(_TOO_LARGE)
            return storage.get(source.bucket, source.key, source.version_id)[0]
        except ObjectMissing:
            raise NoPicture("The object is gone.") from None

    def _result(self, record: Record) -> bytes:
        if not record.image_urls:
            raise NoPicture("The record has no URL of an image.")
        url = record.image_urls[0]
        if urlsplit(url).scheme not in ("http", "https"):
            raise NoPicture("Its URL is neither http nor https.")
        until = self._runtime.clock.now() + _SECONDS
        try:
            answer = self._http.request("GET", url, preload_content=False)
            try:
                if answer.status != 200:
                    raise NoPicture(f"Its URL answers with HTTP {answer.status}.")
                return self._body(answer, until)
            finally:
                # Not back into the pool: the rest of the answer is not wanted.
                answer.close()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise NoPicture(f"Its URL gives no answer ({type(error).__name__}).") from None

    def _body(self, answer: urllib3.BaseHTTPResponse, until: float) -> bytes:
        content = bytearray()
        for chunk in answer.stream(_CHUNK_BYTES, decode_content=False):
            content += chunk
            if len(content) > MAX_IMAGE_BYTES:
                raise NoPicture(_TOO_LARGE)
            if self._runtime.clock.now() > until:
                raise NoPicture(f"It did not come within {_SECONDS:g} seconds.")
        return bytes(content)


def _small(content: bytes) -> str:
    """Return a picture as a `data:` URL, no side longer than SIDE pixels."""
    try:
        with (
            warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning),
            Image.open(BytesIO(content)) as image,
        ):
            picture: Image.Image = image
            if image.mode not in ("RGB", "RGBA", "L"):
                picture = image.convert("RGBA" if image.has_transparency_data else "RGB")
            picture.thumbnail((SIDE, SIDE))
            file = BytesIO()
            ImageOps.exif_transpose(picture).save(file, "WEBP", quality=_QUALITY)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise NoPicture("It has too many pixels to be opened here.") from None
    except Exception as error:  # noqa: BLE001 - a broken file makes its decoder raise anything
        raise NoPicture(f"It cannot be read as a picture ({type(error).__name__}).") from None
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
