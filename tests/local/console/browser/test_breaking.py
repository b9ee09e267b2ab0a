"""What is broken on the page, or from elsewhere, breaks; and the page shows it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from local.cloud import Cloud, Ports
from local.imagex import FaultSettings
from local.vefaas.runtime import DeliverySettings
from tests.local.console.browser.chromium import Visit
from tests.local.console.browser.pages import CAT, balance, is_at, is_repainted, send, until


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """A cloud whose leases end soon, and which tries again for longer than a lease lasts."""
    settings = {"VEIMAGEX_TIMEOUT_SECONDS": "6", "VEIMAGEX_SETTLE_SECONDS": "2"}
    delivery = DeliverySettings(retry_delays=[2.0])
    faults = FaultSettings(latency_seconds=0.0)
    folder = tmp_path / "cloud"
    with Cloud(folder, faults=faults, delivery=delivery, environment=settings) as cloud:
        yield cloud


def test_a_worker_killed_in_the_middle_of_a_generation_costs_one_charge(
    page: Page, cloud: Cloud
) -> None:
    page.get_by_label("Latency of the model").fill("4")
    expect(page.locator(".fault output").first).to_have_text("4 s")
    until(page, lambda: cloud.faults.settings.latency_seconds == 4.0)

    card = send(page, CAT, "水彩画")
    expect(card).to_contain_text("1 attempt")
    page.get_by_role("button", name="Kill the worker now").click()
    expect(page.locator("#kill-state")).to_contain_text("killed 1 time")
    expect(page.locator("[data-list=delayed]")).to_contain_text("of 10")

    is_repainted(card)
    assert 1 == len(cloud.billing.charges())
    balance(page, 1, 1)
    expect(page.locator("article")).to_have_count(1)
    expect(page.locator("#ledger-none")).to_be_visible()


def test_what_is_set_elsewhere_shows_on_the_sliders(page: Page, cloud: Cloud) -> None:
    cloud.faults.replace(FaultSettings(latency_seconds=1.5, qps=5, lose_answer=0.25))

    expect(page.get_by_label("Latency of the model")).to_have_value("1.5")
    expect(page.get_by_label("Limit of calls a second")).to_have_value("5")
    expect(page.get_by_label("Lost answers")).to_have_value("25")
    expect(page.locator(".fault output")).to_have_text(
        ["1.5 s", "5 a second", "25 %", "off", "off", "off", "off"]
    )


def test_every_slider_reaches_the_cloud_and_reset_puts_all_back(page: Page, cloud: Cloud) -> None:
    page.get_by_label("Limit of calls a second").fill("9")
    for label in ("Lost answers", "Late commits", "Throttling", "Server errors", "Duplicate"):
        page.get_by_label(label).fill("10")
    until(page, lambda: cloud.platform.queue.settings.duplicate_probability == 0.1)
    page.reload()
    expect(page.locator(".fault output")).to_have_text(
        ["0 s", "9 a second", "10 %", "10 %", "10 %", "10 %", "10 %"]
    )
    settings = cloud.faults.settings
    assert (9, 0.1, 0.1) == (settings.qps, settings.lose_answer, settings.commit_late)
    assert 0.1 == settings.error_rates["50429"]

    page.get_by_role("button", name="Reset").click()
    expect(page.locator("#toast")).to_have_text("All faults are as they were at the start.")
    expect(page.locator(".fault[data-on]")).to_have_count(0)
    assert 0.0 == sum(cloud.faults.settings.shares().values())
    assert cloud.faults.settings.qps is None
    assert 0.0 == cloud.platform.queue.settings.duplicate_probability


def test_a_slider_under_the_mouse_stays_there_when_news_come_in(page: Page, cloud: Cloud) -> None:
    slider = page.get_by_label("Lost answers")
    box = slider.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    until(page, lambda: cloud.faults.settings.lose_answer > 0)
    cloud.faults.replace(FaultSettings(latency_seconds=9.0, lose_answer=0.1))
    expect(page.get_by_label("Latency of the model")).to_have_value("9")
    expect(slider).to_have_value(re.compile(r"^(49|50|51)$"))

    page.mouse.up()
    expect(slider).to_have_value("10")


def test_a_value_that_is_refused_is_told_and_the_slider_goes_back(
    visit: Visit, cloud: Cloud
) -> None:
    visit.forgive("400")
    page = visit.page
    page.get_by_label("Lost answers").fill("60")
    page.get_by_label("Late commits").fill("60")

    expect(page.locator("#fault-problem")).to_contain_text("more than 1 together")
    expect(page.get_by_label("Late commits")).to_have_value("0")
    assert 0.0 == cloud.faults.settings.commit_late


def test_what_is_parked_shows_in_the_ledger_and_the_sweep_runs_on_request(page: Page) -> None:
    card = send(page, CAT, "[not-activated] 油画")

    is_at(card, "deferred")
    expect(card.locator(".reason")).to_contain_text("50400")
    record = page.locator("#ledger-records li")
    expect(record).to_contain_text("chelsea.png")
    expect(record).to_contain_text("configuration")
    expect(record).to_contain_text("50400")

    page.get_by_role("button", name="Sweep now").click()
    expect(page.locator("#toast")).to_contain_text("unfinished 1")
    expect(page.locator("#sweep-last")).to_contain_text("Last sweep")
    expect(page.locator("#sweep-next")).to_contain_text("in ")


def test_what_stays_in_doubt_shows_beside_charges_without_an_image(
    browser: Browser, tmp_path: Path
) -> None:
    faults = FaultSettings(latency_seconds=0.0, charge_without_storing=1.0)
    settings = {"VEIMAGEX_TIMEOUT_SECONDS": "1", "VEIMAGEX_SETTLE_SECONDS": "1"}
    with (
        Cloud(tmp_path / "doubt", faults=faults, environment=settings) as cloud,
        Visit(browser, cloud.console.address) as visit,
    ):
        page = visit.page
        card = send(page, CAT, "油画")

        is_at(card, "in_doubt")
        expect(card.locator(".reason")).to_contain_text("left no image that can be found")
        expect(card).to_contain_text("3 attempts")
        record = page.locator("#ledger-records li")
        expect(record.locator(".badge")).to_have_text("in doubt")
        expect(record).to_contain_text("all attempts used")
        balance(page, 3, 0)
        expect(page.locator("#balance")).to_contain_text("3 more charged")


def test_the_queue_shows_what_is_in_flight_and_what_is_done(page: Page, cloud: Cloud) -> None:
    cloud.faults.replace(FaultSettings(latency_seconds=3.0))
    send(page, CAT, "油画")

    expect(page.locator("[data-list=in_flight]")).to_contain_text("chelsea.png")
    expect(page.locator("[data-list=in_flight]")).to_contain_text("first attempt")
    expect(page.locator("[data-count=in_flight] dd")).to_have_text("1")
    expect(page.locator("[data-count=done] dd")).to_have_text("1")
    expect(page.locator("[data-list=in_flight]")).to_be_hidden()


def test_an_event_is_retried_ten_times_and_then_shows_as_dropped(
    browser: Browser, tmp_path: Path
) -> None:
    # A ledger that is not there: every delivery fails before anything is written down.
    nowhere = {"REPAINT_LEDGER": "tos://nowhere/ledger/"}
    delivery = DeliverySettings(retry_delays=[0.3])
    with (
        Cloud(tmp_path / "cloud", delivery=delivery, environment=nowhere) as cloud,
        Visit(browser, cloud.console.address) as visit,
    ):
        page = visit.page
        card = send(page, CAT, "油画")
        expect(page.locator("[data-list=delayed]")).to_contain_text(re.compile(r"retry \d of 10"))
        is_at(card, "retrying")
        expect(card.locator(".reason")).to_contain_text("delivers the event again by itself")

        is_at(card, "dropped")
        expect(card.locator(".reason")).to_contain_text("The platform gave up on this event.")
        expect(card.locator(".reason")).to_contain_text("10 retries used up")
        expect(page.locator("[data-list=dropped]")).to_contain_text("retry 10 of 10")
        expect(page.locator("[data-count=dropped] dd")).to_have_text("1")
        expect(card.get_by_role("button", name="Run chelsea.png again")).to_be_visible()
        balance(page, 0, 0)


def test_lost_answers_show_as_charges_that_are_found_again(page: Page, cloud: Cloud) -> None:
    cloud.faults.replace(FaultSettings(latency_seconds=0.0, script=("lose_answer",)))
    card = send(page, CAT, "油画")

    is_repainted(card)
    assert 1 == len(cloud.billing.charges())
    card.get_by_text("Log · ").click()
    expect(card.locator(".fold[open]")).to_contain_text("attempt.unknown")


def test_a_cloud_that_has_gone_is_told_and_found_again_when_it_is_back(
    browser: Browser, tmp_path: Path
) -> None:
    folder = tmp_path / "coming-and-going"
    with Cloud(folder) as first:
        port, address = first.console.port, first.console.address
        visit = Visit(browser, address)
        visit.forgive("net::ERR_")
        with visit as visiting:
            page = visiting.page
            card = send(page, CAT, "油画")
            is_repainted(card)
            first.__exit__(None, None, None)
            expect(page.get_by_role("alert").first).to_contain_text("does not answer")
            expect(page.locator("#connection")).to_have_text("Gone")
            page.get_by_role("button", name="Try these four").click()
            expect(page.locator("#toast")).to_contain_text("does not answer")

            with Cloud(folder, ports=Ports(console=port)):
                expect(page.locator("#connection")).to_have_text("Live")
                expect(page.locator("#gone")).to_be_hidden()
                balance(page, 1, 1)
