"""Everybody can read it and work with it: by keyboard, by finger, in the dark."""

import re
from importlib.resources import files

import pytest
from playwright.sync_api import Browser, FileChooser, Locator, Page, expect

from local.cloud import Cloud
from local.imagex import FaultSettings
from tests.local.console.browser.chromium import Visit
from tests.local.console.browser.conftest import OpenVisit
from tests.local.console.browser.pages import CAT, COFFEE, is_at, is_repainted, send, until

PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 900}
AXE = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
_VIOLATIONS = """
async () => (await axe.run()).violations.flatMap(({ id, impact, nodes }) =>
  nodes.map((node) => `${impact}: ${id} at ${node.target}: ${node.failureSummary}`))
"""


# Where a control is laid invisibly over what it moves, that carries the mark.
_IS_SEEN = """
(node) => {
  const isLaidOver = getComputedStyle(node).opacity === "0";
  const marked = isLaidOver ? node.closest(".drop, .compare") : node;
  return getComputedStyle(marked).outlineStyle !== "none";
}
"""


def violations(page: Page) -> list[str]:
    page.evaluate(AXE)
    found: list[str] = page.evaluate(_VIOLATIONS)
    return found


def width(page: Page) -> int:
    scrolled: int = page.evaluate("document.documentElement.scrollWidth")
    return scrolled


def tab_to(page: Page, wanted: Locator, key: str = "Tab") -> None:
    """Press Tab until the focus is there, and see that it can be seen."""
    for _ in range(100):
        page.keyboard.press(key)
        if wanted.evaluate("node => node === document.activeElement"):
            assert wanted.evaluate(_IS_SEEN)
            return
    raise AssertionError(f"The keyboard does not reach {wanted}.")


@pytest.fixture
def full(visit: Visit, cloud: Cloud) -> Cloud:
    """A cloud in which one of each has happened: made, refused, parked, being worked on."""
    page = visit.page
    is_at(send(page, CAT, "油画"), "generated")
    is_at(send(page, CAT, "[refuse] " + "verylongword" * 20), "rejected")
    is_at(send(page, COFFEE, "[not-activated]"), "deferred")
    cloud.faults.replace(FaultSettings(latency_seconds=25.0, qps=3, lose_answer=0.1))
    is_at(send(page, COFFEE, "水彩画"), "working")
    return cloud


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.usefixtures("full")
def test_axe_finds_nothing_wrong(visiting: OpenVisit, scheme: str) -> None:
    for locale in ("en-GB", "zh-CN"):
        page = visiting(locale=locale, color_scheme=scheme, reduced_motion="reduce").page
        expect(page.locator("article")).to_have_count(4)
        for summary in page.locator("summary:visible").all():
            summary.click()
        page.locator("#files").set_input_files(CAT)
        for size in (DESK, PHONE):
            page.set_viewport_size({"width": size["width"], "height": size["height"]})
            assert [] == violations(page)


@pytest.mark.usefixtures("full")
def test_nothing_is_wider_than_a_phone(visiting: OpenVisit) -> None:
    for locale in ("en-GB", "zh-CN"):
        page = visiting(locale=locale, viewport=PHONE, has_touch=True, is_mobile=True).page
        expect(page.locator("article")).to_have_count(4)
        assert 360 == width(page)
        for summary in page.locator("summary:visible").all():
            summary.tap()
        assert 360 == width(page)


def test_all_of_it_works_from_the_keyboard(visit: Visit) -> None:
    page, press = visit.page, visit.page.keyboard.press
    choosers: list[FileChooser] = []
    # From the start: the browser is told only some time after this that it is awaited.
    page.on("filechooser", lambda chooser: choosers.append(chooser))  # noqa: PLW0108 - Playwright marks the listener, which a built-in method does not take
    press("Tab")
    expect(page.get_by_role("link", name="Skip to the pictures")).to_be_focused()
    press("Enter")
    press("Tab")
    expect(page.locator("#files")).to_be_focused()
    assert page.locator("#files").evaluate(_IS_SEEN)
    press("Enter")
    until(page, lambda: bool(choosers))
    choosers[0].set_files(CAT)
    expect(page.locator("#staged li")).to_have_count(1)
    tab_to(page, page.get_by_label("Prompt", exact=True))
    page.keyboard.type("oil painting")
    press("Enter")
    card = page.locator("article").first
    is_at(card, "generated")

    slider = card.get_by_role("slider")
    expect(slider).to_be_visible()
    tab_to(page, slider)
    for _ in range(5):
        press("ArrowLeft")
    expect(slider).to_have_attribute("aria-valuetext", "45 % before")
    press("Home")
    expect(slider).to_have_value("0")

    log = card.locator("summary", has_text="Log")
    tab_to(page, log)
    press("Enter")
    expect(card.locator(".fold[open] li")).to_have_count(4)
    tab_to(page, card.get_by_role("button", name="Run chelsea.png again"))
    press("Enter")
    expect(page.locator("article")).to_have_count(2)
    is_at(page.locator("article").first, "generated")

    limit = page.get_by_label("Limit of calls a second")
    tab_to(page, limit)
    press("ArrowRight")
    expect(limit).to_have_attribute("aria-valuetext", "1 a second")
    tab_to(page, page.get_by_role("button", name="Reset"))
    press("Space")
    expect(limit).to_have_attribute("aria-valuetext", "off")
    tab_to(page, page.get_by_role("button", name="Sweep now"))
    press("Space")
    expect(page.locator("#toast")).to_contain_text("Swept:")

    tab_to(page, page.locator("#language"), "Shift+Tab")
    press("Enter")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.locator("#language")).to_be_focused()


def test_a_finger_moves_the_slider_to_where_it_is(visiting: OpenVisit) -> None:
    page = visiting(viewport=PHONE, has_touch=True, is_mobile=True).page
    card = send(page, CAT, "油画")
    is_repainted(card)
    slider = card.get_by_role("slider")
    box = slider.bounding_box()
    assert box is not None
    page.touchscreen.tap(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)

    expect(slider).to_have_value(re.compile("^2[456]$"))


def test_times_tick_outside_of_what_is_spoken(page: Page) -> None:
    clock = page.locator("#sweep-next .clock")
    expect(clock).to_contain_text("in ")
    expect(clock).not_to_have_text(clock.inner_text())

    assert (
        0 == page.locator("[role=status] .clock, [role=alert] .clock, [aria-live] .clock").count()
    )


def test_dark_and_light_follow_the_system(visiting: OpenVisit) -> None:
    dark, light = (visiting(color_scheme=scheme).page for scheme in ("dark", "light"))

    assert is_dark(dark, "backgroundColor")
    assert not is_dark(dark, "color")
    assert not is_dark(light, "backgroundColor")
    assert is_dark(light, "color")
    dark.emulate_media(color_scheme="light")
    assert not is_dark(dark, "backgroundColor")


def is_dark(page: Page, colour: str) -> bool:
    written: str = page.locator("body").evaluate(f"node => getComputedStyle(node).{colour}")
    return max(map(int, re.findall(r"\d+", written)[:3])) < 64


def test_nothing_is_loaded_from_elsewhere(browser: Browser, cloud: Cloud) -> None:
    with Visit(browser, cloud.console.address) as visit:
        is_repainted(send(visit.page, CAT, "油画"))
        expect(visit.page.locator(".uris a")).to_have_count(0)

    assert visit.requested
    assert {cloud.console.address} == {"/".join(url.split("/")[:3]) for url in visit.requested}
