"""A real browser: Debian's Chromium, headless, with a profile of its own. It sends requests to the service only."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright
from tests.framework.server import DEADLINE

from devcluster import preflight

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Locator, Page

CHROMIUM = "/usr/bin/chromium"
DESK, PHONE = (1280, 900), (360, 740)

_FLAGS = [
    "--no-sandbox",  # it runs as root here, on pages of ours only
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def running() -> Iterator[Browser]:
    preflight.require_packages({CHROMIUM: "chromium"})
    with (
        # Its crash handler may write there a little longer than it lives itself.
        tempfile.TemporaryDirectory(prefix="inventory-chromium-", ignore_cleanup_errors=True) as folder,
        sync_playwright() as playwright,
    ):
        # A profile of its own in each context, and the browser's own files (crash reports) beside them.
        environment: dict[str, str | float | bool] = {
            "HOME": folder,
            "XDG_CONFIG_HOME": folder,
            "XDG_CACHE_HOME": folder,
        }
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, headless=True, args=_FLAGS, env=environment, timeout=1000 * DEADLINE
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visiting(browser: Browser, url: str, size: tuple[int, int] = DESK, **options: Any) -> Iterator[Page]:
    """Open a page without JavaScript (unless asked for), that complains of what the Content-Security-Policy blocks."""
    width, height = size
    settings = {"java_script_enabled": False, "base_url": url, "viewport": {"width": width, "height": height}}
    context: BrowserContext = browser.new_context(**(settings | options))
    context.set_default_timeout(1000 * DEADLINE)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    try:
        yield page
        assert not [each for each in complaints if "Content Security Policy" in each], complaints
    finally:
        context.close()


def follow(control: Locator) -> None:
    """Click a link or the button of a form, and wait until the page that it leads to is there."""
    with control.page.expect_navigation():
        control.click()
