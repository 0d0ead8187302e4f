"""What stands in the way of an adoption, from states as the API server makes them; it does in tests/integration."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from inventory_operator.api.metadata import APPLIED_ANNOTATION, FIELD_MANAGER
from inventory_operator.controller.foreign_content import foreign_fields, replacement

Object = dict[str, Any]
MANIFEST: Object = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "d", "annotations": {APPLIED_ANNOTATION: "digest"}},
    "spec": {"template": {"spec": {"containers": [{"name": "main", "image": "a"}]}}},
}
#: MANIFEST as the API server fills it.
ALONE: Object = {
    **MANIFEST,
    "metadata": {**MANIFEST["metadata"], "uid": "u", "resourceVersion": "9", "labels": {"a": "b"}},
    "spec": {
        "replicas": 1,
        "template": {"spec": {"dnsPolicy": "ClusterFirst", **MANIFEST["spec"]["template"]["spec"]}},
    },
    "status": {"replicas": 1},
}


def changed(change: Any, obj: Object = ALONE) -> Object:
    found = copy.deepcopy(obj)
    change(found)
    return found


def pod(obj: Object) -> Object:
    found: Object = obj["spec"]["template"]["spec"]
    return found


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda o: o["metadata"]["annotations"].update({"example.com/x": "1"}), "metadata.annotations[example.com/x]"),
        (
            lambda o: o["metadata"]["annotations"].update({"nginx.ingress.kubernetes.io/x": "1"}),
            "metadata.annotations[nginx.ingress.kubernetes.io/x]",
        ),
        (lambda o: o["metadata"].update(finalizers=["example.com/x"]), "metadata.finalizers[0]"),
        (lambda o: o["metadata"].update(ownerReferences=[{"name": "x", "uid": "u"}]), "metadata.ownerReferences[x]"),
        (lambda o: pod(o).update(hostNetwork=True), "spec.template.spec.hostNetwork"),
        (lambda o: pod(o).update(dnsPolicy="Default"), "spec.template.spec.dnsPolicy"),
        (lambda o: pod(o)["containers"].append({"name": "spy"}), "spec.template.spec.containers[spy]"),
        (
            lambda o: pod(o)["containers"][0].update(env=[{"name": "LD_PRELOAD", "value": "x"}]),
            "spec.template.spec.containers[main].env",
        ),
        (lambda o: pod(o).update(volumes=[{"name": "host", "hostPath": {}}]), "spec.template.spec.volumes"),
        (lambda o: o.update(imagePullSecrets=[{"name": "x"}]), "imagePullSecrets"),
        (lambda o: o.update(data={"x\n\u202e": "1"}), "data"),
    ],
)
def test_what_would_survive_is_named(change: Any, path: str) -> None:
    state = changed(change)
    assert foreign_fields(state, state, ALONE) == [path]


@pytest.mark.parametrize(
    "change",
    [
        lambda o: o["metadata"]["annotations"].update({"deployment.kubernetes.io/revision": "3"}),
        lambda o: o["metadata"]["labels"].update({"velero.io/restore-name": "r"}),
        lambda o: o["metadata"].update(finalizers=["kubernetes.io/pvc-protection"]),
        lambda o: o["spec"]["template"].update(
            metadata={"annotations": {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}}
        ),
        lambda o: o["status"].update(replicas=3),
    ],
)
def test_what_kubernetes_and_its_tools_write_is_nobody_s(change: Any) -> None:
    state = changed(change)
    alone = changed(lambda o: o["spec"]["template"].update(metadata={"annotations": {}}))
    assert foreign_fields(state, state, alone) == []


def test_what_would_be_lost_is_named_unless_it_is_of_our_own_field_manager() -> None:
    rules = [{"verbs": ["get"]}, {"verbs": ["*"]}]
    after: Object = {"kind": "Role", "metadata": {}, "rules": rules[:1]}
    live: Object = {"kind": "Role", "metadata": {}, "rules": rules}
    assert foreign_fields(live, after, after) == ["rules[1]"]
    entry = {"manager": FIELD_MANAGER, "fieldsV1": {"f:rules": {}}}
    assert foreign_fields({**live, "metadata": {"managedFields": [entry]}}, after, after) == []
    theirs = {"manager": "somebody", "fieldsV1": {"f:rules": {}}}
    assert foreign_fields({**live, "metadata": {"managedFields": [theirs]}}, after, after) == ["rules[1]"]


def test_keys_that_would_be_lost_are_named_unless_they_are_of_our_own_field_manager() -> None:
    after: Object = {"kind": "ConfigMap", "metadata": {}, "data": {"a": "1"}}
    entry = {"manager": FIELD_MANAGER, "fieldsV1": {"f:data": {"f:a": {}, "f:old": {}}}}
    live: Object = {
        "kind": "ConfigMap",
        "metadata": {"managedFields": [entry]},
        "data": {"a": "0", "old": "1", "theirs": "2"},
    }
    assert foreign_fields(live, after, after) == ["data.theirs"]


def test_an_item_of_a_list_that_loses_something_is_named() -> None:
    after: Object = {"kind": "X", "metadata": {}, "spec": {"ports": [{"name": "http", "port": 1}]}}
    live: Object = {"kind": "X", "metadata": {}, "spec": {"ports": [{"name": "http", "port": 2, "appProtocol": "x"}]}}
    assert foreign_fields(live, after, after) == ["spec.ports[http].appProtocol"]


def test_the_replacement_leaves_nothing_but_the_manifest() -> None:
    adopted = changed(lambda o: o.update(extra=1))
    adopted["metadata"] |= {"finalizers": ["x"], "ownerReferences": [{"uid": "o"}]}
    operations = {one["path"]: one for one in replacement(adopted, MANIFEST, None)}
    assert {path for path, one in operations.items() if one["op"] == "remove"} == {
        *("/metadata/finalizers", "/metadata/ownerReferences", "/extra")
    }
    assert operations["/metadata/annotations"]["value"] == MANIFEST["metadata"]["annotations"]
    assert operations["/spec"]["value"] == {"replicas": 1, **MANIFEST["spec"]}


def test_the_replacement_keeps_own_values_of_a_generated_secret_and_the_spec_of_a_volume() -> None:
    metadata = {"annotations": {}}
    secret = {"kind": "Secret", "metadata": metadata, "data": {"key": "a", "theirs": "b"}}
    operations = replacement(secret, {"kind": "Secret", "metadata": metadata, "type": "Opaque"}, {"key": "other"})
    assert {"op": "add", "path": "/data", "value": {"key": "a"}} in operations
    volume = {"kind": "PersistentVolumeClaim", "metadata": metadata, "spec": {"volumeName": "v"}}
    operations = replacement(volume, {"metadata": metadata, "spec": {"resources": {}}}, None)
    assert {"op": "add", "path": "/spec", "value": {"volumeName": "v"}} in operations
