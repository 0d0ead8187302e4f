"""The engine under faults: quiet when nothing changes, one writer, convergent after every kind of death."""

from __future__ import annotations

import random
import time

import pytest
from tests.framework.api import LABEL, PATIENCE, Api, condition, eventually, is_taken_in, stack
from tests.framework.operators import LEASE_LOST, USER, Audit, Operator, kustomized, permitted, prepare, reader_token

from devcluster.node.controlplane import ControlPlane

#: One worker runs them: starting a control plane takes more CPU time than most of these tests.
pytestmark = pytest.mark.xdist_group("engine")

#: Namespaced children of `spec: {}`.
CHILDREN = 28
STACKS = ("shop", "shop-b", "third")
HOME = ("--operator-namespace", "inventory-system")
QUIET_SECONDS = 60


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory):
    """A control plane of these tests' own: it is restarted, and so is the cluster-wide operator."""
    with ControlPlane(tmp_path_factory.mktemp("engine")) as running:
        yield running


@pytest.fixture(scope="module")
def api(control_plane, kubectl):
    return prepare(control_plane, kubectl)


@pytest.fixture(autouse=True)
def _nothing_left(api):
    """After each test: no stack, nothing of one outside of its namespace, no Lease, as on a new cluster."""
    yield
    stacks = "apis/inventorystack.dev/v1alpha1/inventorystacks"
    for one in api.request("GET", stacks).json()["items"]:
        api.delete("InventoryStack", one["metadata"]["namespace"], one["metadata"]["name"])
    eventually(lambda: api.request("GET", stacks).json()["items"] == [], "all stacks to be gone")
    for kind, place in (("ClusterRoleBinding", None), ("Lease", "inventory-system")):
        for one in api.list(kind, place, LABEL if place is None else ""):
            api.delete(kind, place, one["metadata"]["name"])


@pytest.fixture
def kubeconfig(control_plane):
    return control_plane.user_kubeconfig(USER.format(namespace="inventory-system"))


def complete(api: Api, namespace: str, name: str, images: str | None = None) -> bool:
    """Whether every child is there, of this very stack, and the status speaks of the newest generation."""
    found = api.get("InventoryStack", namespace, name)
    if not found or not is_taken_in(found):
        return False
    children = api.children(namespace, name)
    uids = {child["metadata"]["labels"]["inventorystack.dev/stack-uid"] for child in children.values()}
    if len(children) != CHILDREN or uids != {found["metadata"]["uid"]}:
        return False
    pod = children["Deployment", f"{name}-inventory"]["spec"]["template"]["spec"]
    return not images or bool(pod["containers"][0]["image"] == images)


def test_steady_state_and_a_restart_write_nothing(control_plane, api, kubeconfig, namespace, tmp_path) -> None:
    audit = Audit(control_plane.audit_log, USER.format(namespace="inventory-system"), api)
    with Operator(kubeconfig, tmp_path / "operator.log", *HOME, "--resync-seconds", "20") as operator:
        for name in STACKS:
            api.create(stack(name, {"service": {"image": "nowhere.example.com/none:1"}}), namespace)
            eventually(lambda name=name: complete(api, namespace, name), f"{name} to be made")
        audit.settle()
        time.sleep(QUIET_SECONDS)
        assert audit.writes() == [], "in steady state, lists included"
        operator.stop()
        audit.mark()
        operator.start()
        eventually(operator.leads, "the restarted operator to lead")
        time.sleep(QUIET_SECONDS)
        assert audit.writes() == [], "after a restart"

        def reconciled() -> bool:
            found, success = operator.metrics(), 'inventory_operator_reconcile_total{result="success"}'
            return success in found and f"{success} 0.0" not in found

        eventually(reconciled, "the restarted operator to have reconciled")


def test_killed_at_random_moments_it_converges_and_orphans_nothing(api, kubeconfig, namespace, tmp_path) -> None:
    rng = random.Random(20261123)
    with Operator(kubeconfig, tmp_path / "operator.log", *HOME) as operator:
        for round_ in range(6):
            for name in STACKS:
                image = f"registry.example.com/inventory:{round_}"
                spec = {"service": {"image": image}, "grafana": {"enabled": round_ % 2 == 1}}
                api.apply(stack(name, spec), namespace)
            time.sleep(rng.uniform(0, 0.4))
            operator.kill()
            operator.start(wait=round_ % 3 == 0)
        operator.wait_ready()
        for name in STACKS:
            eventually(
                lambda name=name: complete(api, namespace, name, images="registry.example.com/inventory:5"), name
            )
        everything = [c for name in STACKS for c in api.children(namespace, name).values()]
        assert len({child["metadata"]["uid"] for child in everything}) == len(STACKS) * CHILDREN


def test_what_was_deleted_while_it_was_away_is_made_again_or_cleaned_up(api, kubeconfig, namespace, tmp_path) -> None:
    with Operator(kubeconfig, tmp_path / "operator.log", *HOME) as operator:
        for name in STACKS:
            api.create(stack(name), namespace)
            eventually(lambda name=name: complete(api, namespace, name), f"{name} to be made")
        operator.kill()
        api.delete("Service", namespace, "shop-prometheus")
        api.patch("ConfigMap", namespace, "shop-grafana", {"data": {"grafana.ini": "[server]"}})
        api.delete("InventoryStack", namespace, "third")
        assert len(api.list("ClusterRoleBinding", None, "inventorystack.dev/stack=third")) == 1
        operator.start()
        eventually(lambda: complete(api, namespace, "shop"), "shop to be whole again")
        eventually(
            lambda: api.get("ConfigMap", namespace, "shop-grafana")["data"]["grafana.ini"] != "[server]", "repair"
        )
        left = {"PersistentVolumeClaim", "Secret"}
        eventually(lambda: {kind for kind, _ in api.children(namespace, "third")} == left, "only what Retain keeps")
        eventually(
            lambda: not api.list("ClusterRoleBinding", None, "inventorystack.dev/stack=third"), "the binding to go"
        )


def test_it_outlives_a_restart_of_the_api_server(control_plane, api, kubeconfig, namespace, tmp_path) -> None:
    with Operator(kubeconfig, tmp_path / "operator.log", *HOME):
        api.create(stack(), namespace)
        eventually(lambda: complete(api, namespace, "shop"), "the stack to be made")
        control_plane.restart_apiserver()
        eventually(lambda: api.request("GET", "readyz").ok, "the API server")
        api.delete("Service", namespace, "shop-prometheus")

        eventually(lambda: api.get("Service", namespace, "shop-prometheus"), "the service to come back")
        api.create(stack("third"), namespace)
        eventually(lambda: complete(api, namespace, "third"), "a new stack to be made")


def test_without_the_operator_deletion_still_ends(api, kubeconfig, namespace, tmp_path) -> None:
    with Operator(kubeconfig, tmp_path / "operator.log", *HOME):
        api.create(stack(), namespace)
        eventually(lambda: complete(api, namespace, "shop"), "the stack to be made")
    api.delete("InventoryStack", namespace, "shop")
    eventually(lambda: api.get("InventoryStack", namespace, "shop") is None, "the stack to be gone")
    left = {"PersistentVolumeClaim", "Secret"}
    eventually(lambda: {kind for kind, _ in api.children(namespace, "shop")} == left, "garbage collection")


def test_of_two_operators_one_writes_and_the_other_takes_over(
    control_plane, api, kubectl, kubeconfig, namespace, tmp_path
) -> None:
    audit = Audit(control_plane.audit_log, USER.format(namespace="inventory-system"))
    with Operator(kubeconfig, tmp_path / "first.log", *HOME) as first:
        eventually(first.leads, "the first to lead")
        with Operator(kubeconfig, tmp_path / "second.log", *HOME) as second:
            audit.mark()
            api.create(stack(), namespace)
            eventually(lambda: complete(api, namespace, "shop"), "the stack to be made")

            def creations() -> list[str]:
                return [write for write in audit.writes() if "deployments/shop-grafana" in write]

            eventually(creations, "the creation in the audit log")
            time.sleep(1)
            assert len(creations()) == 1, "only one of them writes"
            # Where everything stood still for long, the first could not keep its Lease.
            eventually(lambda: not second.leads() or LEASE_LOST in first.log.read_text(), "one of them to lead")

            token = reader_token(api, kubectl)

            def tells(one: Operator) -> bool:
                return "inventory_operator_stack_condition{" in one.metrics("", token)

            eventually(lambda: tells(first) != tells(second), "only the leader to tell of the stack")
            first.kill()
            eventually(second.leads, "the second to take over")
            eventually(lambda: tells(second), "the second to tell of the stack")
            api.delete("Service", namespace, "shop-grafana")
            eventually(lambda: api.get("Service", namespace, "shop-grafana"), "the second to work")


def test_a_lease_lost_ends_the_process(api, kubeconfig, namespace, tmp_path) -> None:
    with Operator(kubeconfig, tmp_path / "operator.log", *HOME).ending() as operator:
        operator.start()
        eventually(operator.leads, "the operator to lead")
        usurped = {"holderIdentity": "usurper", "renewTime": "2030-01-01T00:00:00.000000Z"}
        api.patch("Lease", "inventory-system", "inventory-operator", {"spec": usurped})
        assert operator.process is not None
        assert operator.process.wait(PATIENCE) == 4
        assert LEASE_LOST in operator.log.read_text()


def test_a_single_namespace_install_works_with_exactly_its_role(control_plane, api, kubectl, tmp_path) -> None:
    for namespace in ("shop", "elsewhere"):
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    for obj in kustomized(kubectl, "single-namespace"):
        assert obj["metadata"]["namespace"] == "shop", "no right outside of its namespace"
        api.apply(obj, "shop")
    user = USER.format(namespace="shop")
    own = control_plane.user_kubeconfig(user)
    rights = (("patch", "inventorystack.dev/inventorystacks/status"), ("create", "coordination.k8s.io/leases"))
    for right in rights:
        eventually(lambda right=right: permitted(api, user, *right, "shop"), "the Role to be heeded")
    with Operator(own, tmp_path / "operator.log", "--namespace", "shop") as operator:
        eventually(operator.leads, "the operator to lead")
        api.create(stack(), "shop")
        api.create(stack(), "elsewhere")
        eventually(lambda: complete(api, "shop", "shop"), "the stack to be made")
        assert not api.children("elsewhere", "shop")
        assert not api.list("ClusterRoleBinding", None, "inventorystack.dev/stack=shop")
        assert "cadvisor" not in api.get("ConfigMap", "shop", "shop-prometheus")["data"]["prometheus.yml"]
        found = api.get("InventoryStack", "shop", "shop")
        assert condition(found, "Stalled")["status"] == "False"


def test_missing_rights_are_named(control_plane, api, tmp_path) -> None:
    nobody = control_plane.user_kubeconfig("nobody")
    with Operator(nobody, tmp_path / "operator.log").ending() as operator:
        operator.start(wait=False)
        assert operator.process is not None
        assert operator.process.wait(PATIENCE) == 3
    assert "list inventorystacks.inventorystack.dev in every namespace" in operator.log.read_text()
