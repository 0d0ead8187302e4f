"""What tests on real pods ask about a stack, and the spec that leaves out the image that can't be had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.framework.api import condition

if TYPE_CHECKING:
    from collections.abc import Collection

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


def is_replaced(api: Api, namespace: str, component: str, old: Collection[str], name: str = "shop") -> bool:
    """Whether nothing is left of the pods `old` (by their uid), and all that came instead are ready.

    The status of the stack alone does not tell: for a moment it is still that of the time before.
    """
    found = api.list("Pod", namespace, f"inventorystack.dev/stack={name},app.kubernetes.io/component={component}")
    live = {pod["metadata"]["uid"] for pod in found}
    if not live or live & set(old) or any(condition(pod, "Ready").get("status") != "True" for pod in found):
        return False
    return is_ready(api, namespace, name)


def is_ready(api: Api, namespace: str, name: str = "shop") -> bool:
    return bool(ready(api, namespace, name))


def ready(api: Api, namespace: str, name: str = "shop") -> dict[str, Any] | None:
    """The stack as it is, if it is Ready: what else it says was said at the same time."""
    found = api.get("InventoryStack", namespace, name)
    settled = condition(found, "Ready").get("status") == "True" and (
        found["status"]["observedGeneration"] == found["metadata"]["generation"]
    )
    return found if settled else None
