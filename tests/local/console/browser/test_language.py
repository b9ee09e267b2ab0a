"""English and Chinese: which one it is, and that neither lacks a word."""

import re
from typing import Any

from playwright.sync_api import Page, expect

from local.cloud import ROOT
from shared.clients.imagex_errors import MODEL, Verdict
from shared.ledger import Cause
from tests.local.console.browser.conftest import OpenVisit
from tests.local.console.browser.pages import CAT

STATIC = ROOT / "local" / "console" / "static"


def test_the_language_follows_the_browser_and_the_switch_is_remembered(
    visiting: OpenVisit,
) -> None:
    page = visiting(locale="zh-CN").page
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.get_by_role("heading", name="队列")).to_be_visible()

    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.get_by_role("heading", name="Queue")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Queue")).to_be_visible()

    expect(visiting(locale="fr-FR").page.locator("html")).to_have_attribute("lang", "en")


def test_why_an_upload_failed_is_told_in_the_readers_language(visiting: OpenVisit) -> None:
    page = visiting(locale="zh-CN").page
    page.locator("#files").set_input_files(CAT)
    page.get_by_label("提示词", exact=True).fill("[refuse]")
    page.get_by_role("button", name="重绘").click()

    reason = page.locator("article .reason")
    expect(reason).to_contain_text("提示词没有通过模型的审核")
    page.get_by_role("button", name="English").click()
    expect(reason).to_contain_text("The prompt did not pass the model's review")


def test_both_languages_have_the_same_texts_with_the_same_places(page: Page) -> None:
    english, chinese = (texts(page, name) for name in ("en", "zh"))

    assert len(english) > 100
    assert list(english) == list(chinese)
    places = re.compile(r"\{(\w+)\}")
    for name, text in english.items():
        if text is not None and chinese[name] is not None:
            assert sorted(places.findall(text)) == sorted(places.findall(chinese[name])), name
            assert text != chinese[name], name


def test_every_text_that_the_page_asks_for_is_there(page: Page) -> None:
    english = texts(page, "en")
    fixed = page.locator("[data-text]").evaluate_all("nodes => nodes.map(n => n.dataset.text)")
    asked = [
        name
        for script in STATIC.glob("*.js")
        for name in re.findall(r"""\bt\("([\w.-]+)\"""", script.read_text("utf-8"))
    ]

    assert fixed
    assert asked
    assert [] == sorted({*fixed, *asked} - english.keys())


def test_what_ends_or_parks_an_upload_has_words_in_both_languages(page: Page) -> None:
    told = {name.removeprefix("why.") for name in texts(page, "en") if name.startswith("why.")}
    by_review = ("504", "505", "602")
    review = {code for code in MODEL if code.startswith(by_review)}
    waited_out = {Verdict.THROTTLED, Verdict.UNKNOWN}
    ends = {code for code in review if MODEL[code] not in waited_out}

    assert ends
    assert ends <= told
    assert {cause.value for cause in Cause} <= told
    assert {name for name in told if name.isdigit()} <= MODEL.keys()


def texts(page: Page, name: str) -> dict[str, Any]:
    """Return a language's texts; None for those that depend on a number."""
    found: dict[str, Any] = page.evaluate(
        """async (name) => {
          const texts = (await import(`/static/texts-${name}.js`))[name];
          const plain = ([key, text]) => [key, typeof text === "string" ? text : null];
          return Object.fromEntries(Object.entries(texts).map(plain));
        }""",
        name,
    )
    return found
