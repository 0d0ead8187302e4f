"""Faults of pods: they crash, can't be made, find no node, or are short of something."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from tests.faults.planted.fault import Group, Planted
from tests.framework.api import condition

if TYPE_CHECKING:
    from tests.faults.planted.fixture import PlantedFixture

_IMAGE = "registry.invalid/inventory-service:none"
_TOO_LITTLE = {"requests": {"memory": "16Mi"}, "limits": {"memory": "32Mi"}}
_DEFAULT_SCHEDULER = "default-scheduler"
_NO_KEY: list[dict[str, Any]] = [{"name": "FAULT", "valueFrom": {"secretKeyRef": {"name": "receiver", "key": "none"}}}]
_QUOTA: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "no-pods"},
    "spec": {"hard": {"pods": "0"}},
}
#: What the scheduler says where the only node has too little memory: the kubelet reports that, and the node
#: controller taints the node.
_PRESSURE = (
    "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/memory-pressure: }. "
    "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
)


def _change_spec(fixture: PlantedFixture, **changes: Any) -> None:
    fixture.apply(**changes)


def _change_container(fixture: PlantedFixture, **fields: Any) -> None:
    fixture.change_container("service", **fields)


def _take_out(fixture: PlantedFixture, **fields: Any) -> None:
    """Take out what was added: the operator leaves additions of others alone."""
    fixture.change_container("service", **fields)
    fixture.apply()


def _quota(fixture: PlantedFixture) -> None:
    fixture.kubectl.apply(_QUOTA)
    fixture.until(
        lambda: fixture.kubectl.get("resourcequota", "no-pods")["status"].get("hard"), 60, "the quota to count"
    )
    fixture.delete_pod("service")


def _no_quota(fixture: PlantedFixture) -> None:
    fixture.kubectl("delete", "resourcequota", "no-pods")


def _no_pressure(fixture: PlantedFixture) -> None:
    fixture.change_pods("service", schedulerName=_DEFAULT_SCHEDULER)
    fixture.apply()


def _pressure(fixture: PlantedFixture) -> None:
    """Write what the scheduler would into a pod that no scheduler looks at: a taint would keep out all other stacks."""
    fixture.change_pods("service", schedulerName="example.com-none")

    def waiting() -> bool:
        return fixture.pod("service")["spec"].get("schedulerName") == "example.com-none"

    fixture.until(waiting, 120, "the pod that waits for a node")
    told = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": _PRESSURE}
    name = fixture.pod("service")["metadata"]["name"]
    fixture.api.patch("Pod", fixture.namespace, name, {"status": {"conditions": [told]}}, "status")
    assert condition(fixture.pod("service"), "PodScheduled"), "the pod has no such condition"


PODS = Group(
    name="pods",
    spec={"alerting": {"enabled": False}},
    faults=(
        Planted(
            name="crash-loop",
            what="the service's command is changed to one that ends with exit code 3",
            about="ServiceAvailable",
            reason="CrashLoopBackOff",
            words=("pod shop-inventory-", "container service ended with exit code 3"),
            explained=("read kubectl logs --previous", "-c service --previous"),
            plant=partial(_change_container, command=["sh", "-c", "exit 3"]),
            repair=partial(_take_out, command=None),
            paused=True,
        ),
        Planted(
            name="image-missing",
            what="the spec names an image of the service that there is not",
            about="ServiceAvailable",
            reason="ImagePullBackOff",
            words=("pod shop-inventory-", f"image {_IMAGE} can't be pulled"),
            explained=("the image can't be pulled: correct its name", "describe pod shop-inventory-"),
            plant=partial(_change_spec, service={"image": _IMAGE}),
        ),
        Planted(
            name="out-of-memory",
            what="the spec gives the service 32Mi of memory",
            about="ServiceAvailable",
            reason="OOMKilled",
            words=("pod shop-inventory-", "container service was killed: out of memory"),
            explained=("raise the part's resources.limits.memory", "describe pod shop-inventory-"),
            plant=partial(_change_spec, service={"resources": _TOO_LITTLE}),
        ),
        Planted(
            name="secret-key-missing",
            what="the service's container wants a key that its Secret does not have",
            about="ServiceAvailable",
            reason="CreateContainerConfigError",
            words=("couldn't find key none in Secret", "receiver"),
            explained=("often a Secret, a key in it", "describe pod shop-inventory-"),
            plant=partial(_change_container, env=_NO_KEY),
            repair=partial(_take_out, env=[{"name": _NO_KEY[0]["name"], "$patch": "delete"}]),
            paused=True,
        ),
        Planted(
            name="quota",
            what="a quota allows no pods in the namespace, and the service's pod is deleted",
            about="ServiceAvailable",
            reason="FailedCreate",
            words=("is forbidden: exceeded quota: no-pods",),
            explained=("Kubernetes may not make pods here", "describe deployments,replicasets"),
            plant=_quota,
            repair=_no_quota,
        ),
        Planted(
            name="no-node",
            what="the spec places the service on nodes with a label that no node has",
            about="ServiceAvailable",
            reason="Unschedulable",
            words=("fits on no node", "didn't match Pod's node affinity/selector"),
            explained=("no node has room", "describe pod shop-inventory-"),
            plant=partial(_change_spec, service={"placement": {"nodeSelector": {"example.com/node": "none"}}}),
        ),
        Planted(
            name="node-pressure",
            what="the only node is short of memory: it is tainted, and the service's new pod fits nowhere",
            about="ServiceAvailable",
            reason="Unschedulable",
            words=("fits on no node", "untolerated taint {node.kubernetes.io/memory-pressure"),
            explained=("no node has room", "describe pod shop-inventory-"),
            plant=_pressure,
            repair=_no_pressure,
            paused=True,
            by_status=True,
        ),
    ),
)
