"""A database that CloudNativePG makes: named where it is missing, made where it comes, kept when no longer wanted.

CloudNativePG itself is a stand-in here: its kind, and the Secret that it would write.
"""

from __future__ import annotations

import base64
import re
import time

import pytest
import yaml
from tests.framework.api import PATHS, condition, eventually, is_taken_in, stack
from tests.framework.operators import ROOT

pytestmark = pytest.mark.xdist_group("second-operator")

CRD = yaml.safe_load((ROOT / "tests/integration/cloudnativepg-crd.yaml").read_text())
PLACEMENT = yaml.safe_load((ROOT / "tests/golden/inputs/placement.yaml").read_text())["spec"]["placement"]
OURS = {
    "service": {"replicas": 2, "database": {"cloudNativePG": {"instances": 3, "storage": {"size": "2Gi"}}}},
    "placement": PLACEMENT,
}
URI = base64.b64encode(b"postgresql://app:hunter2@shop-database-rw.shop:5432/app").decode()


def secret(uri: str = URI) -> dict:
    metadata = {"name": "shop-database-app"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": {"uri": uri}}


def says(api, namespace: str, kind: str, reason: str) -> dict | None:
    """The stack, where a condition of it has a reason, and its status is about the newest spec."""
    found = api.get("InventoryStack", namespace, "shop")
    return found if is_taken_in(found) and condition(found, kind).get("reason") == reason else None


def variable(api, namespace: str) -> dict:
    """What the service's pods have as DATABASE_URL."""
    deployment = api.get("Deployment", namespace, "shop-inventory")
    (found,) = [
        variable
        for variable in deployment["spec"]["template"]["spec"]["containers"][0]["env"]
        if variable["name"] == "DATABASE_URL"
    ]
    return found


def served(api) -> bool:
    return api.request("GET", "apis/postgresql.cnpg.io/v1/clusters").ok


@pytest.fixture
def without(api):
    """No CloudNativePG at first; a test may install it, and it is gone afterwards."""
    assert not served(api)
    yield
    gone = api.request("DELETE", f"{PATHS['CustomResourceDefinition']}/{CRD['metadata']['name']}")
    assert gone.ok or gone.status_code == 404, gone.text
    eventually(lambda: not served(api), "the kind to go")


def install(api) -> None:
    api.create(CRD)
    eventually(lambda: served(api), "the kind to be served")


def reconciles(operator) -> float:
    found = re.findall(r"^inventory_operator_reconcile_total\{.*\} (\S+)$", operator.metrics(), re.MULTILINE)
    return sum(map(float, found))


def test_without_cloudnativepg_the_stack_says_so_and_what_runs_is_left_alone(
    api, operator, namespace, settled, without, audit
) -> None:
    api.apply(stack(), namespace)
    settled(namespace)
    before = api.get("Deployment", namespace, "shop-inventory")
    volume = api.get("PersistentVolumeClaim", namespace, "shop-inventory")
    api.apply(stack(spec={**OURS, "prometheus": {"retention": "100h"}}), namespace)
    # The operator may not know yet that the kind is gone which another test brought.
    found = eventually(lambda: says(api, namespace, "Ready", "CloudNativePGMissing"), "it to be missed")
    for kind, status in (("DatabaseAvailable", "False"), ("Ready", "False"), ("Stalled", "True")):
        told = condition(found, kind)
        assert (told["status"], told["reason"]) == (status, "CloudNativePGMissing")
        assert "install CloudNativePG (https://cloudnative-pg.io)" in told["message"]

    def warned() -> bool:
        events = [e for e in api.list("Event", namespace) if e["reason"] == "CloudNativePGMissing"]
        return any(e["type"] == "Warning" and "install CloudNativePG" in e["message"] for e in events)

    eventually(warned, "a Warning event")
    live = api.get("Deployment", namespace, "shop-inventory")
    assert live["spec"] == before["spec"], "what runs keeps running"
    assert "100h" in api.get("ConfigMap", namespace, "shop-prometheus")["data"]["prometheus.yml"]
    kept = api.get("PersistentVolumeClaim", namespace, "shop-inventory")
    assert kept["metadata"]["uid"] == volume["metadata"]["uid"]

    def rests() -> bool:
        audit.mark()
        count = reconciles(operator)
        time.sleep(20)  # longer than the operator waits until it looks again
        return audit.writes() == [] and reconciles(operator) - count <= 2

    # The operator may be busy with what other tests leave behind; a loop would never end.
    eventually(rests, "neither a write nor a loop")


def test_a_stack_goes_on_when_cloudnativepg_and_its_secret_come(
    api, operator, namespace, settled, without, audit
) -> None:
    api.apply(stack(spec=OURS), namespace)
    settled(namespace)
    eventually(lambda: says(api, namespace, "DatabaseAvailable", "CloudNativePGMissing"), "it to be missed")
    assert api.get("Service", namespace, "shop-prometheus")
    assert api.get("Deployment", namespace, "shop-inventory") is None
    install(api)
    found = eventually(lambda: says(api, namespace, "DatabaseAvailable", "WaitingForDatabase"), "to wait for it")
    assert condition(found, "Stalled")["status"] == "False"
    assert 'Secret "shop-database-app" not found' in condition(found, "DatabaseAvailable")["message"]
    cluster = api.get("Cluster", namespace, "shop-database")
    assert cluster["spec"].items() >= {"instances": 3, "storage": {"size": "2Gi"}}.items()
    assert cluster["spec"]["affinity"]["tolerations"] == PLACEMENT["tolerations"]
    assert cluster["spec"]["inheritedMetadata"]["labels"] == PLACEMENT["podLabels"]
    assert "ownerReferences" not in cluster["metadata"]
    assert api.get("Deployment", namespace, "shop-inventory") is None
    api.create(secret(), namespace)
    eventually(lambda: api.get("Deployment", namespace, "shop-inventory"), "the service to be made")
    reference = {"name": "shop-database-app", "key": "uri"}
    assert variable(api, namespace)["valueFrom"] == {"secretKeyRef": reference}
    template = api.get("Deployment", namespace, "shop-inventory")["spec"]["template"]
    new = base64.b64encode(b"postgresql://app:another@shop-database-rw.shop:5432/app").decode()
    api.apply(secret(new), namespace)
    eventually(
        lambda: api.get("Deployment", namespace, "shop-inventory")["spec"]["template"] != template,
        "the service to be restarted with a new password",
    )
    text = operator.log.read_text() + str(api.get("InventoryStack", namespace, "shop"))
    assert not [value for value in ("hunter2", URI, new) if value in text]


@pytest.fixture
def shop(api, operator, namespace, settled, without) -> str:
    """A stack whose service runs on a Cluster."""
    install(api)
    api.create(secret(), namespace)
    api.apply(stack(spec=OURS), namespace)
    eventually(lambda: api.get("Cluster", namespace, "shop-database"), "the Cluster")
    eventually(lambda: api.get("Deployment", namespace, "shop-inventory"), "the service")
    return namespace


def test_a_cluster_is_repaired_when_edited_and_made_again_when_deleted(api, shop) -> None:
    api.patch("Cluster", shop, "shop-database", {"spec": {"instances": 1}})

    def repaired() -> bool:
        live = api.get("Cluster", shop, "shop-database")
        return bool(live) and live["spec"]["instances"] == 3

    eventually(repaired, "the edit to be undone")
    api.delete("Cluster", shop, "shop-database")
    eventually(repaired, "it to be made again")


def test_what_cloudnativepg_writes_into_it_is_no_drift(api, shop, audit) -> None:
    state = {"status": {"phase": "Cluster in healthy state", "readyInstances": 3}}
    api.patch("Cluster", shop, "shop-database", {"metadata": {"annotations": {"cnpg.io/hash": "x"}}})
    api.patch("Cluster", shop, "shop-database", state, "status")
    audit.settle()
    api.patch("Cluster", shop, "shop-database", {"status": {"phase": "Failing over"}}, "status")
    time.sleep(3)
    assert [write for write in audit.writes() if "clusters/" in write] == []


def test_another_kind_of_database_keeps_the_cluster_and_the_way_back(api, shop, settled) -> None:
    uid = api.get("Cluster", shop, "shop-database")["metadata"]["uid"]
    for spec, kind in (({}, "value"), (OURS, "valueFrom")):
        api.apply(stack(spec=spec), shop)
        found = settled(shop)
        assert condition(found, "Stalled")["status"] == "False", condition(found, "Stalled")["message"]
        eventually(lambda kind=kind: kind in variable(api, shop), "the service to follow")
        assert api.get("Cluster", shop, "shop-database")["metadata"]["uid"] == uid


def test_the_policy_decides_whether_the_cluster_outlives_the_stack(api, shop, settled) -> None:
    api.apply(stack(spec={**OURS, "deletionPolicy": "Delete"}), shop)

    def owned() -> bool:
        return "ownerReferences" in api.get("Cluster", shop, "shop-database")["metadata"]

    eventually(owned, "the stack to own it")
    api.apply(stack(spec=OURS), shop)
    eventually(lambda: not owned(), "the stack to let go of it")
    uid = api.get("Cluster", shop, "shop-database")["metadata"]["uid"]
    api.delete("InventoryStack", shop, "shop")
    eventually(lambda: api.get("Deployment", shop, "shop-inventory") is None, "the children to go")
    assert api.get("Cluster", shop, "shop-database")["metadata"]["uid"] == uid
    api.apply(stack(spec={**OURS, "deletionPolicy": "Delete"}), shop)
    eventually(owned, "a new stack to take it over")
    api.delete("InventoryStack", shop, "shop")
    eventually(lambda: api.get("Cluster", shop, "shop-database") is None, "it to go with its stack")


def test_when_cloudnativepg_goes_the_service_is_left_as_it_is(api, shop, settled) -> None:
    before = api.get("Deployment", shop, "shop-inventory")["spec"]
    api.delete("CustomResourceDefinition", None, CRD["metadata"]["name"])
    eventually(lambda: says(api, shop, "DatabaseAvailable", "CloudNativePGMissing"), "it to be missed")
    assert api.get("Deployment", shop, "shop-inventory")["spec"] == before


def test_another_start_of_the_operator_calls_nothing_missing(api, shop, operator, settled, audit) -> None:
    """Before it is known whether the kind is served, nothing is said about it."""
    settled(shop)
    audit.settle()
    operator.stop()
    operator.start()
    eventually(operator.leads, "the operator to lead")
    time.sleep(5)
    assert [write for write in audit.writes() if "shop" in write] == []
