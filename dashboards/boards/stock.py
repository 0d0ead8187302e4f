"""The part of the overview about stock: what is low against the threshold of each product.

It never counts a product twice: every replica exports the same numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.boards.panels import graph, levels, query, query_now, runbook, thresholds, with_dashes
from dashboards.boards.promql import product, recorded
from dashboards.boards.tables import Column, Rows, listing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dashboards.boards.panels import Panel

STOCK = "inventory:product_stock_level"
THRESHOLD = "inventory:product_low_stock_threshold"
KINDS = ("stock_level", "low_stock_threshold")
EACH = "namespace, stack, product_id, product_name, sku"
#: Instead of at each point of a graph: the same products all along, found once.
AT_THE_END = " @ end()"


def of_products(metric: str, at: str = "") -> str:
    """Return a recorded series of products; these keep the job of what they record."""
    series = recorded(metric, 'job=~"$job"')
    return f"max by ({EACH}) ({series}{at})"


def nearest(products: int, at: str = "") -> str:
    """Return the products that are the most below their threshold, or the least above it, with how much."""
    return f"bottomk({products}, {of_products(STOCK, at)} - {of_products(THRESHOLD, at)})"


def stock() -> Iterator[Panel]:
    """Yield what is in stock."""
    yield listing(
        "What is low",
        "The 25 products that are the most below their threshold (red), at it (orange), or nearest to it (green).",
        Rows({"product_name": "Product", "sku": "SKU"}, hidden=["namespace", "stack", "product_id"]),
        Column("Above threshold", "none", nearest(25), thresholds((None, "red"), (0, "orange"), (1, "green"))),
        Column("Stock", "none", f"{of_products(STOCK)} and {nearest(25)}", thresholds((None, "red"), (1, "text"))),
        Column("Threshold", "none", f"{of_products(THRESHOLD)} and {nearest(25)}"),
    ).links(runbook("ProductLowStock", "ProductOutOfStock"))
    yield levels(
        "Stock level against the threshold",
        "The 25 products with the least stock for their threshold: at 100 % and below one is low, at 0 % it is out.",
        "percentunit",
        query_now(f"bottomk(25, {of_threshold()})", "{{product_name}} ({{sku}})"),
        thresholds((None, "red"), (0.001, "orange"), (1.001, "green")),
    ).max(3)
    yield over_time()


def of_threshold() -> str:
    """Return the stock of each product as a share of its threshold, which may be 0."""
    stock, threshold = (f"max by (product_name, sku) ({product(f'product_{kind}')})" for kind in KINDS)
    return f"{stock} / clamp_min({threshold}, 1)"


def over_time() -> Panel:
    """Return how stock went up and down, for those that are nearest to their threshold."""
    of_nearest = f"and {nearest(10, AT_THE_END)}"
    return with_dashes(
        graph(
            "Stock level over time",
            "Units in stock of the 10 products that are nearest to their threshold now; dashed is the threshold.",
            "none",
            [
                query(f"{of_products(STOCK)} {of_nearest}", "{{product_name}} ({{sku}})"),
                query(f"{of_products(THRESHOLD)} {of_nearest}", "{{product_name}} ({{sku}}): threshold"),
            ],
            24,
        ),
        ": threshold$",
    ).height(10)
