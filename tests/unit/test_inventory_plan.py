"""What a plan is made from: what differs, what becomes of each object, which data is at risk."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.framework.rendered import INPUTS, inputs, rendered

from inventory_cli import foretelling
from inventory_cli.commands.plan import same_version
from inventory_cli.data_risks import data_risks
from inventory_cli.differences import contains, paths, takes_out, told, with_live_values
from inventory_cli.failure import Failure
from inventory_cli.foretelling import Change, Effect
from inventory_operator.api import metadata as meta
from inventory_operator.api.stack import parse
from inventory_operator.version import __version__

STACK = meta.Stack("shop", "shop", "00000000-0000-0000-0000-00000000000b")


def spec(**fields: Any) -> Any:
    return parse({"metadata": {"name": "shop"}, "spec": fields})


def foretold(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    objects = [
        foretelling.rendered(STACK, one, foretelling.inputs(STACK, one, None, kubelet=True))
        for one in (spec(**before), spec(**after))
    ]
    return foretelling.changes(*objects, set())


def effects(before: dict[str, Any], after: dict[str, Any]) -> dict[str, str]:
    """Return what becomes of what does not stay as it is."""
    changes = foretold(before, after)
    return {f"{one.kind} {one.name}": str(one.effect) for one in changes if one.effect is not Effect.UNCHANGED}


@pytest.mark.parametrize("name", inputs())
def test_the_same_spec_changes_nothing(name: str) -> None:
    assert effects(inputs()[name].get("spec", {}), inputs()[name].get("spec", {})) == {}


def test_a_configuration_that_is_reloaded_restarts_nothing() -> None:
    found = effects({}, {"prometheus": {"externalLabels": {"shop": "north"}}})
    assert set(found.values()) == {"reloaded"}
    assert "ConfigMap shop-prometheus" in found


def test_an_image_replaces_exactly_the_pods_of_its_component() -> None:
    assert effects({}, {"service": {"image": "a/b:2"}}) == {"Deployment shop-inventory": "restarted"}
    (change,) = [one for one in foretold({}, {"service": {"image": "a/b:2"}}) if one.effect is Effect.RESTARTED]
    assert change.why == "spec.containers[service].image"


def test_another_secret_replaces_the_pods_that_start_with_it_and_says_so() -> None:
    def external(name: str) -> dict[str, Any]:
        return {"service": {"replicas": 2, "database": {"external": {"secretKeyRef": {"name": name, "key": "url"}}}}}

    (change,) = [one for one in foretold(external("a"), external("b")) if one.effect is Effect.RESTARTED]
    assert change.name == "shop-inventory"
    assert "what it reads only when it starts" in change.why
    assert set(effects({"prometheus": {"secrets": ["a"]}}, {"prometheus": {"secrets": ["a"]}})) == set()


def test_what_is_switched_off_is_deleted_and_its_volume_stays() -> None:
    found = effects({}, {"grafana": {"enabled": False}})
    assert found["Deployment shop-grafana"] == "deleted"
    assert found["PersistentVolumeClaim shop-grafana"] == "kept"
    assert found["Secret shop-grafana"] == "kept"
    back = effects({"grafana": {"enabled": False}}, {})
    assert back["Deployment shop-grafana"] == "created"


def test_what_is_missing_in_the_cluster_is_created() -> None:
    known = foretelling.inputs(STACK, spec(), None, kubelet=False)
    objects = foretelling.rendered(STACK, spec(), known)
    found = foretelling.changes(objects, objects, {("Service", "shop-grafana")})
    assert [(one.name, one.why) for one in found if one.effect is Effect.CREATED] == [
        ("shop-grafana", "it is not in the cluster")
    ]


def test_container_metrics_are_told_from_the_live_configuration() -> None:
    objects = {(one["kind"], one["metadata"]["name"]): one for one in rendered(inputs()["default"])}
    assert INPUTS.namespace_uid
    assert foretelling.kubelet_is_open(objects, spec(), "shop-prometheus")
    assert not foretelling.kubelet_is_open({}, spec(), "shop-prometheus")


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ({}, {"deletionPolicy": "Delete"}, "go with the stack"),
        ({"prometheus": {"retention": "30d"}}, {"prometheus": {"retention": "10d"}}, "older than 10d (before: 30d)"),
        ({}, {"service": {"database": {"cloudNativePG": {}}}}, "nothing is copied there"),
        ({}, {"alerting": {"enabled": False}}, "PersistentVolumeClaim shop-alertmanager stays with its data"),
        ({"deletionPolicy": "Delete"}, {"deletionPolicy": "Retain"}, ""),
        ({}, {"service": {"database": {"sqlite": {"storage": {"size": "9Gi"}}}}}, ""),
    ],
)
def test_data_that_is_at_risk_is_named(before: dict[str, Any], after: dict[str, Any], words: str) -> None:
    found = data_risks(spec(**before), spec(**after), foretold(before, after))
    assert (words in " ".join(found)) if words else found == []


def test_it_refuses_to_speak_for_another_version_of_the_operator() -> None:
    same_version({"status": {"operatorVersion": __version__}})
    with pytest.raises(Failure, match=r"use kubectl inventory of version 9\.9\.9"):
        same_version({"status": {"operatorVersion": "9.9.9"}})
    with pytest.raises(Failure, match="no operator has looked at this stack yet"):
        same_version({"status": {"observedGeneration": -1}})


def test_differences_are_paths_with_names_of_list_items() -> None:
    old = {"a": 1, "l": [{"name": "x", "v": 1}, {"name": "y"}], "p": [1, 2]}
    new = {"a": 1, "l": [{"name": "x", "v": 2}, {"name": "z"}], "p": [1], "b": None}
    assert list(paths(old, new)) == ["b", "l[x].v", "l[y]", "l[z]", "p"]
    assert list(paths(old, copy.deepcopy(old))) == []
    assert told(["a", "b"]) == "a, b"
    assert told(list("abcdef")) == "a, b, c, d and 2 more"


def test_a_live_object_contains_a_manifest_with_its_defaults() -> None:
    live = {"spec": {"size": "1Gi", "mode": "default", "items": [{"a": 1, "b": 2}]}}
    assert contains(live, {"spec": {"size": "1Gi", "items": [{"a": 1}]}})
    assert not contains(live, {"spec": {"size": "2Gi"}})
    assert not contains(live, {"spec": {"items": []}})
    assert takes_out({"a": {"b": 1}}, {"a": {}})
    assert takes_out({"a": [1]}, {"a": []})
    assert not takes_out({"a": [{"b": 1}]}, {"a": [{"b": 2, "c": 3}]})


def test_what_only_the_operator_knows_comes_from_the_live_object() -> None:
    old = {"image": "assumed", "ports": [{"port": 1}], "keep": {"digest": "assumed"}, "gone": 1}
    new = {"image": "assumed", "ports": [{"port": 2}], "keep": {"digest": "other"}, "more": True}
    live = {"image": "real", "ports": [{"port": 1, "nodePort": 3}], "keep": {"digest": "real"}, "uid": "u"}
    assert with_live_values(old, new, live) == {
        "image": "real",
        "ports": [{"port": 2}],
        "keep": {"digest": "other"},
        "more": True,
    }
    assert with_live_values([1], [1, 2], [9]) == [1, 2]
    assert with_live_values(1, 1, "text") == 1
