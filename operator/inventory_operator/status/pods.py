"""What keeps pods from working, told from their status in words that a person can act on.

Pure. Raw messages of the kubelet are not copied where they change from try to try: the same trouble reads the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Object = dict[str, Any]
#: Between the first answer of a container and its first passed readiness check lie some seconds: no trouble yet.
GRACE = timedelta(seconds=15)

_PULL = frozenset({"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "RegistryUnavailable"})
_BAD_NAME = frozenset({"InvalidImageName", "ImageInspectError"})
_CONFIG = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})

#: The containers in a pod's status, in the order in which they start, and what those are in that don't get ready.
_LATE = {
    "initContainerStatuses": ("Initializing", "is still at work, and the others wait for it"),
    "containerStatuses": ("NotReady", "runs, but its readiness check fails"),
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """A reason in CamelCase and a sentence that names the pod and the container."""

    reason: str
    message: str


def pods_trouble(pods: Iterable[Object], now: str) -> Trouble | None:
    """Return the trouble of the first pod in trouble (newest pods first: they show where a rollout is stuck)."""
    newest_first = sorted(staying(pods), key=lambda pod: pod["metadata"].get("creationTimestamp", ""), reverse=True)
    return next((trouble for pod in newest_first if (trouble := pod_trouble(pod, now))), None)


def staying(pods: Iterable[Object]) -> list[Object]:
    """Return the pods that are not being deleted: what those that go are in is nobody's trouble."""
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def pod_trouble(pod: Object, now: str) -> Trouble | None:
    """Return what keeps one pod from being ready; None while it is merely starting. `now` is RFC 3339."""
    name, status = pod["metadata"]["name"], pod.get("status", {})
    if status.get("phase") == "Failed":
        return Trouble(status.get("reason") or "PodFailed", f"pod {name} failed: {status.get('message', 'no message')}")
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
            return Trouble("Unschedulable", f"pod {name} fits on no node: {condition.get('message', '')}")
    for kind, (reason, words) in _LATE.items():
        for container in status.get(kind, ()):
            where = f"pod {name}: container {container['name']}"
            if trouble := _container_trouble(where, container):
                return trouble
            if fails_readiness(container, now):
                return Trouble(reason, f"{where} {words}")
    return None


def _container_trouble(where: str, container: Object) -> Trouble | None:
    state = container.get("state", {})
    if waiting := _waiting_trouble(where, container["image"], state.get("waiting", {})):
        return waiting
    if container.get("ready") or state.get("terminated", {}).get("exitCode") == 0:
        return None
    # Between two tries a crashing container is waiting, running or terminated in turn: always the same trouble.
    ended = state.get("terminated") or container.get("lastState", {}).get("terminated")
    if ended and ended.get("reason") == "OOMKilled":
        return Trouble("OOMKilled", f"{where} was killed: out of memory")
    if ended and (container.get("restartCount") or "terminated" in state):
        return Trouble("CrashLoopBackOff", f"{where} ended with exit code {ended['exitCode']}")
    return None


def fails_readiness(container: Object, now: str) -> bool:
    """Return whether a container runs for longer than a start takes and still is not ready."""
    return _grace_left(container, now) == timedelta()


def next_trouble(pods: Iterable[Object], now: str) -> float | None:
    """Return in how many seconds the first starting container will be in trouble, for no event says so; or None."""
    states = [pod.get("status", {}) for pod in staying(pods)]
    left = [_grace_left(one, now) for state in states for kind in _LATE for one in state.get(kind, ())]
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


def _waiting_trouble(where: str, image: str, waiting: Object) -> Trouble | None:
    reason = waiting.get("reason", "")
    if reason in _PULL:
        return Trouble("ImagePullBackOff", f"{where}: image {image} can't be pulled")
    if reason in _BAD_NAME:
        return Trouble(reason, f"{where}: image {image} can't be used")
    if reason in _CONFIG:
        return Trouble(reason, f"{where} can't be started: {waiting.get('message', '')[:200]}")
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
