"""The rights that are asked for at the start: all that are used, in words, and in a single namespace none beyond it."""

from __future__ import annotations

import dataclasses
from typing import Any

from inventory_operator.kube import permissions
from inventory_operator.kube.kinds import CHILDREN, PODS, REPLICA_SETS, STACKS
from inventory_operator.kube.permissions import Right
from inventory_operator.settings import Settings

CLUSTERWIDE = Settings(namespace=None, operator_namespace="home", allow_kubelet_metrics=True)
SINGLE = Settings(namespace="shop", operator_namespace="shop")


class Reviewer:
    """Answers access reviews; refuses what `refuse` says."""

    def __init__(self, refuse: Any = lambda _: False) -> None:
        self._refuse = refuse
        self.asked: list[dict[str, str]] = []

    async def request(self, _method: str, _path: str, review: dict[str, Any]) -> dict[str, Any]:
        attributes = review["spec"]["resourceAttributes"]
        self.asked.append(attributes)
        return {"status": {"allowed": not self._refuse(attributes)}}


async def test_with_every_right_nothing_is_missing() -> None:
    reviewer = Reviewer()
    assert await permissions.missing(reviewer, CLUSTERWIDE) == []
    assert len(reviewer.asked) == len(permissions.needed(CLUSTERWIDE))


async def test_what_is_missing_is_named_with_verb_kind_and_place() -> None:
    def refuse(asked: dict[str, str]) -> bool:
        return (asked["verb"], asked["resource"]) in {("watch", "deployments"), ("patch", "inventorystacks")}

    found = await permissions.missing(Reviewer(refuse), CLUSTERWIDE)
    assert set(found) == {
        "watch deployments.apps in every namespace",
        "patch inventorystacks.inventorystack.dev/status in every namespace",
    }
    found = await permissions.missing(Reviewer(refuse), SINGLE)
    assert "watch deployments.apps in namespace shop" in found


def test_every_kind_that_is_written_is_asked_for() -> None:
    rights = {(right.verb, right.resource.kind) for right in permissions.needed(CLUSTERWIDE)}
    for child in CHILDREN:
        assert {(verb, child.kind) for verb in ("get", "list", "watch", "create", "patch", "delete")} <= rights


def test_where_kubelet_metrics_are_closed_no_right_to_bind_is_asked_for() -> None:
    closed = permissions.needed(dataclasses.replace(CLUSTERWIDE, allow_kubelet_metrics=False))
    bindings = {right.verb for right in closed if right.resource.kind == "ClusterRoleBinding"}
    assert bindings == {"get", "list", "watch", "delete"}


def test_a_single_namespace_install_asks_for_nothing_outside_of_it() -> None:
    rights = permissions.needed(SINGLE)
    assert {right.namespace for right in rights} == {"shop"}
    assert all(right.resource.namespaced for right in rights)


def test_nothing_is_asked_for_that_is_not_used() -> None:
    rights = permissions.needed(CLUSTERWIDE)
    assert {right.verb for right in rights if right.resource is STACKS and not right.subresource} == {
        "get",
        "list",
        "watch",
    }
    assert {right.verb for right in rights if right.resource is PODS} == {"get", "list", "watch", "patch"}
    assert {right.verb for right in rights if right.resource is REPLICA_SETS} == {"list", "watch"}
    leases = {(right.verb, right.name, right.namespace) for right in rights if right.resource.kind == "Lease"}
    assert leases == {
        ("create", "", "home"),
        ("get", "inventory-operator", "home"),
        ("update", "inventory-operator", "home"),
    }


def test_the_attributes_are_those_of_an_access_review() -> None:
    right = Right("patch", STACKS, "shop", "status", "one")
    expected = {"verb": "patch", "group": "inventorystack.dev", "resource": "inventorystacks"}
    expected |= {"subresource": "status", "name": "one", "namespace": "shop"}
    assert right.attributes == expected
    assert "namespace" not in Right("get", STACKS, None).attributes
