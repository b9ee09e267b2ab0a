"""The gallery in a real browser: accessible, usable, and without requests."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # as it is
from playwright.sync_api import Browser, Page, expect

from ops.records.gallery.page import write_page
from ops.records.gallery.pictures import Picture, _small
from shared.ledger import Record, Source
from shared.uploads.instructions import Instructions
from tests.fakes import START
from tests.local.console.browser import chromium

IMAGES = Path(__file__).parents[3] / "examples" / "images"
LONG = "verylongword" * 30


# Not for the whole session: while it runs, no other test of this process can run an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium.needed()
    with chromium.running() as browser:
        yield browser


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a page with a whole card, one without its source, and one of strange texts."""
    before, after = (
        Picture(_small((IMAGES / name).read_bytes())) for name in ("chelsea.png", "coffee.png")
    )
    gone = Picture(missing="The object is gone.")

    def record(number: int, key: str, prompt: str) -> Record:
        return Record(
            id=str(number) * 32,
            source=Source(bucket="photos", key=key, etag="e"),
            updated_at=START,
            instructions=Instructions(prompt=prompt, template="t"),
            image_urls=(f"https://img.example.com/{number}?a=1&b=2",),
        )

    evil = "</script><img src=x onerror=alert(1)>"
    cards = [
        (record(1, "uploads/cat.png", "水彩画"), before, after),
        (record(2, "uploads/gone.png", "x"), gone, after),
        (record(3, f"uploads/{evil}{LONG}.png", f"\"'{evil}{LONG}"), before, after),
    ]
    text = StringIO()
    write_page(text, cards, number=3, ledger="tos://state/ledger/", now=START)
    path = tmp_path_factory.mktemp("gallery") / "gallery.html"
    path.write_text(text.getvalue(), "utf-8")
    return path


@contextmanager
def opened(browser: Browser, file: Path, **options: Any) -> Iterator[Page]:
    """Open the file; nothing may be requested from anywhere, and no error may occur."""
    context = browser.new_context(**options)
    context.set_default_timeout(chromium.PATIENCE_MILLISECONDS)
    page = context.new_page()
    requested: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text))
    page.goto(file.as_uri())
    yield page
    context.close()
    assert [] == errors
    assert [] == [url for url in requested if url != file.as_uri() and not url.startswith("data:")]


def test_slider(browser: Browser, file: Path) -> None:
    """The slider uncovers the picture before, by mouse and by keyboard."""
    with opened(browser, file) as page:
        slider = page.get_by_role("slider", name="Before and after: cat.png")
        after = page.locator("article").first.locator(".after img")
        expect(after).to_have_css("clip-path", "inset(0px 0px 0px 50%)")

        page.keyboard.press("Tab")
        expect(slider).to_be_focused()
        for _ in range(5):
            page.keyboard.press("ArrowRight")
        expect(slider).to_have_attribute("aria-valuetext", "55 % before")
        expect(after).to_have_css("clip-path", "inset(0px 0px 0px 55%)")

        box = slider.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
        expect(slider).to_have_value("25")


def test_pictures(browser: Browser, file: Path) -> None:
    """Both pictures are loaded."""
    with opened(browser, file) as page:
        for picture in page.locator("img").all():
            picture.scroll_into_view_if_needed()
            expect(picture).to_have_js_property("complete", value=True)
            assert picture.evaluate("picture => picture.naturalWidth") > 100
        assert 5 == page.locator("img").count()


def test_missing_picture(browser: Browser, file: Path) -> None:
    """A missing picture has a sentence in its place, and no slider."""
    with opened(browser, file) as page:
        card = page.get_by_role("article", name="gone.png")
        expect(card.get_by_text("The object is gone.")).to_be_visible()
        expect(card.get_by_role("slider")).to_have_count(0)
        expect(card.get_by_role("img", name="gone.png, after: x")).to_be_visible()


def test_foreign_text(browser: Browser, file: Path) -> None:
    """Foreign text is shown as text."""
    with opened(browser, file) as page:
        card = page.locator("article").last
        expect(card.locator(".prompt")).to_contain_text("\"'</script><img src=x onerror=alert(1)>")
        link = page.get_by_role("link").first
        expect(link).to_have_attribute("href", "https://img.example.com/1?a=1&b=2")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_accessibility(browser: Browser, file: Path, scheme: str, width: int) -> None:
    """Axe finds no problem, and nothing is wider than the screen."""
    options = {"viewport": {"width": width, "height": 740}, "color_scheme": scheme}
    with opened(browser, file, **options) as page:
        assert width == page.evaluate("document.documentElement.scrollWidth")
        assert [] == Axe().run(page).response["violations"]


def test_no_scripts(browser: Browser, file: Path) -> None:
    """Without scripts the pictures stand beside each other."""
    with opened(browser, file, java_script_enabled=False) as page:
        card = page.locator("article").first
        before, after = (
            card.locator(f".{kind} img").bounding_box() for kind in ("before", "after")
        )
        assert before is not None
        assert after is not None
        assert before["x"] + before["width"] <= after["x"] + 1
