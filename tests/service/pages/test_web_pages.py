"""The pages that show products, in a real Chromium without JavaScript."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import requests
from tests.framework.server import DEADLINE
from tests.service.browser import follow, visiting
from tests.service.pages.actions import open_product

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from tests.framework.server import Server
    from tests.service.pages.actions import NewProduct


def test_a_product_is_found_from_the_list(page: Page, product: NewProduct) -> None:
    wanted = product(name="Green teapot", sku="TEAPOT-GREEN")
    page.goto("/")
    page.get_by_label("Search by SKU or name").fill("green tea")
    follow(page.get_by_role("button", name="Show"))
    assert page.locator("caption").inner_text() == "1 product for “green tea”"
    follow(page.get_by_role("link", name="Green teapot"))
    assert page.url.endswith(f"/products/{wanted['id']}")
    assert page.locator("h1").inner_text() == "Green teapot"
    page.goto("/?q=teapot-gr")
    assert page.locator("tbody tr").count() == 1
    page.goto("/?q=no such thing")
    assert "No product matches." in page.locator("main").inner_text()


def test_only_what_is_low_and_in_order(page: Page, product: NewProduct) -> None:
    for level in (3, 0, 10, 11):
        product(name=f"Shade {level}", stock_level=level)
    page.goto("/?q=Shade")
    page.get_by_label("Low stock only").check()
    page.get_by_label("Sort by").select_option("Stock, smallest first")
    follow(page.get_by_role("button", name="Show"))
    rows = [row.inner_text() for row in page.locator("tbody tr").all()]
    assert [re.findall(r"Shade (\d+)", row)[0] for row in rows] == ["0", "3", "10"]
    assert ["Out of stock" in row for row in rows] == [True, False, False]
    assert "Low" in rows[1]
    assert page.get_by_label("Low stock only").is_checked()
    page.goto("/low-stock")
    text = page.locator("main").inner_text()
    assert "Shade 3" in text
    assert "Shade 11" not in text


def test_pages_of_the_list_hold_every_product_once(page: Page, product: NewProduct) -> None:
    for number in range(60):
        product(name=f"Bolt {number:02}")
    page.goto("/?q=Bolt")
    first = page.locator("tbody th a").all_inner_texts()
    follow(page.get_by_role("link", name="Next page"))
    second = page.locator("tbody th a").all_inner_texts()
    assert first + second == [f"Bolt {number:02}" for number in range(60)]
    follow(page.get_by_role("link", name="First page"))
    assert page.locator("tbody th a").all_inner_texts() == first


def test_the_plot_shows_the_ledger(page: Page, server: Server, product: NewProduct) -> None:
    lamp = product(stock_level=40, min_stock_threshold=10)
    for delta in (-35, 20):
        body = {"delta": delta, "reason": "sold"}
        requests.post(f"{server.url}/api/products/{lamp['id']}/adjust", json=body, timeout=DEADLINE)
    open_product(page, lamp)
    plot = page.locator("svg.plot.wide")
    assert plot.is_visible()
    assert not page.locator("svg.plot.narrow").is_visible()
    assert "from 0 before" in plot.locator("desc").text_content()
    assert "to 25 now, over 3 movements; the lowest level is 5, the highest 40." in plot.locator("desc").text_content()
    labels = {
        text.text_content(): float(text.get_attribute("y")) - 4
        for text in plot.locator("text.label[text-anchor=end]").all()
        if float(text.get_attribute("x")) < 60
    }
    scale = (labels["0"] - labels["40"]) / 40
    heights = [float(found) for found in re.findall(r"V([\d.]+)", plot.locator("path.line").get_attribute("d"))]
    assert [round((labels["0"] - height) / scale, 1) for height in heights] == [40, 5, 25]


def test_names_are_text_wherever_they_stand(page: Page, server: Server, product: NewProduct) -> None:
    evil = '<img src=x onerror="alert(1)"><b>Lamp</b>'
    lamp = product(name=evil, description="<script>alert(2)</script>", stock_level=1)
    body = {"delta": 1, "reason": "</td><script>alert(3)</script>"}
    requests.post(f"{server.url}/api/products/{lamp['id']}/adjust", json=body, timeout=DEADLINE)
    for path in ("/?q=onerror", f"/products/{lamp['id']}", f"/products/{lamp['id']}/edit", "/low-stock"):
        page.goto(path)
        assert page.locator("script, main img, main b").count() == 0, path
        assert evil in page.content().replace("&lt;", "<").replace("&gt;", ">").replace("&#34;", '"').replace(
            "&quot;", '"'
        )


def test_at_the_ingress_port_as_well(browser: Browser, server: Server) -> None:
    with visiting(browser, f"http://127.0.0.1:{server.ingress_port}") as page:
        page.goto("/")
        assert page.locator("tbody tr").count() > 5
        follow(page.get_by_role("link", name="The API behind these pages"))
        assert page.locator("h1").inner_text() == "Inventory service: API"
        assert page.goto("/metrics").status == 404
