"""Each state of pods and Deployments has its reason: planted by status where only a node makes it, else made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.framework.api import PATIENCE, condition, eventually, is_taken_in, stack
from tests.framework.pod_states import (
    IMAGE,
    ago,
    condition_of,
    container,
    ended,
    pod_status,
    running,
    waiting,
)
from tests.framework.stacks import EXTERNAL, database_secret, pods

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.xdist_group("operator")
Object = dict[str, Any]
READY = {"ContainersReady": "True", "Ready": "True"}
SPEC = {"service": {**EXTERNAL["service"], "replicas": 1}, "grafana": {"enabled": False}}
LOOP = {"restartCount": 5}
UNREADY_GATE = 'corresponding condition of pod readiness gate "lb.example.com/target" does not exist.'

#: What a pod shows, what the part says of it, and a part of the sentence.
STATES: dict[str, tuple[Callable[[], Object], str, str]] = {
    "unschedulable": (
        lambda: pod_status(PodScheduled=condition_of("PodScheduled", "False", "Unschedulable", "0/1 nodes: cpu")),
        "Unschedulable",
        "fits on no node: add room, or change its resources or placement: 0/1 nodes: cpu",
    ),
    "gated": (
        lambda: pod_status(PodScheduled=condition_of("PodScheduled", "False", "SchedulingGated", "blocked")),
        "SchedulingGated",
        "waits for its scheduling gates",
    ),
    "first-pull-fails": (lambda: pod_status(waiting("ErrImagePull")), "ImagePullBackOff", "can't be pulled: correct"),
    "pull-fails": (lambda: pod_status(waiting("ImagePullBackOff")), "ImagePullBackOff", "can't be pulled: correct"),
    "bad-name": (lambda: pod_status(waiting("InvalidImageName")), "InvalidImageName", "correct its name"),
    "bad-image": (lambda: pod_status(waiting("ImageInspectError")), "ImageInspectError", "can't be used"),
    "no-secret": (
        lambda: pod_status(waiting("CreateContainerConfigError", 'secret "none" not found')),
        "CreateContainerConfigError",
        'can\'t be started: secret "none" not found',
    ),
    "not-created": (
        lambda: pod_status(waiting("CreateContainerError", "no space left on device")),
        "CreateContainerError",
        "no space left on device",
    ),
    "not-run": (
        lambda: pod_status(waiting("RunContainerError", "exec: not found")),
        "RunContainerError",
        "exec: not found",
    ),
    "not-run-and-waits": (
        lambda: pod_status(
            waiting("CrashLoopBackOff", lastState=ended(128, "StartError", message="exec: not found"), **LOOP)
        ),
        "RunContainerError",
        "exec: not found",
    ),
    "crashed": (lambda: pod_status(container(state=ended(at=1))), "CrashLoopBackOff", "ended with exit code 3: read"),
    "crash-waits": (
        lambda: pod_status(waiting("CrashLoopBackOff", "back-off 5m0s", lastState=ended(), **LOOP)),
        "CrashLoopBackOff",
        "ended with exit code 3",
    ),
    "crash-runs-again": (
        lambda: pod_status(running(20, lastState=ended(), **LOOP)),
        "CrashLoopBackOff",
        "ended with exit code 3",
    ),
    "crash-is-ready-again": (
        lambda: pod_status(running(20, ready=True, lastState=ended(), **LOOP), **READY),
        "CrashLoopBackOff",
        "0 of 1 pods available; pod",
    ),
    "ends-well-again-and-again": (
        lambda: pod_status(waiting("CrashLoopBackOff", lastState=ended(0, "Completed"), **LOOP)),
        "CrashLoopBackOff",
        "ended with exit code 0",
    ),
    "out-of-memory": (
        lambda: pod_status(waiting("CrashLoopBackOff", lastState=ended(137, "OOMKilled"), **LOOP)),
        "OOMKilled",
        "raise its memory limit",
    ),
    "not-ready": (lambda: pod_status(running()), "NotReady", "its readiness check fails: read its log"),
    "not-ready-long-after-a-crash": (
        lambda: pod_status(running(1200, lastState=ended(at=1201), restartCount=1)),
        "NotReady",
        "its readiness check fails",
    ),
    "init-takes-long": (
        lambda: pod_status(waiting("PodInitializing"), init=running(name="init")),
        "Initializing",
        "container init is still at work",
    ),
    "init-fails": (
        lambda: pod_status(waiting("PodInitializing"), init=container("init", state=ended())),
        "CrashLoopBackOff",
        "container init ended with exit code 3",
    ),
    "not-prepared": (
        lambda: pod_status(waiting("ContainerCreating"), PodReadyToStartContainers="False"),
        "ContainerCreating",
        "FailedAttachVolume",
    ),
    "not-seen-by-its-node": (pod_status, "ContainerCreating", "kubectl describe pod"),
    "pulls-for-long": (lambda: pod_status(waiting("ContainerCreating")), "PullingImage", "is still pulling image"),
    "readiness-gate": (
        lambda: pod_status(
            running(ready=True),
            ContainersReady="True",
            Ready=condition_of("Ready", "False", "ReadinessGatesNotReady", UNREADY_GATE),
        ),
        "ReadinessGatesNotReady",
        "lb.example.com/target",
    ),
    # It lasts 15 s from its start: that is ahead, so that the operator may take its time.
    "starting": (lambda: pod_status(running(-2 * PATIENCE)), "Starting", "pods are starting"),
    "ready": (lambda: pod_status(running(ready=True), **READY), "Available", "1 of 1 pods available"),
    "restarted-once": (
        lambda: pod_status(running(ready=True, lastState=ended(at=301), restartCount=1), **READY),
        "Available",
        "1 of 1 pods available",
    ),
    "debugged": (
        lambda: {
            **pod_status(running(ready=True), **READY),
            "ephemeralContainerStatuses": [container("debugger", state=ended())],
        },
        "Available",
        "1 of 1 pods available",
    ),
}


@pytest.fixture(scope="module")
def shop(api, operator) -> Iterator[str]:
    """A stack whose service has one pod, in a namespace for all tests of this module."""
    namespace = "states"
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    api.create(database_secret(), namespace)
    api.apply(stack(spec=SPEC), namespace)
    eventually(lambda: len(pods(api, namespace, "shop", "service")) == 1, "the pod of the service")
    yield namespace
    api.delete("InventoryStack", namespace, "shop")
    api.delete("Namespace", None, namespace)


def says(api: Any, namespace: str, reason: str, words: str = "", part: str = "ServiceAvailable") -> Object:
    """Wait until the condition of a part has a reason and words in its message; return it."""

    def told() -> Object | None:
        found = condition(api.get("InventoryStack", namespace, "shop"), part)
        assert "None" not in found.get("message", "")
        return found if found.get("reason") == reason and words in found["message"] else None

    found = eventually(told, f"{part} to have the reason {reason}; {(0)}")
    assert found
    return found


def plant(api: Any, namespace: str, status: Object) -> str:
    """Give the one pod of the service a status; return its name."""
    (pod,) = eventually(
        lambda: len(found := pods(api, namespace, "shop", "service")) == 1 and found, "one pod of the service"
    )
    name = str(pod["metadata"]["name"])
    api.patch("Pod", namespace, name, {"status": status}, "status")
    return name


def recover(api: Any, namespace: str) -> None:
    """Let a rollout end: its pods are ready, and the service is available."""

    def over() -> bool:
        for pod in pods(api, namespace, "shop", "service"):
            status = pod_status(running(ready=True), **READY)
            path = f"api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}/status"
            api.request("PATCH", path, {"status": status}, "application/merge-patch+json")
        found = api.get("InventoryStack", namespace, "shop")
        # Before the newest spec is seen the rollout has not begun.
        available = is_taken_in(found) and condition(found, "ServiceAvailable")["reason"] == "Available"
        return available and len(pods(api, namespace, "shop", "service")) == 1

    eventually(over, "the service to be available")


@pytest.mark.parametrize("state", STATES)
def test_the_state_of_a_pod_has_its_reason(api, shop, state: str) -> None:
    make, reason, words = STATES[state]
    plant(api, shop, make())
    found = says(api, shop, reason, words)
    assert (found["status"] == "True") is (reason == "Available")


def test_a_crash_loop_costs_no_write_for_each_crash(api, shop, audit) -> None:
    plant(api, shop, pod_status(waiting("CrashLoopBackOff", lastState=ended(), restartCount=2)))
    says(api, shop, "CrashLoopBackOff")
    audit.settle(shop)
    for crash in range(3, 8):
        loop = {"lastState": ended(at=2), "restartCount": crash}
        for status in (
            pod_status(running(1, **loop)),
            pod_status(running(20, **loop)),
            pod_status(running(30, ready=True, **loop), **READY),
            pod_status(container(state=ended(at=0), **loop)),
            pod_status(waiting("CrashLoopBackOff", f"back-off {crash}m", **loop)),
        ):
            plant(api, shop, status)
            available = status["containerStatuses"][0]["ready"]
            eventually(
                lambda available=available: (
                    bool(api.get("Deployment", shop, "shop-inventory")["status"].get("availableReplicas")) is available
                ),
                "the Deployment to have seen it",
            )
    assert audit.writes(shop) == []


def test_pods_that_a_quota_forbids(api, shop) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    path = f"api/v1/namespaces/{shop}/resourcequotas"
    assert api.request("POST", path, quota).ok
    try:
        probe = {"metadata": {"name": "probe"}, "spec": {"containers": [{"name": "a", "image": IMAGE}]}}

        def refused() -> bool:
            return "exceeded quota" in api.request("POST", f"api/v1/namespaces/{shop}/pods", probe, dryRun="All").text

        eventually(refused, "the quota to count")
        (pod,) = pods(api, shop, "shop", "service")
        api.delete("Pod", shop, pod["metadata"]["name"])
        says(api, shop, "FailedCreate", "exceeded quota")
    finally:
        assert api.request("DELETE", f"{path}/none").ok
    eventually(lambda: len(pods(api, shop, "shop", "service")) == 1, "the pod to be made after all", 600)


def test_a_paused_deployment_is_told_while_a_change_waits(api, shop) -> None:
    recover(api, shop)
    api.patch("Deployment", shop, "shop-inventory", {"spec": {"paused": True}})
    try:
        changed = {**SPEC, "service": {**SPEC["service"], "lowStockThreshold": 7}}
        api.apply(stack(spec=changed), shop)
        found = says(api, shop, "DeploymentPaused", "kubectl rollout resume deployment/shop-inventory")
        assert found["status"] == "True", "the pods before the change serve"
    finally:
        api.patch("Deployment", shop, "shop-inventory", {"spec": {"paused": None}})
    says(api, shop, "RollingOut")
    api.apply(stack(spec=SPEC), shop)
    recover(api, shop)


def test_no_progress_of_a_deployment_is_told_where_no_pod_says_more(api, shop) -> None:
    recover(api, shop)
    api.patch("Deployment", shop, "shop-inventory", {"spec": {"progressDeadlineSeconds": 1}})
    api.apply(stack(spec={**SPEC, "service": {**SPEC["service"], "lowStockThreshold": 8}}), shop)
    says(api, shop, "ProgressDeadlineExceeded", "has made no progress for too long")
    api.patch("Deployment", shop, "shop-inventory", {"spec": {"progressDeadlineSeconds": None}})
    api.apply(stack(spec=SPEC), shop)
    recover(api, shop)


def test_a_node_that_does_not_answer_is_named_and_so_is_a_pod_that_can_not_end_there(api, shop) -> None:
    """As the node lifecycle controller reports it: the containers are as they were, the pod is not ready."""
    recover(api, shop)
    (pod,) = pods(api, shop, "shop", "service")
    name, nodes = pod["metadata"]["name"], "api/v1/nodes"
    assert api.request("POST", nodes, {"metadata": {"name": "lost"}}).ok
    try:
        binding = {"metadata": {"name": name}, "target": {"kind": "Node", "name": "lost"}}
        assert api.request("POST", f"api/v1/namespaces/{shop}/pods/{name}/binding", binding).ok
        plant(api, shop, pod_status(running(ready=True), ContainersReady="True"))
        says(api, shop, "NodeLost", "kubectl delete node lost")
        assert api.request("DELETE", f"api/v1/namespaces/{shop}/pods/{name}", {"gracePeriodSeconds": 1}).ok
        says(api, shop, "Terminating", f"pod {name} was deleted and should have ended by now")
    finally:
        assert api.request("DELETE", f"{nodes}/lost").ok
        api.request("DELETE", f"api/v1/namespaces/{shop}/pods/{name}", {"gracePeriodSeconds": 0})


def test_an_autoscaler_without_metrics_is_told(api, shop) -> None:
    scaled = {**EXTERNAL["service"], "autoscaling": {"minReplicas": 1, "maxReplicas": 2}}
    del scaled["replicas"]
    api.apply(stack(spec={**SPEC, "service": scaled}), shop)
    recover(api, shop)
    live = api.get("Deployment", shop, "shop-inventory")
    conditions = [{**one, "lastTransitionTime": ago(600)} for one in live["status"]["conditions"]]
    api.patch("Deployment", shop, "shop-inventory", {"status": {"conditions": conditions}}, "status")
    refused = condition_of("ScalingActive", "False", "FailedGetResourceMetric", "no metrics API", since=600)
    status = {"desiredReplicas": 1, "currentReplicas": 1, "conditions": [refused]}
    eventually(lambda: api.get("HorizontalPodAutoscaler", shop, "shop-inventory"), "the autoscaler")
    api.patch("HorizontalPodAutoscaler", shop, "shop-inventory", {"status": status}, "status")
    found = says(api, shop, "AutoscalingFailed", "kubectl describe hpa shop-inventory")
    assert found["status"] == "True"
    assert condition(api.get("InventoryStack", shop, "shop"), "Ready")["status"] == "False"
