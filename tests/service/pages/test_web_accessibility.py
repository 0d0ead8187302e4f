"""The pages on a desk and on a phone, with a screen reader (as axe-core judges it) and with the keyboard alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from tests.service.browser import DESK, PHONE, follow, visiting
from tests.service.pages.actions import csv, open_product

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page
    from tests.framework.server import Server
    from tests.service.pages.actions import NewProduct

AXE = Axe()
PAGES = ("/", "/?q=nothing", "/products/1", "/products/new", "/products/1/edit", "/products/1/delete", "/low-stock",
         "/reservations", "/import", "/login", "/nowhere")  # fmt: skip


def refuse_a_delivery(page: Page) -> None:
    page.goto("/products/1")
    page.locator("summary", has_text="Take in a delivery").click()
    page.locator("details[open]").get_by_label("Quantity").fill("many")
    follow(page.get_by_role("button", name="Add to stock"))
    assert page.get_by_role("alert").count() == 1


def refuse_a_product(page: Page) -> None:
    page.goto("/products/new")
    follow(page.locator("main form button"))
    assert page.get_by_role("alert").count() == 1


def preview_an_import(page: Page) -> None:
    page.goto("/import")
    page.locator("#import-file").set_input_files(
        [csv("sku,name,price,stock_level\nKB-MECH-87,,1.5,7\nX-9,Ladder,1,3\n")]
    )
    follow(page.get_by_role("button", name="Show what would happen"))
    assert page.locator("tbody tr").count() == 2


def refuse_an_import(page: Page) -> None:
    page.goto("/import")
    page.locator("#import-file").set_input_files([csv("sku,name,stock_level\nX-1,Ladder,three\n")])
    follow(page.get_by_role("button", name="Show what would happen"))
    assert page.get_by_role("alert").count() == 1


def assert_fit(page: Page, width: int) -> None:
    """axe-core's rules of WCAG 2.2 AA, with all that can be unfolded unfolded; axe looks at nothing that is hidden."""
    page.evaluate(
        "document.querySelectorAll('details').forEach(each => { each.removeAttribute('name'); each.open = true })"
    )
    assert page.locator("details:not([open])").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("script, [onclick], [style]").count() == 0
    rules = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]
    # What passed would be described element by element, which takes longer than the check.
    found = AXE.run(page, options={"runOnly": rules, "resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_report()


def assert_fits_all(page: Page) -> None:
    """Check a page on a desk and, after that, as it is laid out anew on a phone."""
    for width, height in (DESK, PHONE):
        page.set_viewport_size({"width": width, "height": height})
        assert_fit(page, width)


def assert_each_element_is_fit(browser: Browser, server: Server, path: str) -> None:
    """By axe, which is JavaScript of the test; the page has none, and asks nobody else for anything."""
    with visiting(browser, server.url, java_script_enabled=True, bypass_csp=True) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path)
        assert_fits_all(page)
        assert [url for url in asked if not url.startswith(server.url)] == []


@pytest.mark.parametrize("path", PAGES)
def test_each_page_is_fit_for_phones_and_for_screen_readers(browser: Browser, server: Server, path: str) -> None:
    assert_each_element_is_fit(browser, server, path)


@pytest.mark.parametrize(
    "server", [pytest.param("sqlite", marks=pytest.mark.xdist_group("web-pages-sqlite"))], indirect=True
)
def test_the_page_of_the_api_is_as_fit(browser: Browser, server: Server) -> None:
    """Once: it is the same on each kind of database (test_api_docs.py), and axe takes half a minute for it."""
    assert_each_element_is_fit(browser, server, "/docs")


@pytest.mark.parametrize("send", [refuse_a_delivery, refuse_a_product, preview_an_import, refuse_an_import])
def test_each_answer_to_a_form_is_as_fit(browser: Browser, server: Server, send: Callable[[Page], None]) -> None:
    with visiting(browser, server.url, java_script_enabled=True, bypass_csp=True) as page:
        send(page)
        assert_fits_all(page)


def test_everything_can_be_reached_with_the_keyboard(page: Page, product: NewProduct) -> None:
    lamp = product()
    open_product(page, lamp)
    names = []
    for _ in range(40):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        if focused.count() == 0:
            break
        names.append(focused.inner_text() or focused.get_attribute("aria-label") or "")
    assert names[0] == "Skip to the content"
    for action in ("Products", "Low stock", "Import", "Edit", "Take in a delivery", "Adjust", "Count", "Undo"):
        assert action in names, names
    page.locator("summary", has_text="Take in a delivery").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("4")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.locator(".figures dd").first.inner_text() == "24"
