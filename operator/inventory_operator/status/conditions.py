"""The status of a stack: a pure summary of what was observed, worst first.

The time of a transition is handed in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inventory_operator.api import metadata as meta
from inventory_operator.components import ALL, enabled
from inventory_operator.components.blocker import WHOLE_STACK, Blocker, Turn
from inventory_operator.components.service import SERVICE
from inventory_operator.status.deployments import next_autoscaler_issue
from inventory_operator.status.parts import (
    Condition,
    Observed,
    component_condition,
    dependency_conditions,
    of_component,
)
from inventory_operator.status.pods import next_issue
from inventory_operator.status.verification import told, verified_condition
from inventory_operator.status.volumes import next_claim_issue
from inventory_operator.verification.result import NOT_CHECKED, VERIFIED
from inventory_operator.version import __version__

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from inventory_operator.components.component import Component

Object = dict[str, Any]

CONDITIONS = (
    *("Ready", "Reconciling", "Stalled", VERIFIED),
    *(one.condition for component in ALL for one in (component, component.dependency) if one),
)

#: Fields of a status that may go again.
_COME_AND_GO = frozenset({"verification", "targets"})


def summarize(observed: Observed, now: str) -> Object:
    """Return the whole `status`; `now` (RFC 3339) is the time of the transitions that it makes."""
    generation = observed.stack["metadata"]["generation"]
    previous = {c["type"]: c for c in observed.stack.get("status", {}).get("conditions", ())}
    present = _components(observed)
    components = [component_condition(one, observed, now) for one in present]
    dependencies = [found for one in ALL for found in dependency_conditions(one, observed, now)]
    verified = verified_condition(observed.verification, generation)
    conditions = [*_overall(observed, components), verified, *components, *dependencies]
    order = {name: index for index, name in enumerate(CONDITIONS)}
    return {
        "observedGeneration": generation,
        "operatorVersion": __version__,
        "conditions": [
            _stamped(condition, previous.get(condition.type, {}), generation, now)
            for condition in sorted(conditions, key=lambda c: order[c.type])
        ],
        **_where(observed),
        **told(observed.verification, observed.stack.get("status", {}), now),
    }


def same(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Return whether `old` already says all of `new`; what others wrote into it does not count."""
    ours = [c for c in old.get("conditions", ()) if c["type"] in CONDITIONS]
    kept = {key: value for key, value in old.items() if key not in _COME_AND_GO}
    return {**old, "conditions": ours} == {**kept, **new}


def transitions(old: Mapping[str, Any], new: Mapping[str, Any], conflicts: Collection[str] = ()) -> list[Object]:
    """Return the conditions of `new` whose status is another than in `old`: what an Event is worth.

    So is another thing that a person has to change: Stalled stays True, with another message. So is each of these
    conflicts that a part tells of, whatever else Stalled does.

    Every part of a new stack begins as False or Unknown: that is no news yet. Nor is that checks are to come.
    """
    before = {c["type"]: {c["status"]} for c in old.get("conditions", ())}
    messages = {c["type"]: c["message"] for c in old.get("conditions", ())}
    stalled = {c["message"] for c in old.get("conditions", ()) if (c["type"], c["status"]) == ("Stalled", "True")}
    return [
        c
        for c in new["conditions"]
        if c["reason"] != NOT_CHECKED
        if c["status"] not in before.get(c["type"], {"False", "Unknown"})
        or (stalled and (c["type"], c["status"]) == ("Stalled", "True") and c["message"] not in stalled)
        or (
            c["type"] not in CONDITIONS[:3]
            and any(one in c["message"] and one not in messages.get(c["type"], "") for one in conflicts)
        )
    ]


def next_change(children: Collection[Object], now: str) -> float | None:
    """Return in how many seconds a status would change by time alone (of which no event tells), or None."""
    pods, claims, deployments, autoscalers = (
        [child for child in children if child["kind"] == kind]
        for kind in ("Pod", "PersistentVolumeClaim", "Deployment", "HorizontalPodAutoscaler")
    )
    pauses = (
        next_issue(pods, now),
        next_claim_issue(claims, pods, now),
        next_autoscaler_issue(autoscalers, deployments, now),
    )
    return min((pause for pause in pauses if pause is not None), default=None)


def _components(observed: Observed) -> Sequence[Component]:
    if observed.spec:
        return enabled(observed.spec)
    return [component for component in ALL if of_component(observed, component, "Deployment")]


def _overall(observed: Observed, components: Sequence[Condition]) -> list[Condition]:
    """Ready, Reconciling and Stalled by the rules of kstatus (kubernetes-sigs/cli-utils, pkg/kstatus)."""
    problem = next((blocker for blocker in observed.blockers if blocker.turn is Turn.USER), None)
    unsettled = [c for c in components if not c.settled]
    # What concerns the whole stack is in no other condition.
    stray = min(observed.blockers, key=lambda blocker: blocker.component != WHOLE_STACK, default=None)
    paused = bool(observed.spec and observed.spec.paused)
    if problem:
        ready = Condition("Ready", "False", problem.reason, problem.message)
        moving = Condition("Reconciling", "False", problem.reason, "waits for a change")
    elif unsettled or stray:
        reason, message = (stray.reason, stray.message) if stray else ("", "")
        if unsettled and not (stray and stray.component == WHOLE_STACK):
            # "False" sorts before "True": what does not serve comes before what is only being rolled out.
            worst = min(unsettled, key=lambda condition: condition.status)
            reason, message = worst.reason, f"{worst.type}: {worst.message}"
        ready = Condition("Ready", "False", reason, message)
        moving = Condition("Reconciling", "True", reason, message)
    else:
        ready = Condition("Ready", "True", "Available", "every component is available")
        moving = Condition("Reconciling", "False", "UpToDate", "everything is as the spec says")
    if paused:
        moving = Condition("Reconciling", "False", "Paused", "spec.paused is true: nothing is changed")
    return [ready, moving, _stalled(problem)]


def _stalled(problem: Blocker | None) -> Condition:
    if problem:
        return Condition("Stalled", "True", problem.reason, problem.message)
    return Condition("Stalled", "False", "Progressing", "no user action required")


def _stamped(condition: Condition, previous: Mapping[str, str], generation: int, now: str) -> Object:
    unchanged = previous.get("status") == condition.status
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
        "observedGeneration": generation,
        "lastTransitionTime": previous.get("lastTransitionTime", now) if unchanged else now,
    }


def _where(observed: Observed) -> Object:
    """Return the addresses of the parts and the image that runs, as far as the spec says what they are."""
    if not (spec := observed.spec):
        return {key: value for key, value in observed.stack.get("status", {}).items() if key in {"endpoints", "image"}}
    metadata = observed.stack["metadata"]
    stack = meta.Stack(metadata["namespace"], metadata["name"], metadata["uid"])
    names = meta.names(stack)
    parts = enabled(spec)
    endpoints = {one.name: f"http://{getattr(names, one.name)}.{stack.namespace}.svc:{one.port}" for one in parts}
    if spec.ingress:
        scheme = "https" if spec.ingress.tls else "http"
        hosts = {one.name: one.host(spec.ingress.hosts) for one in parts}
        held = {blocker.target for blocker in observed.blockers}
        found = {part: f"{scheme}://{host}" for part, host in hosts.items() if host}
        endpoints |= {part: url for part, url in found.items() if ("Ingress", getattr(names, part)) not in held}
    service = of_component(observed, SERVICE, "Deployment")
    image = {"image": service[0]["spec"]["template"]["spec"]["containers"][0]["image"]} if service else {}
    return {"endpoints": endpoints, **image}
