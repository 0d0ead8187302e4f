"""The operator's pods are scraped: the Service, the ServiceMonitor and the stacks' own job fit together."""

from __future__ import annotations

from typing import Any

from tests.framework.configurations import parsed, scrape_jobs
from tests.framework.rendered import INPUTS, ROOT, sets

from inventory_operator.api.metadata import OPERATOR_METRICS

DEPLOY = ROOT / "operator/deploy"


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
    cluster_wide = load("cluster-wide/kustomization.yaml")
    assert load("monitoring/kustomization.yaml")["namespace"] == cluster_wide["namespace"]


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
