"""What an administrator closes and opens beyond the namespaces of stacks, on a real API server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.framework.api import LABEL, Api, condition, eventually, stack
from tests.framework.operators import USER, Audit, Operator, prepare

from devcluster.install import OPENED
from devcluster.node.controlplane import ControlPlane

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("rights")

CLOSED = dict.fromkeys(OPENED, "")
INGRESS = {"hosts": {"service": "shop.example.com", "grafana": "g.example.com"}}
SPEC = {"containerMetrics": "kubelet", "ingress": INGRESS, "alerting": {"enabled": False}}
BINDINGS = "inventorystack.dev/stack-namespace=shop"


@pytest.fixture
def plane(tmp_path: Path, kubectl: Path) -> Iterator[tuple[ControlPlane, Api]]:
    with ControlPlane(tmp_path / "plane") as running:
        api = prepare(running, kubectl)
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        yield running, api


def reported(api: Api, stalled: str) -> dict[str, str]:
    """The messages of the conditions once those of the newest generation say whether a person is needed."""

    def seen() -> dict[str, str] | None:
        found = api.get("InventoryStack", "shop", "shop")
        assert found
        told = condition(found, "Stalled")
        current = told and told["observedGeneration"] == found["metadata"]["generation"]
        if not current or (told["status"], told["reason"]) not in {("False", "Progressing"), ("True", "NotPermitted")}:
            return None
        return {c["type"]: c["message"] for c in found["status"]["conditions"]} if told["status"] == stalled else None

    found = eventually(seen, f"Stalled to be {stalled}")
    assert found
    return found


def pause(api: Api) -> None:
    """Pause a stack that has its binding, so that its owner keeps the operator from changing it."""
    api.create(stack("idle", {**SPEC, "ingress": None}), "shop")
    eventually(
        lambda: api.list("ClusterRoleBinding", None, f"{BINDINGS},{LABEL}=idle"), "the binding of the other stack"
    )
    api.patch("InventoryStack", "shop", "idle", {"spec": {"paused": True}})


def test_what_is_closed_waits_alone_and_what_is_closed_later_keeps_its_ingress_but_not_its_right(plane, tmp_path):
    control_plane, api = plane
    user = USER.format(namespace="inventory-system")
    audit = Audit(control_plane.audit_log, user)

    def operator(name: str, **environment: str) -> Operator:
        home = ("--operator-namespace", "inventory-system")
        return Operator(control_plane.user_kubeconfig(user), tmp_path / f"{name}.log", *home, **environment)

    # Closed from the start: everything is made but what is closed, and the status names each setting.
    with operator("closed", **CLOSED):
        api.create(stack(spec=SPEC), "shop")
        messages = reported(api, "True")
        assert "spec.ingress.hosts.service: shop.example.com" in messages["ServiceAvailable"]
        assert "INVENTORY_ALLOWED_INGRESS_HOSTS allows none" in messages["GrafanaAvailable"]
        assert "INVENTORY_ALLOW_KUBELET_METRICS is false" in messages["PrometheusAvailable"]
        eventually(lambda: api.get("Deployment", "shop", "shop-grafana"), "all that is not closed")
        assert not [key for key in api.children("shop", "shop") if key[0] == "Ingress"]
        assert not api.list("ClusterRoleBinding", None, BINDINGS)
        before = api.get("Deployment", "shop", "shop-prometheus")

    # Opened: both are there, and no pod is replaced for it.
    with operator("opened"):
        eventually(lambda: api.get("Ingress", "shop", "shop-grafana"), "the ingress")
        eventually(lambda: api.list("ClusterRoleBinding", None, BINDINGS), "the binding")
        reported(api, "False")
        old = api.get("Ingress", "shop", "shop-inventory")
        after = api.get("Deployment", "shop", "shop-prometheus")
        assert after["spec"]["template"] == before["spec"]["template"]
        pause(api)

    # Closed again: the right goes, the way of the shop's customers stays as it is, and nobody changes it.
    audit.mark()
    with operator("closed-again", **CLOSED):
        reported(api, "True")
        eventually(lambda: not api.list("ClusterRoleBinding", None, BINDINGS), "both bindings to go")
        hosts = {"service": "taken.example.org", "grafana": None}
        api.patch("InventoryStack", "shop", "shop", {"spec": {"ingress": {"hosts": hosts}}})
        reported(api, "True")
        assert api.get("Ingress", "shop", "shop-inventory") == old
        # What the stack no longer asks for goes whatever is closed; what an administrator deletes stays away.
        eventually(lambda: not api.get("Ingress", "shop", "shop-grafana"), "an unwanted ingress to go")
        api.delete("Ingress", "shop", "shop-inventory")
        api.delete("Service", "shop", "shop-inventory")
        eventually(lambda: api.get("Service", "shop", "shop-inventory"), "the Service, which is not closed")
        assert not api.get("Ingress", "shop", "shop-inventory")
        assert not [write for write in audit.writes() if "ingresses/shop-inventory" in write]
