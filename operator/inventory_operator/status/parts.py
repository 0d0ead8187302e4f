"""The condition of each part of a stack: of a component, and of what its pods depend on.

Pure, as the status is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inventory_operator.api import metadata as meta
from inventory_operator.components.blocker import FIELD_CONFLICT
from inventory_operator.kube.pods import is_ready, working_pods
from inventory_operator.status.deployments import (
    autoscaler_issue,
    conditions_issue,
    paused_issue,
    pods_of_issue,
    rollout,
)
from inventory_operator.status.issue import Issue
from inventory_operator.status.pods import fails_readiness, is_crashing
from inventory_operator.status.volumes import claims_issue
from inventory_operator.verification.result import UNPROBED

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from inventory_operator.api.stack import Spec
    from inventory_operator.components.blocker import Blocker
    from inventory_operator.components.component import Component
    from inventory_operator.verification.result import Result

Object = dict[str, Any]
STARTING = Issue("Starting", "pods are starting")
ROLLING_OUT = Issue("RollingOut", "pods are being replaced")
#: Blockers of one component that its condition tells with their sentences.
_TOLD = 3


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything a status is made from."""

    stack: Object
    #: None where the spec can't be followed.
    spec: Spec | None
    blockers: Sequence[Blocker]
    children: Sequence[Object]
    #: What a person should know of a component although it is available.
    notes: Mapping[str, str | None]
    #: Storage classes that claims wait for, and that do not exist.
    missing_classes: Collection[str] = ()
    #: What the checks of the running parts answered.
    verification: Result = UNPROBED


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition, but for the times and the generation."""

    type: str
    status: str
    reason: str
    message: str
    #: Available and nothing under way: only that lets the stack be Ready.
    settled: bool = True


def of_component(observed: Observed, component: Component, kind: str) -> list[Object]:
    """Return the children of a kind that are a component's."""
    return [
        child
        for child in observed.children
        if child["kind"] == kind and child["metadata"]["labels"].get(meta.COMPONENT_LABEL) == component.name
    ]


def component_condition(component: Component, observed: Observed, now: str) -> Condition:
    """Return whether a component is available, and why it is not, or not as it should be."""
    name = component.condition
    blockers = _blockers(observed, component)
    deployments = of_component(observed, component, "Deployment")
    if not deployments:
        reason, message = (blockers[0].reason, _told(blockers)) if blockers else ("Creating", "not created yet")
        return Condition(name, "False", reason, message, settled=False)
    pods = rollout(deployments, observed.children, now)
    status = "True" if pods.available >= pods.wanted else "False"
    counted = f"{pods.available} of {pods.wanted} pods available"
    if blockers:
        return Condition(name, status, blockers[0].reason, f"{counted}; {_told(blockers)}", settled=False)
    if status == "True" and pods.complete:
        issue = autoscaler_issue(of_component(observed, component, "HorizontalPodAutoscaler"), deployments, now)
    elif not (issue := _issue(component, deployments, observed, now)):
        issue = STARTING if pods.complete else ROLLING_OUT
    if issue:
        return Condition(name, status, issue.reason, f"{counted}; {issue.message}", settled=False)
    note = observed.notes.get(component.name)
    return Condition(name, status, "Available", f"{counted}; {note}" if note else counted)


def _issue(component: Component, deployments: Sequence[Object], observed: Observed, now: str) -> Issue | None:
    """Return what keeps the pods of a component from being as its Deployments want them: first what causes others."""
    claims, pods = (of_component(observed, component, kind) for kind in ("PersistentVolumeClaim", "Pod"))
    return (
        paused_issue(deployments)
        or claims_issue(claims, pods, observed.missing_classes, component.storage, now)
        or pods_of_issue(deployments, observed.children, now)
        or conditions_issue(deployments)
    )


def _blockers(observed: Observed, component: Component) -> list[Blocker]:
    """Return what holds back objects of a component; it waits for its dependency, too."""
    dependency = component.dependency
    of = {component.name, dependency.name} if dependency else {component.name}
    return [blocker for blocker in observed.blockers if blocker.component in of]


def _told(blockers: Sequence[Blocker]) -> str:
    """Return the sentences of the first blockers and of all fields that others undo, and how many more there are."""
    messages = list(dict.fromkeys(one.message for one in blockers))
    undone = {one.message for one in blockers if one.reason == FIELD_CONFLICT}
    told = [*messages[:_TOLD], *(one for one in messages[_TOLD:] if one in undone)]
    more = len(messages) - len(told)
    return "; ".join([*told, f"and {more} more"] if more else told)


def dependency_conditions(component: Component, observed: Observed, now: str) -> list[Condition]:
    """Return what a component depends on as the readiness of its pods shows it; none where nothing can be told."""
    if not (dependency := component.dependency):
        return []
    deployments = of_component(observed, component, "Deployment")
    pods = [pod for one in deployments for of_set in working_pods(one, observed.children) for pod in of_set]
    if not pods and observed.spec is None:
        return []
    for blocker in observed.blockers:
        if blocker.component == dependency.name or blocker.target[0] in dependency.kinds:
            return [Condition(dependency.condition, "False", blocker.reason, blocker.message, settled=False)]
    ours = {one["name"] for each in deployments for one in each["spec"]["template"]["spec"]["containers"]}
    # What a pod that crashes again and again says of it is another thing each moment.
    steady = [pod for pod in pods if not is_crashing(pod, now)]
    kind = dependency.describe(observed.spec)
    if ready := [pod for pod in steady if is_ready(pod)]:
        message = f"{kind}: {len(ready)} of {len(pods)} {component.name} pods reach it"
        return [Condition(dependency.condition, "True", "Reachable", message)]
    states = {pod["metadata"]["name"]: _containers(pod, ours) for pod in steady}
    if failing := [name for name, of_pod in states.items() if any(fails_readiness(one, now) for one in of_pod)]:
        unready = observed.verification.unready
        name, said = (unready.pod, f": {unready.said}") if unready and unready.pod in failing else (failing[0], "")
        message = f"{kind}: pod {name} runs, but does not report its {dependency.name} as ready{said}"
        found = Condition(dependency.condition, "False", "NotReachable", message, settled=False)
    elif any("running" in one.get("state", {}) for of_pod in states.values() for one in of_pod):
        message = f"{kind}: the {component.name} is starting"
        found = Condition(dependency.condition, "Unknown", "Starting", message, settled=False)
    else:
        message = f"no {component.name} pod runs that could tell"
        found = Condition(dependency.condition, "Unknown", "NoPodRunning", message, settled=False)
    return [found]


def _containers(pod: Object, names: Collection[str]) -> list[Object]:
    """Return the state of the containers with these names; others may have been put beside them."""
    return [one for one in pod.get("status", {}).get("containerStatuses", ()) if one["name"] in names]
