"""A stack that is checked, and pods that answer as a test says, for the unit tests of the checks.

Real pods and a real Prometheus answer in tests/integration and tests/cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from inventory_operator.api import metadata as meta
from inventory_operator.api.stack import parse
from inventory_operator.verification.ask import Reply, UnansweredError
from inventory_operator.verification.subject import Subject

if TYPE_CHECKING:
    from collections.abc import Callable

Object = dict[str, Any]
STACK = meta.Stack("ns", "shop", "u-shop")
NOW, LONG_AGO = "2026-02-02T00:10:00Z", "2026-02-02T00:00:00Z"
PAGE = b"""\
# HELP http_requests_total Requests.
# TYPE http_requests_total counter
http_requests_total{endpoint="/api/products/<int:product_id>",method="GET",status="200"} 5.0
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{endpoint="/",le="+Inf",method="GET"} 5.0
# TYPE product_operations_total counter
product_operations_total{operation_type="create"} 2.0
# TYPE product_stock_level gauge
product_stock_level{product_id="1",product_name="Bolt",sku="BOLT"} 12.0
product_stock_level{product_id="2",product_name="a \\"nut\\"}",sku="NUT"} 0.0
# TYPE low_stock_alerts_total counter
# TYPE restock_operations_total counter
"""


def obj(kind: str, name: str, component: str, owner: str = STACK.uid, **body: Any) -> Object:
    """Return a child whose uid is its name."""
    owners = [{"uid": owner, "controller": True}]
    metadata = {"name": name, "uid": name, "labels": meta.labels(STACK, component), "ownerReferences": owners}
    return {"kind": kind, "metadata": metadata | {"namespace": "ns", "resourceVersion": "1"}, **body}


def pod(name: str, component: str, *, ready: bool = True, since: str = LONG_AGO) -> Object:
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": since}
    status = {"podIP": "127.0.0.1", "phase": "Running", "conditions": [condition]}
    return obj("Pod", name, component, f"{component}-set", status=status)


def part(component: str, *pods: Object, **status: int) -> list[Object]:
    """Return the children of a component that works, with these pods."""
    counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), len(pods)) | status
    deployment = obj("Deployment", component, component, spec={"replicas": len(pods)}, status=counts)
    deployment["metadata"]["generation"] = 1
    deployment["status"]["observedGeneration"] = 1
    return [deployment, obj("ReplicaSet", f"{component}-set", component, component), *pods]


def working() -> list[Object]:
    """Return the children of a stack with two pods of the service."""
    found = [*part("service", pod("shop-1", "service"), pod("shop-2", "service"))]
    found += part("prometheus", pod("prom-1", "prometheus"))
    kinds = ("ServiceAccount", "Role", "RoleBinding")
    return [*found, *(obj(kind, "shop-prometheus", "prometheus") for kind in kinds)]


def subject(*children: Object, **spec: Any) -> Subject:
    return Subject(STACK, parse({"metadata": {"name": "shop"}, "spec": spec}), tuple(children or working()))


def data(**fields: Any) -> Reply:
    """Return an answer of Prometheus' HTTP API."""
    return Reply(200, orjson.dumps({"status": "success", "data": fields}))


class Pods:
    """Answers each request as `answer(pod, path)` says: a Reply, or the words of an UnansweredError."""

    def __init__(self, answer: Callable[[str, str], Reply | str]) -> None:
        self._answer = answer
        self.asked: list[tuple[str, int, str]] = []

    async def __call__(self, pod: Object, port: int, path: str, **_: Any) -> Reply:
        name = pod["metadata"]["name"]
        self.asked.append((name, port, path))
        found = self._answer(name, path)
        if isinstance(found, str):
            raise UnansweredError(found)
        return found
