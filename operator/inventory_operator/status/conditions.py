"""The status of a stack: a pure summary of what was observed, worst first.

It never makes a request and never reads the clock: the time of a transition is handed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inventory_operator.api import metadata as meta
from inventory_operator.components.blocker import Blocker, Turn
from inventory_operator.status.pods import fails_readiness, not_terminating, pods_issue, rollout

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from inventory_operator.api.stack import Spec

Object = dict[str, Any]

COMPONENT_CONDITIONS = {
    "service": "ServiceAvailable",
    "prometheus": "PrometheusAvailable",
    "alertmanager": "AlertmanagerAvailable",
    "grafana": "GrafanaAvailable",
}
CONDITIONS = (
    *("Ready", "Reconciling", "Stalled"),
    *("ServiceAvailable", "DatabaseAvailable", "PrometheusAvailable", "AlertmanagerAvailable", "GrafanaAvailable"),
)


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything a status is made from."""

    stack: Object
    #: None where the spec can't be followed.
    spec: Spec | None
    blockers: Sequence[Blocker]
    children: Iterable[Object]
    notes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Condition:
    type: str
    status: str
    reason: str
    message: str
    #: Available and nothing under way: only that lets the stack be Ready.
    settled: bool = True


def summarize(observed: Observed, now: str) -> Object:
    """Return the whole `status`; `now` (RFC 3339) is the time of the transitions that it makes."""
    generation = observed.stack["metadata"]["generation"]
    previous = {c["type"]: c for c in observed.stack.get("status", {}).get("conditions", ())}
    components = [_component(name, observed, now) for name in _components(observed)]
    conditions = [*_overall(observed, components), *components, *_database(observed, now)]
    order = {name: index for index, name in enumerate(CONDITIONS)}
    return {
        "observedGeneration": generation,
        "conditions": [
            _stamped(condition, previous.get(condition.type, {}), generation, now)
            for condition in sorted(conditions, key=lambda c: order[c.type])
        ],
        **_where(observed),
    }


def same(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Return whether `old` already says all of `new`; what others wrote into it does not count."""
    ours = [c for c in old.get("conditions", ()) if c["type"] in CONDITIONS]
    return {**old, "conditions": ours} == {**old, **new}


def transitions(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Object]:
    """Return the conditions of `new` whose status is another than in `old`: what an Event is worth.

    So is another thing that a person has to change: Stalled stays True, with another message.

    Every part of a new stack begins as False or Unknown: that is no news yet.
    """
    before = {c["type"]: {c["status"]} for c in old.get("conditions", ())}
    stalled = {c["message"] for c in old.get("conditions", ()) if (c["type"], c["status"]) == ("Stalled", "True")}
    return [
        c
        for c in new["conditions"]
        if c["status"] not in before.get(c["type"], {"False", "Unknown"})
        or (stalled and (c["type"], c["status"]) == ("Stalled", "True") and c["message"] not in stalled)
    ]


def _components(observed: Observed) -> list[str]:
    if spec := observed.spec:
        enabled = {"alertmanager": spec.alerting.enabled, "grafana": spec.grafana.enabled}
        return [name for name in COMPONENT_CONDITIONS if enabled.get(name, True)]
    deployments = (child for child in observed.children if child["kind"] == "Deployment")
    live = {deployment["metadata"]["labels"].get(meta.COMPONENT_LABEL) for deployment in deployments}
    return [name for name in COMPONENT_CONDITIONS if name in live]


def _of(observed: Observed, component: str, kind: str) -> list[Object]:
    return [
        child
        for child in observed.children
        if child["kind"] == kind and child["metadata"]["labels"].get(meta.COMPONENT_LABEL) == component
    ]


def _component(component: str, observed: Observed, now: str) -> _Condition:
    name = COMPONENT_CONDITIONS[component]
    blockers = _blockers(observed, component)
    deployments = _of(observed, component, "Deployment")
    if not deployments:
        reason, message = (blockers[0].reason, blockers[0].message) if blockers else ("Creating", "not created yet")
        return _Condition(name, "False", reason, message, settled=False)
    pods = rollout(deployments)
    status = "True" if pods.available >= pods.wanted else "False"
    counted = f"{pods.available} of {pods.wanted} pods available"
    if blockers:
        return _Condition(name, status, blockers[0].reason, f"{counted}; {blockers[0].message}", settled=False)
    if status == "True" and pods.complete:
        note = observed.notes.get(component)
        return _Condition(name, status, "Available", f"{counted}; {note}" if note else counted)
    if issue := pods_issue(_of(observed, component, "Pod"), now):
        return _Condition(name, status, issue.reason, f"{counted}; {issue.message}", settled=False)
    for condition in (one for each in deployments for one in each.get("status", {}).get("conditions", ())):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            message = f"{counted}; {condition['message'][:300]}"
            return _Condition(name, status, condition["reason"], message, settled=False)
    return _Condition(name, status, "RollingOut", counted, settled=False)


def _blockers(observed: Observed, component: str) -> list[Blocker]:
    """Return what holds back objects of a component; the service waits for its database, too."""
    of = {"service", "database"} if component == "service" else {component}
    return [blocker for blocker in observed.blockers if blocker.component in of]


def _database(observed: Observed, now: str) -> list[_Condition]:
    """Return the database as the service's readiness shows it: /readyz answers 200 only when the database does."""
    name = "DatabaseAvailable"
    pods = not_terminating(_of(observed, "service", "Pod"))
    if not pods and observed.spec is None:
        return []
    kind = _database_kind(observed.spec)
    if blocker := next(iter(_blockers(observed, "database")), None):
        return [_Condition(name, "False", blocker.reason, blocker.message, settled=False)]
    if ready := [pod for pod in pods if _is_ready(pod)]:
        return [_Condition(name, "True", "Reachable", f"{kind}: {len(ready)} of {len(pods)} service pods reach it")]
    if failing := [pod["metadata"]["name"] for pod in pods if any(fails_readiness(c, now) for c in _containers(pod))]:
        message = f"{kind}: pod {failing[0]} runs, but does not report its database as ready"
        return [_Condition(name, "False", "NotReachable", message, settled=False)]
    if any("running" in container.get("state", {}) for pod in pods for container in _containers(pod)):
        return [_Condition(name, "Unknown", "Starting", f"{kind}: the service is starting", settled=False)]
    return [_Condition(name, "Unknown", "NoPodRunning", "no service pod runs that could tell", settled=False)]


def _database_kind(spec: Spec | None) -> str:
    if spec and spec.service.database.cloud_native_pg:
        return "CloudNativePG"
    return "external PostgreSQL" if spec and spec.service.database.external else "SQLite"


def _is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _containers(pod: Object) -> list[Object]:
    return list(pod.get("status", {}).get("containerStatuses", ()))


def _overall(observed: Observed, components: Sequence[_Condition]) -> list[_Condition]:
    """Ready, Reconciling and Stalled by the rules of kstatus (kubernetes-sigs/cli-utils, pkg/kstatus)."""
    problem = next((blocker for blocker in observed.blockers if blocker.turn is Turn.USER), None)
    unsettled = [c for c in components if not c.settled]
    stray = next(iter(observed.blockers), None)
    paused = bool(observed.spec and observed.spec.paused)
    if problem:
        ready = _Condition("Ready", "False", problem.reason, problem.message)
        return [ready, _Condition("Reconciling", "False", problem.reason, "waits for a change"), _stalled(problem)]
    if unsettled or stray:
        reason, message = (stray.reason, stray.message) if stray else ("", "")
        if unsettled:
            # "False" sorts before "True": what does not serve comes before what is only being rolled out.
            worst = min(unsettled, key=lambda condition: condition.status)
            reason, message = worst.reason, f"{worst.type}: {worst.message}"
        ready = _Condition("Ready", "False", reason, message)
        moving = _Condition("Reconciling", "True", reason, message)
    else:
        ready = _Condition("Ready", "True", "Available", "every component is available")
        moving = _Condition("Reconciling", "False", "UpToDate", "everything is as the spec says")
    if paused:
        moving = _Condition("Reconciling", "False", "Paused", "spec.paused is true: nothing is changed")
    return [ready, moving, _stalled(None)]


def _stalled(problem: Blocker | None) -> _Condition:
    if problem:
        return _Condition("Stalled", "True", problem.reason, problem.message)
    return _Condition("Stalled", "False", "Progressing", "no user action required")


def _stamped(condition: _Condition, previous: Mapping[str, str], generation: int, now: str) -> Object:
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
    ports = {"service": (names.service, 5000), "prometheus": (names.prometheus, 9090)}
    if spec.alerting.enabled:
        ports["alertmanager"] = (names.alertmanager, 9093)
    if spec.grafana.enabled:
        ports["grafana"] = (names.grafana, 3000)
    endpoints = {part: f"http://{name}.{stack.namespace}.svc:{port}" for part, (name, port) in ports.items()}
    if spec.ingress:
        scheme = "https" if spec.ingress.tls else "http"
        hosts = {part: getattr(spec.ingress.hosts, part) for part in ("service", "grafana", "prometheus")}
        endpoints |= {part: f"{scheme}://{host}" for part, host in hosts.items() if host and part in endpoints}
    service = _of(observed, "service", "Deployment")
    image = {"image": service[0]["spec"]["template"]["spec"]["containers"][0]["image"]} if service else {}
    return {"endpoints": endpoints, **image}
