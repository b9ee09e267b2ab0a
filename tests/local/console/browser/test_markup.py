"""What uploads bring along is text to the page, whatever it looks like."""

from pathlib import Path

from playwright.sync_api import Page, expect

from local.cloud import UPLOADS_BUCKET, Cloud
from local.imagex import FaultSettings
from tests.local.console.browser.pages import CAT, is_at, is_repainted, send


def test_markup_in_a_name_or_a_prompt_is_text_wherever_it_is_shown(
    page: Page, tmp_path: Path
) -> None:
    hostile = tmp_path / "<img src=x onerror=alert(1)>.png"
    hostile.write_bytes(CAT.read_bytes())
    prompt = "<b onclick=alert(2)>[not-activated]</b>"
    card = send(page, hostile, prompt)

    is_at(card, "deferred")
    expect(card.locator(".prompt")).to_have_text(prompt)
    expect(card.get_by_role("heading")).to_have_text(hostile.name)
    expect(page.locator("#ledger-records .item-name")).to_have_text(hostile.name)
    page.get_by_role("button", name=f"Run {hostile.name} again").click()
    expect(page.locator("#ledger-records .item-name")).to_have_text([hostile.name] * 2)
    assert 0 == page.locator("[onerror], [onclick], [src=x]").count()


def test_markup_in_the_key_of_an_object_is_text_too(page: Page, cloud: Cloud) -> None:
    cloud.faults.replace(FaultSettings(latency_seconds=2.0))
    name = "<img src=x onerror=alert(1)>"
    cloud.runtime().storage(None).put(
        UPLOADS_BUCKET,
        f"uploads/<script>alert(2)<-script>/{name}.png",
        CAT.read_bytes(),
        content_type="image/png",
        metadata={"prompt": "%3Ci%20onclick%3Dalert(3)%3E"},
    )

    expect(page.locator("[data-list=in_flight] .item-name")).to_have_text(f"{name}.png")
    card = page.locator("article").first
    is_repainted(card)
    expect(card.get_by_role("heading")).to_have_text(f"{name}.png")
    expect(card.locator(".prompt")).to_have_text("<i onclick=alert(3)>")
    assert 0 == page.locator("[onerror], [onclick], [src=x], main script").count()
