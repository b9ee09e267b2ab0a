"""A real browser: the system's chromium, driven by Playwright; and what a page says in it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

REQUIRED = "REPAINT_BROWSER_REQUIRED"
REBOUND = "rebound.example.com"
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A name that is not this machine's and leads to it: what a rebound name looks like.
    f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1",
)
# Long enough for a busy machine: nothing here is a measurement.
PATIENCE_MILLISECONDS = 90_000

expect.set_options(timeout=PATIENCE_MILLISECONDS)


def find() -> str | None:
    """Return where a browser is installed; None where none is."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


def missing() -> str:
    """Say what is missing, and how to get it."""
    return (
        f"No browser is installed (none of {', '.join(_NAMES)} is on the path): "
        "on Debian, 'apt-get install chromium' brings one."
    )


def needed() -> None:
    """Skip what needs a browser where none is; fail where .ci/run says that one has to be."""
    if find() is None:
        (pytest.fail if os.environ.get(REQUIRED) else pytest.skip)(missing())


@contextmanager
def running() -> Iterator[Browser]:
    """Run the browser that `find` finds."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """One reader's visit of the console at `address`, and everything that went wrong in it.

    `options` are those of `Browser.new_context`. On leaving, raises AssertionError if the page
    asked another origin for anything, or the browser reported an error that was not forgiven.
    """

    def __init__(self, browser: Browser, address: str, **options: Any) -> None:
        defaults = {"locale": "en-GB", "viewport": {"width": 1280, "height": 900}}
        self._context = browser.new_context(**{**defaults, **options})
        self._context.set_default_timeout(PATIENCE_MILLISECONDS)
        self._address = address
        self._forgiven: list[str] = []
        self.errors: list[str] = []
        self.requested: list[str] = []
        self.page: Page = self._context.new_page()
        self.page.on("request", lambda request: self.requested.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda said: self._note(said.type, said.text))

    def forgive(self, part: str) -> None:
        """Expect errors that hold `part`."""
        self._forgiven.append(part)

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.errors.append(text)

    def __enter__(self) -> Self:
        self.page.goto(self._address)
        expect(self.page.locator("#connection")).to_have_attribute("data-tone", "good")
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._context.close()
        if error is None:
            unforgiven = [e for e in self.errors if not any(part in e for part in self._forgiven)]
            assert [] == unforgiven
            assert [] == [url for url in self.requested if not url.startswith(self._address)]
