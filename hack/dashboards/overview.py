"""The dashboard `inventory-overview`: what a person wants to know about one stack, at a glance.

It never knows a stack: what varies between stacks is a recorded series.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, VariableOption

from dashboards.panels import bars, graph, levels, number, query, query_now, thresholds, with_bounds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dashboards.panels import Panel

CONTAINERS = ("service", "prometheus", "alertmanager", "grafana")
#: A container of a pod; `$container` narrows a query to the one that the person chose.
EACH = "by (namespace, stack, pod, container)"
#: Per-product series come from the database and are the same on every replica: each is taken once.
STOCK = 'max without (pod, instance) (product_stock_level{job="service"})'
LEAST = f"bottomk(25, sum by (product_name, sku) ({STOCK}))"


def used_cpu(only: str = "") -> str:
    """Return the cores that each container uses."""
    return f'sum {EACH} (rate(container_cpu_usage_seconds_total{{job="cadvisor"{only}}}[$__rate_interval]))'


def used_memory(only: str = "") -> str:
    """Return the bytes that each container can't give back, which is what the kernel kills for."""
    return f'max {EACH} (container_memory_working_set_bytes{{job="cadvisor"{only}}})'


def headline() -> Iterator[Panel]:
    """Yield four numbers that say whether a look at the rest is needed."""
    yield number(
        "Service pods up",
        "Pods of the inventory service that Prometheus reached at its last scrape.",
        "none",
        'sum(up{job="service"}) or vector(0)',
        thresholds((None, "red"), (1, "green")),
    )
    yield number(
        "Requests",
        "Requests a second over the last five minutes, all endpoints and pods together.",
        "reqps",
        "sum(inventory:http_requests:rate5m)",
        thresholds((None, "blue")),
    )
    yield number(
        "Error ratio",
        "Share of the requests of the last five minutes that the service answered with a 5xx status.",
        "percentunit",
        "max(inventory:http_requests_errors:ratio_rate5m)",
        thresholds((None, "green"), (0.001, "orange"), (0.01, "red")),
    )
    yield number(
        "Products low or out of stock",
        "Products whose stock is at or below the threshold of the stack.",
        "none",
        f"count({STOCK} <= on (namespace, stack) group_left () inventory:low_stock_threshold) or vector(0)",
        thresholds((None, "green"), (1, "orange")),
    )


def latency() -> Iterator[Panel]:
    """Yield how long requests take."""
    rate = 'rate(http_request_duration_seconds_bucket{job="service"}[$__rate_interval])'
    yield graph(
        "Response time",
        "Half of all requests are faster than p50, 95 of 100 are faster than p95.",
        "s",
        [
            query(f"histogram_quantile(0.95, sum by (le) ({rate}))", "p95"),
            query(f"histogram_quantile(0.50, sum by (le) ({rate}))", "p50"),
        ],
    )
    yield graph(
        "Response time by endpoint (p95)",
        "95 of 100 requests to the endpoint are faster than this; it shows which one is slow.",
        "s",
        [query(f"histogram_quantile(0.95, sum by (le, method, endpoint) ({rate}))", "{{method}} {{endpoint}}")],
    )


def traffic() -> Iterator[Panel]:
    """Yield how many requests come, and how many are not served."""

    def rate(by: str, only: str = "") -> str:
        return f'sum by ({by}) (rate(http_requests_total{{job="service"{only}}}[$__rate_interval]))'

    yield graph(
        "Request rate by endpoint",
        "Requests a second for each endpoint, all pods together.",
        "reqps",
        [query(rate("method, endpoint"), "{{method}} {{endpoint}}")],
    )
    yield graph(
        "Refused requests (4xx)",
        "Requests a second that were refused: wrong input, unknown products, or too many.",
        "reqps",
        [query(rate("status", ', status=~"4.."'), "{{status}}")],
        6,
    )
    yield graph(
        "Failed requests (5xx)",
        "Requests a second that failed in the service itself; anything above zero wants a look at its logs.",
        "reqps",
        [query(rate("status", ', status=~"5.."'), "{{status}}")],
        6,
    )


def stock() -> Iterator[Panel]:
    """Yield what is in stock."""
    yield levels(
        "Stock level",
        "Units in stock now, for the 25 products with the least: red is out of stock, orange is ten or fewer.",
        query_now(LEAST, "{{product_name}} ({{sku}})"),
        thresholds((None, "red"), (1, "orange"), (11, "green")),
    )
    yield graph(
        "Stock level over time",
        "Units in stock, for the 25 products with the least.",
        "none",
        [query(LEAST, "{{product_name}} ({{sku}})")],
    ).height(10)


def business() -> Iterator[Panel]:
    """Yield what happened to products; these counters come from the database, too."""

    def events(metric: str, by: str) -> str:
        increase = f'increase({metric}{{job="service"}}[$__rate_interval])'
        return f"sum by ({by}) (max without (pod, instance) ({increase}))"

    yield bars(
        "Restocks",
        "Restock operations per interval, by product.",
        "none",
        query(events("restock_operations_total", "product_name"), "{{product_name}}"),
    )
    yield bars(
        "Low-stock alerts",
        "How often the stock of a product fell to its threshold per interval; each crossing counts once.",
        "none",
        query(events("low_stock_alerts_total", "product_name"), "{{product_name}}"),
    )
    yield bars(
        "Product operations",
        "Products created, updated and deleted per interval.",
        "none",
        query(events("product_operations_total", "operation_type"), "{{operation_type}}"),
    )


def shares() -> Iterator[Panel]:
    """Yield how close every container is to its limits."""

    def share(used: str, limit: str) -> str:
        return f"{used} / on (namespace, stack, container) group_left () {limit}"

    def periods(kind: str) -> str:
        return f'sum by (pod, container) (rate(container_cpu_cfs_{kind}_total{{job="cadvisor"}}[$__rate_interval]))'

    each = "{{pod}} {{container}}"
    yield graph(
        "CPU, share of the limit",
        "CPU used by each container as a share of its limit; at 100 % it is throttled.",
        "percentunit",
        [query(share(used_cpu(), "inventory:container_cpu_limit:cores"), each)],
        8,
    )
    yield graph(
        "Memory, share of the limit",
        "Memory in use by each container as a share of its limit; at 100 % the kernel kills it.",
        "percentunit",
        [query(share(used_memory(), "inventory:container_memory_limit:bytes"), each)],
        8,
    )
    yield graph(
        "CPU throttling",
        "Share of the scheduling periods in which a container had to wait because its CPU limit was used up.",
        "percentunit",
        [query(f"{periods('throttled_periods')} / {periods('periods')}", each)],
        8,
    )


def containers() -> Iterator[Panel]:
    """Yield CPU and memory of all containers, then of one against what the spec says."""

    def bound(resource: str, kind: str, unit: str) -> str:
        return f'max(inventory:container_{resource}_{kind}:{unit}{{container="$container"}})'

    only = ', container="$container"'
    yield from shares()
    for title, unit, used, resource in (
        ("CPU", "none", used_cpu(only), ("cpu", "cores")),
        ("Memory", "bytes", used_memory(only), ("memory", "bytes")),
    ):
        queries = [query(bound(resource[0], kind, resource[1]), kind) for kind in ("request", "limit")]
        yield with_bounds(
            graph(
                f"{title} of $container, against request and limit",
                "What each pod of the chosen container uses; the dashed lines are what the spec requests and limits.",
                unit,
                [query(used, "{{pod}}"), *queries],
            )
        )


def _board() -> dashboard.Dashboard:
    options = [VariableOption(selected=name == CONTAINERS[0], text=name, value=name) for name in CONTAINERS]
    source = VariableOption(selected=True, text="Prometheus", value="prometheus")
    chosen = dashboard.CustomVariable("container").label("Container").values(",".join(CONTAINERS))
    return (
        dashboard.Dashboard("Inventory overview")
        .uid("inventory-overview")
        .description("The inventory service, its stock and its containers at a glance.")
        .tags(["inventory-stack"])
        .timezone("browser")
        .refresh("30s")
        .time("now-1h", "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(
            dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus").current(source)
        )
        .with_variable(chosen.current(options[0]).options(options))
    )


def inventory_overview() -> str:
    """Return the JSON of the dashboard."""
    board = _board()
    number_of = iter(range(1, 1000))
    for row, panels in (
        ("At a glance", headline()),
        ("Response time", latency()),
        ("Traffic and errors", traffic()),
        ("Stock", stock()),
        ("Business events", business()),
        ("Containers", containers()),
    ):
        board.with_row(dashboard.Row(row).id(next(number_of)))
        for panel in panels:
            board.with_panel(panel.id(next(number_of)))
    return json.dumps(board.build(), cls=JSONEncoder, indent=1, sort_keys=True) + "\n"
