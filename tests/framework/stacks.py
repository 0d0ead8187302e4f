"""What tests on real pods ask about a stack, and the spec that leaves out the image that can't be had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.framework.api import condition

if TYPE_CHECKING:
    from tests.framework.api import Api

#: A stack on a database that is there, and the Secret with its URL: postgresql://shop:hunter2@db/shop.
EXTERNAL = {"service": {"replicas": 2, "database": {"external": {"secretKeyRef": {"name": "db", "key": "url"}}}}}
URL = "cG9zdGdyZXNxbDovL3Nob3A6aHVudGVyMkBkYi9zaG9w"
NO_GRAFANA = {"grafana": {"enabled": False}}


def database_secret(value: str = URL) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "data": {"url": value}}


def pods(api: Api, namespace: str, name: str, component: str) -> list[dict[str, Any]]:
    selector = f"inventorystack.dev/stack={name},app.kubernetes.io/component={component}"
    found = api.list("Pod", namespace, selector)
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def is_ready(api: Api, namespace: str, name: str = "shop") -> bool:
    found = api.get("InventoryStack", namespace, name)
    return condition(found, "Ready").get("status") == "True" and (
        found["status"]["observedGeneration"] == found["metadata"]["generation"]
    )
