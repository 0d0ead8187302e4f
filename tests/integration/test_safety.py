"""The operator's guarantees on a real API server: it disturbs, leaks, fights, orphans and loses nothing."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.framework.api import condition, eventually, stack
from tests.framework.operators import reader_token
from tests.framework.stacks import EXTERNAL, URL, database_secret

from inventory_operator.controller.apply_state import FIRST_PAUSE_SECONDS

pytestmark = pytest.mark.xdist_group("operator")


def test_a_missing_reference_is_named_and_heals_by_itself(api, operator, namespace, settled) -> None:
    api.apply(stack(spec=EXTERNAL), namespace)
    stalled = condition(settled(namespace), "Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "MissingReference")
    assert stalled["message"].startswith('spec.service.database.external.secretKeyRef: Secret "db" not found')
    others = {("Deployment", f"shop-{name}") for name in ("prometheus", "alertmanager", "grafana")}
    eventually(lambda: others <= {*api.children(namespace, "shop")}, "everything that needs no database")
    assert ("Deployment", "shop-inventory") not in api.children(namespace, "shop")
    assert condition(api.get("InventoryStack", namespace, "shop"), "ServiceAvailable")["reason"] == "MissingReference"
    api.create({**database_secret(), "data": {"other": URL}}, namespace)

    def lacks_key() -> bool:
        return "no value under key url" in condition(api.get("InventoryStack", namespace, "shop"), "Stalled")["message"]

    eventually(lacks_key, "the missing key to be named")
    api.patch("Secret", namespace, "db", {"data": {"url": URL}})
    eventually(lambda: api.get("Deployment", namespace, "shop-inventory"), "the service to be made")


def test_a_changed_secret_rolls_what_uses_it_and_nothing_else(api, operator, namespace, settled) -> None:
    api.create(database_secret(), namespace)
    api.apply(stack(spec=EXTERNAL), namespace)
    settled(namespace)

    def templates() -> dict[str, dict]:
        found = api.children(namespace, "shop")
        return {name: child["spec"]["template"] for (kind, name), child in found.items() if kind == "Deployment"}

    before = templates()
    api.patch("Secret", namespace, "db", {"data": {"url": base64.b64encode(b"postgresql://new@db/shop").decode()}})
    eventually(lambda: templates()["shop-inventory"] != before["shop-inventory"], "the service to roll")
    after = templates()
    assert {n: t for n, t in after.items() if n != "shop-inventory"} == {
        n: t for n, t in before.items() if n != "shop-inventory"
    }


def test_an_edited_generated_password_is_a_rotation(api, operator, namespace, settled) -> None:
    api.apply(stack(), namespace)
    settled(namespace)
    before = api.get("Deployment", namespace, "shop-grafana")["spec"]["template"]
    chosen = base64.b64encode(b"correct horse").decode()
    api.patch("Secret", namespace, "shop-grafana", {"data": {"admin-password": chosen}})

    def rolled() -> bool:
        return api.get("Deployment", namespace, "shop-grafana")["spec"]["template"] != before

    eventually(rolled, "Grafana to roll")
    assert api.get("Secret", namespace, "shop-grafana")["data"]["admin-password"] == chosen


def test_no_secret_value_leaves_its_secret(api, operator, namespace, settled) -> None:
    api.create(database_secret(), namespace)
    api.apply(stack(spec=EXTERNAL), namespace)
    settled(namespace)
    secrets = [api.get("Secret", namespace, name) for name in ("db", "shop-grafana", "shop-digest-key")]
    values = {value for secret in secrets for key, value in secret["data"].items() if key != "admin-user"}
    values |= {base64.b64decode(value).decode() for value in values} | {"hunter2"}
    assert len(values) == 7
    everything = [child for (kind, _), child in api.children(namespace, "shop").items() if kind != "Secret"]
    everything += api.list("InventoryStack", namespace) + api.list("Event", namespace) + api.list("Pod", namespace)
    text = json.dumps(everything) + operator.log.read_text() + operator.metrics()
    assert not [value for value in values if value in text]


def test_generated_passwords_are_different_and_long(api, operator, namespace, settled) -> None:
    for name in ("shop", "other"):
        api.apply(stack(name), namespace)
        settled(namespace, name)
    passwords = {
        base64.b64decode(api.get("Secret", namespace, f"{name}-grafana")["data"]["admin-password"])
        for name in ("shop", "other")
    }
    assert len(passwords) == 2
    assert all(len(password) >= 32 for password in passwords)


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
def test_deletion_follows_the_policy_and_needs_no_operator(api, operator, namespace, settled, policy) -> None:
    api.apply(stack(spec={"deletionPolicy": policy}), namespace)
    settled(namespace)
    api.delete("InventoryStack", namespace, "shop")
    kept = {
        ("PersistentVolumeClaim", f"shop-{part}") for part in ("inventory", "prometheus", "alertmanager", "grafana")
    }
    kept |= {("Secret", "shop-grafana"), ("Secret", "shop-digest-key")}
    wanted = kept if policy == "Retain" else set()
    eventually(lambda: set(api.children(namespace, "shop")) == wanted, f"exactly {sorted(wanted)} to be left")
    left = f"inventorystack.dev/stack-namespace={namespace}"
    eventually(lambda: not api.list("ClusterRoleBinding", None, left), "the kubelet binding to go")


def test_switching_the_policy_rewrites_owner_references_only(api, operator, namespace, settled) -> None:
    api.apply(stack(), namespace)
    settled(namespace)
    before = api.get("Secret", namespace, "shop-grafana")
    assert "ownerReferences" not in before["metadata"]
    api.apply(stack(spec={"deletionPolicy": "Delete"}), namespace)
    settled(namespace)
    after = api.get("Secret", namespace, "shop-grafana")
    assert after["metadata"]["ownerReferences"][0]["name"] == "shop"
    assert after["data"] == before["data"]
    assert "ownerReferences" in api.get("PersistentVolumeClaim", namespace, "shop-prometheus")["metadata"]
    api.apply(stack(), namespace)
    settled(namespace)
    assert "ownerReferences" not in api.get("Secret", namespace, "shop-grafana")["metadata"]


def test_a_secret_that_is_to_stay_loses_the_owner_that_it_was_created_with(api, operator, namespace, settled) -> None:
    api.apply(stack(spec={"deletionPolicy": "Delete"}), namespace)
    settled(namespace)
    before = api.get("Secret", namespace, "shop-grafana")
    assert before["metadata"]["ownerReferences"][0]["name"] == "shop"
    api.apply(stack(), namespace)
    settled(namespace)
    after = api.get("Secret", namespace, "shop-grafana")
    assert "ownerReferences" not in after["metadata"]
    assert after["data"] == before["data"]


def test_a_new_stack_adopts_what_its_predecessor_left(api, operator, namespace, settled) -> None:
    api.apply(stack(), namespace)
    settled(namespace)
    old = {
        key: c for key, c in api.children(namespace, "shop").items() if key[0] in {"PersistentVolumeClaim", "Secret"}
    }
    api.delete("InventoryStack", namespace, "shop")
    api.apply(stack(), namespace)  # at once: its predecessor's children are still going
    settled(namespace)

    def complete() -> bool:
        found = api.get("InventoryStack", namespace, "shop")
        live = api.children(namespace, "shop")
        uid = found["metadata"]["uid"]
        return len(live) > 20 and all(
            c["metadata"]["labels"]["inventorystack.dev/stack-uid"] == uid for c in live.values()
        )

    eventually(complete, "the new stack to own every child")
    new = api.children(namespace, "shop")
    for key, child in old.items():
        assert new[key]["metadata"]["uid"] == child["metadata"]["uid"]
        assert new[key].get("data") == child.get("data")


def test_a_namespace_made_anew_owns_the_new_binding(api, operator, namespace, settled, audit) -> None:
    selector = f"inventorystack.dev/stack-namespace={namespace}"
    for _ in range(2):
        api.apply(stack(), namespace)
        settled(namespace)
        uid = api.get("Namespace", None, namespace)["metadata"]["uid"]

        def owned(uid=uid) -> bool:
            bindings = api.list("ClusterRoleBinding", None, selector)
            return [b["metadata"]["ownerReferences"][0]["uid"] for b in bindings] == [uid]

        eventually(owned, "the binding of this very namespace")
        names = [one["metadata"]["name"] for one in api.list("ClusterRoleBinding", None, selector)]
        audit.mark()
        api.delete("Namespace", None, namespace)
        eventually(lambda: api.get("Namespace", None, namespace) is None, "the namespace to be gone")
        eventually(lambda: not api.list("ClusterRoleBinding", None, selector), "the binding to be gone")
        assert not [write for write in audit.writes() if write in {f"patch clusterrolebindings/{one}" for one in names}]
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})


def test_an_account_of_an_administrator_runs_and_gets_nothing(api, operator, namespace, settled) -> None:
    theirs = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "shop-prometheus"}}
    theirs["automountServiceAccountToken"] = True
    made = api.apply(theirs, namespace, manager="administrator")
    api.apply(stack(spec={"containerMetrics": "kubelet"}), namespace)
    said = condition(settled(namespace), "Stalled")
    assert said["reason"] == "NameTaken"
    assert "ServiceAccount shop-prometheus exists already and was written by the field manager admin" in said["message"]
    eventually(lambda: api.get("Deployment", namespace, "shop-grafana"), "everything else")
    for kind in ("Deployment", "RoleBinding"):
        assert api.get(kind, namespace, "shop-prometheus") is None
    assert api.list("ClusterRoleBinding", None, f"inventorystack.dev/stack-namespace={namespace}") == []
    live = api.get("ServiceAccount", namespace, "shop-prometheus")
    assert live["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    api.delete("ServiceAccount", namespace, "shop-prometheus")
    eventually(lambda: api.get("Deployment", namespace, "shop-prometheus"), "Prometheus, once the name is free")


def test_an_orphan_is_adopted_once_nothing_foreign_is_in_it(api, operator, namespace, settled) -> None:
    api.apply(stack(), namespace)
    settled(namespace)
    stacks = f"apis/inventorystack.dev/v1alpha1/namespaces/{namespace}/inventorystacks/shop"
    api.request("DELETE", stacks, {"propagationPolicy": "Orphan"})
    eventually(lambda: api.get("InventoryStack", namespace, "shop") is None, "the stack to be gone")
    before = api.get("Service", namespace, "shop-grafana")
    assert "ownerReferences" not in before["metadata"]
    api.patch("Service", namespace, "shop-grafana", {"metadata": {"annotations": {"example.com/expose": "yes"}}})
    api.apply(stack(), namespace)
    settled(namespace)

    def told() -> dict[str, Any] | None:
        seen = condition(api.get("InventoryStack", namespace, "shop"), "Stalled")
        return seen if seen["reason"] == "NameTaken" else None

    # What changed while it was looked at is looked at again.
    assert "metadata.annotations[example.com/expose]" in eventually(told, "the annotation to be named")["message"]
    api.patch("Service", namespace, "shop-grafana", {"metadata": {"annotations": {"example.com/expose": None}}})

    def adopted() -> bool:
        owners = api.get("Service", namespace, "shop-grafana")["metadata"].get("ownerReferences", ())
        return [owner["name"] for owner in owners] == ["shop"]

    eventually(adopted, "the Service to be adopted")
    after = api.get("Service", namespace, "shop-grafana")
    assert (after["metadata"]["uid"], after["spec"]) == (before["metadata"]["uid"], before["spec"])
    eventually(
        lambda: condition(api.get("InventoryStack", namespace, "shop"), "Stalled")["status"] == "False",
        "Stalled to end",
    )


def test_a_file_that_is_changed_in_the_field_manager_s_name_is_put_back(api, operator, namespace, settled) -> None:
    api.apply(stack(), namespace)
    settled(namespace)
    live = api.get("ConfigMap", namespace, "shop-prometheus")
    path, merge = f"api/v1/namespaces/{namespace}/configmaps/shop-prometheus", "application/merge-patch+json"
    forged = {"data": {"prometheus.yml": "scrape_configs: [{job_name: theirs}]"}}
    api.request("PATCH", path, forged, merge, fieldManager="inventory-operator")
    # Whoever may write an object may write this, too.
    api.request("PATCH", path, {"metadata": {"managedFields": live["metadata"]["managedFields"]}}, merge)
    wanted = live["data"]["prometheus.yml"]
    eventually(
        lambda: api.get("ConfigMap", namespace, "shop-prometheus")["data"]["prometheus.yml"] == wanted,
        "the file to be put back",
    )


def test_an_object_of_another_owner_is_not_changed(api, operator, namespace, settled) -> None:
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shop-prometheus"}, "data": {"a": "b"}}
    made = api.create(theirs, namespace)
    api.apply(stack(), namespace)
    found = settled(namespace)
    assert condition(found, "Stalled")["reason"] == "NameTaken"
    assert "ConfigMap shop-prometheus" in condition(found, "PrometheusAvailable")["message"]
    live = api.get("ConfigMap", namespace, "shop-prometheus")
    assert live["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert api.get("Deployment", namespace, "shop-inventory"), "one bad child hides no other"
    api.delete("ConfigMap", namespace, "shop-prometheus")

    def taken_over() -> bool:
        live = api.get("ConfigMap", namespace, "shop-prometheus")
        return bool(live) and "prometheus.yml" in live["data"]

    eventually(taken_over, "the name to be used once it is free")
    eventually(
        lambda: condition(api.get("InventoryStack", namespace, "shop"), "Stalled")["status"] == "False",
        "Stalled to end",
    )


def test_a_volume_that_can_not_grow_is_reported_and_disturbs_nothing(api, operator, namespace, settled, audit) -> None:
    api.apply(stack(), namespace)
    settled(namespace)
    began = time.monotonic()
    api.apply(stack(spec={"prometheus": {"storage": {"size": "20Gi"}, "retention": "100h"}}), namespace)
    found = settled(namespace)
    assert condition(found, "Stalled")["status"] == "True"
    assert "PersistentVolumeClaim shop-prometheus" in condition(found, "PrometheusAvailable")["message"]
    assert "100h" in api.get("ConfigMap", namespace, "shop-prometheus")["data"]["prometheus.yml"]

    def told() -> bool:  # the Event follows the status
        events = [e for e in api.list("Event", namespace) if e["involvedObject"]["name"] == "shop"]
        return any("PersistentVolumeClaim shop-prometheus" in event["message"] for event in events)

    eventually(told, "an Event about the volume")
    tries = [write for write in audit.writes(namespace) if "persistentvolumeclaims/shop-prometheus" in write]
    # The creation, the first try, and one after each pause.
    most = 3 + int((time.monotonic() - began) // FIRST_PAUSE_SECONDS[True])
    assert len(tries) <= most, "a refusal is not tried again and again"


def test_paused_reports_and_changes_nothing(api, operator, namespace, settled, audit) -> None:
    api.apply(stack(), namespace)
    settled(namespace)
    api.apply(stack(spec={"paused": True, "grafana": {"enabled": False}}), namespace)
    assert condition(settled(namespace), "Reconciling")["reason"] == "Paused"
    audit.mark()
    api.delete("Service", namespace, "shop-inventory")
    api.patch("Deployment", namespace, "shop-prometheus", {"spec": {"replicas": 0}})

    def reported() -> bool:
        return condition(api.get("InventoryStack", namespace, "shop"), "PrometheusAvailable").get("status") == "True"

    eventually(reported, "the status to follow what it sees")
    assert api.get("Service", namespace, "shop-inventory") is None
    assert api.get("Deployment", namespace, "shop-grafana")
    # Of what is in no namespace there is its one binding, whose name begins so.
    written = [*audit.writes(namespace), *(one for one in audit.writes() if f"/{namespace}-shop-" in one)]
    assert all(write.startswith(("patch inventorystacks/status", "create events")) for write in written)
    api.apply(stack(), namespace)
    eventually(lambda: api.get("Service", namespace, "shop-inventory"), "the service to come back")


def test_the_metrics_name_a_stack_that_is_not_ready_and_why(api, kubectl, operator, namespace, settled) -> None:
    token = reader_token(api, kubectl)

    def told(kind: str, query: str = "") -> dict[str, float]:
        """Return the value of one condition by its reason."""
        families = text_string_to_metric_families(operator.metrics(query, token))
        return {
            one.labels["reason"]: one.value
            for family in families
            for one in family.samples
            if one.name == "inventory_operator_stack_condition"
            and (one.labels["namespace"], one.labels["stack"], one.labels["condition"]) == (namespace, "shop", kind)
        }

    api.apply(stack(spec={**EXTERNAL, "paused": True}), namespace)
    assert condition(settled(namespace), "Stalled")["reason"] == "MissingReference"
    # It may have lost its Lease, and been started again: then it tells nothing for a moment.
    for query in ("", f"?namespace={namespace}&stack=shop"):
        eventually(lambda query=query: told("Ready", query) == {"MissingReference": 0}, "the reason")
    assert told("Ready", "?namespace=default&stack=shop") == {}
    eventually(lambda: told("Reconciling") == {"Paused": 0}, "what keeps a paused stack from having an alert")
    api.apply(stack(spec=EXTERNAL), namespace)
    eventually(lambda: told("Stalled") == {"MissingReference": 1}, "the stack to go on")
    api.create(database_secret(), namespace)
    eventually(lambda: told("Stalled") == {"Progressing": 0}, "the Secret to be found")
    assert told("Ready").keys().isdisjoint({"MissingReference", "Available"})
    api.delete("InventoryStack", namespace, "shop")
    eventually(lambda: f'namespace="{namespace}"' not in operator.metrics("", token), "nothing to be said of it")


def test_transitions_are_events(api, operator, namespace, settled) -> None:
    api.apply(stack(spec=EXTERNAL), namespace)
    settled(namespace)

    def warned() -> bool:
        events = [e for e in api.list("Event", namespace) if e["reason"] == "MissingReference"]
        return any(e["type"] == "Warning" and 'Secret "db" not found' in e["message"] for e in events)

    eventually(warned, "a Warning event")


def test_a_stack_that_left_its_children_and_comes_back_restarts_nothing(api, operator, namespace, settled) -> None:
    api.apply(stack(), namespace)
    settled(namespace)

    def specs() -> dict[str, object]:
        children = api.children(namespace, "shop").items()
        return {name: one["spec"] for (kind, name), one in children if kind == "Deployment"}

    before = eventually(lambda: len(found := specs()) == 4 and found, "the Deployments")
    api.delete("InventoryStack", namespace, "shop", propagation="Orphan")
    eventually(lambda: api.get("InventoryStack", namespace, "shop") is None, "the stack to be gone")
    uid = api.apply(stack(), namespace)["metadata"]["uid"]

    def adopted() -> bool:
        children = api.children(namespace, "shop").values()
        owned = [one for one in children if one["kind"] not in {"PersistentVolumeClaim", "Secret"}]
        return all(one["metadata"].get("ownerReferences", [{}])[0].get("uid") == uid for one in owned)

    eventually(adopted, "the children to be adopted")
    assert specs() == before, "so no pod is replaced"
