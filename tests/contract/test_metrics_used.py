"""Every metric that a rule or a dashboard asks for exists: some program exports it, or a rule of ours records it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.contract.test_configuration import config_map, scrape_jobs
from tests.rendered import ROOT, sets

if TYPE_CHECKING:
    from collections.abc import Iterator

RELOAD = ROOT / "templates/grafana/config/reload"
#: ../shared/service-api.md is the contract; a histogram is three metrics.
SERVICE = {
    "http_requests_total",
    "http_request_duration_seconds_bucket",
    "http_request_duration_seconds_sum",
    "http_request_duration_seconds_count",
    "product_stock_level",
    "low_stock_alerts_total",
    "restock_operations_total",
    "product_operations_total",
}
SCRAPING = {"up"}
#: A metric begins where no quote, dot or word ends, and is followed by a selector, a range, an operator or the end.
WORD = re.compile(r"(?<![\w:\"'$.])[a-zA-Z_:][\w:]*")
NOT_METRICS = {
    *("sum", "max", "min", "count", "by", "without", "on", "group_left", "and", "or", "unless", "vector", "absent"),
    *("rate", "increase", "histogram_quantile", "bottomk", "topk", "bool", "ignoring", "offset"),
}


def metrics_of(expression: str) -> set[str]:
    """Return the metrics of a PromQL expression: its words without strings, labels, ranges, functions and keywords."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\"[^\"]*\"", " ", expression)
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", bare)
    return {word for word in WORD.findall(bare) if word not in NOT_METRICS}


def rules(data: dict[str, str]) -> Iterator[dict[str, Any]]:
    for key, text in data.items():
        if key.endswith(".rules.yml"):
            for group in yaml.safe_load(text)["groups"]:
                yield from group["rules"]


def container_metrics() -> set[str]:
    """Return the metrics that the cadvisor job keeps."""
    keep = scrape_jobs(sets()["default"])["cadvisor"]["metric_relabel_configs"][0]["regex"]
    candidates = {
        *(
            "container_cpu_usage_seconds_total",
            "container_cpu_cfs_periods_total",
            "container_cpu_cfs_throttled_periods_total",
        ),
        *(
            "container_memory_working_set_bytes",
            "container_memory_rss",
            "container_memory_cache",
            "container_last_seen",
        ),
    }
    return {name for name in candidates if re.fullmatch(keep, name)}


def known() -> set[str]:
    recorded = {rule["record"] for rule in rules(config_map(sets()["default"], "prometheus")) if "record" in rule}
    return SERVICE | SCRAPING | container_metrics() | recorded


def dashboards() -> dict[str, dict[str, Any]]:
    return {file.name: json.loads(file.read_text("utf-8")) for file in sorted(RELOAD.glob("*.json"))}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def test_the_finder_of_metrics() -> None:
    """It must see a metric that it does not know, wherever it stands."""
    expression = (
        'sum by (a, pod) (rate(x_total{job="service", y=~"5.."}[5m])) / on (stack) group_left () z:w > 0.5 or vector(0)'
    )
    assert metrics_of(expression) == {"x_total", "z:w"}


def test_rules_use_what_exists() -> None:
    used = {name for rule in rules(config_map(sets()["default"], "prometheus")) for name in metrics_of(rule["expr"])}
    assert used - known() == set()
    assert used >= {"product_stock_level", "http_requests_total", "up"}


@pytest.mark.parametrize("name", dashboards())
def test_dashboards_use_what_exists(name: str) -> None:
    used = {
        metric
        for panel in panels(dashboards()[name])
        for target in panel["targets"]
        for metric in metrics_of(target["expr"])
    }
    assert used - known() == set()


def test_the_overview_shows_each_metric_of_the_contract() -> None:
    used = {
        metric
        for panel in panels(dashboards()["inventory-overview.json"])
        for target in panel["targets"]
        for metric in metrics_of(target["expr"])
    }
    assert SERVICE - used == {"http_request_duration_seconds_sum", "http_request_duration_seconds_count"}


def test_requests_and_limits_are_recorded_exactly() -> None:
    recorded = {
        (rule["record"], rule["labels"].get("container")): rule["expr"]
        for rule in rules(config_map(sets()["inputs-external"], "prometheus"))
        if "record" in rule and "labels" in rule
    }
    assert recorded["inventory:container_cpu_request:cores", "service"] == "vector(0.25)"
    assert recorded["inventory:container_memory_request:bytes", "service"] == "vector(209715200)"
    assert recorded["inventory:container_memory_limit:bytes", "service"] == "vector(268435456)"
    assert recorded["inventory:low_stock_threshold", None] == "vector(3)"
    assert ("inventory:container_cpu_limit:cores", "alertmanager") not in recorded


def test_every_alert_says_what_a_person_needs() -> None:
    for rule in rules(config_map(sets()["default"], "prometheus")):
        if "alert" in rule:
            assert rule["labels"].keys() == {"severity", "domain"}, rule["alert"]
            assert rule["labels"]["severity"] in {"critical", "warning", "none"}
            assert rule["annotations"].keys() >= {"summary", "description"}, rule["alert"]
