"""The part of the overview about stock: what is low against the threshold of each product.

It never counts a product twice: every replica exports the same numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.panels import graph, levels, query, query_now, runbook, thresholds, with_dashes
from dashboards.promql import product, recorded
from dashboards.tables import Column, Rows, listing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dashboards.panels import Panel

STOCK = "inventory:product_stock_level"
THRESHOLD = "inventory:product_low_stock_threshold"
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
    each = "max by (product_name, sku)"
    ratio = (
        f"{each} ({product('product_stock_level')}) / clamp_min({each} ({product('product_low_stock_threshold')}), 1)"
    )
    yield levels(
        "Stock level against the threshold",
        "The 25 products with the least stock for their threshold: at 100 % and below one is low, at 0 % it is out.",
        "percentunit",
        query_now(f"bottomk(25, {ratio})", "{{product_name}} ({{sku}})"),
        thresholds((None, "red"), (0.001, "orange"), (1.001, "green")),
    ).max(3)
    yield with_dashes(
        graph(
            "Stock level over time",
            "Units in stock of the 10 products that are nearest to their threshold now; dashed is the threshold.",
            "none",
            [
                query(f"{of_products(STOCK)} and {nearest(10, AT_THE_END)}", "{{product_name}} ({{sku}})"),
                query(
                    f"{of_products(THRESHOLD)} and {nearest(10, AT_THE_END)}", "{{product_name}} ({{sku}}): threshold"
                ),
            ],
            24,
        ),
        ": threshold$",
    ).height(10)
