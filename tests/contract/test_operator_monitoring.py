"""The operator's pods are scraped: the Service, the ServiceMonitor and the stacks' own job fit together."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import requests
import yaml
from tests.framework import processes
from tests.framework.api import PATIENCE, eventually
from tests.framework.configurations import parsed, scrape_jobs
from tests.framework.rendered import INPUTS, ROOT, sets
from tests.framework.server import free_port

from devcluster.build.binaries import binary
from inventory_operator import metrics
from inventory_operator.api.metadata import OPERATOR_METRICS, STACK_LABEL
from inventory_operator.cache.store import Store
from inventory_operator.runtime import health
from inventory_operator.runtime.metrics_access import MetricsAccess

if TYPE_CHECKING:
    from pathlib import Path

DEPLOY = ROOT / "operator/deploy"
#: Where the Prometheus of the test asks from.
PROMETHEUS_POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "namespace": "shop",
        "name": "one",
        "uid": "1",
        "resourceVersion": "1",
        "labels": {STACK_LABEL: "shop"},
    },
    "spec": {},
    "status": {"phase": "Running", "podIPs": [{"ip": "127.0.0.1"}]},
}


def load(file: str) -> dict[str, Any]:
    found: dict[str, Any] = parsed((DEPLOY / file).read_text("utf-8"))
    return found


def labels(folder: str) -> dict[str, str]:
    """The labels that kustomize puts on everything of a folder."""
    return {k: v for entry in load(f"{folder}/kustomization.yaml")["labels"] for k, v in entry["pairs"].items()}


def test_the_service_is_headless_and_leads_to_the_port_of_the_pods() -> None:
    service, deployment = load("base/service.yaml"), load("base/deployment.yaml")
    pod = deployment["spec"]["template"]
    assert service["metadata"]["name"] == OPERATOR_METRICS
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    ports = {port["name"]: port["containerPort"] for port in pod["spec"]["containers"][0]["ports"]}
    assert [ports[port["targetPort"]] for port in service["spec"]["ports"]] == [8080]


def test_the_stacks_job_asks_for_this_service_in_the_operators_namespace() -> None:
    found = scrape_jobs(sets()["default"])["operator"]["dns_sd_configs"]
    assert {name for one in found for name in one["names"]} == {f"{OPERATOR_METRICS}.{INPUTS.operator_namespace}.svc"}
    assert [(one["type"], one["port"]) for one in found] == [("A", 8080), ("AAAA", 8080)]


def test_the_service_monitor_selects_the_service_and_its_port() -> None:
    monitor, service = load("monitoring/servicemonitor.yaml"), load("base/service.yaml")
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels("base").items()
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert endpoint["honorLabels"], "what names a stack says its namespace"
    cluster_wide = load("cluster-wide/kustomization.yaml")
    assert load("monitoring/kustomization.yaml")["namespace"] == cluster_wide["namespace"]


def test_the_service_monitor_sends_the_token_of_an_account_that_may_read_metrics_and_nothing_else() -> None:
    read = {one["kind"]: one for one in yaml.safe_load_all((DEPLOY / "monitoring/reader.yaml").read_text("utf-8"))}
    (endpoint,) = load("monitoring/servicemonitor.yaml")["spec"]["endpoints"]
    secret, account, binding = read["Secret"], read["ServiceAccount"], read["ClusterRoleBinding"]
    assert endpoint["authorization"] == {"credentials": {"name": secret["metadata"]["name"], "key": "token"}}
    assert secret["type"] == "kubernetes.io/service-account-token"
    name = account["metadata"]["name"]
    assert secret["metadata"]["annotations"] == {"kubernetes.io/service-account.name": name}
    namespace = load("monitoring/kustomization.yaml")["namespace"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": name, "namespace": namespace}]
    assert binding["roleRef"]["name"] == read["ClusterRole"]["metadata"]["name"]
    assert read["ClusterRole"]["rules"] == [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]


async def test_a_real_prometheus_collects_what_is_said_of_its_own_stack_alone(tmp_path: Path) -> None:
    """With the stack's own job, but for where the operator is; the operator's page is the real one."""
    job = {name: value for name, value in scrape_jobs(sets()["default"])["operator"].items() if "dns" not in name}
    said = {"status": "False", "reason": "OOMKilled", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    for key in (("shop", "shop"), ("shop", "other"), ("elsewhere", "shop")):
        metrics.STACK_CONDITIONS.report(key, [{"type": "Ready", **said}])
    port, address = free_port(), f"127.0.0.1:{free_port()}"
    job |= {"static_configs": [{"targets": [f"127.0.0.1:{port}"]}], "scrape_interval": "1s"}
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump({"scrape_configs": [job]}))
    command = [
        str(binary("prometheus")),
        f"--config.file={tmp_path}/prometheus.yml",
        f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address={address}",
    ]

    def series() -> list[dict[str, str]]:
        query = {"query": '{__name__=~"inventory_operator_stack_condition.*|inventory_operator_leader"}'}
        with suppress(requests.ConnectionError):
            answer = requests.get(f"http://{address}/api/v1/query", query, timeout=PATIENCE)
            # Until its storage is open it answers 503.
            return [one["metric"] for one in answer.json()["data"]["result"]] if answer.ok else []
        return []

    nobody: Any = None  # no token is sent, so no API server is asked
    store = Store(lambda _: None)
    store.observe(PROMETHEUS_POD)
    runner = await health.start(port, lambda: None, lambda: None, MetricsAccess(nobody, store))
    try:
        with (tmp_path / "log").open("w") as log, processes.running(command, stdout=log, stderr=log):
            found = await asyncio.to_thread(eventually, series, f"the series, see {tmp_path}/log")
    finally:
        await runner.cleanup()
        metrics.STACK_CONDITIONS.clear()
    of = {"job": "operator", "instance": f"127.0.0.1:{port}", "namespace": "shop", "stack": "shop"}
    state = "inventory_operator_stack_condition"
    assert {one["__name__"]: one for one in found} == {
        name: {"__name__": name, **of, **more}
        for name, more in (
            ("inventory_operator_leader", {}),
            (state, {"condition": "Ready", "reason": "OOMKilled"}),
            (f"{state}_last_transition_timestamp_seconds", {"condition": "Ready"}),
        )
    }
    assert len(found) == 3


def test_a_probe_waits_longer_than_a_busy_node_takes() -> None:
    """Kubernetes' own second would end an operator that only gets little time."""
    (container,) = load("base/deployment.yaml")["spec"]["template"]["spec"]["containers"]
    waits = {name: probe["timeoutSeconds"] for name, probe in container.items() if name.endswith("Probe")}
    assert waits == {"startupProbe": 3, "livenessProbe": 5, "readinessProbe": 3}


def test_what_judges_files_has_room_for_them() -> None:
    pod = load("base/deployment.yaml")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert {volume["name"]: volume for volume in pod["volumes"]}[mounts["/tmp"]]["emptyDir"]["sizeLimit"]
