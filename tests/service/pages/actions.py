"""What the tests of the pages do on a page, and what they ask the API about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page
    from tests.framework.server import Server

    Product = dict[str, Any]
    #: Creates a product over the API, with these fields.
    NewProduct = Callable[..., Product]


def stock_of(server: Server, product: Product) -> int:
    return int(server.get(f"/api/products/{product['id']}").json()["product"]["stock_level"])


def movements(server: Server, product: Product) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = server.get(f"/api/products/{product['id']}/movements").json()["movements"]
    return listed


def open_product(page: Page, product: Product, action: str = "") -> None:
    page.goto(f"/products/{product['id']}")
    if action:
        page.locator("summary", has_text=action).click()


def csv(text: str) -> dict[str, Any]:
    return {"name": "autumn.csv", "mimeType": "text/csv", "buffer": text.encode()}
