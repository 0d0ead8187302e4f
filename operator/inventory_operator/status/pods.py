"""What keeps pods from working, told from their status in words that a person can act on.

Pure. Raw messages of the kubelet are not copied where they change from try to try: the same issue reads the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Object = dict[str, Any]
#: Between the first answer of a container and its first passed readiness check lie some seconds: no issue yet.
GRACE = timedelta(seconds=15)

_PULL = frozenset({"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "RegistryUnavailable"})
_BAD_NAME = frozenset({"InvalidImageName", "ImageInspectError"})
_CONFIG = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})

#: The containers in a pod's status, in the order in which they start, and what those are in that don't get ready.
_UNREADY_REASONS = {
    "initContainerStatuses": ("Initializing", "is still at work, and the others wait for it"),
    "containerStatuses": ("NotReady", "runs, but its readiness check fails"),
}


@dataclass(frozen=True, slots=True)
class PodIssue:
    """A reason in CamelCase and a sentence that names the pod and the container."""

    reason: str
    message: str


def pods_issue(pods: Iterable[Object], now: str) -> PodIssue | None:
    """Return the issue of the first pod that has one (newest first: they show where a rollout is stuck)."""
    newest_first = sorted(
        not_terminating(pods), key=lambda pod: pod["metadata"].get("creationTimestamp", ""), reverse=True
    )
    return next((issue for pod in newest_first if (issue := pod_issue(pod, now))), None)


def not_terminating(pods: Iterable[Object]) -> list[Object]:
    """Return the pods that are not being deleted: the state of the others matters to nobody."""
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def pod_issue(pod: Object, now: str) -> PodIssue | None:
    """Return what keeps one pod from being ready; None while it is merely starting. `now` is RFC 3339."""
    name, status = pod["metadata"]["name"], pod.get("status", {})
    if status.get("phase") == "Failed":
        return PodIssue(
            status.get("reason") or "PodFailed", f"pod {name} failed: {status.get('message', 'no message')}"
        )
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
            return PodIssue("Unschedulable", f"pod {name} fits on no node: {condition.get('message', '')}")
    for kind, (reason, words) in _UNREADY_REASONS.items():
        for container in status.get(kind, ()):
            where = f"pod {name}: container {container['name']}"
            if issue := _container_issue(where, container):
                return issue
            if fails_readiness(container, now):
                return PodIssue(reason, f"{where} {words}")
    return None


def _container_issue(where: str, container: Object) -> PodIssue | None:
    state = container.get("state", {})
    if waiting := _waiting_issue(where, container["image"], state.get("waiting", {})):
        return waiting
    if container.get("ready") or state.get("terminated", {}).get("exitCode") == 0:
        return None
    # Between two tries a crashing container is waiting, running or terminated in turn: always the same issue.
    ended = state.get("terminated") or container.get("lastState", {}).get("terminated")
    if ended and ended.get("reason") == "OOMKilled":
        return PodIssue("OOMKilled", f"{where} was killed: out of memory")
    if ended and (container.get("restartCount") or "terminated" in state):
        return PodIssue("CrashLoopBackOff", f"{where} ended with exit code {ended['exitCode']}")
    return None


def fails_readiness(container: Object, now: str) -> bool:
    """Return whether a container runs for longer than a start takes and still is not ready."""
    return _grace_left(container, now) == timedelta()


def next_issue(pods: Iterable[Object], now: str) -> float | None:
    """Return in how many seconds the first starting container counts as not ready (no event says so), or None."""
    states = [pod.get("status", {}) for pod in not_terminating(pods)]
    left = [_grace_left(one, now) for state in states for kind in _UNREADY_REASONS for one in state.get(kind, ())]
    return min((pause.total_seconds() for pause in left if pause), default=None)


def _grace_left(container: Object, now: str) -> timedelta | None:
    """Return for how long a container may still be without a passed check; None where it is ready or does not run.

    A container that initializes is never ready while it runs, and counts as started.
    """
    running = container.get("state", {}).get("running")
    if running is None or container.get("ready") or not container.get("started"):
        return None
    if not (since := running.get("startedAt")):
        return timedelta()
    left = GRACE - (datetime.fromisoformat(now) - datetime.fromisoformat(since))
    # The clock of its node may be ahead.
    return min(max(left, timedelta()), GRACE)


def _waiting_issue(where: str, image: str, waiting: Object) -> PodIssue | None:
    reason = waiting.get("reason", "")
    if reason in _PULL:
        return PodIssue("ImagePullBackOff", f"{where}: image {image} can't be pulled")
    if reason in _BAD_NAME:
        return PodIssue(reason, f"{where}: image {image} can't be used")
    if reason in _CONFIG:
        return PodIssue(reason, f"{where} can't be started: {waiting.get('message', '')[:200]}")
    return None


@dataclass(frozen=True, slots=True)
class Rollout:
    """How far the Deployments of one component are."""

    wanted: int
    available: int
    #: Whether every pod is of the newest template, and no other is left.
    complete: bool


def rollout(deployments: Sequence[Object]) -> Rollout:
    """Return how far these are together; a pod beyond what is wanted counts for nothing."""
    wanted = [int(one["spec"].get("replicas", 1)) for one in deployments]
    states = [one.get("status", {}) for one in deployments]
    return Rollout(
        sum(wanted),
        sum(min(state.get("availableReplicas", 0), most) for state, most in zip(states, wanted, strict=True)),
        all(
            state.get("observedGeneration", 0) >= one["metadata"]["generation"]
            and state.get("updatedReplicas", 0) >= most
            and state.get("replicas", 0) <= most
            for one, state, most in zip(deployments, states, wanted, strict=True)
        ),
    )
