"""The READMEs' picture of the console is a real one."""

from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser

from tests.local.console.browser import screenshot


def test_the_picture_of_the_console_is_taken_of_four_results(
    browser: Browser, tmp_path: Path
) -> None:
    taken = screenshot.take(browser, tmp_path)

    picture = Image.open(taken)
    assert screenshot.SIZE == picture.size
    assert taken.stat().st_size < 500_000
    # A page that stayed blank, or without its photographs, has few colours.
    assert len(picture.convert("RGB").getcolors(picture.width * picture.height) or []) > 200
