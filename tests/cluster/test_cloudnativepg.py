"""A stack on a database of CloudNativePG: the Secret is a stand-in, that of a real PostgreSQL, the pods are real."""

from __future__ import annotations

import pytest
from tests.framework.api import condition, eventually, stack
from tests.framework.database import secret
from tests.framework.prometheus import Part
from tests.framework.stacks import NO_GRAFANA, is_ready, is_replaced, pods, ready

pytestmark = pytest.mark.xdist_group("examples")

LEAN = {**NO_GRAFANA, "alerting": {"enabled": False}, "containerMetrics": "none"}
OURS = {**LEAN, "service": {"replicas": 2, "database": {"cloudNativePG": {"storage": {"size": "2Gi"}}}}}


def test_a_stack_waits_for_its_database_and_then_serves_on_it(
    api, installed, new_namespace, postgresql, cloudnativepg
) -> None:
    with new_namespace("cloudnativepg") as namespace, postgresql.database(namespace) as url:
        api.apply(stack(spec=LEAN), namespace)
        eventually(lambda: is_ready(api, namespace), "the stack to be Ready on SQLite")
        (old,) = pods(api, namespace, "shop", "service")
        api.apply(stack(spec=OURS), namespace)

        def waits() -> bool:
            found = condition(api.get("InventoryStack", namespace, "shop"), "DatabaseAvailable")
            return found.get("reason") == "WaitingForDatabase"

        eventually(waits, "the stack to wait for its database")
        assert api.get("Cluster", namespace, "shop-database")["spec"] == {"instances": 1, "storage": {"size": "2Gi"}}
        service = Part(api, namespace, "shop-inventory", 5000)
        assert service.read("api/products")["success"], "the pod of before serves on"
        assert [pod["metadata"]["uid"] for pod in pods(api, namespace, "shop", "service")] == [old["metadata"]["uid"]]

        api.create(secret("shop-database-app", {"uri": url}), namespace)
        eventually(lambda: is_replaced(api, namespace, "service", [old["metadata"]["uid"]]), "pods on PostgreSQL")

        def reached() -> bool:
            found = condition(ready(api, namespace), "DatabaseAvailable")
            told = (found.get("status"), found.get("message"))
            return told == ("True", "CloudNativePG: 2 of 2 service pods reach it")

        eventually(reached, "the stack to be Ready on PostgreSQL")
        assert service.request("POST", "api/products", {"name": "A", "sku": "FIRST-1"}).status_code == 201
        assert postgresql.count(namespace, "products") == 1
        assert api.get("PersistentVolumeClaim", namespace, "shop-inventory"), "the volume of before is kept"

        api.delete("InventoryStack", namespace, "shop")
        eventually(lambda: not api.list("Pod", namespace), "the pods to go")
        assert api.get("Cluster", namespace, "shop-database"), "Retain"
        api.apply(stack(spec=OURS), namespace)
        eventually(lambda: is_ready(api, namespace), "a new stack to be Ready on the old database")
        assert [product["sku"] for product in service.read("api/products")["products"]] == ["FIRST-1"]
