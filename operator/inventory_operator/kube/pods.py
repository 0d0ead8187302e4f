"""Which pods are a Deployment's own and which of those count, told from owner references.

Pure. A check and no boundary: whoever may create pods may forge their owner references.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

Object = dict[str, Any]
#: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-phase: no container of it runs again.
FINISHED = frozenset({"Succeeded", "Failed"})
#: Which ReplicaSet of a Deployment is the newest: a rollback gives an old one a new revision
#: (RevisionAnnotation in k8s.io/kubernetes/pkg/controller/deployment/util/deployment_util.go).
REVISION_ANNOTATION = "deployment.kubernetes.io/revision"


def is_working(pod: Object) -> bool:
    """Tell whether a pod counts: one that is being deleted, or has finished and only lies around, does not."""
    return "deletionTimestamp" not in pod["metadata"] and pod.get("status", {}).get("phase") not in FINISHED


def is_ending(pod: Object) -> bool:
    """Tell whether a pod was deleted, and runs until its node says otherwise."""
    return "deletionTimestamp" in pod["metadata"] and pod.get("status", {}).get("phase") not in FINISHED


def conditions(pod: Object) -> dict[str, Object]:
    """Return the conditions of a pod by type."""
    return {one["type"]: one for one in pod.get("status", {}).get("conditions", ())}


def is_ready(pod: Object) -> bool:
    """Tell whether a pod reports that it is ready."""
    return bool(conditions(pod).get("Ready", {}).get("status") == "True")


def controlled_by(obj: Object, uid: str) -> bool:
    """Tell whether the object with this uid is the controller of `obj`: an object has one at most."""
    return any(owner["uid"] == uid and owner.get("controller") for owner in obj["metadata"].get("ownerReferences", ()))


def is_complete(deployment: Object) -> bool:
    """Tell whether every pod of a Deployment is of its newest template, and no other is left."""
    state, wanted = deployment.get("status", {}), int(deployment["spec"].get("replicas", 1))
    seen: bool = state.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    return seen and state.get("updatedReplicas", 0) >= wanted >= state.get("replicas", 0)


def working_pods(deployment: Object, objects: Iterable[Object]) -> list[list[Object]]:
    """Return the working pods of each ReplicaSet of a Deployment, newest ReplicaSet first and in it newest pod first.

    `objects` has ReplicaSets and pods; one that the Deployment does not control by way of a ReplicaSet is left out.
    """
    return [[pod for pod in of_set if is_working(pod)] for of_set in _pods(deployment, list(objects))]


def ending_pods(deployment: Object, objects: Iterable[Object]) -> list[Object]:
    """Return the pods of a Deployment that were deleted and are still there."""
    return [pod for of_set in _pods(deployment, list(objects)) for pod in of_set if is_ending(pod)]


def _pods(deployment: Object, objects: list[Object]) -> list[list[Object]]:
    sets = _controlled(objects, "ReplicaSet", deployment)
    newest_first = sorted(sets, key=lambda one: (_revision(one), _age(one)), reverse=True)
    return [sorted(_controlled(objects, "Pod", one), key=_age, reverse=True) for one in newest_first]


def _controlled(objects: Iterable[Object], kind: str, owner: Object) -> list[Object]:
    uid = owner["metadata"]["uid"]
    return [one for one in objects if one["kind"] == kind and controlled_by(one, uid)]


def _revision(replica_set: Object) -> int:
    text = replica_set["metadata"].get("annotations", {}).get(REVISION_ANNOTATION, "")
    # Anybody may have written something else there.
    return int(text) if text.isdecimal() and len(text) < 20 else 0  # noqa: PLR2004 - an int64 has 19 digits


def _age(obj: Object) -> tuple[str, str]:
    metadata = obj["metadata"]
    return metadata.get("creationTimestamp", ""), metadata["name"]
