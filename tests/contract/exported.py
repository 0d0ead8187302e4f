"""The metrics that the programs of a stack export, with the source of each list.

What our rules record is read from the rule files.
"""

from __future__ import annotations

import re

from prometheus_client import REGISTRY
from tests.framework.configurations import parsed
from tests.framework.rendered import ROOT

from inventory_operator import metrics

#: docs/service.md, which tests/service holds the service to; a histogram is three metrics.
SERVICE = {
    "http_requests_total",
    "http_request_duration_seconds_bucket",
    "http_request_duration_seconds_sum",
    "http_request_duration_seconds_count",
    "http_requests_in_flight",
    "product_stock_level",
    "product_low_stock_threshold",
    "low_stock_alerts_total",
    "out_of_stock_alerts_total",
    "restock_operations_total",
    "product_operations_total",
    "inventory_products_low_stock",
    "inventory_products_out_of_stock",
    "inventory_products_not_exported",
    "inventory_ledger_drift",
    "inventory_database_up",
    "inventory_stock_collector_up",
    "inventory_stock_collector_duration_seconds",
    "inventory_build_info",
}
#: Of the process: the Go and the Python client libraries agree on these names.
PROCESS = {"process_resident_memory_bytes", "process_cpu_seconds_total", "process_start_time_seconds"}
#: What Prometheus notes of every scrape, and of every alert that is pending or firing.
SCRAPING = {"up", "scrape_duration_seconds", "scrape_samples_post_metric_relabeling"}
ALERTING = {"ALERTS"}
#: Read from /metrics of the Prometheus 3.16.0 that devcluster builds.
PROMETHEUS = {
    "prometheus_config_last_reload_successful",
    "prometheus_engine_query_duration_seconds",
    "prometheus_notifications_dropped_total",
    "prometheus_notifications_errors_total",
    "prometheus_notifications_sent_total",
    "prometheus_rule_evaluation_failures_total",
    "prometheus_rule_group_interval_seconds",
    "prometheus_rule_group_iterations_missed_total",
    "prometheus_rule_group_last_duration_seconds",
    "prometheus_target_scrape_pool_exceeded_label_limits_total",
    "prometheus_target_scrape_pool_exceeded_target_limit_total",
    "prometheus_target_scrapes_exceeded_body_size_limit_total",
    "prometheus_target_scrapes_exceeded_sample_limit_total",
    "prometheus_tsdb_compactions_failed_total",
    "prometheus_tsdb_head_chunks_storage_size_bytes",
    "prometheus_tsdb_head_samples_appended_total",
    "prometheus_tsdb_head_series",
    "prometheus_tsdb_head_series_created_total",
    "prometheus_tsdb_lowest_timestamp_seconds",
    "prometheus_tsdb_retention_limit_bytes",
    "prometheus_tsdb_size_retentions_total",
    "prometheus_tsdb_storage_blocks_bytes",
    "prometheus_tsdb_time_retentions_total",
    "prometheus_tsdb_wal_storage_size_bytes",
}
#: Read from /metrics of the Alertmanager 0.31.1 that devcluster builds.
ALERTMANAGER = {
    "alertmanager_alerts",
    "alertmanager_config_last_reload_successful",
    "alertmanager_notifications_failed_total",
    "alertmanager_notifications_total",
    "alertmanager_silences",
}
#: Grafana's HTTP server: pkg/middleware/request_metrics.go of Grafana 12; no Grafana can be run here.
GRAFANA = {"grafana_http_request_duration_seconds_count"}
#: What a kubelet has of containers, as far as docs/container-metrics.md names it.
CONTAINERS = {
    "container_cpu_usage_seconds_total",
    "container_cpu_cfs_periods_total",
    "container_cpu_cfs_throttled_periods_total",
    "container_memory_working_set_bytes",
    "container_memory_rss",
}


def operator() -> set[str]:
    """Return what the operator declares: the registry knows each name that it would export."""
    assert metrics.BUILD in REGISTRY._collector_to_names
    names = {name for name in REGISTRY._names_to_collectors if name.startswith("inventory_operator_")}
    return names | {family.name for family in metrics.STACK_CONDITIONS.collect()}


def containers() -> set[str]:
    """Return what the scrape job keeps of CONTAINERS."""
    text = (ROOT / "templates/prometheus/config/reload/prometheus.yml.j2").read_text("utf-8")
    keep = re.search(r"regex: (container_\S+)\n\s+action: keep", text)
    assert keep
    return {name for name in CONTAINERS if re.fullmatch(keep[1], name)}


def recorded() -> set[str]:
    """Return the series that rules record, whatever in the spec they depend on."""
    folder = ROOT / "templates/prometheus/config/reload"
    text = "".join(file.read_text("utf-8") for file in sorted(folder.glob("*.rules.yml*")))
    return set(re.findall(r"\binventory:[\w:]+", text))


def alert_names() -> set[str]:
    """Return the alerts of all rule files."""
    files = sorted((ROOT / "templates/prometheus/config/reload").glob("*.rules.yml"))
    groups = [group for file in files for group in parsed(file.read_text("utf-8"))["groups"]]
    return {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}


def everything() -> set[str]:
    """Return every metric that a panel may show."""
    of_programs = SERVICE | PROCESS | PROMETHEUS | ALERTMANAGER | GRAFANA | operator() | containers()
    return of_programs | SCRAPING | ALERTING | recorded()
