"""The pictures of records: limited in size and time, or with a reason why not."""

import base64
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import pytest
from PIL import Image

from ops.records.gallery.pictures import SIDE, Picture, RecordPictures
from shared.ledger import Record, Source
from tests.fakes import FakeClock, FakeCloud, StoredObject, World

LARGE = 36 * 1024 * 1024


def png(mode: str = "RGB", size: tuple[int, int] = (40, 20), **options: object) -> bytes:
    file = BytesIO()
    Image.new(mode, size, options.pop("color", None)).save(file, "PNG", **options)  # type: ignore[arg-type]  # Pillow's options
    return file.getvalue()


class Answers(BaseHTTPRequestHandler):
    """Answers according to the path."""

    def do_GET(self) -> None:
        match self.path:
            case "/picture":
                self._answer(200, png())
            case "/moved":
                self._answer(302, location="/picture")
            case "/moved-away":
                self._answer(302, location="file:///etc/passwd")
            case "/round":
                self._answer(302, location="/round")
            case "/large":
                self._answer(200, b"x" * LARGE)
            case "/cut":
                self._answer(200, b"x", length=100)
            case "/text":
                self._answer(200, b"no picture")
            case _:
                self._answer(404)

    def _answer(
        self, status: int, body: bytes = b"", *, location: str = "", length: int | None = None
    ) -> None:
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True  # the client has read enough

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


def made(world: World, url: str) -> Picture:
    """Return the picture at a URL."""
    record = Record(id="a" * 32, source=Source(bucket="b", key="k"), image_urls=(url,))
    with closing(RecordPictures(world.runtime())) as pictures:
        return pictures.after(record)


def source(world: World, content: bytes, *, size: int | None = None) -> Picture:
    """Return the picture of an object."""
    stored = StoredObject(content, {}, len(content) if size is None else size)
    world.cloud.objects["photos", "a.png"] = stored
    key = Source(bucket="photos", key="a.png", etag=stored.etag)
    record = Record(id="a" * 32, source=key)
    with closing(RecordPictures(world.runtime())) as pictures:
        return pictures.before(record)


def opened(picture: Picture) -> Image.Image:
    assert "" == picture.missing
    content = base64.b64decode(picture.url.removeprefix("data:image/webp;base64,"))
    return Image.open(BytesIO(content))


@pytest.mark.parametrize("path", ["/picture", "/moved"])
def test_redirect(world: World, address: str, path: str) -> None:
    """An image is fetched, also behind a redirect."""
    assert (40, 20) == opened(made(world, address + path)).size


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/nothing", "Its URL answers with HTTP 404."),
        ("/moved-away", "Its URL gives no answer"),
        ("/round", "Its URL gives no answer"),
        ("/large", "It is larger than 35 MB."),
        ("/cut", "Its URL gives no answer"),
        ("/text", "It cannot be read as a picture"),
    ],
)
def test_reasons(world: World, address: str, path: str, sentence: str) -> None:
    """A picture that cannot be fetched has a reason."""
    picture = made(world, address + path)

    assert "" == picture.url
    assert picture.missing.startswith(sentence)


def test_slow_answer(address: str) -> None:
    """An answer that is too slow is given up."""

    class Late(FakeClock):
        def now(self) -> float:
            self.advance(20.0)
            return super().now()

    with World(cloud=FakeCloud(clock=Late())) as world:
        assert "It did not come within 30 seconds." == made(world, f"{address}/large").missing


@pytest.mark.parametrize("url", ["", "file:///etc/passwd", "//host/x", "data:image/png;base64,AA"])
def test_other_schemes(world: World, url: str) -> None:
    """No URL of another scheme is fetched."""
    assert "Its URL is neither http nor https." == made(world, url).missing


def test_large_picture(world: World) -> None:
    """A large picture is made small and keeps its proportions."""
    picture = opened(source(world, png(size=(3000, 1000))))

    assert (SIDE, SIDE // 3) == picture.size


def test_orientation(world: World) -> None:
    """A picture is turned as its camera's orientation demands."""
    turned = Image.Exif()
    turned[0x0112] = 6
    file = BytesIO()
    Image.new("RGB", (40, 20), "teal").save(file, "JPEG", exif=turned)

    assert (20, 40) == opened(source(world, file.getvalue())).size


def test_transparency(world: World) -> None:
    """Transparency stays."""
    picture = opened(source(world, png("P", transparency=0)))

    assert "RGBA" == picture.mode
    assert (0, 0) == picture.getchannel("A").getextrema()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16", "RGBA"])
def test_modes(world: World, mode: str) -> None:
    """Pictures of all modes are shown."""
    assert (40, 20) == opened(source(world, png(mode))).size


def test_decompression_bomb(world: World) -> None:
    """A picture that would fill the memory is not opened."""
    bomb = png("1", size=(20_000, 20_000))

    assert "It has too many pixels to be opened here." == source(world, bomb).missing


def test_large_object(world: World) -> None:
    """An object that is too large is not fetched."""
    assert "It is larger than 35 MB." == source(world, b"", size=LARGE).missing
    assert not [name for name in world.cloud.requests if name.startswith("GET")]
