"""What a reader does on the console's page, and sees there."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.local.console.browser.chromium import PATIENCE_MILLISECONDS

IMAGES = Path(__file__).parents[4] / "examples" / "images"
CAT = IMAGES / "chelsea.png"
COFFEE = IMAGES / "coffee.png"

_ARE_LOADED = """
(card) => [".before", ".after"].every((name) => card.querySelector(name).naturalWidth > 0)
"""
_SAME_PIXELS = """
async (card) => {
  const pixels = (picture) => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
    const context = canvas.getContext("2d");
    context.drawImage(picture, 0, 0);
    return context.getImageData(0, 0, canvas.width, canvas.height).data.join();
  };
  return pixels(card.querySelector(".before")) === pixels(card.querySelector(".after"));
}
"""


def drop(page: Page, *pictures: Path) -> None:
    """Drop files on the zone as the system's file manager would."""
    box = page.locator("#drop").bounding_box()
    assert box is not None
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send(
            "Input.dispatchDragEvent",
            {
                "type": kind,
                "x": box["x"] + box["width"] / 2,
                "y": box["y"] + box["height"] / 2,
                "data": {
                    "items": [],
                    "files": [str(picture) for picture in pictures],
                    "dragOperationsMask": 1,
                },
            },
        )
    expect(page.locator("#staged li")).to_have_count(len(pictures))


def send(page: Page, picture: Path, prompt: str) -> Locator:
    """Choose a picture, write a prompt and send it; return the newest upload's card."""
    before = page.locator("article").count()
    page.locator("#files").set_input_files(picture)
    page.get_by_label("Prompt", exact=True).fill(prompt)
    page.get_by_role("button", name="Repaint").click()
    expect(page.locator("article")).to_have_count(before + 1)
    return page.locator("article").first


def is_at(card: Locator, stage: str) -> None:
    """Wait until an upload is at a stage of its way."""
    expect(card).to_have_attribute("data-stage", stage)


def is_repainted(card: Locator) -> None:
    """Wait until both pictures are there; raise AssertionError if they are the same."""
    is_at(card, "generated")
    expect(card.locator(".after")).to_be_visible()
    card.scroll_into_view_if_needed()
    until(card.page, lambda: bool(card.evaluate(_ARE_LOADED)))
    assert card.evaluate(_SAME_PIXELS) is False


def until(page: Page, holds: Callable[[], bool]) -> None:
    """Wait until something holds outside of the page."""
    for _ in range(PATIENCE_MILLISECONDS // 50):
        if holds():
            return
        page.wait_for_timeout(50)
    raise AssertionError("It does not come to hold.")


def balance(page: Page, charges: int, images: int) -> None:
    """Wait until the head of the page shows so many charges and images."""
    expect(page.locator("#balance")).to_contain_text(f"Charges {charges}")
    expect(page.locator("#balance")).to_contain_text(f"Images {images}")
