"""What the operator makes of a stack, and that it comes back by itself, on a real API server."""

from __future__ import annotations

import copy
import time

import pytest
from tests.framework.api import condition, eventually, stack
from tests.framework.stacks import EXTERNAL, database_secret

pytestmark = pytest.mark.xdist_group("operator")

ISSUER = "cert-manager.io/cluster-issuer"
EVERYTHING = {
    **EXTERNAL,
    "service": {**EXTERNAL["service"], "autoscaling": {"minReplicas": 2, "maxReplicas": 4}},
    "ingress": {"hosts": {"service": "shop.example.com", "grafana": "g.example.com", "prometheus": "p.example.com"}},
}


@pytest.fixture
def shop(api, operator, namespace, settled):
    """A stack with every kind of child."""
    api.create(database_secret(), namespace)
    api.apply(stack(spec=EVERYTHING), namespace)
    settled(namespace)
    return namespace


def test_an_empty_spec_makes_every_part(api, operator, namespace, settled) -> None:
    api.apply(stack(), namespace)
    status = settled(namespace)["status"]
    names = {name for kind, name in api.children(namespace, "shop") if kind == "Deployment"}
    assert names == {"shop-inventory", "shop-prometheus", "shop-alertmanager", "shop-grafana"}
    ports = {
        name: [port["port"] for port in child["spec"]["ports"]]
        for (kind, name), child in api.children(namespace, "shop").items()
        if kind == "Service"
    }
    assert ports == {
        "shop-inventory": [5000, 5001],
        "shop-prometheus": [9090],
        "shop-alertmanager": [9093],
        "shop-alertmanager-peers": [9093],
        "shop-grafana": [3000],
    }
    assert status["endpoints"]["service"] == f"http://shop-inventory.{namespace}.svc:5000"
    assert {c["type"] for c in status["conditions"]} >= {"Ready", "Reconciling", "Stalled", "DatabaseAvailable"}
    assert condition({"status": status}, "Ready")["status"] == "False"


def test_nothing_is_written_to_the_resource_but_its_status(api, operator, namespace, settled) -> None:
    applied = api.apply(stack(), namespace)
    seen = settled(namespace)
    assert "finalizers" not in seen["metadata"]
    assert "annotations" not in seen["metadata"]
    assert seen["metadata"]["generation"] == applied["metadata"]["generation"]


def test_client_side_and_server_side_apply_both_work(
    api, operator, namespace, kubectl, control_plane, tmp_path, settled
):
    import json
    import subprocess

    for flags in (["--server-side"], []):
        name = "server" if flags else "client"
        file = tmp_path / f"{name}.json"
        for spec in ({}, EXTERNAL, {}):
            file.write_text(json.dumps(stack(name, spec)))
            command = [kubectl, "--kubeconfig", control_plane.kubeconfig, "-n", namespace, "apply", *flags, "-f", file]
            subprocess.run(command, check=True, capture_output=True)
            live = api.get("InventoryStack", namespace, name)
            assert "sqlite" not in live["spec"].get("service", {}).get("database", {})
            assert ("external" in live["spec"].get("service", {}).get("database", {})) == (spec != {})


def test_every_kind_of_child_comes_back_when_deleted(api, shop) -> None:
    before = api.children(shop, "shop")
    assert {kind for kind, _ in before} == {
        *("ConfigMap", "Deployment", "HorizontalPodAutoscaler", "Ingress", "NetworkPolicy"),
        *("PersistentVolumeClaim", "PodDisruptionBudget", "Role", "RoleBinding", "Secret", "Service", "ServiceAccount"),
    }
    for kind, name in before:
        if kind != "PersistentVolumeClaim":  # held by its protection finalizer: see below
            api.delete(kind, shop, name)
    for (kind, name), old in before.items():
        if kind == "PersistentVolumeClaim":
            continue

        def back(kind=kind, name=name, old=old):
            new = api.get(kind, shop, name)
            return new if new and new["metadata"]["uid"] != old["metadata"]["uid"] else None

        assert eventually(back, f"{kind} {name} to come back")["metadata"]["labels"] == old["metadata"]["labels"]


def test_a_deleted_volume_comes_back_once_it_is_gone(api, shop) -> None:
    old = api.get("PersistentVolumeClaim", shop, "shop-prometheus")
    api.delete("PersistentVolumeClaim", shop, "shop-prometheus")

    def back():
        new = api.get("PersistentVolumeClaim", shop, "shop-prometheus")
        return new and new["metadata"]["uid"] != old["metadata"]["uid"]

    eventually(back, "the claim to come back")


def test_the_kubelet_binding_comes_back(api, shop) -> None:
    (binding,) = api.list("ClusterRoleBinding", None, f"inventorystack.dev/stack-namespace={shop}")
    name = binding["metadata"]["name"]
    assert binding["roleRef"]["name"] == "inventory-kubelet-metrics"
    assert binding["metadata"]["ownerReferences"][0]["kind"] == "Namespace"
    api.delete("ClusterRoleBinding", None, name)
    eventually(lambda: api.get("ClusterRoleBinding", None, name), "the binding to come back")


def edits(namespace: str) -> dict[tuple[str, str], dict]:
    """For every kind of child: a merge patch that changes, or takes away, something that we wrote."""
    return {
        ("ConfigMap", "shop-prometheus"): {"data": {"prometheus.yml": "global: {}\n"}},
        ("Deployment", "shop-prometheus"): {"spec": {"replicas": 0}},
        ("HorizontalPodAutoscaler", "shop-inventory"): {"spec": {"maxReplicas": 9}},
        ("Ingress", "shop-grafana"): {"spec": {"rules": [{"host": "evil.example.com"}]}},
        ("NetworkPolicy", "shop-prometheus"): {"spec": {"ingress": [{}]}},
        ("PersistentVolumeClaim", "shop-prometheus"): {"metadata": {"labels": {"app.kubernetes.io/component": "x"}}},
        ("PodDisruptionBudget", "shop-inventory"): {"spec": {"maxUnavailable": "90%", "minAvailable": None}},
        ("Role", "shop-prometheus"): {"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]},
        ("RoleBinding", "shop-prometheus"): {"subjects": None},
        ("Secret", "shop-digest-key"): {"metadata": {"labels": {"inventorystack.dev/stack": None}}},
        ("Service", "shop-inventory"): {"spec": {"selector": {"inventorystack.dev/stack": "other"}}},
        ("ServiceAccount", "shop-prometheus"): {"metadata": {"ownerReferences": None}},
    }


def test_every_kind_of_child_is_repaired_when_edited(api, shop) -> None:
    api_edits = edits(shop)
    before = {key: api.get(key[0], shop, key[1]) for key in api_edits}
    assert {kind for kind, _ in api_edits} == {kind for kind, _ in api.children(shop, "shop")}
    for (kind, name), patch in api_edits.items():
        changed = api.patch(kind, shop, name, patch)
        assert intent(changed) != intent(before[kind, name]), f"the edit of {kind} changes nothing"
    for (kind, name), old in before.items():
        eventually(
            lambda kind=kind, name=name, old=old: intent(api.get(kind, shop, name)) == intent(old),
            f"the edit of {kind} {name} to be undone",
        )


def intent(obj: dict) -> dict:
    """What a client wrote of a live object: all but the API server's own fields."""
    wished = copy.deepcopy({key: value for key, value in obj.items() if key != "status"})
    for bookkeeping in ("managedFields", "resourceVersion", "generation"):
        wished["metadata"].pop(bookkeeping, None)
    wished["metadata"].get("annotations", {}).pop("deployment.kubernetes.io/revision", None)
    return wished


def test_additions_of_others_stay_but_not_keys_and_containers(api, shop) -> None:
    api.patch(
        "ConfigMap", shop, "shop-prometheus", {"data": {"extra.yml": "x"}, "metadata": {"annotations": {"team": "a"}}}
    )
    extra = {"name": "extra", "image": "docker.io/library/busybox:1"}
    pods = {"template": {"spec": {"containers": [extra]}, "metadata": {"annotations": {"team": "a"}}}}
    api.strategic("Deployment", shop, "shop-prometheus", {"spec": pods, "metadata": {"labels": {"team": "a"}}})

    def clean() -> bool:
        config = api.get("ConfigMap", shop, "shop-prometheus")
        deployment = api.get("Deployment", shop, "shop-prometheus")
        containers = [c["name"] for c in deployment["spec"]["template"]["spec"]["containers"]]
        return "extra.yml" not in config["data"] and containers == ["prometheus"]

    eventually(clean, "the extra key and the extra container to go")
    assert api.get("ConfigMap", shop, "shop-prometheus")["metadata"]["annotations"]["team"] == "a"
    deployment = api.get("Deployment", shop, "shop-prometheus")
    assert deployment["metadata"]["labels"]["team"] == "a"
    assert deployment["spec"]["template"]["metadata"]["annotations"]["team"] == "a"


def test_replicas_of_an_autoscaler_and_rollout_restart_are_left_alone(api, shop, audit) -> None:
    def scaled() -> bool:
        return bool(api.get("Deployment", shop, "shop-inventory")["spec"]["replicas"] == 2)

    # It would do so after what follows otherwise.
    eventually(scaled, "the autoscaler to have scaled to its least number")
    api.patch("Deployment", shop, "shop-inventory", {"spec": {"replicas": 3}})
    restarted = {"kubectl.kubernetes.io/restartedAt": "2026-11-23T00:00:00Z"}
    api.patch("Deployment", shop, "shop-inventory", {"spec": {"template": {"metadata": {"annotations": restarted}}}})
    time.sleep(2)
    live = api.get("Deployment", shop, "shop-inventory")
    assert live["spec"]["replicas"] == 3
    assert restarted.items() <= live["spec"]["template"]["metadata"]["annotations"].items()
    assert not [write for write in audit.writes(shop) if "deployments/shop-inventory" in write]


def test_a_field_removed_from_the_spec_is_removed_from_the_child(api, operator, namespace, settled) -> None:
    annotations = {ISSUER: "letsencrypt"}
    ingress = {"hosts": {"service": "shop.example.com"}, "annotations": annotations, "className": "nginx"}
    api.apply(stack(spec={"ingress": ingress}), namespace)
    settled(namespace)
    made = eventually(lambda: api.get("Ingress", namespace, "shop-inventory"), "the ingress")
    assert made["spec"]["ingressClassName"] == "nginx"
    assert made["metadata"]["annotations"][ISSUER] == "letsencrypt"
    api.apply(stack(spec={"ingress": {"hosts": {"service": "shop.example.com"}}}), namespace)
    settled(namespace)

    def plain() -> bool:
        live = api.get("Ingress", namespace, "shop-inventory")
        return "ingressClassName" not in live["spec"] and ISSUER not in live["metadata"]["annotations"]

    eventually(plain, "class and annotation to go")


def test_a_component_switched_off_is_pruned_and_its_volume_kept(api, operator, namespace, settled) -> None:
    api.apply(stack(), namespace)
    settled(namespace)
    api.apply(stack(spec={"grafana": {"enabled": False}}), namespace)
    left = {("PersistentVolumeClaim", "shop-grafana"), ("Secret", "shop-grafana")}

    def pruned() -> bool:
        return {key for key in api.children(namespace, "shop") if key[1] == "shop-grafana"} == left

    eventually(pruned, "Grafana to be pruned")
    assert not condition(settled(namespace), "GrafanaAvailable")
    assert "grafana" not in settled(namespace)["status"]["endpoints"]


def test_another_kind_of_database_keeps_the_old_volume_and_both_ways_work(api, operator, namespace, settled) -> None:
    api.create(database_secret(), namespace)
    api.apply(stack(), namespace)
    settled(namespace)
    volume = api.get("PersistentVolumeClaim", namespace, "shop-inventory")
    for spec, strategy in ((EXTERNAL, "RollingUpdate"), ({}, "Recreate")):
        api.apply(stack(spec=spec), namespace)
        found = settled(namespace)
        assert condition(found, "Stalled")["status"] == "False", condition(found, "Stalled")["message"]
        live = api.get("Deployment", namespace, "shop-inventory")
        assert live["spec"]["strategy"]["type"] == strategy
        kept = api.get("PersistentVolumeClaim", namespace, "shop-inventory")
        assert kept["metadata"]["uid"] == volume["metadata"]["uid"]
