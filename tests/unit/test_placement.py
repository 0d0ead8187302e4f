"""Placement: the component wins over the stack, ours win over the user's, and nothing said leaves no trace."""

from __future__ import annotations

from typing import Any

import pytest
from tests.framework import specs
from tests.framework.rendered import INPUTS, one, rendered, stack

from inventory_operator.api import metadata as meta
from inventory_operator.api.placement import Placement
from inventory_operator.api.stack import InvalidSpec, parse
from inventory_operator.components import section_of
from inventory_operator.components.placement import with_spec_paths
from inventory_operator.kube.object_references import object_references
from inventory_operator.manifests.render import render

PODS = {"service": "shop-inventory", "prometheus": "shop-prometheus", "grafana": "shop-grafana"}
ALERTMANAGERS = ("shop-alertmanager", "shop-alertmanager-1")


def template(name: str, **fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = one(rendered(stack(**fields)), "Deployment", name)["spec"]["template"]
    return found


def merged(stack_wide: dict[str, Any], component: dict[str, Any]) -> dict[str, Any]:
    one, other = Placement.model_validate(stack_wide), Placement.model_validate(component)
    return one.overridden_by(other).model_dump(mode="json", by_alias=True, exclude_none=True)


@pytest.mark.parametrize(
    ("stack_wide", "component", "expected"),
    [
        ({}, {}, {}),
        ({"priorityClassName": "a"}, {}, {"priorityClassName": "a"}),
        ({"priorityClassName": "a"}, {"priorityClassName": "b"}, {"priorityClassName": "b"}),
        ({"nodeSelector": {"a": "1", "b": "1"}}, {"nodeSelector": {"b": "2"}}, {"nodeSelector": {"a": "1", "b": "2"}}),
        ({"tolerations": [{"key": "a"}]}, {"tolerations": [{"key": "b"}]}, {"tolerations": [{"key": "b"}]}),
        ({"tolerations": [{"key": "a"}]}, {"tolerations": []}, {"tolerations": []}),
        ({"affinity": {"podAffinity": {"a": 1}}}, {"affinity": {"podAffinity": {}}}, {"affinity": {"podAffinity": {}}}),
    ],
)
def test_the_component_wins_field_by_field(
    stack_wide: dict[str, Any], component: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert merged(stack_wide, component) == expected


def test_all_pods_have_the_placement_of_the_stack() -> None:
    placement = {"imagePullSecrets": [{"name": "login"}], "nodeSelector": {"pool": "shop"}, "podLabels": {"team": "a"}}
    fields = {"placement": placement, "alerting": {"replicas": 2}}
    for name in (*PODS.values(), *ALERTMANAGERS):
        found = template(name, **fields)
        assert found["spec"]["imagePullSecrets"] == [{"name": "login"}]
        assert found["spec"]["nodeSelector"] == {"pool": "shop"}
        assert found["metadata"]["labels"]["team"] == "a"


@pytest.mark.parametrize("component", [*PODS, "alerting"])
def test_only_the_component_has_its_own(component: str) -> None:
    fields = {component: {"placement": {"priorityClassName": "high"}}}
    names = {**PODS, "alerting": "shop-alertmanager"}
    high = {one for one, name in names.items() if "priorityClassName" in template(name, **fields)["spec"]}
    assert high == {component}


def test_labels_and_annotations_of_ours_win_without_the_parser() -> None:
    plain = parse(stack(alerting={"replicas": 2}))
    labels = dict.fromkeys((meta.STACK_LABEL, meta.COMPONENT_LABEL, meta.REPLICA_LABEL), "theirs")
    placement = Placement.model_construct(pod_labels=labels, pod_annotations={"prometheus.io/scrape": "theirs"})
    hostile = plain.model_copy(update={"placement": plain.placement.overridden_by(placement)})
    assert "theirs" in hostile.placement.pod_labels.values()
    objects = render(meta.Stack("shop", "shop", "uid"), hostile, INPUTS)
    pods = {name: one(objects, "Deployment", name) for name in (*PODS.values(), *ALERTMANAGERS)}
    for pod in pods.values():
        found = pod["spec"]["template"]["metadata"]["labels"]
        assert pod["spec"]["selector"]["matchLabels"].items() <= found.items()
    assert pods["shop-inventory"]["spec"]["template"]["metadata"]["annotations"]["prometheus.io/scrape"] == "true"


def test_alertmanagers_stay_apart_until_the_user_says_otherwise() -> None:
    affinity = {"nodeAffinity": {"a": "b"}}
    both = template(ALERTMANAGERS[1], alerting={"replicas": 2}, placement={"affinity": affinity})["spec"]["affinity"]
    assert both["nodeAffinity"] == {"a": "b"}
    assert both["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"][0]["weight"] == 100
    own = {"replicas": 2, "placement": {"affinity": {"podAntiAffinity": {}}}}
    assert template(ALERTMANAGERS[1], alerting=own)["spec"]["affinity"] == {"podAntiAffinity": {}}


def test_a_spread_constraint_without_selector_is_about_the_component() -> None:
    constraint = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
    mine = constraint | {"topologyKey": "host", "labelSelector": {"matchLabels": {"a": "b"}}}
    fields = {"placement": {"topologySpreadConstraints": [constraint, mine]}}
    for name in PODS.values():
        deployment = one(rendered(stack(**fields)), "Deployment", name)["spec"]
        first, second = deployment["template"]["spec"]["topologySpreadConstraints"]
        assert first["labelSelector"] == deployment["selector"]
        assert second["labelSelector"] == {"matchLabels": {"a": "b"}}


def test_a_pull_secret_holds_nothing_back() -> None:
    placement = {"imagePullSecrets": [{"name": "login"}]}
    deployment = one(rendered(stack(placement=placement)), "Deployment", "shop-inventory")
    assert ("Secret", "login") not in object_references(deployment)


def nested(levels: int) -> dict[str, Any]:
    return {"a": nested(levels - 1)} if levels else {}


@pytest.mark.parametrize(
    ("affinity", "sentence"),
    [
        ({"nodeAffinity": [1, None]}, ".nodeAffinity[1]: null is not allowed; leave the field out"),
        ({"nodeAffinity": {"weight": 0.5}}, ".nodeAffinity.weight: expected text, a whole number, true or false"),
        ({"nodeAffinity": "a" * 9000}, ": expected at most 8192 bytes of JSON, got an object"),
        ({"nodeAffinity": "\u20ac" * 3000}, ": expected at most 8192 bytes of JSON, got an object"),
        (nested(500), ": nested deeper than 16 levels"),
        ({key: {} for key in "abcd"}, ": expected an object of at most 3 fields, got an object"),
    ],
)
def test_what_kubernetes_checks_is_bounded(affinity: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse(specs.stack({"placement": {"affinity": affinity}}))
    assert caught.value.path.startswith("spec.placement.affinity")
    assert str(caught.value).endswith(sentence)


@pytest.mark.parametrize(
    ("message", "component", "section", "named"),
    [
        (
            "x: spec.template.spec.tolerations[0].effect: no",
            "service",
            "spec.service",
            "x: {}.tolerations[0].effect: no",
        ),
        (".spec.template.spec.affinity.a: no", "alertmanager", "spec.alerting", "{}.affinity.a: no"),
        ("spec.template.labels: no", "prometheus", "spec.prometheus", "{}.podLabels: no"),
    ],
)
def test_a_refusal_names_the_field_of_the_spec(message: str, component: str, section: str, named: str) -> None:
    placement = f"{section}.placement"
    note = f" ({placement} takes what it leaves out from spec.placement)"
    assert with_spec_paths(message, section_of(component)) == named.format(placement) + note


@pytest.mark.parametrize(
    ("message", "component"),
    [
        ("spec.template.spec.containers[0].image: Required", "grafana"),
        ("exceeded quota", "service"),
    ],
)
def test_another_refusal_is_shown_as_it_is(message: str, component: str) -> None:
    assert with_spec_paths(message, section_of(component)) == message
