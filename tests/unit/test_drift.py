"""Whether a live object still is what was applied, told from the object alone."""

from __future__ import annotations

from typing import Any

import pytest

from inventory_operator.api.metadata import APPLIED_ANNOTATION, FIELD_MANAGER
from inventory_operator.kube import field_ownership

Object = dict[str, Any]
LABELS = {"f:labels": {"f:a": {}}, "f:annotations": {f"f:{APPLIED_ANNOTATION}": {}}}


def manifest(**body: Any) -> Object:
    metadata = {"name": "x", "namespace": "ns", "labels": {"a": "1"}}
    return field_ownership.with_applied_hash({"apiVersion": "v1", "kind": "Thing", "metadata": metadata, **body})


def live(wanted: Object, *trees: Object, manager: str = FIELD_MANAGER, subresource: str = "") -> tuple[Object, bytes]:
    """What the API server shows of `wanted`, with one entry of our fields for each tree beside the metadata's."""
    metadata = {**wanted["metadata"], "resourceVersion": "7", "uid": "u"}
    fields = [{"f:metadata": LABELS, **trees[0]}, *trees[1:]] if trees else [{"f:metadata": LABELS}]
    more = {"subresource": subresource} if subresource else {}
    entries = [{"manager": manager, "fieldsV1": tree, **more} for tree in fields]
    obj = {**wanted, "metadata": {**metadata, "managedFields": entries}}
    return obj, field_ownership.owned_fields(obj)


CONTAINER = {"name": "main", "image": "i", "ports": [{"containerPort": 80, "protocol": "TCP"}]}
PORT_TREE = {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}, "f:protocol": {}}}
CONTAINER_TREE = {".": {}, "f:name": {}, "f:image": {}, "f:ports": PORT_TREE}


@pytest.mark.parametrize(
    ("body", "tree"),
    [
        ({"spec": {"a": 1, "b": {"c": 2}}}, {"f:spec": {"f:a": {}, "f:b": {"f:c": {}}}}),
        ({"spec": {"a": {}}}, {"f:spec": {"f:a": {}}}),
        ({"spec": {"a": []}}, {"f:spec": {"f:a": {}}}),
        ({"spec": {"atomic": {"x": 1}}}, {"f:spec": {"f:atomic": {}}}),
        ({"rules": [{"verbs": ["get"]}]}, {"f:rules": {}}),
        ({"spec": {"containers": [CONTAINER]}}, {"f:spec": {"f:containers": {'k:{"name":"main"}': CONTAINER_TREE}}}),
        ({"finalizers": ["a", "b"]}, {"f:finalizers": {'v:"a"': {}, 'v:"b"': {}}}),
        ({"spec": {"a": 1}}, {"f:spec": {"f:a": {}}, "f:other": {"f:more": {}}}),
    ],
    ids=["map", "empty-map", "empty-list", "atomic-map", "atomic-list", "keyed-list", "set", "owning-more"],
)
def test_what_our_fields_cover_is_in_sync(body: Object, tree: Object) -> None:
    wanted = manifest(**body)
    obj, owned = live(wanted, tree)
    assert field_ownership.in_sync(obj, owned, wanted)


@pytest.mark.parametrize(
    ("body", "tree"),
    [
        ({"spec": {"a": 1, "b": 2}}, {"f:spec": {"f:a": {}}}),
        ({"spec": {"b": {"c": 2}}}, {"f:spec": {"f:b": {"f:d": {}}}}),
        ({"spec": {"a": 1}}, {}),
        ({"rules": []}, {"f:spec": {"f:a": {}}}),
        ({"spec": {"containers": [CONTAINER]}}, {"f:spec": {"f:containers": {'k:{"name":"other"}': CONTAINER_TREE}}}),
        (
            {"spec": {"containers": [CONTAINER]}},
            {"f:spec": {"f:containers": {'k:{"name":"main"}': {**CONTAINER_TREE, "f:ports": {"k:{}": {"f:x": {}}}}}}},
        ),
        ({"finalizers": ["a", "b"]}, {"f:finalizers": {'v:"a"': {}}}),
    ],
    ids=["map", "nested-map", "all", "list", "item-of-keyed-list", "field-of-item", "value-of-set"],
)
def test_a_field_that_somebody_took_is_drift(body: Object, tree: Object) -> None:
    wanted = manifest(**body)
    obj, owned = live(wanted, tree)
    assert not field_ownership.in_sync(obj, owned, wanted)


def test_a_label_that_somebody_took_is_drift() -> None:
    wanted = manifest()
    obj, _ = live(wanted)
    obj["metadata"]["managedFields"][0]["fieldsV1"] = {"f:metadata": {"f:annotations": LABELS["f:annotations"]}}
    assert not field_ownership.in_sync(obj, field_ownership.owned_fields(obj), wanted)


def test_several_entries_cover_together() -> None:
    wanted = manifest(spec={"a": 1, "b": 2})
    obj, owned = live(wanted, {"f:spec": {"f:a": {}}}, {"f:spec": {"f:b": {}}})
    assert field_ownership.in_sync(obj, owned, wanted)


def test_an_atomic_value_stays_covered_beside_an_entry_that_only_names_it() -> None:
    wanted = manifest(spec={"a": {"x": 1}})
    obj, owned = live(wanted, {"f:spec": {"f:a": {".": {}}}})
    assert field_ownership.in_sync(obj, owned, wanted)


def test_another_digest_is_drift() -> None:
    obj, owned = live(manifest(spec={"a": 1}), {"f:spec": {"f:a": {}}})
    assert not field_ownership.in_sync(obj, owned, manifest(spec={"a": 2}))


def test_a_lost_digest_is_drift() -> None:
    wanted = manifest()
    obj, owned = live(wanted)
    obj["metadata"] = {key: value for key, value in obj["metadata"].items() if key != "annotations"}
    assert not field_ownership.in_sync(obj, owned, wanted)


@pytest.mark.parametrize("other", [{"manager": "kubectl"}, {"subresource": "status"}])
def test_only_our_own_entries_count(other: dict[str, str]) -> None:
    wanted = manifest(spec={"a": 1})
    obj, owned = live(wanted, {"f:spec": {"f:a": {}}}, **other)
    assert not field_ownership.in_sync(obj, owned, wanted)


def test_an_object_without_managed_fields_is_drift() -> None:
    wanted = manifest()
    assert not field_ownership.in_sync(wanted, field_ownership.owned_fields(wanted), wanted)


def test_the_digest_depends_on_content_and_not_on_order() -> None:
    assert field_ownership.digest({"a": {"x": 1, "y": 2}, "b": 3}) == field_ownership.digest(
        {"b": 3, "a": {"y": 2, "x": 1}}
    )
    assert field_ownership.digest({"a": [1, 2]}) != field_ownership.digest({"a": [2, 1]})
    assert field_ownership.digest({"a": "1"}) != field_ownership.digest({"a": 1})


def test_the_stamp_is_the_digest_of_the_rest_and_leaves_its_input_alone() -> None:
    plain = {"kind": "Thing", "metadata": {"name": "x", "annotations": {"mine": "1"}}}
    hashed = field_ownership.with_applied_hash(plain)
    assert field_ownership.applied_hash(hashed) == field_ownership.digest(plain)
    assert hashed["metadata"]["annotations"]["mine"] == "1"
    assert APPLIED_ANNOTATION not in plain["metadata"]["annotations"]


def test_extra_keys_of_a_config_map_go() -> None:
    ours = {"kind": "ConfigMap", "data": {"a": "1"}}
    theirs = {"data": {"a": "1", "extra": "2"}, "binaryData": {"blob": "AA=="}}
    assert field_ownership.unmanaged_fields_patch(theirs, ours) == {
        "data": {"extra": None},
        "binaryData": {"blob": None},
    }
    assert field_ownership.unmanaged_fields_patch({"data": {"a": "changed"}}, ours) is None


def deployment(containers: list[str], init: list[str] | None = None, **spec: Any) -> Object:
    pod: Object = {"containers": [{"name": name} for name in containers]}
    if init is not None:
        pod["initContainers"] = [{"name": name} for name in init]
    return {"kind": "Deployment", "spec": {"template": {"spec": pod}, **spec}}


def test_extra_containers_go() -> None:
    patch = field_ownership.unmanaged_fields_patch(deployment(["main", "spy"], ["thief"]), deployment(["main"]))
    gone = {
        "containers": [{"name": "spy", "$patch": "delete"}],
        "initContainers": [{"name": "thief", "$patch": "delete"}],
    }
    assert patch == {"spec": {"template": {"spec": gone}}}


def test_our_own_containers_and_the_additions_of_others_elsewhere_stay() -> None:
    ours = deployment(["main"], ["first"])
    assert field_ownership.unmanaged_fields_patch(deployment(["main"], ["first"], paused=True), ours) is None
    assert field_ownership.unmanaged_fields_patch({"spec": {"extra": 1}}, {"kind": "Service", "spec": {}}) is None


def test_a_default_that_blocks_recreate_is_taken_out_first() -> None:
    rolling = deployment(["main"], strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}})
    recreate = deployment(["main"], strategy={"type": "Recreate"})
    assert field_ownership.blocking_default(rolling, recreate) == {
        "spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}
    }
    assert field_ownership.blocking_default(recreate, recreate) is None
    assert field_ownership.blocking_default(recreate, rolling) is None
    assert field_ownership.blocking_default(rolling, deployment(["main"])) is None
    assert field_ownership.blocking_default(rolling, {"kind": "Service", "spec": {}}) is None
