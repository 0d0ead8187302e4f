"""Invalid specs on a real API server: refused with the field's path, or reported by the operator."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from tests.framework import specs
from tests.framework.api import Api, condition

from inventory_operator.api.stack import parse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.framework.operators import Operator

    from devcluster.node.controlplane import ControlPlane

pytestmark = pytest.mark.xdist_group("operator")

STACKS = "apis/inventorystack.dev/v1alpha1/namespaces/default/inventorystacks"
REFUSED = [case for case in specs.invalid() if case.by not in {"reference", "parser"}]
REFERENCES = [case for case in specs.invalid() if case.by == "reference"]
RULES = [rule["message"] for rule in specs.rules(specs.schema())]


def dry_run(api: Api, stack: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
    response = api.request("POST", STACKS, stack, dryRun="All", fieldValidation="Strict")
    return response.ok, response.json()


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_the_api_server_refuses_and_names_the_field(api: Api, case: specs.Case) -> None:
    accepted, answer = dry_run(api, case.stack)
    assert not accepted
    assert answer["code"] in {400, 422}, answer["message"]
    assert case.path in answer["message"]
    if case.by == "cel":
        assert any(rule in answer["message"] for rule in RULES)


@pytest.mark.parametrize("case", [case for case in specs.invalid() if case.by == "parser"], ids=str)
def test_the_api_server_leaves_to_the_parser_what_the_schema_does_not_describe(api: Api, case: specs.Case) -> None:
    accepted, answer = dry_run(api, case.stack)
    assert accepted, answer["message"]


@pytest.mark.parametrize("case", specs.valid() + REFERENCES, ids=str)
def test_the_api_server_and_the_parser_understand_a_valid_spec_alike(api: Api, case: specs.Case) -> None:
    accepted, answer = dry_run(api, case.stack)
    assert accepted, answer["message"]
    assert parse(answer) == parse(case.stack)


def test_an_unknown_field_is_pruned_by_a_server_that_is_not_asked_to_be_strict(api: Api) -> None:
    response = api.request("POST", STACKS, specs.stack({"replicas": 2}), dryRun="All", fieldValidation="Warn")
    assert response.ok
    assert "replicas" not in response.json()["spec"]
    assert "unknown field" in response.headers["Warning"]
    assert "spec.replicas" in response.headers["Warning"]


def test_a_new_stack_is_one_that_nobody_has_looked_at(api: Api, namespace: str) -> None:
    """By kstatus a resource without a status would be done."""
    unseen = {"observedGeneration": -1}
    assert api.create({**specs.stack(), "status": {"observedGeneration": 1}}, namespace)["status"] == unseen
    assert api.patch("InventoryStack", namespace, "shop", {"status": None}, "status")["status"] == unseen


@pytest.mark.parametrize("case", REFERENCES, ids=str)
def test_the_operator_reports_what_a_spec_names_and_nobody_made(
    api: Api, operator: Operator, namespace: str, settled: Callable[..., dict[str, Any]], case: specs.Case
) -> None:
    api.create(specs.stack({}, "neighbour"), namespace)
    api.create(case.stack, namespace)
    stalled = condition(settled(namespace), "Stalled")
    assert stalled["status"] == "True"
    assert case.path in stalled["message"]
    assert condition(settled(namespace, "neighbour"), "Stalled")["status"] == "False"


@pytest.fixture
def kubectl_apply(kubectl: Path, control_plane: ControlPlane) -> Callable[..., None]:
    def apply(stack: dict[str, Any], namespace: str, *options: str) -> None:
        subprocess.run(
            [kubectl, f"--kubeconfig={control_plane.kubeconfig}", "-n", namespace, "apply", *options, "-f", "-"],
            input=json.dumps(stack),
            text=True,
            check=True,
            capture_output=True,
        )

    return apply


SWITCHES: list[dict[str, Any]] = [
    {},
    {"service": {"replicas": 3, "database": {"external": {"secretKeyRef": {"name": "db"}}}}},
    {},
    {"service": {"database": {"sqlite": {"storage": {"size": "5Gi", "storageClassName": "fast"}}}}},
    {
        "service": {
            "database": {"external": {"secretKeyRef": {"name": "db", "key": "dsn"}}},
            "autoscaling": {"minReplicas": 2, "maxReplicas": 4},
        },
        "ingress": {"hosts": {"service": "a.example", "grafana": "b.example"}, "tls": {"secretName": "cert"}},
    },
    {"service": {"database": {"sqlite": {}}}, "ingress": {"hosts": {"grafana": "b.example"}}},
    {},
]


@pytest.mark.parametrize("way", ["--server-side", "--server-side=false"])
def test_what_is_taken_out_of_a_manifest_is_gone(
    kubectl_apply: Callable[..., None], api: Api, namespace: str, way: str
) -> None:
    """Unions and optional parts leave nothing behind that would contradict what comes next."""
    for spec in SWITCHES:
        kubectl_apply(specs.stack(spec), namespace, way)
        stored = api.get("InventoryStack", namespace, "shop")
        assert stored is not None
        assert parse(stored) == parse(specs.stack(spec))
