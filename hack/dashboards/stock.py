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

EACH = "namespace, stack, product_id, product_name, sku"
#: These two keep the job of what they record.
JOB = 'job=~"$job"'
STOCK = f"max by ({EACH}) ({recorded('inventory:product_stock_level', JOB)})"
THRESHOLD = f"max by ({EACH}) ({recorded('inventory:product_low_stock_threshold', JOB)})"
MARGIN = f"{STOCK} - {THRESHOLD}"


def nearest(products: int) -> str:
    """Return the products that are the most below their threshold, or the least above it, with how much."""
    return f"bottomk({products}, {MARGIN})"


def among(values: str, products: int) -> str:
    """Return the values of the nearest products."""
    return f"{values} and {nearest(products)}"


def stock() -> Iterator[Panel]:
    """Yield what is in stock."""
    yield listing(
        "What is low",
        "The 25 products that are the most below their threshold (red), at it (orange), or nearest to it (green).",
        Rows({"product_name": "Product", "sku": "SKU"}, hidden=["namespace", "stack", "product_id"]),
        Column("Above threshold", "none", nearest(25), thresholds((None, "red"), (0, "orange"), (1, "green"))),
        Column("Stock", "none", among(STOCK, 25), thresholds((None, "red"), (1, "text"))),
        Column("Threshold", "none", among(THRESHOLD, 25)),
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
            "Units in stock of the 10 products nearest to their threshold; the dashed line is the threshold.",
            "none",
            [
                query(among(STOCK, 10), "{{product_name}} ({{sku}})"),
                query(among(THRESHOLD, 10), "{{product_name}} ({{sku}}): threshold"),
            ],
            24,
        ),
        ": threshold$",
    ).height(10)
