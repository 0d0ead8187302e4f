"""Stacks in every kind of state, with the status that the operator's own code makes of each.

They are recorded in tests/golden/statuses.yaml, for the tests of what reads them: Argo CD, Flux, kstatus.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml
from tests.framework.rendered import ROOT, rendered
from tests.framework.specs import schema

from inventory_operator.api import metadata as meta
from inventory_operator.api.errors import InvalidSpec
from inventory_operator.api.stack import parse
from inventory_operator.components import cloudnativepg
from inventory_operator.components.blocker import FIELD_CONFLICT, WHOLE_STACK, Blocker, Turn
from inventory_operator.components.rights import not_permitted
from inventory_operator.kube.pods import REVISION_ANNOTATION
from inventory_operator.status import conditions
from inventory_operator.verification.answer import Answer, Outcome
from inventory_operator.verification.result import UNPROBED, Result
from inventory_operator.verification.targets import Target, Targets

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

Object = dict[str, Any]
#: The objects of each component: its Deployment, then what belongs to it.
Parts = dict[str, list[Object]]

RECORDED = ROOT / "tests/golden/statuses.yaml"
NOW, BEFORE = "2026-02-02T00:00:00Z", "2026-01-01T00:00:00Z"
STACK = meta.Stack("shop", "shop", "00000000-0000-0000-0000-00000000000b")
NAMES = meta.names(STACK)
METADATA: Object = {"name": STACK.name, "namespace": STACK.namespace, "uid": STACK.uid, "generation": 7}
CLASS = {"prometheus": {"storage": {"storageClassName": "fast"}}}
CLOUDNATIVEPG = {"service": {"database": {"cloudNativePG": {}}}}

#: What a state is to Argo CD, to Flux with the expressions of the example, and to kstatus: rows of docs/gitops.md.
MEANS = {
    "not looked at": ("Progressing", "InProgress", "InProgress"),
    "moving": ("Progressing", "InProgress", "InProgress"),
    "ready": ("Healthy", "Current", "Current"),
    "stalled": ("Degraded", "Failed", "Failed"),
    "paused, ready": ("Suspended", "Current", "Current"),
    "paused, not ready": ("Suspended", "InProgress", "InProgress"),
    "deleting": ("Progressing", "InProgress", "Terminating"),
}


def _leave(_parts: Parts) -> None:
    pass


@dataclass(frozen=True, slots=True)
class State:
    """What there is of a stack, and the key of MEANS that it has to be."""

    means: str
    spec: Object = field(default_factory=dict)
    blockers: Sequence[Blocker] = ()
    #: Makes of children that all work what there is; None where nothing was created.
    change: Callable[[Parts], None] | None = _leave
    missing_classes: Collection[str] = ()
    #: What the checks answered.
    verification: Result = UNPROBED
    #: What came after the status was written.
    after: Callable[[Object], None] = _leave


def _working(spec: Object) -> Parts:
    found: Parts = {}
    for obj in rendered({"metadata": METADATA, "spec": spec}):
        component = obj["metadata"]["labels"][meta.COMPONENT_LABEL]
        if obj["kind"] == "Deployment":
            found[component] = [*_deployment(obj), *found.get(component, ())]
        elif obj["kind"] == "PersistentVolumeClaim":
            found.setdefault(component, []).append(obj | {"status": {"phase": "Bound"}})
    return found


def _deployment(obj: Object) -> list[Object]:
    name, labels, wanted = obj["metadata"]["name"], obj["metadata"]["labels"], obj["spec"].get("replicas", 1)
    counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), wanted)
    deployment = obj | {
        "metadata": {**obj["metadata"], "uid": name, "generation": 1},
        "status": {"observedGeneration": 1, **counts},
    }
    of_set = {"name": f"{name}-1", "uid": f"{name}-1", "annotations": {REVISION_ANNOTATION: "1"}}
    owned = [{"uid": name, "controller": True}]
    replica_set = {"kind": "ReplicaSet", "metadata": {**of_set, "labels": labels, "ownerReferences": owned}}
    return [deployment, replica_set, _pod(replica_set, obj["spec"]["template"]["spec"]["containers"][0])]


def _pod(replica_set: Object, container: Object) -> Object:
    name = replica_set["metadata"]["name"]
    metadata = {"name": f"{name}-a", "labels": replica_set["metadata"]["labels"], "creationTimestamp": BEFORE}
    metadata |= {"ownerReferences": [{"uid": name, "controller": True}]}
    state = {"name": container["name"], "image": container["image"], "ready": True, "started": True, "restartCount": 0}
    state |= {"state": {"running": {"startedAt": BEFORE}}}
    return {
        "kind": "Pod",
        "metadata": metadata,
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [state]},
    }


def _counts(component: str, **counts: int) -> Callable[[Parts], None]:
    def change(parts: Parts) -> None:
        parts[component][0]["status"] |= counts

    return change


def _down(component: str, **state: Any) -> Callable[[Parts], None]:
    """The one pod of a component is not ready, and its container in this state."""

    def change(parts: Parts) -> None:
        deployment, _, pod = parts[component][:3]
        deployment["status"]["availableReplicas"] = 0
        pod["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
        pod["status"]["containerStatuses"][0] |= {"ready": False, **state}

    return change


def _starting(parts: Parts) -> None:
    for objects in parts.values():
        objects[0]["status"]["availableReplicas"] = 0
        del objects[2]


def _new_image_missing(parts: Parts) -> None:
    """The pod of before serves, that of the next ReplicaSet can't."""
    deployment, old_set, old = parts["service"][:3]
    deployment["status"] |= {"replicas": 2, "updatedReplicas": 1}
    newer = {"name": f"{NAMES.service}-2", "uid": f"{NAMES.service}-2", "annotations": {REVISION_ANNOTATION: "2"}}
    new_set = old_set | {"metadata": {**old_set["metadata"], **newer}}
    new = _pod(new_set, {"name": "service", "image": "registry.example.com/none:1"})
    waits = {"ready": False, "started": False, "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    new["status"]["containerStatuses"][0] |= waits
    new["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
    assert old["status"]["containerStatuses"][0]["ready"]
    parts["service"] += [new_set, new]


def _claim_waits(parts: Parts) -> None:
    _down("prometheus", started=False, state={})(parts)
    (claim,) = [one for one in parts["prometheus"] if one["kind"] == "PersistentVolumeClaim"]
    claim["status"]["phase"] = "Pending"


def _blocked(component: str, kind: str, reason: str, message: str, turn: Turn) -> tuple[Blocker]:
    name = STACK.name if component == WHOLE_STACK else getattr(NAMES, component)
    return (Blocker((kind, name), component, reason, f"{kind} {name}: {message}", turn),)


def _next_generation(stack: Object) -> None:
    stack["metadata"]["generation"] += 1


def _deleted(stack: Object) -> None:
    stack["metadata"] |= {"deletionTimestamp": NOW, "finalizers": ["foregroundDeletion"]}


def _not_looked_at(stack: Object) -> None:
    stack["status"] = schema()["properties"]["status"]["default"]


def _anothers_condition(stack: Object) -> None:
    one = {"type": "Audited", "status": "False", "reason": "No", "message": "not yet", "lastTransitionTime": BEFORE}
    stack["status"]["conditions"] = [one, *stack["status"]["conditions"]]


def _checked(generation: int, *outcomes: Outcome) -> Result:
    """Return the answers of three checks with these outcomes."""
    passed = (
        ("MetricsExposed", "MetricsExposed", "every pod of the service answers /metrics"),
        ("ServiceScraped", "ServiceScraped", "Prometheus scrapes every pod of the service"),
        ("ContainerMetrics", "SeriesThere", "Prometheus has CPU and memory of every pod of the stack"),
    )
    others = {
        Outcome.FAILED: ("NotSelected", "pod shop-inventory-1-a is not discovered by Prometheus"),
        Outcome.UNKNOWN: ("PrometheusNotReady", "no pod of Prometheus is ready: see PrometheusAvailable"),
        Outcome.SKIPPED: ("Disabled", "spec.containerMetrics is none"),
    }
    answers = tuple(
        Answer(check, outcome, *others.get(outcome, good))
        for (check, *good), outcome in zip(passed, outcomes, strict=True)
    )
    missed = Target("shop-inventory-1-a", "NotSelected", "is not discovered by Prometheus")
    return Result(generation, answers, Targets(1, 0, (missed,)) if Outcome.FAILED in outcomes else Targets(1, 1, ()))


_PASSED, _FAILED, _UNKNOWN, _SKIPPED = Outcome.PASSED, Outcome.FAILED, Outcome.UNKNOWN, Outcome.SKIPPED
CRASH = {"terminated": {"exitCode": 3, "startedAt": BEFORE, "finishedAt": BEFORE}}
LOOP = {"restartCount": 4, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": CRASH}
TAKEN = _blocked("grafana", "Service", "NameTaken", "exists already", Turn.USER)
MISSING = _blocked("service", "Deployment", "MissingReference", 'Secret "shop-db" not found', Turn.USER)
HOST = not_permitted(
    ("Ingress", NAMES.service), "service", 'ingress.hosts.service "a.example.com"', "allowed_ingress_hosts",
    ("allows none", "leave it out"),
)  # fmt: skip
STATES: dict[str, State] = {
    "not-looked-at": State("not looked at", change=None, after=_not_looked_at),
    "changed-since": State("not looked at", after=_next_generation),
    "changed-since-it-stalled": State("not looked at", blockers=TAKEN, after=_next_generation),
    "creating": State("moving", change=None),
    "starting": State("moving", change=_starting),
    "rolling-out": State("moving", change=_counts("service", updatedReplicas=0)),
    "image-missing-while-the-old-pod-serves": State("moving", change=_new_image_missing),
    "crash-loop": State("moving", change=_down("service", **LOOP)),
    "one-part-down": State("moving", change=_down("grafana", state={"waiting": {"reason": "ErrImagePull"}})),
    "database-not-reachable": State("moving", change=_down("service")),
    "storage-class-missing": State("moving", CLASS, change=_claim_waits, missing_classes=("fast",)),
    "apply-failed": State(
        "moving", blockers=_blocked("grafana", "Service", "ApplyFailed", "exceeded quota", Turn.CLUSTER)
    ),
    "apply-failed-for-good": State(
        "stalled", blockers=_blocked("grafana", "Deployment", "ApplyFailed", "field is immutable", Turn.USER)
    ),
    "reconcile-failed": State(
        "moving", blockers=_blocked(WHOLE_STACK, meta.KIND, "ReconcileFailed", "timed out", Turn.CLUSTER)
    ),
    "waiting-for-deletion": State(
        "moving", blockers=_blocked("grafana", "Service", "WaitingForDeletion", "is being deleted", Turn.WAITING)
    ),
    "waiting-for-database": State(
        "moving", CLOUDNATIVEPG, cloudnativepg.blockers(NAMES, 'Secret "shop-database-app" not found', served=True)
    ),
    "cloudnativepg-missing": State("stalled", CLOUDNATIVEPG, cloudnativepg.blockers(NAMES, "", served=False)),
    "invalid-from-the-start": State("stalled", {"service": {"replicas": -1}}, change=None),
    "invalid-while-it-serves": State("stalled", {"prometheus": {"retention": "soon"}}),
    "name-taken": State("stalled", blockers=TAKEN),
    "missing-reference": State("stalled", blockers=MISSING),
    "field-conflict": State(
        "stalled", blockers=_blocked("service", "Deployment", FIELD_CONFLICT, "others keep undoing it", Turn.USER)
    ),
    "not-permitted": State("stalled", blockers=(HOST,)),
    "invalid-rules": State(
        "stalled", blockers=_blocked("prometheus", "ConfigMap", "InvalidRules", "line 3: unknown field", Turn.USER)
    ),
    "stalled-and-down": State("stalled", blockers=MISSING, change=_down("service", **LOOP)),
    "available": State("ready"),
    "available-with-a-part-off": State("ready", {"grafana": {"enabled": False}}),
    "available-with-another's-condition": State("ready", after=_anothers_condition),
    "verified": State("ready", verification=_checked(7, _PASSED, _PASSED, _PASSED)),
    "verified-but-for-what-is-off": State("ready", verification=_checked(7, _PASSED, _PASSED, _SKIPPED)),
    "not-checked-since-a-change": State("ready", verification=_checked(6, _PASSED, _PASSED, _PASSED)),
    "check-failed": State("ready", verification=_checked(7, _PASSED, _FAILED, _PASSED)),
    "checks-failed": State("ready", verification=_checked(7, _FAILED, _UNKNOWN, _FAILED)),
    "check-unknown": State("ready", verification=_checked(7, _PASSED, _UNKNOWN, _UNKNOWN)),
    "paused": State("paused, ready", {"paused": True}),
    "paused-from-the-start": State("paused, not ready", {"paused": True}, change=None),
    "paused-while-broken": State("paused, not ready", {"paused": True}, change=_down("service", **LOOP)),
    "paused-while-stalled": State("stalled", {"paused": True}, blockers=TAKEN),
    "deleting": State("deleting", after=_deleted),
}


def stack(state: State) -> Object:
    """Return the stack as the API server has it once the operator has looked at it."""
    raw = {"apiVersion": meta.API_VERSION, "kind": meta.KIND, "metadata": dict(METADATA), "spec": state.spec}
    blockers = list(state.blockers)
    try:
        spec = parse(raw)
    except InvalidSpec as error:
        spec = None
        blockers.append(Blocker((meta.KIND, STACK.name), WHOLE_STACK, "InvalidSpec", str(error), Turn.USER))
    parts: Parts = {}
    if state.change:
        parts = _working(state.spec if spec else {})
        state.change(parts)
    children = [child for objects in parts.values() for child in objects]
    observed = conditions.Observed(raw, spec, blockers, children, {}, state.missing_classes, state.verification)
    raw["status"] = conditions.summarize(observed, NOW)
    state.after(raw)
    return raw


def recorded() -> dict[str, Object]:
    """Return the stack of each state, by the state's name."""
    found: dict[str, Object] = yaml.load(RECORDED.read_text("utf-8"), Loader=yaml.CSafeLoader)
    return found
