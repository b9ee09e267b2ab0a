"""`repaint gallery`: one file with before and after of the generated images."""

import re
from html.parser import HTMLParser
from pathlib import Path

from local.cloud import STATE_BUCKET, UPLOADS_BUCKET, Cloud
from shared.ledger import State
from tests.ops.bucket import put
from tests.ops.command import document, repaint
from tests.ops.ledgers import a_record, ledger_of, write

STRANGE = "uploads/<b>&\"'猫'.png"


def generate(cloud: Cloud, folder: Path, *keys: str, prompt: str = "x") -> None:
    """Have pictures repainted one after the other."""
    for key in keys:
        put(cloud, key, metadata={"prompt": prompt})
        repaint("backfill", UPLOADS_BUCKET, "--yes", cloud=cloud, folder=folder)


class Page(HTMLParser):
    """The headings, the reasons for missing pictures, the pictures and the links of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text = path.read_text("utf-8")
        self.pictures: list[dict[str, str]] = []
        self.references: list[str] = []
        self.names: list[str] = []
        self.missing: list[str] = []
        self._in = ""
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag != "bdi":
            self._in = given.get("class") or tag
        if tag == "img":
            self.pictures.append(given)
        self.references += [value for name, value in given.items() if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        if self._in == "h2":
            self.names.append(data)
        if self._in == "missing":
            self.missing.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._in = self._in if tag == "bdi" else ""


def test_before_and_after(cloud: Cloud, tmp_path: Path) -> None:
    """Before and after of the generated images are in the file, the newest first."""
    generate(cloud, tmp_path, "uploads/a.png", "uploads/b.png", STRANGE, prompt="<i>&")

    done = repaint("gallery", cloud=cloud, folder=tmp_path)
    page = Page(tmp_path / "gallery.html")

    assert (0, "gallery.html shows 3 of the generated images.\n") == (done.returncode, done.stdout)
    assert [STRANGE.removeprefix("uploads/"), "b.png", "a.png"] == page.names
    assert 6 == len(page.pictures)
    assert all(each["src"].startswith("data:image/webp;base64,") for each in page.pictures)
    assert ["b.png, before", "b.png, after: <i>&"] == [each["alt"] for each in page.pictures[2:4]]
    assert "<i>" not in page.text


def test_loads_nothing(cloud: Cloud, tmp_path: Path) -> None:
    """The page loads nothing from anywhere."""
    generate(cloud, tmp_path, "uploads/a.png")
    repaint("gallery", cloud=cloud, folder=tmp_path)
    page = Page(tmp_path / "gallery.html")

    links = [each for each in page.references if not each.startswith("data:")]
    assert [1, True] == [len(links), links[0].startswith("http://127.0.0.1:")]
    assert "default-src 'none'; img-src data:; style-src 'sha256-" in page.text
    assert [] == re.findall(r"@import|url\(|<script[^>]+src|fetch\(|javascript:", page.text)


def test_missing_pictures(cloud: Cloud, tmp_path: Path) -> None:
    """The card of a missing picture gives the reason."""
    generate(cloud, tmp_path, "uploads/gone.png", "uploads/changed.png")
    cloud.store.delete(UPLOADS_BUCKET, "uploads/gone.png")
    put(cloud, "uploads/changed.png", content=b"another")
    with ledger_of(cloud) as ledger:
        address, urls = "https://pictures.example.com/a.png?s=1", ("file:///etc/passwd",)
        write(
            ledger,
            a_record(1, address=address, state=State.GENERATED),
            a_record(2, address="tos-cn-i-x/y", image_urls=urls, state=State.GENERATED),
        )

    done = repaint("gallery", "--json", "--output", "it.html", cloud=cloud, folder=tmp_path)
    page = Page(tmp_path / "it.html")

    found = document(done)
    assert (0, "it.html", 4, 6) == (
        done.returncode,
        found["output"],
        found["records"],
        len(found["missing"]),
    )
    assert {
        "The object is gone.",
        "The object was overwritten since.",
        "The picture is at its caller's URL, from where it is not fetched.",
        "The picture is in veImageX, from where it is not fetched.",
        "The record has no URL of an image.",
        "Its URL is neither http nor https.",
    } == set(page.missing)
    assert 2 == len(page.pictures)


def test_newest(cloud: Cloud, tmp_path: Path) -> None:
    """The newest are shown, and other end records do not count."""
    settings = {"REPAINT_LEDGER": f"sqlite://{tmp_path}/ledger.db"}
    with ledger_of(cloud, settings) as ledger:
        for number in range(1, 9):
            ended = State.REJECTED if number % 2 else State.GENERATED
            write(ledger, a_record(number, state=ended))

    repaint("gallery", "--last", "2", cloud=cloud, folder=tmp_path, settings=settings)
    last = Page(tmp_path / "gallery.html").names
    repaint("gallery", "--since", "7h", cloud=cloud, folder=tmp_path, settings=settings)
    since = Page(tmp_path / "gallery.html").names

    assert (["2.png", "4.png"], ["2.png", "4.png", "6.png"]) == (last, since)


def test_unreadable_record(cloud: Cloud, tmp_path: Path) -> None:
    """An unreadable record hides no other."""
    generate(cloud, tmp_path, "uploads/a.png")
    cloud.store.put(STATE_BUCKET, f"ledger/done/{'9' * 32}.json", b"{", {})

    done = repaint("gallery", cloud=cloud, folder=tmp_path)

    assert (0, ["a.png"]) == (done.returncode, Page(tmp_path / "gallery.html").names)


def test_nothing_generated(cloud: Cloud, tmp_path: Path) -> None:
    """If nothing was generated, the file that exists stays."""
    (tmp_path / "gallery.html").write_text("an older one")

    done = repaint("gallery", cloud=cloud, folder=tmp_path)

    assert (1, "") == (done.returncode, done.stdout)
    assert "Nothing was generated, so there is nothing to show.\n" == done.stderr
    assert "an older one" == (tmp_path / "gallery.html").read_text()


def test_unwritable_place(cloud: Cloud, tmp_path: Path) -> None:
    """A place that cannot be written is refused."""
    generate(cloud, tmp_path, "uploads/a.png")
    (tmp_path / "file").write_text("")

    done = repaint("gallery", "--output", "file/gallery.html", cloud=cloud, folder=tmp_path)

    assert (2, "") == (done.returncode, done.stdout)
    assert "cannot be written" in done.stderr


def test_no_secret(cloud: Cloud, tmp_path: Path) -> None:
    """No secret is in the file."""
    generate(cloud, tmp_path, "uploads/a.png")
    repaint("gallery", cloud=cloud, folder=tmp_path)

    text = (tmp_path / "gallery.html").read_text("utf-8")
    assert cloud.credentials.secret_key not in text
    assert "X-Tos-Signature" not in text
