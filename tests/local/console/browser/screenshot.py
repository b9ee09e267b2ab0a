"""The picture of the console for the READMEs; it says itself of which page it was taken."""

import hashlib
from io import BytesIO
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Browser, expect

from local.cloud import ROOT, Cloud
from tests.local.console.browser.chromium import Visit
from tests.local.console.browser.pages import is_repainted

SIZE = (1280, 1140)
_COLOURS = 256
_STATIC = ROOT / "local" / "console" / "static"
_LOOKS = ("index.html", "*.css", "*.svg", "texts-en.js")


def take(browser: Browser, folder: Path) -> Path:
    """Have the four samples repainted by a fresh cloud in `folder`; return the picture's file."""
    with Cloud(folder / "console-cloud") as cloud:
        viewport = {"width": SIZE[0], "height": SIZE[1]}
        with Visit(browser, cloud.console.address, viewport=viewport) as visit:
            page = visit.page
            page.get_by_role("button", name="Try these four").click()
            expect(page.locator("article[data-stage=generated]")).to_have_count(4)
            for card in page.locator("article").all():
                is_repainted(card)
            page.mouse.move(0, 0)
            expect(page.locator("#toast")).to_be_empty()
            page.evaluate("scrollTo(0, 0)")
            taken = page.screenshot(animations="disabled")
    target = folder / "console.png"
    # A quarter of the size, and hardly to be told from what was taken.
    picture = Image.open(BytesIO(taken)).convert("RGB").quantize(_COLOURS, kmeans=1)
    told = PngInfo()
    told.add_text("page", page_digest())
    picture.save(target, optimize=True, pnginfo=told)
    return target


def page_digest() -> str:
    """Return what tells one look of the page from another: what it is, reads and is dressed in."""
    files = sorted(path for pattern in _LOOKS for path in _STATIC.glob(pattern))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
