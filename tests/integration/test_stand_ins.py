"""Pods as no kubelet makes them here, before a real operator: stand-ins for an Alertmanager, and evicted ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.framework.api import condition, eventually, stack
from tests.framework.webserver import Request, Response, WebServer

from inventory_operator.components.alertmanager_reload import PORT

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.xdist_group("operator")
LABELS = {"inventorystack.dev/stack": "shop", "app.kubernetes.io/component": "alertmanager"}
SELECTOR = ",".join(f"{key}={value}" for key, value in LABELS.items())
#: Addresses of this machine that no other test uses: the port of an Alertmanager can't be chosen.
POD, FORGED, ELSEWHERE = "127.9.93.1", "127.9.93.2", "127.9.93.3"


def listener(address: str, answer: Callable[[Request], Response], port: int = PORT) -> tuple[WebServer, list[str]]:
    asked: list[str] = []

    def logged(request: Request) -> Response:
        asked.append(f"{request.method} {request.path}")
        return answer(request)

    return WebServer(address, logged, port), asked


def runs_at(api: Any, namespace: str, name: str, address: str = POD) -> None:
    """Play the kubelet: the pod is ready, and has this address."""
    ready = {"phase": "Running", "podIP": address, "conditions": [{"type": "Ready", "status": "True"}]}
    api.patch("Pod", namespace, name, {"status": {**ready, "podIPs": [{"ip": address}]}}, subresource="status")


def test_a_redirect_is_reported_and_only_pods_of_our_own_are_asked(api, operator, namespace, settled) -> None:
    other, reached = listener(ELSEWHERE, lambda _: Response(""), port=0)
    stand_in, asked = listener(POD, lambda _: Response("", 307, {"Location": other.url("/secret")}))
    forged, forged_asked = listener(FORGED, lambda _: Response(""))
    with other, stand_in, forged:
        api.apply(stack(), namespace)
        settled(namespace)
        containers = [{"name": "a", "image": "registry.example.com/a:1"}]
        bare = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare", "labels": LABELS}}
        # Without it no pod is admitted; a controller makes it.
        eventually(lambda: api.get("ServiceAccount", namespace, "default"), "the namespace's own ServiceAccount")
        api.create({**bare, "spec": {"containers": containers}}, namespace)
        runs_at(api, namespace, "bare", FORGED)
        found = eventually(
            lambda: [pod for pod in api.list("Pod", namespace, SELECTOR) if pod["metadata"]["name"] != "bare"],
            "the pod of the Deployment",
        )
        name = found[0]["metadata"]["name"]
        runs_at(api, namespace, name, POD)

        words = "it answered GET /metrics with a redirect (307), which is not followed"

        def told() -> bool:
            seen = condition(api.get("InventoryStack", namespace, "shop"), "AlertmanagerAvailable")
            said = seen.get("message", "").endswith(f"Pod {name} does not load its configuration: {words}")
            return seen.get("reason") == "ReloadFailed" and said

        # One try may say that the answer took too long: the operator waits two seconds for it.
        eventually(told, "the failure in the status")
    assert set(asked) == {"GET /metrics"}
    assert reached == []
    assert forged_asked == []


def test_an_evicted_pod_that_lies_around_counts_for_nothing(api, operator, namespace, settled) -> None:
    api.apply(stack(), namespace)
    settled(namespace)
    selector = SELECTOR.replace("alertmanager", "service")

    def pods() -> set[str]:
        return {pod["metadata"]["name"] for pod in api.list("Pod", namespace, selector)}

    (evicted,) = eventually(pods, "the pod of the service")
    runs_at(api, namespace, evicted)

    def says(reason: str) -> str:
        found = condition(api.get("InventoryStack", namespace, "shop"), "DatabaseAvailable")
        return found["message"] if found.get("reason") == reason else ""

    assert eventually(lambda: says("Reachable"), "the pod to count") == "SQLite: 1 of 1 service pods reach it"
    failed = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}
    api.patch("Pod", namespace, evicted, {"status": failed}, subresource="status")
    (successor,) = eventually(lambda: pods() - {evicted}, "the pod that takes its place")
    eventually(lambda: says("NoPodRunning"), "the evicted pod to count no longer")
    runs_at(api, namespace, successor)
    assert eventually(lambda: says("Reachable"), "the new pod to count") == "SQLite: 1 of 1 service pods reach it"
    told = api.get("InventoryStack", namespace, "shop")["status"]["conditions"]
    assert [one for one in told if evicted in one["message"] or one["reason"] == "Evicted"] == []
