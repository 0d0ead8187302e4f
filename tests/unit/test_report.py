"""A status is written once, and not for a stack that was deleted meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from tests.framework.faulty_cluster import BROKEN, FaultyCluster
from tests.framework.passes import NOW, raw

from inventory_operator.api.stack import parse
from inventory_operator.cache.store import Store
from inventory_operator.controller.report import Reporter
from inventory_operator.controller.scope import Scope
from inventory_operator.controller.storage_classes import StorageClasses
from inventory_operator.kube.client import ApiError
from inventory_operator.settings import Settings

SCOPE = Scope(raw=raw(), now=NOW, spec=parse(raw()))


def reporter(cluster: FaultyCluster) -> Reporter:
    store = Store(lambda _: None)
    store.observe(raw())
    known: Any = cluster
    return Reporter(known, store, Settings(), StorageClasses(known, Settings()))


async def test_a_status_that_did_not_change_is_not_written() -> None:
    cluster = FaultyCluster()
    report = reporter(cluster)
    await report(SCOPE)
    await report(SCOPE)
    assert cluster.writes == ["apply InventoryStack shop"]


async def test_a_stack_that_was_deleted_meanwhile_has_no_status() -> None:
    cluster = FaultyCluster()
    cluster.fault = lambda _verb, _obj: ApiError(404, "NotFound", 'inventorystacks.inventorystack.dev "shop" not found')
    await reporter(cluster)(SCOPE)
    assert cluster.writes == ["apply InventoryStack shop"]


async def test_another_refusal_is_an_error() -> None:
    cluster = FaultyCluster()
    cluster.fault = lambda _verb, _obj: BROKEN
    with pytest.raises(ApiError, match="timed out"):
        await reporter(cluster)(SCOPE)


def claim(storage_class: str, phase: str = "Pending") -> dict[str, Any]:
    spec = {"storageClassName": storage_class}
    return {"kind": "PersistentVolumeClaim", "metadata": {"name": "c"}, "spec": spec, "status": {"phase": phase}}


async def test_a_storage_class_is_asked_for_once_in_a_while_and_only_for_a_claim_that_waits() -> None:
    asked: list[str] = []
    now = 0.0

    class Cluster:
        async def get(self, _resource: object, name: str) -> dict[str, Any] | None:
            asked.append(name)
            if name == "forbidden":
                raise ApiError(403, "Forbidden", "no")
            return {} if name == "there" else None

    cluster: Any = Cluster()
    classes = StorageClasses(cluster, Settings(), clock=lambda: now)
    children = [*map(claim, ("there", "gone", "forbidden", "gone")), claim("used", "Bound"), {"kind": "Pod"}]
    for _ in range(3):
        assert await classes.missing(children) == {"gone"}
    assert asked == ["forbidden", "gone", "there"]
    now = 21.0
    assert await classes.missing([claim("gone")]) == {"gone"}
    assert asked[3:] == ["gone"]
    single = StorageClasses(cluster, Settings(namespace="shop"))
    assert await single.missing([claim("gone")]) == frozenset()
