"""The dashboard `inventory-overview`: what a person wants to know about one stack, at a glance.

It never knows a stack: what varies between stacks is a recorded series.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.boards.board import Frame, Row, render
from dashboards.boards.containers import chosen_container, containers
from dashboards.boards.panels import bars, graph, number, query, runbook, thresholds, with_limits
from dashboards.boards.promql import USERS, firing, or_zero, product_events, quantile, rate, recorded, service, share
from dashboards.boards.stock import stock
from inventory_operator.verification.excuses import NO_ERRORS, NO_TRAFFIC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dashboards.boards.board import Rendered
    from dashboards.boards.panels import Panel

REQUESTS = "http_requests_total"
FRAME = Frame(
    uid="inventory-overview",
    title="Inventory overview",
    description="The inventory service, its stock and its containers at a glance.",
    jobs="service|cadvisor",
    more=[chosen_container()],
)
ERRORS = thresholds((None, "green"), (0.001, "orange"), (0.01, "red"))
LATENCY = thresholds((None, "green"), (0.3, "orange"), (1, "red"))


def headline() -> Iterator[Panel]:
    """Yield six numbers that say whether a look at the rest is needed."""
    yield from serving()
    yield from wanting()


def serving() -> Iterator[Panel]:
    """Yield whether and how fast people are served."""
    yield number(
        "Service pods up",
        "Pods of the inventory service that Prometheus reached at its last scrape.",
        "none",
        or_zero(f"sum({service('up')})"),
        thresholds((None, "red"), (1, "green")),
    ).links(runbook("InventoryDown", "ServicePodDown"))
    yield number(
        "Requests",
        "Requests a second over the last five minutes, all endpoints and pods together, probes among them.",
        "reqps",
        f"sum({recorded('inventory:http_requests:rate5m')})",
        thresholds((None, "blue")),
    )
    yield number(
        "Response time (p95)",
        "95 of 100 requests of the last five minutes were faster than this; probes and scrapes do not count.",
        "s",
        or_zero(f"max({recorded('inventory:http_request_duration_seconds:p95_5m')} >= 0)"),
        LATENCY,
    ).links(runbook("ServiceSlow", "LatencyBudgetBurnFast"))


def wanting() -> Iterator[Panel]:
    """Yield what is not as it should be."""
    yield number(
        "Error ratio",
        "Share of the requests of the last five minutes that the service answered with a 5xx status.",
        "percentunit",
        or_zero(f"max({recorded('inventory:http_requests_errors:ratio_rate5m')})"),
        ERRORS,
    ).links(runbook("ServiceErrorsHigh", "AvailabilityBudgetBurnFast"))
    yield number(
        "Products low or out of stock",
        "Products whose stock is at or below their threshold, those without a series of their own among them.",
        "none",
        f"max({service('inventory_products_low_stock')})",
        thresholds((None, "green"), (1, "orange")),
    ).links(runbook("ProductLowStock", "ProductOutOfStock"))
    yield number(
        "Alerts firing",
        "Alerts that fire now, of any severity; Watchdog, which always fires, is not counted.",
        "none",
        or_zero(f"count({firing()})"),
        thresholds((None, "green"), (1, "red")),
    )


def latency() -> Iterator[Panel]:
    """Yield how long requests take."""
    buckets = service("http_request_duration_seconds_bucket", USERS)
    yield with_limits(
        graph(
            "Response time",
            "Half of all requests are faster than p50, 95 of 100 faster than p95; probes and scrapes do not count.",
            "s",
            [query(quantile(0.95, buckets), "p95"), query(quantile(0.5, buckets), "p50")],
        ),
        LATENCY,
    )
    yield graph(
        "Response time by endpoint (p95)",
        "95 of 100 requests to the endpoint are faster than this; it shows which one is slow.",
        "s",
        [query(f"{quantile(0.95, buckets, by='method, endpoint')} > 0", "{{method}} {{endpoint}}")],
    )


def requests(by: str, *only: str) -> str:
    """Return requests a second, all pods together."""
    return f"sum {by}({rate(service(REQUESTS, *only))})"


def traffic() -> Iterator[Panel]:
    """Yield how many requests come, and how many are not served."""
    yield graph(
        "Request rate by endpoint",
        "Requests a second for each endpoint that is asked, all pods together.",
        "reqps",
        [query(f"{requests('by (method, endpoint) ')} > 0", "{{method}} {{endpoint}}")],
        8,
    )
    yield graph(
        "Refused and failed requests",
        "Requests a second by status: 4xx was refused (wrong input, not found, too many), 5xx failed in the service.",
        "reqps",
        [query(requests("by (status) ", 'status=~"[45].."'), "{{status}}")],
        8,
    )
    ratios = {kind: share(requests("", USERS, f'status=~"{kind}.."'), requests("", USERS)) for kind in "54"}
    yield with_limits(
        graph(
            "Error ratio over time",
            "Share of the requests that failed (5xx) and that were refused (4xx); failures above red are urgent.",
            "percentunit",
            [query(ratio, f"{kind}xx") for kind, ratio in ratios.items()],
            8,
        ),
        ERRORS,
    )


def business() -> Iterator[Panel]:
    """Yield what happened to products; these counters come from the database, too."""
    yield bars(
        "Low-stock alerts",
        "How often a stock fell to its threshold, or to nothing, per interval; each crossing counts once.",
        "none",
        [
            query(f"sum({product_events('low_stock_alerts_total')})", "fell to the threshold"),
            query(f"sum({product_events('out_of_stock_alerts_total')})", "fell to nothing"),
        ],
    )
    yield bars(
        "Restocks",
        "Restock operations per interval, all products together.",
        "none",
        [query(f"sum({product_events('restock_operations_total')})", "restocks")],
    )
    yield bars(
        "Product operations",
        "Products created, updated and deleted per interval.",
        "none",
        [query(f"sum by (operation_type) ({product_events('product_operations_total')})", "{{operation_type}}")],
    )


def inventory_overview() -> Rendered:
    """Return the dashboard."""
    rows = [
        Row("At a glance", headline()),
        Row("Response time", latency(), [NO_TRAFFIC]),
        Row("Traffic and errors", traffic(), [NO_TRAFFIC, NO_ERRORS]),
        Row("Stock", stock()),
        Row("Business events", business()),
        Row("Containers", containers()),
    ]
    return render(FRAME, rows)
