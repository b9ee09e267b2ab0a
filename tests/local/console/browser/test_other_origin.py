"""A page on another origin cannot drive the console, though it runs in the same browser."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from local.cloud import Cloud
from local.server import Server
from tests.local.console.browser.chromium import PATIENCE_MILLISECONDS, REBOUND
from tests.local.console.browser.pages import CAT
from tests.local.console.client import Client

_POST = """
async ([address, body]) => {
  try {
    await fetch(address, { method: "POST", mode: "no-cors", body });
  } catch {
    // The browser may keep even the refusal from the page.
  }
}
"""
_READ = """
async (address) => {
  try {
    return await (await fetch(address)).text();
  } catch (error) {
    return "refused";
  }
}
"""
_FRAME = """
(address) => {
  const frame = document.createElement("iframe");
  frame.src = address;
  document.body.append(frame);
}
"""
_SHOW = """
(address) => new Promise((tell) => {
  const picture = new Image();
  picture.onload = picture.onerror = (event) => tell(event.type);
  picture.src = address;
})
"""
_SUBMIT = """
(address) => {
  const form = document.createElement("form");
  [form.action, form.method] = [address, "post"];
  document.body.append(form);
  form.submit();
}
"""


async def _page(_request: Request) -> HTMLResponse:
    return HTMLResponse("<!doctype html><title>elsewhere</title>")


@pytest.fixture
def elsewhere(browser: Browser) -> Iterator[Page]:
    with Server(Starlette(routes=[Route("/", _page)])) as server:
        context = browser.new_context()
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        page = context.new_page()
        page.goto(server.address)
        yield page
        context.close()


def test_its_requests_are_refused_and_nothing_happens(elsewhere: Page, cloud: Cloud) -> None:
    sent: list[str] = []
    elsewhere.on("request", lambda request: sent.append(request.url))
    console = cloud.console.address
    slow = cloud.faults.settings.model_copy(update={"latency_seconds": 3.0})
    cloud.faults.replace(slow)
    tried: list[tuple[str, Any]] = [
        ("/api/samples", None),
        ("/api/uploads?name=cat.png&prompt=x", CAT.read_bytes().decode("latin-1")),
        ("/api/sweep", None),
        ("/api/functions/repaint-upload/kill", None),
        ("/api/faults/reset", None),
    ]
    for path, body in tried:
        elsewhere.evaluate(_POST, [console + path, body])

    assert [console + path for path, _ in tried] == sent
    client = Client(console)
    state = client.state()
    client.close()
    assert ([], 0) == (state["uploads"], state["charges"]["charges"])
    assert [0] * len(state["functions"]) == [each["kills"] for each in state["functions"]]
    assert 3.0 == state["faults"]["latency_seconds"]


def test_it_reads_nothing(elsewhere: Page, cloud: Cloud) -> None:
    for path in ("/api/state", "/api/events", "/api/samples/coffee.png"):
        assert "refused" == elsewhere.evaluate(_READ, cloud.console.address + path)


def test_it_shows_no_picture_and_no_frame_of_it(elsewhere: Page, cloud: Cloud) -> None:
    console = cloud.console.address
    with elsewhere.expect_response(f"{console}/") as framed:
        elsewhere.evaluate(_FRAME, f"{console}/")

    assert 403 == framed.value.status
    assert "error" == elsewhere.evaluate(_SHOW, f"{console}/api/samples/coffee.png")


def test_a_form_that_it_submits_is_refused(elsewhere: Page, cloud: Cloud) -> None:
    with elsewhere.expect_navigation() as navigated:
        elsewhere.evaluate(_SUBMIT, f"{cloud.console.address}/api/samples")

    assert navigated.value is not None
    assert 403 == navigated.value.status
    assert [] == cloud.billing.charges()
    assert 0 == cloud.platform.queue.snapshot().done


def test_a_name_that_was_made_to_lead_here_opens_nothing(browser: Browser, cloud: Cloud) -> None:
    context = browser.new_context()
    page = context.new_page()
    rebound = f"http://{REBOUND}:{cloud.console.port}"
    opened = page.goto(rebound)
    # Its own origin by now: the browser lets it read, and the console has to be the one to refuse.
    asked = page.evaluate(
        "async (address) => (await fetch(address)).status", f"{rebound}/api/state"
    )
    context.close()

    assert opened is not None
    assert [403, 403] == [opened.status, asked]
