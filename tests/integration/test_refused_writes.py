"""Writes that a real API server refuses: each is in the status with its sentence, and all goes on when that ends."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from tests.framework.api import condition, eventually, stack
from tests.framework.operators import USER, permitted
from tests.framework.refusals import policy, told

from inventory_operator.api.metadata import CONFIG_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("operator")
SELECTOR = "inventorystack.dev/stack=shop,app.kubernetes.io/component=prometheus"


@contextlib.contextmanager
def refusing(api: Any, namespace: str, verb: str, group: str, resource: str, reason: str) -> Iterator[str]:
    """Let an admission policy refuse one verb on one kind in a namespace; yield its sentence."""
    name, sentence = f"{namespace}-{verb.lower()}-{resource.replace('/', '-')}", f"nobody may {verb} {resource} today"
    rule = {"apiGroups": [group], "apiVersions": ["*"], "operations": [verb], "resources": [resource]}
    validations = [{"expression": "false", "message": sentence, "reason": reason}]
    spec = {"matchConstraints": {"resourceRules": [rule]}, "validations": validations}
    with policy(api, name, spec, {"kubernetes.io/metadata.name": namespace}):
        yield sentence


def in_force(api: Any, namespace: str, sentence: str) -> None:
    """Wait until the API server heeds a policy that refuses to create Roles: it reads new ones every second."""
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "probe"}, "rules": []}

    def refused() -> bool:
        path = f"apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles"
        return sentence in api.request("POST", path, role, dryRun="All").text

    eventually(refused, "the policy to be in force")


@pytest.mark.parametrize("reason", ["Forbidden", "Invalid", "RequestEntityTooLarge"])
def test_a_refused_creation_is_told_and_heals(api, operator, namespace, settled, reason: str) -> None:
    rules = ("CREATE", "rbac.authorization.k8s.io", "roles")
    with refusing(api, namespace, *rules, reason) as sentence:
        in_force(api, namespace, sentence)
        api.apply(stack(), namespace)
        eventually(lambda: told(api, namespace, "Role shop-prometheus", sentence), "the refusal in the status")
        eventually(lambda: api.get("Deployment", namespace, "shop-inventory"), "everything else to go on")
        assert not api.get("RoleBinding", namespace, "shop-prometheus"), "it refers to the Role"
    eventually(lambda: api.get("RoleBinding", namespace, "shop-prometheus"), "what refers to the Role")
    eventually(lambda: not told(api, namespace, "Role shop-prometheus", sentence), "the status to heal")


def test_refused_changes_and_deletions_are_told_and_heal(api, operator, namespace, settled) -> None:
    api.apply(stack(), namespace)
    settled(namespace)
    (pod,) = eventually(lambda: api.list("Pod", namespace, SELECTOR), "the pod of Prometheus")
    pod_name = pod["metadata"]["name"]
    with contextlib.ExitStack() as policies:
        sentences = {
            name: policies.enter_context(refusing(api, namespace, *rule))
            for name, rule in {
                "Deployment shop-inventory": ("UPDATE", "apps", "deployments", "Forbidden"),
                f"Pod {pod_name}": ("UPDATE", "", "pods", "Invalid"),
                "Service shop-grafana": ("DELETE", "", "services", "Invalid"),
            }.items()
        }
        in_force(api, namespace, policies.enter_context(refusing(
            api, namespace, "CREATE", "rbac.authorization.k8s.io", "roles", "Forbidden"
        )))  # fmt: skip
        spec = {"service": {"replicas": 1, "lowStockThreshold": 7}, "grafana": {"enabled": False}}
        api.apply(stack(spec=spec | {"prometheus": {"scrapeInterval": "31s"}}), namespace)
        for name, sentence in sentences.items():
            eventually(
                lambda name=name, sentence=sentence: told(api, namespace, name, sentence), f"{name} in the status"
            )
        assert "31s" in api.get("ConfigMap", namespace, "shop-prometheus")["data"]["prometheus.yml"]
        assert api.get("Service", namespace, "shop-grafana")
    eventually(lambda: not api.get("Service", namespace, "shop-grafana"), "the Service to go")
    eventually(
        lambda: CONFIG_ANNOTATION in api.get("Pod", namespace, pod_name)["metadata"].get("annotations", {}),
        "the pod to be told",
    )
    for name, sentence in sentences.items():
        eventually(lambda name=name, sentence=sentence: not told(api, namespace, name, sentence), f"{name} to heal")


def test_a_refused_status_is_written_when_the_policy_is_gone(api, operator, namespace, settled) -> None:
    api.apply(stack(), namespace)
    settled(namespace)
    rule = ("UPDATE", "inventorystack.dev", "inventorystacks/status", "Invalid")
    with (
        refusing(api, namespace, *rule),
        refusing(api, namespace, "CREATE", "rbac.authorization.k8s.io", "roles", "Forbidden") as sentence,
    ):
        in_force(api, namespace, sentence)
        api.apply(stack(spec={"grafana": {"enabled": False}}), namespace)
        eventually(lambda: not api.get("Deployment", namespace, "shop-grafana"), "the rest of the pass")
        found = api.get("InventoryStack", namespace, "shop")
        assert found["status"]["observedGeneration"] < found["metadata"]["generation"]
    settled(namespace)


def test_a_right_that_was_taken_away_is_told_and_heals(api, operator, namespace, settled) -> None:
    """Secrets can't be read: nothing is known of what the spec refers to."""
    role = api.get("ClusterRole", None, "inventory-operator")
    rules = [{**rule, "resources": [one for one in rule["resources"] if one != "secrets"]} for rule in role["rules"]]
    api.patch("ClusterRole", None, "inventory-operator", {"rules": rules})
    try:
        user = USER.format(namespace="inventory-system")
        eventually(lambda: not permitted(api, user, "list", "/secrets", namespace), "the right to be gone")
        external = {"secretKeyRef": {"name": "db", "key": "url"}}
        api.apply(stack(spec={"service": {"database": {"external": external}}}), namespace)
        found = eventually(lambda: told(api, namespace, "Secret db", "forbidden"), "the missing right in the status")
        assert {one["reason"] for one in found} == {"ReconcileFailed"}
    finally:
        api.patch("ClusterRole", None, "inventory-operator", {"rules": role["rules"]})
    eventually(
        lambda: condition(api.get("InventoryStack", namespace, "shop"), "Stalled").get("reason") == "MissingReference",
        "the Secret to be looked for",
    )
