"""An API server whose CRD checks nothing (older, or edited): the operator checks it all again."""

from __future__ import annotations

import copy

import pytest
import yaml
from tests.framework.api import Api, condition, eventually, stack
from tests.framework.operators import ROOT, USER, Audit, Operator, prepare

from devcluster.node.controlplane import ControlPlane

pytestmark = pytest.mark.xdist_group("loose-schema")

SPECS = yaml.safe_load((ROOT / "tests/integration/invalid_specs.yaml").read_text())
INVALID = [
    case
    for case in SPECS
    if case["by"] != "reference" and "metadata" not in case and isinstance(case.get("spec"), dict)
]
NAMESPACE = "loose"


@pytest.fixture(scope="module")
def loose(kubectl, tmp_path_factory):
    with ControlPlane(tmp_path_factory.mktemp("loose"), controller_manager=False) as control_plane:
        api = prepare(control_plane, kubectl)
        crd = yaml.safe_load((ROOT / "crds/inventorystacks.yaml").read_text())
        version = crd["spec"]["versions"][0]
        version["schema"]["openAPIV3Schema"] = {
            "type": "object",
            "properties": {
                field: {"type": "object", "x-kubernetes-preserve-unknown-fields": True} for field in ("spec", "status")
            },
        }
        path = f"apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd['metadata']['name']}"

        def replaced() -> bool:
            live = api.get("CustomResourceDefinition", None, crd["metadata"]["name"])
            crd["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
            return api.request("PUT", path, crd).ok

        # The API server may write its status meanwhile: that is a conflict.
        eventually(replaced, "the CRD to be replaced")
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        kubeconfig = control_plane.user_kubeconfig(USER.format(namespace="inventory-system"))
        log = tmp_path_factory.mktemp("log") / "operator.log"
        with Operator(kubeconfig, log, "--operator-namespace", "inventory-system") as operator:
            eventually(operator.leads, "the operator to lead")
            yield api, Audit(control_plane.audit_log, USER.format(namespace="inventory-system"))


def loosened(api: Api) -> bool:
    """Whether the loosened schema is in force: it takes what the other one refuses, and not only drops."""
    spec = {"prometheus": {"retention": "soon"}}
    path = f"apis/inventorystack.dev/v1alpha1/namespaces/{NAMESPACE}/inventorystacks"
    return api.request("POST", path, stack("probe", spec), dryRun="All").ok


def test_every_invalid_spec_is_reported_and_disturbs_no_other_stack(loose) -> None:
    api, audit = loose
    assert len(INVALID) >= 60
    eventually(lambda: loosened(api), "the loosened schema")
    api.create(stack("healthy"), NAMESPACE)

    def healthy() -> dict:
        return api.children(NAMESPACE, "healthy")

    eventually(lambda: len(healthy()) > 20, "the healthy stack to be made")
    eventually(lambda: condition(api.get("InventoryStack", NAMESPACE, "healthy"), "Ready"), "its status")
    audit.settle()
    for number, case in enumerate(INVALID):
        api.create(stack(f"bad-{number}", case["spec"]), NAMESPACE)

    def reported() -> dict[str, str]:
        stacks = api.list("InventoryStack", NAMESPACE)
        found = {s["metadata"]["name"]: condition(s, "Stalled") for s in stacks}
        return {name: c["message"] for name, c in found.items() if c.get("reason") == "InvalidSpec"}

    eventually(lambda: len(reported()) == len(INVALID), "every invalid stack to be reported")
    messages = reported()
    # The Events follow the status.
    eventually(lambda: any(write.startswith("create events") for write in audit.writes()), "an Event in the audit log")
    wrong = {
        case["name"]: messages[f"bad-{number}"]
        for number, case in enumerate(INVALID)
        if case["path"] not in messages[f"bad-{number}"]
    }
    assert not wrong
    assert {write.split("/")[0] for write in audit.writes()} == {"patch inventorystacks", "create events"}
    assert not [write for write in audit.writes() if "/healthy" in write]


def test_the_last_good_state_keeps_running(loose) -> None:
    api, audit = loose
    eventually(lambda: loosened(api), "the loosened schema")
    api.create(stack(), NAMESPACE)
    eventually(lambda: len(api.children(NAMESPACE, "shop")) > 20, "the stack to be made")
    eventually(lambda: condition(api.get("InventoryStack", NAMESPACE, "shop"), "Ready"), "its status")
    audit.settle()
    before = copy.deepcopy(api.children(NAMESPACE, "shop"))
    api.patch(
        "InventoryStack",
        NAMESPACE,
        "shop",
        {"spec": {"prometheus": {"retention": "soon"}, "grafana": {"enabled": False}}},
    )

    def stalled() -> dict:
        found = condition(api.get("InventoryStack", NAMESPACE, "shop"), "Stalled")
        return found if found["status"] == "True" else {}

    message = eventually(stalled, "Stalled")["message"]
    assert message.startswith("spec.prometheus.retention: expected a duration like 200h")
    assert api.children(NAMESPACE, "shop") == before
    live = api.get("InventoryStack", NAMESPACE, "shop")
    assert condition(live, "Ready")["status"] == "False"
    assert condition(live, "GrafanaAvailable"), "what runs is still reported"
    eventually(lambda: any(write.startswith("create events") for write in audit.writes()), "the Event in the audit log")
    assert {write.split("/")[0] for write in audit.writes()} == {"patch inventorystacks", "create events"}
    api.patch("InventoryStack", NAMESPACE, "shop", {"spec": {"prometheus": None, "grafana": None}})
    eventually(
        lambda: condition(api.get("InventoryStack", NAMESPACE, "shop"), "Stalled")["status"] == "False",
        "Stalled to end",
    )
