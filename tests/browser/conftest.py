"""A Chromium for the tests, and sites to open in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
# Nothing that a browser does for itself: no sandbox that a container forbids, no updates, no traffic of its own.
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = next((path for name in _CHROMIUM if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=list(_FLAGS))
        yield started
        started.close()


class Watched:
    """A page with what it complained of, and whatever it asked for beyond the disk."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.left: list[str] = []
        self.page.on(
            "console", lambda message: self.complaints.append(message.text) if message.type == "error" else None
        )
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._asked)

    def _asked(self, request: Request) -> None:
        if not request.url.startswith(("file:", "data:", "blob:", "about:")):
            self.left.append(request.url)

    def open(self, path: Path, choices: str = "") -> Page:
        self.page.goto(f"{path.as_uri()}#{choices}")
        self.page.wait_for_load_state("load")
        return self.page


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    """A page of 1440 pixels; at the end it must not have complained, nor asked for anything beyond the disk."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    one = Watched(context)
    yield one
    context.close()
    assert not one.complaints
    assert not one.left
