"""Placement on a real API server: what it refuses in a pod template is reported with the field of the spec."""

from __future__ import annotations

from typing import Any

import pytest
from tests.framework import specs
from tests.framework.api import condition, eventually

from inventory_operator.api.metadata import APPLIED_ANNOTATION
from inventory_operator.kube import field_ownership

pytestmark = pytest.mark.xdist_group("operator")

TERMS = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "pool", "operator": "Near", "values": ["shop"]}]}]}


@pytest.mark.parametrize(
    ("field", "value", "path"),
    [
        ("tolerations", [{"key": "a", "effect": "Never"}], "tolerations[0].effect"),
        ("tolerations", [{"key": "a", "operators": "Exists"}], "tolerations[0].operators"),
        (
            "affinity",
            {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": TERMS}},
            "affinity.nodeAffinity",
        ),
        ("affinity", {"nodesAffinity": {}}, "affinity.nodesAffinity"),
        ("topologySpreadConstraints", [{"maxSkew": 0, "topologyKey": "a"}], "topologySpreadConstraints[0].maxSkew"),
        ("topologySpreadConstraints", [{"maxSkew": 1}], "topologySpreadConstraints[0].topologyKey"),
    ],
)
def test_a_refused_placement_is_reported_by_its_field_and_heals(
    api, operator, namespace, settled, field: str, value: Any, path: str
) -> None:
    api.create(specs.stack({"service": {"placement": {field: value}}}), namespace)

    def stalled() -> dict[str, Any]:
        found = condition(api.get("InventoryStack", namespace, "shop"), "Stalled")
        return found if found.get("status") == "True" else {}

    found = eventually(stalled, "the refusal")
    assert found["reason"] == "ApplyFailed"
    assert f"spec.service.placement.{path}" in found["message"]
    others = condition(api.get("InventoryStack", namespace, "shop"), "PrometheusAvailable")
    assert others["reason"] != "ApplyFailed"
    api.patch("InventoryStack", namespace, "shop", {"spec": {"service": {"placement": None}}})
    eventually(lambda: not stalled(), "the refusal to end")
    eventually(lambda: api.get("Deployment", namespace, "shop-inventory"), "the Deployment")


def test_a_placement_is_applied_and_recorded_as_ours(api, operator, namespace, settled) -> None:
    """What the API server does not record as ours would be written again and again."""
    valid = next(case for case in specs.valid() if case.name == "placement of everything")
    api.create(valid.stack, namespace)
    settled(namespace)
    live = eventually(lambda: api.get("Deployment", namespace, "shop-prometheus"), "the Deployment")
    template, placement = live["spec"]["template"], valid.stack["spec"]["placement"]
    ours = {name: placement[name] for name in placement if name not in {"podLabels", "podAnnotations"}}
    (constraint,) = ours["topologySpreadConstraints"]
    ours["topologySpreadConstraints"] = [constraint | {"labelSelector": live["spec"]["selector"]}]
    assert {name: template["spec"][name] for name in ours} == ours
    assert placement["podLabels"].items() <= template["metadata"]["labels"].items()
    assert placement["podAnnotations"].items() <= template["metadata"]["annotations"].items()
    metadata = {"labels": placement["podLabels"], "annotations": placement["podAnnotations"]}
    applied = {APPLIED_ANNOTATION: live["metadata"]["annotations"][APPLIED_ANNOTATION]}
    manifest = {"metadata": {"annotations": applied}, "spec": {"template": {"metadata": metadata, "spec": ours}}}
    assert field_ownership.in_sync(live, field_ownership.owned_fields(live), manifest)
