"""Every metric and label that a rule asks for exists: some program exports it, or a rule of ours records it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import requests
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from tests.contract import alertmanager, exported
from tests.contract.rulefiles import every_rule, files, matchers_of, metrics_of, rules
from tests.framework import processes
from tests.framework.api import PATIENCE, eventually
from tests.framework.configurations import config_map, scrape_jobs
from tests.framework.rendered import sets
from tests.framework.server import free_port

from devcluster.build.binaries import binary
from inventory_service.telemetry.request_metrics import RequestMetrics, new_registry

if TYPE_CHECKING:
    from pathlib import Path

Exposed = dict[str, set[str]]


def exposed(text: str) -> Exposed:
    """Return the names of an exposition with the labels that their samples have."""
    found: Exposed = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
        # A family that has no sample yet, because nothing has happened.
        found.setdefault(family.name, set())
    return found


def test_the_finder_of_metrics() -> None:
    """It must see a metric that it does not know, wherever it stands."""
    expression = """
        sum by (a, pod) (rate(x_total{job="service", y=~"5.."}[5m] offset 7m))
        / on (stack) group_left () z:w > 0.5 or v
    """
    assert metrics_of(expression) == {"x_total", "z:w", "v"}
    assert matchers_of(expression) == {("job", "service"), ("y", "5..")}


def test_rules_use_what_exists() -> None:
    recorded = {rule["record"] for rule in every_rule() if "record" in rule}
    used = {name for rule in every_rule() for name in metrics_of(rule["expr"])}
    exports = exported.everything() - exported.recorded()
    assert used - exports - recorded == set()
    assert used >= {"product_stock_level", "http_requests_total", "up", "inventory:links:info"}


def test_what_is_recorded_is_not_exported_by_anybody() -> None:
    """A colon is for rules only, as Prometheus' naming conventions say."""
    recorded = {rule["record"] for rule in every_rule() if "record" in rule}
    assert all(name.startswith("inventory:") for name in recorded)


def test_every_job_that_is_asked_for_is_scraped() -> None:
    jobs = {value for rule in every_rule() for label, value in matchers_of(rule["expr"]) if label == "job"}
    single = {name for value in jobs for name in value.split("|")}
    assert single == scrape_jobs(sets()["default"]).keys() - {"annotated"}


def test_labels_of_the_service_and_the_operator_exist() -> None:
    registry = new_registry()
    RequestMetrics(registry).observe("GET", "/x", 500, 0.1, "id")
    shown = exposed(generate_latest(registry).decode())
    assert {"endpoint", "status"} <= shown["http_requests_total"]
    assert {"endpoint", "le"} <= shown["http_request_duration_seconds_bucket"]
    assert "endpoint" in shown["http_request_duration_seconds_count"]
    # In a process of its own: other tests count, too.
    show = "import prometheus_client, inventory_operator.metrics; print(prometheus_client.generate_latest().decode())"
    fresh = subprocess.run([sys.executable, "-c", show], check=True, capture_output=True, text=True).stdout
    assert 'inventory_operator_reconcile_total{result="error"} 0.0\n' in fresh, "or the first error is not seen"


def test_alertmanager_exports_it(tmp_path: Path) -> None:
    with alertmanager.running(sets()["default"], tmp_path) as running:
        shown = exposed(requests.get(running._url.replace("/api/v2/alerts", "/metrics"), timeout=PATIENCE).text)
    assert exported.ALERTMANAGER - shown.keys() == set()
    assert "integration" in shown["alertmanager_notifications_total"]
    assert "integration" in shown["alertmanager_notifications_failed_total"]


def test_prometheus_exports_it(tmp_path: Path) -> None:
    """The real one, with all our rules; counters are there from its start, before anything has failed."""
    for name, text in files(slo=True).items():
        (tmp_path / name).write_text(text)
    config: dict[str, Any] = {
        "rule_files": [f"{tmp_path}/*.rules.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": ["127.0.0.1:1"]}]}]},
    }
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    command = [
        str(binary("prometheus")),
        f"--config.file={tmp_path}/prometheus.yml",
        f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address={address}",
    ]
    log = tmp_path / "log"
    with log.open("w") as file, processes.running(command, stdout=file, stderr=file):
        eventually(lambda: _missing(address) == set(), f"all metrics, see {log}")
        shown = _shown(address)
    assert "rule_group" in shown["prometheus_rule_evaluation_failures_total"]
    assert "alertmanager" in shown["prometheus_notifications_errors_total"]
    assert "alertmanager" in shown["prometheus_notifications_sent_total"]


def _shown(address: str) -> Exposed:
    try:
        return exposed(requests.get(f"http://{address}/metrics", timeout=PATIENCE).text)
    except requests.ConnectionError:
        return {}


def _missing(address: str) -> set[str]:
    return exported.PROMETHEUS - _shown(address).keys()


def test_requests_and_limits_are_recorded_exactly() -> None:
    data = config_map(sets()["inputs-external"], "prometheus")
    recorded = {
        (rule["record"], rule["labels"].get("container")): rule["expr"]
        for rule in rules({"stack.rules.yml": data["stack.rules.yml"]})
    }
    assert recorded["inventory:container_cpu_request:cores", "service"] == "vector(0.25)"
    assert recorded["inventory:container_memory_request:bytes", "service"] == "vector(209715200)"
    assert recorded["inventory:container_memory_limit:bytes", "service"] == "vector(268435456)"
    assert recorded["inventory:low_stock_threshold", None] == "vector(3)"
    assert recorded["inventory:prometheus_retention:seconds", None] == "vector(2592000)"
    assert ("inventory:container_cpu_limit:cores", "alertmanager") not in recorded
    assert ("inventory:alertmanager:replicas", None) not in recorded
