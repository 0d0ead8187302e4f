"""What is shown of a stack: its conditions, components with their pods, targets and checks, as plain data.

Pure. Everything in it may be a tenant's words: what prints it makes it printable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inventory_operator.api import metadata as meta
from inventory_operator.components import ALL
from inventory_operator.kube.pods import FINISHED, is_ready

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Object = dict[str, Any]
#: Pods of one component, at most: more tell nothing more.
_MOST_PODS = 50
OVERALL = ("Ready", "Verified", "Reconciling", "Stalled")
#: Conditions that are good when they are False.
GOOD_WHEN_FALSE = frozenset({"Reconciling", "Stalled"})
_OF_COMPONENTS = {one.condition: one.name for one in ALL} | {
    one.dependency.condition: one.name for one in ALL if one.dependency
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a stack is as it should be, and what says that it is not."""

    ready: bool
    #: None where the operator does not check, or has not checked this generation.
    verified: bool | None
    #: Whether the status is about the spec as it is now.
    current: bool

    @property
    def good(self) -> bool:
        """Whether nothing is known to be wrong."""
        return self.current and self.ready and self.verified is not False


def conditions(stack: Object) -> dict[str, Object]:
    """Return the conditions of a stack by type."""
    return {one["type"]: one for one in stack.get("status", {}).get("conditions") or ()}


def verdict(stack: Object) -> Verdict:
    """Return whether a stack is as it should be, as far as its status says."""
    found, generation = conditions(stack), stack["metadata"].get("generation")
    verified = {"True": True, "False": False}.get(found.get("Verified", {}).get("status", ""))
    return Verdict(
        found.get("Ready", {}).get("status") == "True",
        verified,
        stack.get("status", {}).get("observedGeneration") == generation,
    )


def view(stack: Object, pods: Sequence[Object] | None) -> Object:
    """Return what is shown of a stack; `pods` are None where the user may not list them."""
    metadata, status, found = stack["metadata"], stack.get("status", {}), verdict(stack)
    of_stack = conditions(stack)
    return {
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "generation": metadata.get("generation"),
        "observedGeneration": status.get("observedGeneration"),
        "ready": found.ready,
        "verified": found.verified,
        "paused": bool(stack.get("spec", {}).get("paused")),
        "conditions": [_condition(of_stack[kind]) for kind in _of_whole(of_stack)],
        "components": [_component(name, of_stack, pods) for name in meta.COMPONENTS if _is_there(name, of_stack)],
        "targets": status.get("targets"),
        "checks": (status.get("verification") or {}).get("checks", []),
        "checksSummary": (status.get("verification") or {}).get("summary"),
        "endpoints": status.get("endpoints") or {},
        "podsShown": pods is not None,
    }


def _of_whole(of_stack: Object) -> list[str]:
    """Return the conditions that are of no component: ours in their order, then those that others wrote."""
    others = [kind for kind in of_stack if kind not in OVERALL and kind not in _OF_COMPONENTS]
    return [*(kind for kind in OVERALL if kind in of_stack), *others]


def _is_there(component: str, of_stack: Object) -> bool:
    return any(_OF_COMPONENTS.get(kind) == component for kind in of_stack)


def _condition(condition: Object) -> Object:
    keys = ("type", "status", "reason", "message", "lastTransitionTime")
    return {key: condition[key] for key in keys if key in condition}


def _component(name: str, of_stack: Object, pods: Iterable[Object] | None) -> Object:
    own = [_condition(one) for kind, one in of_stack.items() if _OF_COMPONENTS.get(kind) == name]
    found = [pod for pod in pods or () if pod["metadata"].get("labels", {}).get(meta.COMPONENT_LABEL) == name]
    shown = [_pod(pod) for pod in found if pod.get("status", {}).get("phase") not in FINISHED]
    return {"name": name, "conditions": own, "pods": sorted(shown, key=lambda pod: str(pod["name"]))[:_MOST_PODS]}


def _pod(pod: Object) -> Object:
    status, states = pod.get("status", {}), pod.get("status", {}).get("containerStatuses") or []
    waiting = [one["state"]["waiting"].get("reason") for one in states if one.get("state", {}).get("waiting")]
    return {
        "name": pod["metadata"]["name"],
        "phase": "Terminating" if "deletionTimestamp" in pod["metadata"] else status.get("phase", "Unknown"),
        "ready": is_ready(pod),
        "waiting": next(iter(waiting), None),
        "restarts": sum(one.get("restartCount", 0) for one in states),
        "image": (pod.get("spec", {}).get("containers") or [{}])[0].get("image", ""),
        "node": pod.get("spec", {}).get("nodeName"),
    }
