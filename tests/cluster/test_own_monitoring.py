"""What users add works on real pods: a pod that joins, rules, a job with a password, another place for the samples."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.cluster.storage import Storage
from tests.framework.api import condition, eventually, stack
from tests.framework.database import secret
from tests.framework.kube import restricted_pod
from tests.framework.prometheus import Prometheus
from tests.framework.stacks import NO_GRAFANA, is_ready, pods

from devcluster.node.network import NODE_ADDRESS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("images")

PASSWORD, NEXT = "first-0123456789abcdef", "second-0123456789abcdef"
FOLDER = "/etc/prometheus/secrets/login"
RULES = yaml.safe_dump(
    {"groups": [{"name": "team", "rules": [{"record": "team:pallets", "expr": "warehouse_pallets"}]}]}
)
SERVE = """
from http.server import BaseHTTPRequestHandler, HTTPServer
class Metrics(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(b"till_receipts_total 3\\n")
HTTPServer(("", 8000), Metrics).serve_forever()
"""


def files(target: str, rules: str = RULES) -> dict[str, Any]:
    """The user's ConfigMap: rules, and a job that asks `target` with a password."""
    login = {"username": "shop", "password_file": f"{FOLDER}/password"}
    job = {"job_name": "warehouse", "scrape_interval": "2s", "basic_auth": login}
    job["static_configs"] = [{"targets": [target]}]
    data = {"rules.yml": rules, "jobs.yml": yaml.safe_dump({"scrape_configs": [job]})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "team"}, "data": data}


def spec(target: str) -> dict[str, Any]:
    write = {
        "url": f"http://{target}/write",
        "basicAuth": {"username": "shop", "secretKeyRef": {"name": "login", "key": "password"}},
    }
    prometheus = {
        "additionalRules": [{"name": "team", "key": "rules.yml"}],
        "additionalScrapeConfigs": [{"name": "team", "key": "jobs.yml"}],
        "secrets": ["login"],
        "remoteWrite": [write],
    }
    return {**NO_GRAFANA, "alerting": {"enabled": False}, "containerMetrics": "none", "prometheus": prometheus}


@pytest.fixture(scope="module")
def storage() -> Iterator[Storage]:
    with Storage(NODE_ADDRESS, "shop", PASSWORD) as running:
        yield running


@pytest.fixture(scope="module")
def shop(api, installed, new_namespace, storage) -> Iterator[str]:
    with new_namespace("team") as namespace:
        api.create(secret("login", {"password": PASSWORD}), namespace)
        api.apply(files(storage.target), namespace)
        api.apply(stack(spec=spec(storage.target)), namespace)
        eventually(lambda: is_ready(api, namespace), "the stack to be Ready")
        yield namespace


@pytest.fixture(scope="module")
def prometheus(api, shop) -> Prometheus:
    return Prometheus(api, shop, "shop")


def test_a_job_with_a_password_and_rules_of_users_give_series(prometheus) -> None:
    eventually(lambda: prometheus.values("warehouse_pallets", "job") == {"warehouse": 7.0}, "the job's series")
    eventually(lambda: prometheus.values("team:pallets", "job") == {"warehouse": 7.0}, "the rule's series")


def test_samples_are_written_elsewhere_with_the_password(storage) -> None:
    eventually(lambda: 204 in storage.answers, "samples")


def test_a_new_password_is_used_without_a_restart(api, shop, storage, prometheus) -> None:
    before = [pod["metadata"]["uid"] for pod in pods(api, shop, "shop", "prometheus")]
    storage.password = NEXT
    eventually(lambda: prometheus.values("up", "job").get("warehouse") == 0, "the old password to be refused")
    api.patch("Secret", shop, "login", {"data": {"password": base64.b64encode(NEXT.encode()).decode()}})
    eventually(lambda: prometheus.values("up", "job").get("warehouse") == 1, "the job to get in again")
    refused = len(storage.answers)
    eventually(lambda: 204 in storage.answers[refused:], "samples again")
    assert [pod["metadata"]["uid"] for pod in pods(api, shop, "shop", "prometheus")] == before


def test_a_pod_that_says_so_joins(api, shop, prometheus) -> None:
    pod = restricted_pod("till", ["python3", "-c", SERVE])
    pod["metadata"]["annotations"] = {"prometheus.io/scrape": "true", "prometheus.io/port": "8000"}
    api.create(pod, shop)
    eventually(lambda: prometheus.values("till_receipts_total", "pod") == {"till": 3.0}, "its series")
    eventually(lambda: prometheus.values("till_receipts_total", "job") == {"annotated": 3.0}, "its job")


def test_a_bad_rule_is_named_and_prometheus_goes_on_with_the_last_good_one(api, shop, storage, prometheus) -> None:
    api.apply(files(storage.target, RULES.replace("warehouse_pallets", "sum(")), shop)
    stalled = eventually(
        lambda: (s := condition(api.get("InventoryStack", shop, "shop"), "Stalled")).get("status") == "True" and s,
        "the refusal",
    )
    assert "spec.prometheus.additionalRules[0]: ConfigMap team, key rules.yml" in stalled["message"]
    ready = 'inventory_operator_stack_condition{condition="Ready"}'
    eventually(lambda: prometheus.values(ready, "reason") == {"InvalidRules": 0.0}, "the reason as a series")
    assert prometheus.values(ready, "namespace").keys() <= {shop}, "and not that of another stack"
    # Where a busy machine answers a scrape too late, the series are gone until the next one.
    eventually(lambda: prometheus.values("team:pallets", "job") == {"warehouse": 7.0}, "the last good rule")
    reloaded = "prometheus_config_last_reload_successful", "job"
    eventually(lambda: prometheus.values(*reloaded) == {"prometheus": 1.0}, "no failed reload")
    api.apply(files(storage.target, RULES.replace("warehouse_pallets", "2 * warehouse_pallets")), shop)
    eventually(lambda: prometheus.values("team:pallets", "job") == {"warehouse": 14.0}, "the better rule")
    eventually(lambda: is_ready(api, shop), "the stack to be Ready again")


def test_the_password_is_in_no_object_but_its_secret(api, shop, kubectl) -> None:
    text = kubectl("-n", shop, "get", "configmaps,deployments,pods,events,inventorystacks", "-o", "yaml")
    assert PASSWORD not in text
    assert NEXT not in text
