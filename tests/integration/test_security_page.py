"""What docs/security.md tells administrators to add: its YAML is applied as it is, and holds what the page says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.framework.api import Api, eventually, stack
from tests.framework.documents import blocks
from tests.framework.operators import USER, Operator, prepare
from tests.framework.rendered import ROOT

from devcluster.node.controlplane import ControlPlane

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("rights")

TENANT = "tenant"
PATHS = {
    "ValidatingAdmissionPolicy": "apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
    "ResourceQuota": f"api/v1/namespaces/{TENANT}/resourcequotas",
    "Namespace": "api/v1/namespaces",
    "ClusterRole": "apis/rbac.authorization.k8s.io/v1/clusterroles",
}
NONE = {"containerMetrics": "none"}
HOST = f"shop.{TENANT}.example.com"
REFUSED = {
    "images of stacks": [
        {part: {"image": image}}
        for part in ("service", "prometheus", "alerting", "grafana")
        for image in ("docker.io/evil/x:1", "registry.example.com/teamwork/x:1")
    ],
    "at most 4 replicas": [
        {"service": {"replicas": 5, "database": {"external": {"secretKeyRef": {"name": "db"}}}}},
        {
            "service": {
                "autoscaling": {"minReplicas": 1, "maxReplicas": 5},
                "database": {"external": {"secretKeyRef": {"name": "db"}}},
            }
        },
    ],
    "expected containerMetrics: none": [{"containerMetrics": "kubelet"}, {"containerMetrics": None}],
    "expected hosts below": [
        {"ingress": {"hosts": {part: host}}}
        for part in ("service", "grafana", "prometheus")
        for host in ("shop.other.example.com", f"x{HOST.removeprefix('shop.')}", f"{HOST}.org")
    ],
    "expected paused": [{"paused": True}],
}
ADMITTED: list[dict[str, Any]] = [
    {},
    {"service": {"image": "registry.example.com/team/inventory-service:0.1.0"}},
    {"service": {"replicas": 4, "database": {"external": {"secretKeyRef": {"name": "db"}}}}},
    {"ingress": {"hosts": {"service": HOST, "grafana": f"g.{HOST}"}}},
    {"paused": False},
]


def documents() -> list[dict[str, Any]]:
    found = [block.text for block in blocks(ROOT / "docs/security.md") if block.language == "yaml"]
    return [one for text in found for one in yaml.safe_load_all(text)]


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory, kubectl) -> Iterator[tuple[ControlPlane, Api]]:
    with ControlPlane(tmp_path_factory.mktemp("tenant")) as running:
        api = prepare(running, kubectl)
        for one in documents():
            if one["kind"] == "ValidatingAdmissionPolicy":
                expression = "object.spec.?paused.orValue(false) == false"
                assert expression in (ROOT / "docs/security.md").read_text("utf-8")
                one["spec"]["validations"].append({"expression": expression, "message": "expected paused: false"})
            answer = api.request("POST", PATHS[one["kind"]], one)
            assert answer.ok, answer.text
        eventually(lambda: "expected containerMetrics" in refusal(api, {}), "the policy to be in force")
        # Until then every stack is refused: the controllers look for new kinds twice a minute.
        eventually(lambda: counted(api) == "0", "the quota to be counted")
        eventually(lambda: "status unknown for quota" not in refusal(api, NONE), "the quota to be known")
        yield running, api


def refusal(api: Api, spec: dict[str, Any], namespace: str = TENANT) -> str:
    """What the API server says to a stack that is not stored; empty when it would be."""
    path = f"apis/inventorystack.dev/v1alpha1/namespaces/{namespace}/inventorystacks"
    answer = api.request("POST", path, stack("tried", spec), dryRun="All")
    return "" if answer.ok else str(answer.json()["message"])


def counted(api: Api) -> Any:
    """What the quota has counted of stacks; None until it has."""
    quota = api.request("GET", f"{PATHS['ResourceQuota']}/inventory").json()
    return quota.get("status", {}).get("used", {}).get("count/inventorystacks.inventorystack.dev")


def test_the_policy_has_no_warning_of_its_types(tenant) -> None:
    _, api = tenant

    def checked() -> dict[str, Any] | None:
        policy = api.request("GET", f"{PATHS['ValidatingAdmissionPolicy']}/inventory-tenants").json()
        return policy["status"] if policy.get("status", {}).get("observedGeneration") else None

    status = eventually(checked, "the expressions to be checked against the CRD")
    assert status
    assert not status.get("typeChecking", {}).get("expressionWarnings"), status


def test_the_policy_refuses_what_the_page_says_and_in_namespaces_of_tenants_only(tenant) -> None:
    _, api = tenant
    assert [text for spec in ADMITTED if (text := refusal(api, NONE | spec))] == []
    for message, specs in REFUSED.items():
        for spec in specs:
            assert message in refusal(api, NONE | spec), spec
    assert refusal(api, {"paused": True, "containerMetrics": "kubelet"}, "default") == ""


def test_the_quota_counts_stacks_and_lets_all_of_one_run_at_the_restricted_level(tenant, tmp_path) -> None:
    control_plane, api = tenant
    user = USER.format(namespace="inventory-system")
    kubeconfig = control_plane.user_kubeconfig(user)
    with Operator(kubeconfig, tmp_path / "operator.log", "--operator-namespace", "inventory-system"):
        for name in ("one", "two"):
            api.create(stack(name, NONE), TENANT)
        eventually(lambda: len(api.list("Pod", TENANT)) == 8, "all pods of both stacks to be admitted")
        assert len(api.list("PersistentVolumeClaim", TENANT)) == 8
    eventually(lambda: counted(api) == "2", "both to be counted")
    eventually(lambda: "exceeded quota: inventory" in refusal(api, NONE), "a third to be refused")
