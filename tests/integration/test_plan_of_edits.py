"""What `kubectl inventory plan` foretells of edits of the example is what the operator then does, object for object."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.framework.api import CHILD_KINDS, Api, eventually
from tests.framework.kubectl_inventory import inventory
from tests.framework.operators import permitted
from tests.framework.rendered import ROOT

from inventory_operator.api.metadata import APPLIED_ANNOTATION
from inventory_operator.kube.pods import REVISION_ANNOTATION

if TYPE_CHECKING:
    from pathlib import Path

    from devcluster.node.controlplane import ControlPlane

pytestmark = [pytest.mark.usefixtures("operator"), pytest.mark.xdist_group("second-operator")]
Object = dict[str, Any]
ObjectId = tuple[str, str]
READER = "plan-reader"
#: Dotted path of the spec -> value; None takes the field out. Each edit is made on what the ones before made.
EDITS: list[Object] = [
    {"service.lowStockThreshold": 5},
    {"prometheus.scrapeInterval": "30s"},
    {"prometheus.retention": "30d"},
    {"prometheus.retention": "8d", "prometheus.externalLabels": {"shop": "north"}},
    {"service.image": "registry.example.com/service:2"},
    {"service.image": None},
    {"alerting.slo": None},
    {"alerting.enabled": False},
    {"alerting.enabled": True},
    {"grafana.enabled": False},
    {"grafana.enabled": True},
    {"networkPolicy": {"enabled": False}},
    {"deletionPolicy": "Delete"},
    {"deletionPolicy": "Retain"},
    {"prometheus.storage.size": "20Gi"},
    {"prometheus.storage.size": "10Gi", "containerMetrics": "none"},
    {"containerMetrics": None, "placement": {"tolerations": [{"key": "shop", "operator": "Exists"}]}},
    {"ingress": {"className": "nginx", "hosts": {"service": "shop.example.com"}}},
    {"prometheus.additionalRules": [{"name": "rules", "key": "rules.yml"}]},
    {"alerting.receivers": {"slack": {"secretKeyRef": {"name": "slack", "key": "url"}}}},
    {"grafana.adminSecretName": "login"},
    {"service.database": {"external": {"secretKeyRef": {"name": "db", "key": "url"}}}},
    {"service.replicas": 3, "service.database": {"external": {"secretKeyRef": {"name": "db2", "key": "url"}}}},
    {"service.replicas": None, "service.autoscaling": {"maxReplicas": 5}},
]
NEEDED = [
    {"kind": "Secret", "metadata": {"name": "slack"}, "data": {"url": "aHR0cHM6Ly9ob29rcy5leGFtcGxlLmNvbQ=="}},
    {"kind": "Secret", "metadata": {"name": "login"}, "data": {"admin-user": "YQ==", "admin-password": "Yg=="}},
    {"kind": "Secret", "metadata": {"name": "db"}, "data": {"url": "cG9zdGdyZXNxbDovL2Evcw=="}},
    {"kind": "Secret", "metadata": {"name": "db2"}, "data": {"url": "cG9zdGdyZXNxbDovL2Ivcw=="}},
    {
        "kind": "ConfigMap",
        "metadata": {"name": "rules"},
        "data": {"rules.yml": "groups: [{name: team, rules: [{record: 'team:up:sum', expr: sum(up)}]}]"},
    },
]


def edited(stack: Object, edit: Object) -> Object:
    found = copy.deepcopy(stack)
    for path, value in edit.items():
        *parents, last = path.split(".")
        place = found["spec"]
        for name in parents:
            place = place.setdefault(name, {})
        if value is None:
            place.pop(last, None)
        else:
            place[last] = value
    return found


def content(obj: Object) -> Object:
    """What of an object an edit changes: not what the API server and controllers keep in it."""
    metadata = {key: obj["metadata"].get(key) for key in ("uid", "labels", "annotations", "ownerReferences")}
    notes = {APPLIED_ANNOTATION, REVISION_ANNOTATION}
    metadata["annotations"] = {key: text for key, text in (metadata["annotations"] or {}).items() if key not in notes}
    return {key: value for key, value in obj.items() if key not in {"status", "metadata"}} | {"metadata": metadata}


@dataclass
class Shop:
    """The stack of the example in a namespace, and what there is of it."""

    api: Api
    namespace: str
    settled: Any

    def apply(self, stack: Object) -> dict[ObjectId, Object]:
        """Apply a stack and return its children once the operator has done what it does."""
        self.api.apply(stack, self.namespace)
        self.settled(self.namespace)
        return self.children()

    def children(self) -> dict[ObjectId, Object]:
        return {one: content(obj) for one, obj in self.api.children(self.namespace, "shop").items()}


def effects(found: Object) -> dict[ObjectId, str]:
    """What is foretold of each object whose kind the test reads."""
    return {
        (change["kind"], change["name"]): change["effect"]
        for change in found["changes"]
        if change["kind"] in CHILD_KINDS
    }


def happened(before: dict[ObjectId, Object], after: dict[ObjectId, Object]) -> dict[ObjectId, str]:
    """What became of each object, in the words of a plan as far as objects tell."""
    found = {}
    for one in before.keys() | after.keys():
        old, new = before.get(one), after.get(one)
        if old is None or new is None:
            found[one] = "deleted" if new is None else "created"
        elif old == new:
            found[one] = "unchanged"
        else:
            replaced = one[0] == "Deployment" and old["spec"]["template"] != new["spec"]["template"]
            found[one] = "restarted" if replaced else "changed"
    return found


def in_words_of_objects(effect: str) -> str:
    others = {"updated": "changed", "reloaded": "changed"} | dict.fromkeys(("kept", "refused", "reused"), "unchanged")
    return others.get(effect, effect)


@pytest.fixture
def reader(api: Api, control_plane: ControlPlane, namespace: str) -> Path:
    """The kubeconfig of a person who may read what is not secret, and write nothing."""
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}]
    rbac = "rbac.authorization.k8s.io"
    api.create({"kind": "Role", "metadata": {"name": READER}, "rules": rules}, namespace)
    role = {"apiGroup": rbac, "kind": "Role", "name": READER}
    subjects = [{"apiGroup": rbac, "kind": "User", "name": READER}]
    api.create({"kind": "RoleBinding", "metadata": {"name": READER}, "roleRef": role, "subjects": subjects}, namespace)
    eventually(lambda: permitted(api, READER, "list", "apps/deployments", namespace), "the Role")
    return control_plane.user_kubeconfig(READER)


def test_what_is_foretold_is_what_happens(
    capsys: pytest.CaptureFixture[str],
    api: Api,
    control_plane: ControlPlane,
    reader: Path,
    namespace: str,
    settled: Any,
    tmp_path: Path,
) -> None:
    for obj in NEEDED:
        api.create({"apiVersion": "v1", **obj}, namespace)
    shop = Shop(api, namespace, settled)
    stack = yaml.safe_load((ROOT / "examples/shop.yaml").read_text())
    file = tmp_path / "shop.yaml"

    def plan(kubeconfig: Path) -> Object:
        ended = inventory(capsys, "plan", "-f", file, "-n", namespace, "--kubeconfig", kubeconfig, "-o", "json")
        assert (ended.code in {0, 1}, ended.err) == (True, "")
        found: Object = json.loads(ended.out)
        assert (ended.code == 1) == ("refused" in effects(found).values())
        return found

    file.write_text(yaml.safe_dump(stack))
    foretold = effects(plan(control_plane.kubeconfig))
    assert set(foretold.values()) == {"created"}
    before = shop.apply(stack)
    assert foretold.keys() == before.keys()
    risks: list[str] = []
    for edit in EDITS:
        stack = edited(stack, edit)
        file.write_text(yaml.safe_dump(stack))
        by_dry_run, by_manifests = plan(control_plane.kubeconfig), plan(reader)
        assert by_manifests["by"] == "rendered against live"
        after = shop.apply(stack)
        real = happened(before, after)
        foretold = {one: in_words_of_objects(effect) for one, effect in effects(by_dry_run).items()}
        assert {one: foretold.get(one, "unchanged") for one in real} == real, edit
        # Without a dry run it is not known what the API server refuses; everything else is.
        refused = {one for one, effect in effects(by_dry_run).items() if effect == "refused"}
        rendered = {one: in_words_of_objects(effect) for one, effect in effects(by_manifests).items()}
        assert {one: rendered.get(one, "unchanged") for one in real if one not in refused} == {
            one: what for one, what in real.items() if one not in refused
        }, edit
        assert by_dry_run["dataAtRisk"] == by_manifests["dataAtRisk"]
        risks += by_dry_run["dataAtRisk"]
        before = after
    for words in ("retention: Prometheus deletes", "another database", "go with the stack", "stays with its data"):
        assert any(words in risk for risk in risks), words


def test_a_plan_changes_nothing_and_knows_what_is_invalid(
    capsys: pytest.CaptureFixture[str],
    api: Api,
    control_plane: ControlPlane,
    namespace: str,
    settled: Any,
    tmp_path: Path,
) -> None:
    shop = Shop(api, namespace, settled)
    stack = yaml.safe_load((ROOT / "examples/minimal.yaml").read_text())
    stack["metadata"]["name"] = "shop"
    before = shop.apply(stack)
    file = tmp_path / "shop.yaml"
    file.write_text(yaml.safe_dump(edited(stack, {"prometheus.retention": "20d", "service.image": "a/b:2"})))
    words = ("plan", "-f", file, "-n", namespace, "--kubeconfig", control_plane.kubeconfig)
    ended = inventory(capsys, *words)
    assert ended.code == 0
    assert "by server-side dry run" in ended.out
    assert "restarted (1)" in ended.out
    assert "reloaded (1)" in ended.out
    assert "Deployment shop-inventory: spec.containers[service].image" in ended.out
    assert shop.children() == before
    file.write_text(yaml.safe_dump(edited(stack, {"service.replicas": 3})))
    ended = inventory(capsys, *words)
    assert ended.code == 1
    assert ended.err.startswith("error: ")
