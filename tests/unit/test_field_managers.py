"""Which fields others took and who they are, as people read it; and what of theirs excludes ours."""

from __future__ import annotations

from typing import Any

import pytest

from inventory_operator.api.metadata import FIELD_MANAGER, HANDOVER_FIELD_MANAGER
from inventory_operator.kube.exclusive_fields import excluded_fields_patch
from inventory_operator.kube.field_managers import added_paths, lost_paths, manager_of, other_manager, written
from inventory_operator.kube.field_ownership import owned_fields, unmanaged_fields_patch

Object = dict[str, Any]
CONTAINER = {"name": "main", "image": "i", "ports": [{"name": "http", "containerPort": 80, "protocol": "TCP"}]}
PORT = 'k:{"containerPort":80,"protocol":"TCP"}'
MAIN = 'k:{"name":"main"}'


def entry(tree: Object, manager: str = FIELD_MANAGER, time: str = "2026-01-01T00:00:00Z", **more: str) -> Object:
    return {"manager": manager, "time": time, "fieldsV1": tree, **more}


def live(*entries: Object, **content: Any) -> Object:
    return {"metadata": {"name": "x", "managedFields": list(entries)}, **content}


def lost(spec: Object, *entries: Object) -> list[str]:
    obj = live(*entries)
    manifest = {"metadata": {"name": "x", "labels": {"a": "1"}}, "spec": spec}
    return [written(path) for path in lost_paths(obj, owned_fields(obj), manifest)]


LABELS: Object = {"f:metadata": {"f:labels": {"f:a": {}}}}
OURS: Object = {
    **LABELS,
    "f:spec": {"f:containers": {MAIN: {".": {}, "f:name": {}, "f:image": {}, "f:ports": {PORT: {}}}}},
}


def test_nothing_is_lost_while_all_of_it_is_ours() -> None:
    assert lost({"containers": [CONTAINER]}, entry(OURS)) == []


@pytest.mark.parametrize(
    ("spec", "ours", "theirs", "expected"),
    [
        ({"replicas": 1, "a": 2}, {"f:a": {}}, {"f:replicas": {}}, ["spec.replicas"]),
        ({"selector": {"app": "x"}, "a": 1}, {"f:a": {}}, {"f:selector": {}}, ["spec.selector"]),
        ({"labels": {"a.example.com/b": "x"}, "a": 1}, {"f:a": {}}, {"f:labels": {"f:a.example.com/b": {}}},
         ["spec.labels[a.example.com/b]"]),
        ({"labels": {"b": "x", "c": "y"}, "a": 1}, {"f:a": {}}, {}, ["spec.labels"]),
        ({"containers": [CONTAINER]}, {"f:containers": {MAIN: {"f:name": {}, "f:ports": {PORT: {}}}}}, {},
         ["spec.containers[main].image"]),
        ({"containers": [CONTAINER]}, {"f:containers": {'k:{"name":"other"}': {"f:name": {}}}}, {},
         ["spec.containers[main]"]),
        ({"containers": [CONTAINER]},
         {"f:containers": {MAIN: {"f:name": {}, "f:image": {}, "f:ports": {PORT: {"f:name": {}, "f:protocol": {}}}}}},
         {}, ["spec.containers[main].ports[80,TCP].containerPort"]),
        ({"finalizers": ["secret"]}, {"f:finalizers": {'v:"other"': {}}}, {}, ["spec.finalizers"]),
        ({"a": 1}, {}, {}, ["spec"]),
    ],
    ids=["field", "atomic", "key", "whole-map", "field-of-item", "item", "port", "set", "all"],
)  # fmt: skip
def test_what_is_lost_is_written_as_kubectl_explain_writes_it(
    spec: Object, ours: Object, theirs: Object, expected: list[str]
) -> None:
    entries = [entry({**LABELS, "f:spec": ours})] if ours else []
    assert lost(spec, *entries, entry({"f:spec": theirs}, "keda")) == expected


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([entry({"f:a": {}}, "keda")], "keda"),
        ([entry({"f:a": {}}, "old"), entry({"f:a": {}}, "new", "2026-01-02T00:00:00Z")], "new"),
        ([entry({"f:a": {}}, "kube-controller-manager", subresource="scale")], "kube-controller-manager"),
        ([entry({"f:a": {}}, "kubelet", subresource="status")], None),
        ([entry({"f:b": {}}, "keda")], None),
        ([entry({"f:a": {}})], "a mutating admission webhook"),
        ([entry({"f:a": {}}, HANDOVER_FIELD_MANAGER), entry({"f:a": {}}, "keda")], "keda"),
        ([entry({"f:a": {}}, "evil\n\x1b[31m\u202e" + "x" * 200)], "evil??[31m?" + "x" * 46 + "..."),
    ],
    ids=["one", "the-newest", "scale", "status", "another-field", "webhook", "ours", "hostile"],
)
def test_who_wrote_a_field_is_told_from_managed_fields(entries: list[Object], expected: str | None) -> None:
    assert manager_of(live(*entries), ("f:a",)) == expected


def test_who_wrote_an_object_last_is_none_of_ours() -> None:
    found = live(entry({}), entry({}, "creator"), entry({}, "kubelet", "2026-02-01T00:00:00Z", subresource="status"))
    assert other_manager(found) == "creator"
    assert other_manager(live(entry({}))) is None


def test_what_others_added_is_named() -> None:
    pod = {"spec": {"template": {"spec": {"containers": [CONTAINER]}}}}
    theirs = {"spec": {"template": {"spec": {"containers": [CONTAINER, {"name": "agent"}]}}}}
    patch = unmanaged_fields_patch(theirs, {"kind": "Deployment", **pod})
    assert patch
    assert [written(path) for path in added_paths(patch)] == ["spec.template.spec.containers[agent]"]
    patch = unmanaged_fields_patch({"data": {"a": "", "x.yml": ""}}, {"kind": "ConfigMap", "data": {"a": ""}})
    assert patch
    assert [written(path) for path in added_paths(patch)] == ["data[x.yml]"]


def test_a_long_path_is_cut() -> None:
    assert len(written(("f:data", "f:" + "x" * 250))) == 120


def deployment(**pod: Any) -> Object:
    return {"kind": "Deployment", "spec": {"replicas": 3, "template": {"spec": {"containers": [CONTAINER], **pod}}}}


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        ({}, None),
        (
            {"containers": [{**CONTAINER, "ports": [{"name": "http", "containerPort": 81}]}]},
            {"containers": [{"name": "main", "ports": [{"containerPort": 81, "$patch": "delete"}]}]},
        ),
        (
            {"containers": [{**CONTAINER, "livenessProbe": {"exec": {}}}, {"name": "agent"}]},
            {"containers": [{"name": "agent", "$patch": "delete"}, {"name": "main", "livenessProbe": None}]},
        ),
        ({"containers": [CONTAINER], "hostNetwork": True}, {"hostNetwork": None}),
    ],
    ids=["nothing", "port", "containers", "field-of-the-pod"],
)
def test_what_may_exclude_ours_is_only_taken_out(theirs: Object, expected: Object | None) -> None:
    patch = excluded_fields_patch(deployment(**theirs), deployment())
    assert patch == (expected and {"spec": {"template": {"spec": expected}}})


def test_another_kind_of_volume_and_of_a_variable_go() -> None:
    env = [{"name": "A", "value": "1"}]
    ours = deployment(volumes=[{"name": "v", "emptyDir": {}}], initContainers=[{"name": "i", "env": env}])
    theirs = deployment(
        volumes=[{"name": "v", "hostPath": {"path": "/"}}, {"name": "more", "emptyDir": {}}],
        initContainers=[{"name": "i", "env": [{"name": "A", "valueFrom": {}}]}],
    )
    assert excluded_fields_patch(theirs, ours) == {
        "spec": {
            "template": {
                "spec": {
                    "volumes": [{"name": "more", "$patch": "delete"}, {"name": "v", "hostPath": None, "emptyDir": {}}],
                    "initContainers": [{"name": "i", "env": [{"name": "A", "valueFrom": None}]}],
                }
            }
        }
    }


def test_a_handler_of_a_probe_goes_and_ours_comes() -> None:
    def probed(**probe: Any) -> Object:
        return deployment(containers=[{"name": "main", "livenessProbe": {"periodSeconds": 1, **probe}}])

    patch = excluded_fields_patch(probed(exec={}, failureThreshold=3), probed(httpGet={"port": 1}))
    assert patch
    probe = {"exec": None, "failureThreshold": None, "httpGet": {"port": 1}}
    assert patch["spec"]["template"]["spec"]["containers"] == [{"name": "main", "livenessProbe": probe}]


def test_ports_of_a_service_and_the_other_kind_of_a_budget_go() -> None:
    def service(number: int) -> Object:
        return {"kind": "Service", "spec": {"ports": [{"name": "http", "port": number}]}}

    (ours,) = service(80)["spec"]["ports"]
    patch = excluded_fields_patch(service(81), service(80))
    assert patch == {"spec": {"ports": [{"port": 81, "$patch": "delete"}, ours]}}
    assert excluded_fields_patch(service(80), service(80)) is None
    budget: Object = {"kind": "PodDisruptionBudget", "spec": {"maxUnavailable": 1}}
    assert excluded_fields_patch({"spec": {"minAvailable": 1}}, budget) == {"spec": {"minAvailable": None}}
    assert excluded_fields_patch(budget, budget) is None
    assert excluded_fields_patch({"spec": {}}, {"kind": "Ingress", "spec": {}}) is None
