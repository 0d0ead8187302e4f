"""How far the Deployments of a component are, and what holds them up beside their pods.

Pure, as the status is. What is wrong with pods and volumes is told in modules of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from inventory_operator.kube.pods import ending_pods, is_complete, working_pods
from inventory_operator.status.issue import Issue, left_of
from inventory_operator.status.pods import ending_issue, is_crashing, pods_issue

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

Object = dict[str, Any]
#: The metrics of a new pod come up to a minute after it: until then an autoscaler says that it has none.
WITHOUT_METRICS = timedelta(minutes=3)
_LONGEST = 300
#: What Kubernetes' controllers call it that pods can't be made or deleted; the reasons of a status are a closed list.
_NOT_MADE = frozenset({"FailedCreate", "FailedDelete", "ReplicaSetCreateError"})


@dataclass(frozen=True, slots=True)
class Rollout:
    """How far the Deployments of one component are."""

    wanted: int
    available: int
    #: Whether every pod is of the newest template, and no other is left.
    complete: bool


def rollout(deployments: Sequence[Object], objects: Collection[Object], now: str) -> Rollout:
    """Return how far these are together; a pod beyond what is wanted counts for nothing.

    Nor does one that crashes again and again, while it happens to be ready: it would come and go with each crash.
    """
    wanted = [int(one["spec"].get("replicas", 1)) for one in deployments]
    available = 0
    for one, most in zip(deployments, wanted, strict=True):
        count = min(one.get("status", {}).get("availableReplicas", 0), most)
        pods = [pod for of_set in working_pods(one, objects) for pod in of_set]
        steady = sum(not is_crashing(pod, now) for pod in pods)
        available += count if steady == len(pods) else min(count, steady)
    return Rollout(sum(wanted), available, all(map(is_complete, deployments)))


def paused_issue(deployments: Iterable[Object]) -> Issue | None:
    """Return that a Deployment which is to replace pods was told not to."""
    for one in deployments:
        if one["spec"].get("paused") and not is_complete(one):
            name = one["metadata"]["name"]
            words = f"its pods are not replaced: kubectl rollout resume deployment/{name}"
            return Issue("DeploymentPaused", f"Deployment {name} is paused, so {words}")
    return None


def pods_of_issue(deployments: Iterable[Object], objects: Collection[Object], now: str) -> Issue | None:
    """Return what is wrong with the pods of Deployments, or with one that has to end before others can start."""
    # The newest ReplicaSet's: pods of an older one go, whatever their state.
    newest = [pod for one in deployments for of_set in working_pods(one, objects)[:1] for pod in of_set]
    issue = pods_issue(newest, now)
    if issue and issue.reason != "ContainerCreating":
        return issue
    # A volume is not free for the next pod before.
    return ending_issue((pod for one in deployments for pod in ending_pods(one, objects)), now) or issue


def conditions_issue(deployments: Iterable[Object]) -> Issue | None:
    """Return what the conditions of Deployments say of pods that can't be made, or of no progress."""
    found = [(one, condition) for one in deployments for condition in one.get("status", {}).get("conditions", ())]
    for _, condition in found:
        if (condition["type"], condition["status"]) == ("ReplicaFailure", "True"):
            reason = condition["reason"] if condition["reason"] in _NOT_MADE else "FailedCreate"
            return Issue(reason, condition["message"][:_LONGEST])
    for deployment, condition in found:
        if (condition["type"], condition["status"]) == ("Progressing", "False"):
            name = deployment["metadata"]["name"]
            if condition["reason"] in _NOT_MADE:
                return Issue(condition["reason"], condition["message"][:_LONGEST])
            words = f"kubectl describe deployment {name}, and its pods, have more"
            return Issue("ProgressDeadlineExceeded", f"Deployment {name} has made no progress for too long: {words}")
    return None


def autoscaler_issue(autoscalers: Iterable[Object], deployments: Iterable[Object], now: str) -> Issue | None:
    """Return what keeps an autoscaler from scaling, once its pods have been available for long enough to tell."""
    for name, reason, since in _not_scaling(autoscalers, deployments):
        if not left_of(WITHOUT_METRICS, since, now):
            words = "the metrics API has no metrics of its pods" if "Metric" in reason else "it has the cause"
            message = f"HorizontalPodAutoscaler {name} can't scale ({reason}): {words}: kubectl describe hpa {name}"
            return Issue("AutoscalingFailed", message)
    return None


def next_autoscaler_issue(autoscalers: Iterable[Object], deployments: Iterable[Object], now: str) -> float | None:
    """Return in how many seconds an autoscaler that can't scale is reported, or None."""
    left = [left_of(WITHOUT_METRICS, since, now) for _, _, since in _not_scaling(autoscalers, deployments)]
    return min((pause.total_seconds() for pause in left if pause), default=None)


def _not_scaling(autoscalers: Iterable[Object], deployments: Iterable[Object]) -> Iterator[tuple[str, str, str]]:
    """Yield for each condition that stops an autoscaler its name, the reason, and since when it and its pods are so."""
    available = [
        condition["lastTransitionTime"]
        for one in deployments
        for condition in one.get("status", {}).get("conditions", ())
        if condition["type"] == "Available" and condition.get("lastTransitionTime")
    ]
    for one in autoscalers:
        for condition in one.get("status", {}).get("conditions", ()):
            since = condition.get("lastTransitionTime")
            if condition["type"] in {"AbleToScale", "ScalingActive"} and condition["status"] == "False" and since:
                yield one["metadata"]["name"], condition.get("reason", ""), max(since, *available, "")
