"""What keeps pods from working, told from their status in words that a person can act on.

Pure. Raw messages of the kubelet are not copied where they change from try to try: the same issue reads the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from inventory_operator.kube.pods import conditions, is_ending, is_working
from inventory_operator.status.crashes import LOOP, crash, forgotten_in
from inventory_operator.status.issue import Issue, left_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Object = dict[str, Any]
#: Between the first answer of a container and its first passed readiness check lie some seconds: no issue yet.
GRACE = timedelta(seconds=15)
#: What a node takes to prepare a pod or to pull an image, and to confirm that a pod ended, before that is told.
PREPARING, ENDING = timedelta(seconds=60), timedelta(seconds=30)

_REACH = "can't be pulled: correct its name, or see that the nodes reach its registry and may pull from it"
_PULL = {
    **dict.fromkeys(("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable"), _REACH),
    "ErrImageNeverPull": "is not on its node, and its imagePullPolicy is Never: correct its name, or bring it there",
}
_BAD_NAME = frozenset({"InvalidImageName", "ImageInspectError"})
_CONFIG = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
#: How the kubelet calls the end of a container that could not be started at all.
_NOT_STARTED = frozenset({"StartError", "ContainerCannotRun"})
#: How a container ends that was told to, or was killed: by a signal, or well.
_STOPPED = frozenset({0, 128 + 9, 128 + 15})
#: What a container waits for before its first start.
_BEFORE_START = frozenset({"ContainerCreating", "PodInitializing"})
#: Ids of containers, which are others with each try.
_ID = re.compile(r"\b[0-9a-f]{12,64}\b")
#: Characters of a node's message that are told: of a long one those that say what was tried, and those with the cause.
_TRIED, _CAUSE = 60, 140

#: Reasons of the condition PodScheduled for a pod that waits for something else than the scheduler's turn.
_UNSCHEDULED = {
    "Unschedulable": "fits on no node: add room, or change its resources or placement",
    "SchedulingGated": "waits for its scheduling gates, which whoever set them has to remove",
}


@dataclass(frozen=True, slots=True)
class _Role:
    """What a container is for its pod, and what the status says of one that runs and is not ready.

    Containers of a person who debugs (ephemeral ones) are none of these: the pod does not depend on them.
    """

    reason: str
    words: str
    #: Whether it is to run as long as its pod does, so that exit code 0 is no good end.
    stays: bool = True


_MAIN = _Role("NotReady", "runs, but its readiness check fails: read its log")
_INIT = _Role("Initializing", "is still at work, and the others wait for it: read its log", stays=False)


def pods_issue(pods: Iterable[Object], now: str) -> Issue | None:
    """Return the issue of the newest pod that has one. `pods` are those that a rollout is to end with."""
    newest_first = sorted(pods, key=lambda pod: pod["metadata"].get("creationTimestamp", ""), reverse=True)
    return next((issue for pod in newest_first if (issue := pod_issue(pod, now))), None)


def pod_issue(pod: Object, now: str) -> Issue | None:
    """Return what keeps one pod from being ready; None while it is merely starting. `now` is RFC 3339."""
    name = pod["metadata"]["name"]
    scheduled = conditions(pod).get("PodScheduled", {})
    if words := _UNSCHEDULED.get(scheduled.get("reason", "")):
        return Issue(scheduled["reason"], f"pod {name} {words}: {scheduled.get('message', '')}")
    containers = [(role, f"pod {name}: container {one['name']}", one) for role, one in _containers(pod)]
    for role, where, container in containers:
        if issue := _container_issue(role, where, container, now):
            return issue
    for role, where, container in containers:
        if fails_readiness(container, now):
            return Issue(role.reason, f"{where} {role.words}")
    return _preparing_issue(pod, now) or _unready_issue(pod)


def ending_issue(pods: Iterable[Object], now: str) -> Issue | None:
    """Return what is to be said of the first of `pods` that should have ended: what waits for it waits for ever."""
    late = sorted(
        (pod for pod in pods if is_ending(pod) and not _ending_left(pod, now)), key=lambda pod: pod["metadata"]["name"]
    )
    if not late:
        return None
    name, node = late[0]["metadata"]["name"], late[0].get("spec", {}).get("nodeName", "")
    words = f"its node has not confirmed that; if it is gone for good, delete it (kubectl delete node {node})"
    return Issue("Terminating", f"pod {name} was deleted and should have ended by now: {words}")


def is_crashing(pod: Object, now: str) -> bool:
    """Return whether a container of a pod ends again and again, though it may be ready in between."""
    return any(
        one.get("restartCount", 0) >= LOOP and crash(one, now, stays=role.stays) for role, one in _containers(pod)
    )


def _containers(pod: Object) -> Iterator[tuple[_Role, Object]]:
    """Yield the state of each container in the order in which they start, with its role.

    An init container that always restarts is a sidecar: it stays, like the main ones
    (https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/).
    """
    specs, status = pod.get("spec", {}).get("initContainers", ()), pod.get("status", {})
    sidecars = {one["name"] for one in specs if one.get("restartPolicy") == "Always"}
    for one in status.get("initContainerStatuses", ()):
        yield _MAIN if one["name"] in sidecars else _INIT, one
    for one in status.get("containerStatuses", ()):
        yield _MAIN, one


def _container_issue(role: _Role, where: str, container: Object, now: str) -> Issue | None:
    if waiting := _waiting_issue(where, container["image"], container.get("state", {}).get("waiting", {})):
        return waiting
    # Between two tries a crashing container is waiting, running or terminated in turn: always the same issue.
    if not (ended := crash(container, now, stays=role.stays)):
        return None
    if ended.get("reason") in _NOT_STARTED:
        return _not_started("RunContainerError", where, ended)
    if ended.get("reason") == "OOMKilled":
        return Issue("OOMKilled", f"{where} was killed: out of memory: raise its memory limit")
    words = "read its log"
    if role.stays and ended["exitCode"] in _STOPPED:
        words += ", and what kubectl describe pod says: a failed liveness check ends it like that"
    return Issue("CrashLoopBackOff", f"{where} ended with exit code {ended['exitCode']}: {words}")


def _waiting_issue(where: str, image: str, waiting: Object) -> Issue | None:
    reason = waiting.get("reason", "")
    if words := _PULL.get(reason):
        return Issue("ImagePullBackOff", f"{where}: image {image} {words}")
    if reason in _BAD_NAME:
        return Issue(reason, f"{where}: image {image} can't be used: correct its name, or the image")
    return _not_started(reason, where, waiting) if reason in _CONFIG else None


def _not_started(reason: str, where: str, state: Object) -> Issue:
    message = _ID.sub("...", state.get("message", ""))
    if len(message) > _TRIED + _CAUSE:
        message = f"{message[:_TRIED]} ... {message[-_CAUSE:]}"
    return Issue(reason, f"{where} can't be started: {message}")


def fails_readiness(container: Object, now: str) -> bool:
    """Return whether a container runs for longer than a start takes and still is not ready."""
    return _grace_left(container, now) == timedelta()


def _grace_left(container: Object, now: str) -> timedelta | None:
    """Return for how long a container may still be without a passed check; None where it is ready or does not run.

    A container that initializes is never ready while it runs, and counts as started.
    """
    running = container.get("state", {}).get("running")
    if running is None or container.get("ready") or not container.get("started"):
        return None
    return left_of(GRACE, running["startedAt"], now) if running.get("startedAt") else timedelta()


def _preparing_issue(pod: Object, now: str) -> Issue | None:
    """Return what is to be said of a pod of which no container was ever started."""
    if _preparing_left(pod, now) != timedelta():
        return None
    name, node = pod["metadata"]["name"], pod.get("spec", {}).get("nodeName", "")
    if conditions(pod).get("PodReadyToStartContainers", {}).get("status") == "True":
        image = next((one["image"] for _, one in _containers(pod)), "")
        return Issue("PullingImage", f"pod {name}: node {node} is still pulling image {image}")
    words = f"kubectl describe pod {name} has the cause (FailedAttachVolume, FailedMount, FailedCreatePodSandBox)"
    return Issue("ContainerCreating", f"pod {name}: node {node} has not prepared its volumes and its network: {words}")


def _preparing_left(pod: Object, now: str) -> timedelta | None:
    scheduled = conditions(pod).get("PodScheduled", {})
    waiting = [one.get("state", {}).get("waiting", {}).get("reason") in _BEFORE_START for _, one in _containers(pod)]
    if scheduled.get("status") != "True" or not scheduled.get("lastTransitionTime") or not all(waiting):
        return None
    return left_of(PREPARING, scheduled["lastTransitionTime"], now)


def _unready_issue(pod: Object) -> Issue | None:
    """Return why a pod whose containers are ready is not: the kubelet and the node's controller write conditions."""
    found = conditions(pod)
    ready = found.get("Ready", {})
    if found.get("ContainersReady", {}).get("status") != "True" or ready.get("status", "True") == "True":
        return None
    name, node = pod["metadata"]["name"], pod.get("spec", {}).get("nodeName", "")
    if ready.get("reason") == "ReadinessGatesNotReady":
        words = f"waits for what its readiness gates stand for: {ready.get('message', '')}"
        return Issue("ReadinessGatesNotReady", f"pod {name} {words}")
    words = "Kubernetes replaces the pod some minutes later; if it is gone for good, delete it (kubectl delete node"
    return Issue("NodeLost", f"pod {name}: its node {node} does not answer any more: {words} {node})")


def _ending_left(pod: Object, now: str) -> timedelta:
    """Return how long a deleted pod may still take; its deletionTimestamp is the end of its grace period."""
    return left_of(ENDING, pod["metadata"]["deletionTimestamp"], now)


def next_issue(pods: Iterable[Object], now: str) -> float | None:
    """Return in how many seconds a pod changes by time alone (of which no event tells), or None."""
    left: list[timedelta | None] = []
    for pod in pods:
        if is_working(pod):
            for _, one in _containers(pod):
                left += [_grace_left(one, now), forgotten_in(one, now)]
            left.append(_preparing_left(pod, now))
        elif is_ending(pod):
            left.append(_ending_left(pod, now))
    return min((pause.total_seconds() for pause in left if pause), default=None)
