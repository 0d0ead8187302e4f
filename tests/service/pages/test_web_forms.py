"""The forms of the pages, in a real Chromium without JavaScript: what they change, and what they refuse."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import requests
from tests.framework.server import DEADLINE
from tests.service.browser import follow
from tests.service.pages.actions import csv, movements, open_product, stock_of

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from tests.framework.server import Server
    from tests.service.pages.actions import NewProduct, Product


def counted(server: Server, metric: str, product: Product) -> float:
    """Return what a counter says of one product."""
    mark = f'product_id="{product["id"]}"'
    lines = [line for line in server.get("/metrics").text.splitlines() if line.startswith(metric) and mark in line]
    [line] = lines
    return float(line.split()[-1])


def test_a_delivery(page: Page, server: Server, product: NewProduct) -> None:
    lamp = product()
    open_product(page, lamp, "Take in a delivery")
    page.get_by_label("Quantity").locator("visible=true").fill("12")
    page.get_by_label("Note (optional)").locator("visible=true").fill("Delivery 81")
    follow(page.get_by_role("button", name="Add to stock"))
    assert page.get_by_role("status").inner_text() == "The delivery was added to the stock."
    assert page.locator(".figures dd").first.inner_text() == "32"
    assert stock_of(server, lamp) == 32
    newest = movements(server, lamp)[0]
    assert (newest["kind"], newest["delta"], newest["reason"]) == ("restock", 12, "Delivery 81")
    assert server.get("/api/restocks").json()["restock_logs"][0]["product_id"] == lamp["id"]
    restocks = [
        line for line in server.get("/metrics").text.splitlines() if line.startswith("restock_operations_total")
    ]
    assert [line.split()[-1] for line in restocks if f'product_id="{lamp["id"]}"' in line] == ["1.0"]


def test_an_adjustment_and_its_undoing(page: Page, server: Server, product: NewProduct) -> None:
    lamp = product()
    open_product(page, lamp, "Adjust")
    page.get_by_label("Quantity").locator("visible=true").fill("15")
    page.get_by_label("Reason").locator("visible=true").fill("Broken in transport")
    follow(page.get_by_role("button", name="Adjust the stock"))
    assert stock_of(server, lamp) == 5
    assert page.locator(".badge").first.inner_text().lower() == "low"
    assert counted(server, "low_stock_alerts_total", lamp) == 1
    number = movements(server, lamp)[0]["id"]
    follow(page.get_by_role("button", name=f"Undo movement {number}"))
    assert page.get_by_role("status").inner_text() == "The movement was undone by an opposite one."
    assert stock_of(server, lamp) == 20
    assert "Undone by movement" in page.locator(f"#movement-{number}").inner_text()
    assert [movement["kind"] for movement in movements(server, lamp)] == ["reversal", "adjustment", "opening"]


def test_a_stock_take_of_what_somebody_else_changed(page: Page, server: Server, product: NewProduct) -> None:
    lamp = product()
    open_product(page, lamp, "Count")
    requests.post(f"{server.url}/api/products/{lamp['id']}/restock", json={"quantity": 1}, timeout=DEADLINE)
    page.get_by_label("Counted").fill("18")
    follow(page.get_by_role("button", name="Set the stock"))
    assert "Somebody changed this product" in page.get_by_role("alert").inner_text()
    assert page.get_by_label("Counted").input_value() == "18"
    assert stock_of(server, lamp) == 21
    follow(page.get_by_role("button", name="Set the stock"))
    assert stock_of(server, lamp) == 18


def test_what_is_wrong_stands_beside_its_field(page: Page, server: Server, product: NewProduct) -> None:
    lamp = product()
    open_product(page, lamp, "Adjust")
    page.get_by_label("Quantity").locator("visible=true").fill("21")
    page.get_by_label("Reason").locator("visible=true").fill("Sold at the market")
    follow(page.get_by_role("button", name="Adjust the stock"))
    error = page.locator("#adjust-quantity-error")
    assert "21" in error.inner_text() or "20" in error.inner_text()
    assert page.locator("#adjust-quantity").input_value() == "21"
    assert page.locator("#adjust-reason").input_value() == "Sold at the market"
    assert page.locator("#adjust-quantity").get_attribute("aria-invalid") == "true"
    page.locator("#adjust-quantity").fill("many")
    page.locator("#adjust-reason").fill("")
    follow(page.get_by_role("button", name="Adjust the stock"))
    assert page.locator(".field .error").count() == 2
    assert page.title().startswith("Error: ")
    assert (stock_of(server, lamp), len(movements(server, lamp))) == (20, 1)


def test_a_form_that_is_sent_twice_is_done_once(page: Page, server: Server, product: NewProduct) -> None:
    lamp = product()
    open_product(page, lamp, "Take in a delivery")
    page.get_by_label("Quantity").locator("visible=true").fill("5")
    key = page.locator("form[action$=restock] input[name=form_key]").get_attribute("value")
    follow(page.get_by_role("button", name="Add to stock"))
    address = f"{server.url}/products/{lamp['id']}/restock"
    again = {"quantity": "5", "notes": "", "form_key": key}
    answers = [requests.post(address, again, allow_redirects=False, timeout=DEADLINE) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [303] * 3
    assert stock_of(server, lamp) == 25
    other = requests.post(address, again | {"quantity": "6"}, timeout=DEADLINE)
    assert "This form was sent before with other values" in other.text
    assert stock_of(server, lamp) == 25


def test_a_product_is_made_changed_and_deleted(page: Page, server: Server) -> None:
    page.goto("/")
    follow(page.get_by_role("link", name="New product"))
    page.get_by_label("Name").fill("Kettle")
    page.get_by_label("SKU").fill("  kettle-1 ")
    page.get_by_label("Price").fill("12,50")
    follow(page.get_by_role("button", name=re.compile("Create")))
    assert page.locator("#product-price").get_attribute("aria-invalid") == "true"
    page.get_by_label("Price").fill("12.50")
    follow(page.get_by_role("button", name=re.compile("Create")))
    assert page.locator(".sku").first.inner_text() == "kettle-1"
    follow(page.get_by_role("link", name="Edit"))
    page.get_by_label("Name").fill("Kettle, red")
    follow(page.get_by_role("button", name="Save"))
    assert page.locator("h1").inner_text() == "Kettle, red"
    follow(page.get_by_role("link", name="Edit"))
    follow(page.get_by_role("link", name=re.compile("Delete")))
    follow(page.get_by_role("button", name=re.compile("Delete")))
    assert page.get_by_role("status").inner_text().startswith("The product was deleted")
    assert server.get("/api/products?q=kettle-1&limit=5").json()["products"] == []


def test_a_file_is_shown_before_it_is_imported(page: Page, server: Server, product: NewProduct) -> None:
    lamp = product(stock_level=20)
    sku = f"NEW-{lamp['id']}"
    page.goto("/import")
    page.locator("#import-file").set_input_files([csv(f"sku,name,stock_level\n{lamp['sku']},,7\n{sku},Ladder,3\n")])
    follow(page.get_by_role("button", name="Show what would happen"))
    assert page.locator(".figures dd").all_inner_texts() == ["1", "1", "0"]
    assert "20" in page.locator("del").first.inner_text()
    assert stock_of(server, lamp) == 20
    follow(page.get_by_role("button", name="Import now"))
    assert page.get_by_role("status").inner_text() == "Imported: 1 created, 1 changed, 0 unchanged."
    assert stock_of(server, lamp) == 7
    assert movements(server, lamp)[0]["kind"] == "count"
    assert server.get(f"/api/products?q={sku}&limit=5").json()["products"][0]["stock_level"] == 3


def test_a_file_with_mistakes_changes_nothing(page: Page, server: Server, product: NewProduct) -> None:
    lamp = product()
    page.goto("/import")
    page.locator("#import-file").set_input_files([csv(f"sku,name,stock_level\n{lamp['sku']},,7\nX-1,Ladder,three\n")])
    follow(page.get_by_role("button", name="Show what would happen"))
    text = page.locator("main").inner_text()
    assert "3" in page.locator("tbody tr").first.inner_text()
    assert "stock_level" in text
    assert page.get_by_role("button", name="Import now").count() == 0
    assert stock_of(server, lamp) == 20
    page.goto("/import")
    follow(page.get_by_role("button", name="Show what would happen"))
    assert "Choose a file" in page.get_by_role("alert").inner_text()
