"""The READMEs' picture of the console is a real one."""

from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser

from local.cloud import ROOT
from tests.local.console.browser import screenshot


def test_the_picture_of_the_console_is_taken_of_four_results(
    browser: Browser, tmp_path: Path
) -> None:
    taken = screenshot.take(browser, tmp_path)

    picture = Image.open(taken)
    assert screenshot.SIZE == picture.size
    assert {"page": screenshot.page_digest()} == picture.info
    assert taken.stat().st_size < 500_000
    # A page that stayed blank, or without its photographs, has few colours.
    assert len(picture.convert("RGB").getcolors(picture.width * picture.height) or []) > 200


def test_the_picture_in_the_readmes_shows_the_page_as_it_is() -> None:
    with Image.open(ROOT / "docs" / "console.png") as shown:
        taken_of = shown.info.get("page")

    assert screenshot.page_digest() == taken_of, "run 'python -m tests.readme console'"
    for name in ("README.md", "README.zh-CN.md"):
        assert "](docs/console.png)" in (ROOT / name).read_text("utf-8")
