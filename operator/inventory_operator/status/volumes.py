"""What keeps a volume claim from having a volume."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from inventory_operator.kube.pods import conditions, is_working
from inventory_operator.status.issue import Issue, left_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

Object = dict[str, Any]
#: What the scheduler says of a pod whose claims would have to be bound before.
_UNBOUND = "unbound immediate PersistentVolumeClaims"
#: By this the scheduler asks for a volume on the node that it has chosen. It says nothing of the pod until there is
#: one, for ten minutes (BindTimeoutSeconds in k8s.io/kubernetes/pkg/scheduler/apis/config).
_NODE_CHOSEN = "volume.kubernetes.io/selected-node"
#: What a storage class takes to make a volume before that is told, counted from the creation of the pod.
MAKING = timedelta(seconds=60)


def waits_for_class(claim: Object) -> str | None:
    """Return the storage class of a claim that has no volume yet; None where it has one, or names no class."""
    if claim["kind"] != "PersistentVolumeClaim" or claim.get("status", {}).get("phase") != "Pending":
        return None
    name: str | None = claim["spec"].get("storageClassName")
    return name


def claims_issue(
    claims: Iterable[Object], pods: Collection[Object], missing_classes: Collection[str], field: str, now: str
) -> Issue | None:
    """Return what is to be said of the first claim that has no volume.

    `field` is where the spec says how the volume should be; `missing_classes` are storage classes that do not exist.
    """
    waited_for = any(_UNBOUND in one.get("message", "") for pod in pods for one in conditions(pod).values())
    for claim in claims:
        name, phase = claim["metadata"]["name"], claim.get("status", {}).get("phase")
        where, named = f"PersistentVolumeClaim {name}", claim["spec"].get("storageClassName")
        if phase == "Lost":
            words = "restore its PersistentVolume, or delete the claim, and it is created again, empty"
            return Issue("VolumeLost", f"{where} has lost its volume: {words}")
        if phase != "Pending":
            continue
        if named is None:
            words = f"make one the default, or set {field}.storageClassName"
            return Issue("StorageClassMissing", f"{where}: the cluster has no default storage class: {words}")
        if named in missing_classes:
            words = f"create it, or correct {field}.storageClassName"
            return Issue("StorageClassMissing", f'{where}: storage class "{named}" not found: {words}')
        if waited_for or _making_left(claim, pods, now) == timedelta():
            words = f"kubectl describe pvc {name} has the cause"
            return Issue("VolumePending", f'{where} waits for a volume of storage class "{named}": {words}')
    return None


def next_claim_issue(claims: Iterable[Object], pods: Collection[Object], now: str) -> float | None:
    """Return in how many seconds a volume that is being made is reported, or None."""
    left = [_making_left(claim, pods, now) for claim in claims]
    return min((pause.total_seconds() for pause in left if pause), default=None)


def _making_left(claim: Object, pods: Iterable[Object], now: str) -> timedelta | None:
    """Return for how long the volume may still be made on the node that was chosen; None where no pod waits for it."""
    metadata = claim["metadata"]
    if claim.get("status", {}).get("phase") != "Pending" or _NODE_CHOSEN not in metadata.get("annotations", {}):
        return None
    waiting = [pod for pod in pods if is_working(pod) and _has(pod, metadata["name"]) and not _was_judged(pod)]
    return min((left_of(MAKING, pod["metadata"]["creationTimestamp"], now) for pod in waiting), default=None)


def _has(pod: Object, claim: str) -> bool:
    volumes = pod.get("spec", {}).get("volumes", ())
    return any(one.get("persistentVolumeClaim", {}).get("claimName") == claim for one in volumes)


def _was_judged(pod: Object) -> bool:
    """Return whether the scheduler has found a node for a pod, or none."""
    scheduled = conditions(pod).get("PodScheduled", {})
    return scheduled.get("status") == "True" or scheduled.get("reason") == "Unschedulable"
