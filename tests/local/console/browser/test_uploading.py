"""Pictures go in by dropping, choosing and pasting; what became of them is shown."""

import base64
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from local.cloud import Cloud
from tests.local.console.browser.chromium import Visit
from tests.local.console.browser.conftest import OpenVisit
from tests.local.console.browser.pages import (
    CAT,
    COFFEE,
    balance,
    drop,
    is_at,
    is_repainted,
    send,
)

_PASTE = """
(encoded) => {
  const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
  const clipboardData = new DataTransfer();
  clipboardData.items.add(new File([bytes], "pasted.png", { type: "image/png" }));
  const event = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
  document.activeElement.dispatchEvent(event);
}
"""


def test_a_photograph_that_is_dropped_with_a_chinese_prompt_is_repainted(
    page: Page, cloud: Cloud
) -> None:
    drop(page, CAT)
    expect(page.get_by_label("Prompt", exact=True)).to_be_focused()
    page.keyboard.insert_text("水彩画，柔和的晨光")
    page.get_by_role("button", name="Repaint").click()

    card = page.get_by_role("article", name="chelsea.png")
    is_repainted(card)
    expect(card).to_contain_text("水彩画，柔和的晨光")
    expect(card).to_contain_text("1 attempt · 1 delivery")
    expect(card.locator(".figures .clock")).to_have_text(re.compile(r"^[\d.]+ s$"))
    balance(page, 1, 1)
    (charge,) = cloud.billing.charges()
    assert "水彩画，柔和的晨光" == charge.prompt
    expect(card.locator(".uris li").first).to_contain_text(charge.store_uri)
    expect(page.locator("#staged li")).to_have_count(0)
    expect(page.locator("#announcer")).to_have_text("chelsea.png: Generated.")


def test_several_pictures_go_with_one_prompt_and_the_settings_under_more(
    page: Page, cloud: Cloud
) -> None:
    drop(page, CAT, COFFEE)
    page.get_by_label("Prompt", exact=True).fill("素描")
    page.locator("summary", has_text="Seed, scale, steps").click()
    page.get_by_label("Seed").fill("7")
    page.get_by_label("Scale").fill("9.5")
    page.get_by_label("Steps").fill("12")
    page.get_by_role("button", name="Repaint").click()

    for name in (CAT.name, COFFEE.name):
        card = page.get_by_role("article", name=name)
        is_repainted(card)
        expect(card).to_contain_text("Seed 7 · Scale 9.5 · Steps 12")
    assert [("素描", 7)] * 2 == [(c.prompt, c.seed) for c in cloud.billing.charges()]


def test_a_picture_can_be_pasted_and_left_out_again(page: Page) -> None:
    page.get_by_label("Prompt", exact=True).focus()
    page.evaluate(_PASTE, base64.b64encode(CAT.read_bytes()).decode())
    expect(page.locator("#staged li")).to_have_text(["pasted.png×"])

    page.get_by_role("button", name="Leave out pasted.png").click()
    expect(page.locator("#staged li")).to_have_count(0)
    expect(page.locator("#files")).to_be_focused()


def test_a_prompt_that_is_refused_shows_why_and_can_be_run_again(page: Page) -> None:
    card = send(page, CAT, "[refuse] a cat")

    is_at(card, "rejected")
    expect(card.locator(".reason p")).to_have_text(
        [
            "The prompt did not pass the model's review: write another one.",
            "50412: Text Risk Not Pass",
        ]
    )
    expect(card.locator(".badge")).to_have_text("Rejected")
    card.get_by_text("Attempts · 1").click()
    attempt = card.locator(".fold[open] li")
    expect(attempt.locator("strong")).to_have_text("1 · refused")
    expect(attempt.locator("p")).to_have_text("50412 Text Risk Not Pass")
    balance(page, 0, 0)

    card.get_by_role("button", name="Run chelsea.png again").click()
    expect(page.locator("article")).to_have_count(2)
    is_at(page.locator("article").first, "rejected")
    expect(page.locator("article").first).to_contain_text("run again")


def test_a_picture_without_a_prompt_is_warned_about_sent_all_the_same_and_skipped(
    page: Page,
) -> None:
    page.locator("#files").set_input_files(CAT)
    expect(page.locator("#prompt-hint")).to_contain_text("will be skipped")
    page.get_by_role("button", name="Repaint").click()

    card = page.locator("article").first
    is_at(card, "skipped")
    expect(card.locator(".reason p")).to_have_text(
        [
            "Nothing is generated without a prompt: write one, and add the picture again.",
            re.compile("^There is no prompt: set x-tos-meta-prompt"),
        ]
    )


def test_what_is_no_picture_is_told_in_words(page: Page, tmp_path: Path) -> None:
    text, liar = tmp_path / "notes.txt", tmp_path / "liar.png"
    text.write_text("no picture")
    liar.write_text("no picture either")

    page.get_by_role("button", name="Repaint").click()
    expect(page.locator("#form-problem")).to_contain_text("Choose a picture first")
    expect(page.locator("#files")).to_be_focused()

    page.locator("#files").set_input_files(text)
    expect(page.locator("#form-problem")).to_have_text(
        "notes.txt is not a picture; it was left out."
    )

    card = send(page, liar, "油画")
    is_at(card, "rejected")
    expect(card.locator(".broken")).to_have_text("This file cannot be shown as a picture.")
    expect(card.locator(".reason")).to_contain_text("50207")


def test_an_empty_file_is_refused_beside_the_form_and_stays_chosen(
    visit: Visit, tmp_path: Path
) -> None:
    visit.forgive("Failed to load resource")
    empty = tmp_path / "empty.png"
    empty.touch()
    visit.page.locator("#files").set_input_files(empty)
    visit.page.get_by_role("button", name="Repaint").click()

    expect(visit.page.locator("#form-problem")).to_contain_text("empty.png: ")
    expect(visit.page.locator("#staged li")).to_have_count(1)
    expect(visit.page.locator("article")).to_have_count(0)


def test_the_samples_give_four_results(page: Page) -> None:
    expect(page.locator("#welcome img")).to_have_count(4)
    page.get_by_role("button", name="Try these four").click()

    expect(page.locator("article[data-stage=generated]")).to_have_count(4)
    for card in page.locator("article").all():
        is_repainted(card)
    balance(page, 4, 4)
    expect(page.locator("#welcome")).to_be_hidden()


def test_the_comparison_can_fill_the_screen_and_shrink_again(page: Page) -> None:
    card = send(page, CAT, "油画")
    is_repainted(card)
    larger = card.get_by_role("button", name="Show chelsea.png on the whole screen")
    is_large = "() => document.fullscreenElement?.className === 'compare'"

    larger.click()
    page.wait_for_function(is_large)
    expect(larger).to_have_attribute("aria-pressed", "true")
    slider = card.get_by_role("slider")
    slider.press("End")
    expect(slider).to_have_value("100")
    larger.click()
    page.wait_for_function(f"() => !({is_large})()")
    expect(larger).to_have_attribute("aria-pressed", "false")


def test_addresses_are_copied_and_the_log_can_be_read(visiting: OpenVisit, cloud: Cloud) -> None:
    page = visiting(permissions=["clipboard-read", "clipboard-write"]).page
    card = send(page, CAT, "油画")
    is_at(card, "generated")
    (charge,) = cloud.billing.charges()

    card.get_by_role("button", name="Copy Store URI of chelsea.png").click()
    expect(page.get_by_text("Store URI copied.")).to_be_visible()
    assert charge.store_uri == page.evaluate("navigator.clipboard.readText()")

    card.get_by_text("Log · 4 lines").click()
    lines = card.locator(".fold[open] li")
    expect(lines.locator("strong")).to_have_text(
        ["upload.claimed", "attempt.sent", "image.generated", "delivery.finished"]
    )
    expect(lines.nth(2)).to_contain_text(charge.store_uri)


def test_a_new_upload_and_later_news_leave_what_the_reader_opened_and_moved(
    page: Page, cloud: Cloud
) -> None:
    first = page.get_by_role("article", name="chelsea.png")
    send(page, CAT, "油画")
    is_repainted(first)
    slider = first.get_by_role("slider", name="Compare chelsea.png before and after")
    slider.fill("20")
    cloud.faults.replace(cloud.faults.settings.model_copy(update={"latency_seconds": 2.0}))
    second = send(page, COFFEE, "素描")
    is_at(second, "working")
    second.get_by_text("Log · ").click()
    expect(second.locator(".fold[open] summary")).to_be_focused()

    is_repainted(second)
    expect(second.locator(".fold[open] summary")).to_be_focused()
    expect(second.locator(".fold[open] li").last).to_contain_text("delivery.finished")
    expect(slider).to_have_value("20")
    expect(slider).to_have_attribute("aria-valuetext", "20 % before")
