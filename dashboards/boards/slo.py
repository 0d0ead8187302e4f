"""The dashboard `inventory-slo`: what the service promised over seven days, and how much of the error budget is left.

It never knows the objectives: the spec's `alerting.slo` is recorded as series.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.boards.board import Frame, Row, render
from dashboards.boards.panels import graph, numbers, query, query_now, runbook, thresholds, with_limits
from dashboards.boards.promql import USERS, firing, or_zero, quantile, rate, recorded, service
from dashboards.boards.tables import Column, Rows, listing
from inventory_operator.verification.excuses import NO_TRAFFIC

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dashboards.boards.board import Rendered
    from dashboards.boards.panels import Panel

FRAME = Frame(
    uid="inventory-slo",
    title="Inventory SLO and error budget",
    description="Whether the service keeps to its objectives over seven days. Empty without alerting.slo in the spec.",
    jobs="service",
    time="now-6h",
)
PAGES = ("AvailabilityBudgetBurnFast", "LatencyBudgetBurnFast")
OFF = "There is no alerting.slo in the spec"
BUDGET = "inventory:slo_error_budget:ratio"
REMAINING = recorded("inventory:slo_error_budget:remaining")
FAILED = 'status=~"5.."'
BURNING = firing('alertname=~".+BudgetBurn.+"')
LEFT = thresholds((None, "red"), (0, "orange"), (0.25, "green"))
BURN = thresholds((None, "green"), (1, "orange"), (13.44, "red"))
BURNS = (
    ("Fast burn: 1 hour and 5 minutes", ("1h", "5m"), 13.44, "red"),
    ("Burn: 6 hours and 30 minutes", ("6h", "30m"), 3.5, "red"),
    ("Slow burn: 1 day and 2 hours", ("1d", "2h"), 1.4, "orange"),
    ("Creeping burn: 3 days and 6 hours", ("3d", "6h"), 0.98, "orange"),
)


def errors(*windows: str) -> str:
    """Return the share of bad requests over these windows."""
    either = "|".join(windows)
    return recorded("inventory:slo_errors:ratio", f'window=~"{either}"')


def burn(*windows: str) -> str:
    """Return how many times faster than allowed the budget is spent: at 1 it lasts exactly seven days."""
    return f"{errors(*windows)} / on (namespace, stack, slo) group_left () {recorded(BUDGET)}"


def now() -> Iterator[Panel]:
    """Yield where the service stands."""
    yield numbers(
        "Error budget left",
        "What is left of the errors that the objective allows in seven days; below 0 the objective is missed.",
        "percentunit",
        query_now(REMAINING, "{{slo}}"),
        LEFT,
    ).links(runbook(*PAGES))
    yield numbers(
        "Burn rate over an hour",
        "How many times faster than allowed the budget was spent in the last hour; above 1 it will not last.",
        "none",
        query_now(burn("1h"), "{{slo}}"),
        BURN,
    ).decimals(2)
    yield numbers(
        "Burn alerts firing",
        "Alerts that fire now because a budget is spent too fast.",
        "none",
        query_now(or_zero(f"count({BURNING})"), "alerts"),
        thresholds((None, "green"), (1, "red")),
    )


def objectives() -> Iterator[Panel]:
    """Yield promise and reality side by side, and the budget over time."""
    each = "max by (namespace, stack, slo)"
    yield listing(
        "Objectives",
        "What was promised, what was kept over seven days, and what is left of the budget.",
        Rows({"slo": "Objective for"}, hidden=["namespace", "stack"]),
        Column("Budget left", "percentunit", f"{each} ({REMAINING})", LEFT),
        Column("Promised", "percentunit", f"{each} ({recorded('inventory:slo_objective:ratio')})"),
        Column("Kept over 7 days", "percentunit", f"1 - {each} ({errors('7d')})"),
    ).height(8)
    yield with_limits(
        graph(
            "Error budget left over time",
            "What is left of the errors that the objective allows in seven days.",
            "percentunit",
            [query(REMAINING, "{{slo}}")],
        ),
        LEFT,
    ).max(1)


def burning() -> Iterator[Panel]:
    """Yield the pairs of windows that the alerts look at."""
    for title, windows, factor, color in BURNS:
        panel = graph(
            title,
            f"How many times faster than allowed the budget is spent; with both windows above {factor} an alert fires.",
            "none",
            [query(burn(*windows), "{{slo}} {{window}}")],
        )
        yield with_limits(panel, thresholds((None, "green"), (factor, color)))


def causes() -> Iterator[Panel]:
    """Yield what spends the budget."""
    total, bad = (recorded(f"inventory:slo_{kind}:rate5m") for kind in ("requests", "errors"))
    yield graph(
        "Requests and errors that count",
        "Requests a second that an objective is about, and those of them that spend its budget.",
        "reqps",
        [query(total, "{{slo}}: requests"), query(bad, "{{slo}}: errors")],
        8,
    )
    failed = f"sum by (method, endpoint) ({rate(service('http_requests_total', FAILED, USERS))}) > 0"
    yield graph(
        "Failed requests by endpoint",
        "Requests a second that failed with a 5xx status, by endpoint; 0 when none did.",
        "reqps",
        [query(or_zero(failed, "endpoint"), "{{method}} {{endpoint}}")],
        8,
    )
    slowest = quantile(0.99, service("http_request_duration_seconds_bucket", USERS), by="method, endpoint")
    yield graph(
        "Slowest endpoints (p99)",
        "99 of 100 requests to the endpoint are faster than this, for the five slowest endpoints.",
        "s",
        [query(f"topk(5, {slowest} > 0)", "{{method}} {{endpoint}}")],
        8,
    )


def said(panels: Iterable[Panel]) -> Iterator[Panel]:
    """Let panels say why they are empty."""
    for panel in panels:
        yield panel.no_value(OFF)


def slo_and_error_budget() -> Rendered:
    """Return the dashboard."""
    rows = [
        Row("Now", said(now()), [NO_TRAFFIC]),
        Row("Seven days", said(objectives()), [NO_TRAFFIC]),
        Row("How fast the budget is spent", said(burning()), [NO_TRAFFIC]),
        Row("What spends it", causes(), [NO_TRAFFIC]),
    ]
    return render(FRAME, rows)
