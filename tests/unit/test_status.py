"""The status as a summary: worst first, truthful during a rollout, and still when nothing changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from inventory_operator.api import metadata as meta
from inventory_operator.api.stack import parse
from inventory_operator.api.status import Status
from inventory_operator.components import cloudnativepg
from inventory_operator.components.blocker import Blocker, Turn
from inventory_operator.kube.pods import REVISION_ANNOTATION
from inventory_operator.status import conditions

if TYPE_CHECKING:
    from collections.abc import Sequence

Object = dict[str, Any]
NOW, BEFORE = "2026-02-02T00:00:00Z", "2026-01-01T00:00:00Z"
STACK = meta.Stack("ns", "shop", "u")
TARGET = ("Service", "shop-grafana")
FAILURE = Blocker(TARGET, "grafana", "ApplyFailed", "Service shop-grafana: quota", Turn.CLUSTER)
REFUSAL = Blocker(TARGET, "grafana", "NameTaken", "Service shop-grafana is taken", Turn.USER)
INVALID = Blocker((meta.KIND, "shop"), "stack", "InvalidSpec", "spec.x: no", Turn.USER)
TYPES = ("service", "prometheus", "alertmanager", "grafana")


def labels(component: str) -> Object:
    return {"labels": meta.labels(STACK, component)}


def deployment(component: str = "service", wanted: int = 1, generation: int = 3, **state: Any) -> Object:
    state = {
        "observedGeneration": 3,
        "replicas": wanted,
        "updatedReplicas": wanted,
        "availableReplicas": wanted,
        **state,
    }
    template = {"spec": {"containers": [{"name": "main", "image": "registry.example.com/i:1"}]}}
    spec = {"replicas": wanted, "template": template}
    return {
        "kind": "Deployment",
        "metadata": {"uid": f"d-{component}", "generation": generation, **labels(component)},
        "spec": spec,
        "status": state,
    }


def replica_set(component: str, revision: int = 1) -> Object:
    metadata = {"name": f"{component}-{revision}", "uid": f"{component}-{revision}", **labels(component)}
    metadata |= {"annotations": {REVISION_ANNOTATION: str(revision)}, **controlled_by(f"d-{component}")}
    return {"kind": "ReplicaSet", "metadata": metadata}


def controlled_by(uid: str) -> Object:
    return {"ownerReferences": [{"uid": uid, "controller": True}]}


def pod(
    component: str = "service", *, revision: int = 1, ready: bool = True, waiting: str = "", **metadata: Any
) -> Object:
    state = {"waiting": {"reason": waiting}} if waiting else {"running": {}}
    container = {"name": "main", "image": "i:2", "ready": ready, "state": state, "started": not waiting}
    conditions = [{"type": "Ready", "status": str(ready)}]
    meta = {"name": f"{component}-pod", "creationTimestamp": BEFORE, **labels(component), **metadata}
    meta |= controlled_by(f"{component}-{revision}")
    return {"kind": "Pod", "metadata": meta, "status": {"containerStatuses": [container], "conditions": conditions}}


def summary(
    *children: Object,
    spec: Object | None = None,
    blockers: Sequence[Blocker] = (),
    old: Object | None = None,
    notes: Object | None = None,
) -> Object:
    metadata = {"name": "shop", "namespace": "ns", "uid": "u", "generation": 7}
    stack = {"metadata": metadata, "spec": spec or {}, "status": old or {}}
    parsed = None if INVALID in blockers else parse(stack)
    sets = [replica_set(name) for name in TYPES]
    found = conditions.summarize(conditions.Observed(stack, parsed, blockers, [*sets, *children], notes or {}), NOW)
    Status.model_validate(found)
    return found


def of(found: Object, condition_type: str) -> Object:
    return next((c for c in found["conditions"] if c["type"] == condition_type), {})


def says(found: Object, condition_type: str) -> tuple[str, str]:
    condition = of(found, condition_type)
    return condition["status"], condition["reason"]


HEALTHY = (*(deployment(name) for name in TYPES), *(pod(name) for name in TYPES))
#: All but the service.
REST = tuple(child for child in HEALTHY if child["metadata"]["labels"][meta.COMPONENT_LABEL] != "service")


def test_a_healthy_stack_is_ready() -> None:
    found = summary(*HEALTHY)
    good = {c["type"]: c["status"] for c in found["conditions"]}
    others = {"Reconciling": "False", "Stalled": "False", "Verified": "Unknown"}
    assert good == {**dict.fromkeys(conditions.CONDITIONS, "True"), **others}
    assert [c["type"] for c in found["conditions"]] == list(conditions.CONDITIONS)
    assert found["observedGeneration"] == 7
    assert {c["observedGeneration"] for c in found["conditions"]} == {7}
    assert all(c["reason"] and c["message"] for c in found["conditions"])


def test_a_new_stack_is_not_ready_and_says_that_it_is_being_made() -> None:
    found = summary()
    assert says(found, "Ready") == ("False", "Creating")
    assert says(found, "Reconciling") == ("True", "Creating")
    assert says(found, "Stalled")[0] == "False"
    assert says(found, "DatabaseAvailable") == ("Unknown", "NoPodRunning")


def test_a_transition_moves_its_time_and_nothing_else_does() -> None:
    old = summary(*HEALTHY)
    for condition in old["conditions"]:
        condition["lastTransitionTime"] = BEFORE
    waits = pod(waiting="ImagePullBackOff", ready=False)
    found = summary(*REST, deployment(availableReplicas=0), waits, old=old)
    times = {c["type"]: c["lastTransitionTime"] for c in found["conditions"]}
    moved = {name for name, time in times.items() if time == NOW}
    assert moved == {"Ready", "Reconciling", "ServiceAvailable", "DatabaseAvailable"}
    assert {time for name, time in times.items() if name not in moved} == {BEFORE}


def test_another_reason_alone_is_no_transition() -> None:
    old = summary(*REST, deployment(availableReplicas=0))
    for condition in old["conditions"]:
        condition["lastTransitionTime"] = BEFORE
    crash = pod(waiting="ErrImagePull", ready=False)
    found = summary(*REST, deployment(availableReplicas=0), crash, old=old)
    assert says(found, "ServiceAvailable") == ("False", "ImagePullBackOff")
    assert of(found, "ServiceAvailable")["lastTransitionTime"] == BEFORE


@pytest.mark.parametrize(
    ("component", "condition", "switch"),
    [("grafana", "GrafanaAvailable", "grafana"), ("alertmanager", "AlertmanagerAvailable", "alerting")],
)
def test_what_is_off_has_no_condition_and_no_address(component, condition, switch) -> None:
    found = summary(*HEALTHY, spec={switch: {"enabled": False}})
    assert of(found, condition) == {}
    assert component not in found["endpoints"]
    assert says(found, "Ready")[0] == "True"


@pytest.mark.parametrize(
    "state",
    [{"observedGeneration": 2}, {"updatedReplicas": 0}, {"replicas": 2}],
    ids=["not-seen-yet", "old-pods-serve", "old-pods-left"],
)
def test_a_rollout_under_way_serves_but_is_not_ready(state) -> None:
    found = summary(*REST, deployment(**state), pod())
    assert says(found, "ServiceAvailable") == ("True", "RollingOut")
    assert says(found, "Ready") == ("False", "RollingOut")
    assert says(found, "Reconciling")[0] == "True"


def test_a_stuck_rollout_names_the_new_pod_while_old_ones_serve() -> None:
    new = pod(ready=False, waiting="ImagePullBackOff", name="new", creationTimestamp=NOW)
    found = summary(*REST, deployment(updatedReplicas=0, replicas=2), pod(), new)
    assert says(found, "ServiceAvailable") == ("True", "ImagePullBackOff")
    assert says(found, "Ready") == ("False", "ImagePullBackOff")
    assert "pod new: container main: image i:2" in of(found, "Ready")["message"]
    assert says(found, "DatabaseAvailable")[0] == "True"


CRASHED = {"terminated": {"exitCode": 1}}


def test_the_newest_replica_set_speaks_for_a_rollout() -> None:
    """A pod of the one before may have come later, and in whatever state: it goes."""
    old, new = pod(ready=False, name="old", creationTimestamp=NOW), pod(ready=False, revision=2, name="new")
    old["status"]["containerStatuses"][0]["state"] = CRASHED
    new["status"]["containerStatuses"][0] |= {"state": {"waiting": {"reason": "ContainerCreating"}}, "started": False}
    rolling = (*REST, deployment(updatedReplicas=0, availableReplicas=0), replica_set("service", 2))
    assert says(summary(*rolling, old, new), "ServiceAvailable") == ("False", "RollingOut")
    assert says(summary(*rolling, old), "ServiceAvailable") == ("False", "RollingOut")
    new["status"]["containerStatuses"][0]["state"] = CRASHED
    assert "pod new:" in of(summary(*rolling, old, new), "ServiceAvailable")["message"]


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_finished_pod_counts_for_nothing(phase: str) -> None:
    lies_around = pod(name="old", creationTimestamp=NOW)
    lies_around["status"] |= {"phase": phase, "reason": "Evicted"}
    found = summary(*HEALTHY, lies_around)
    assert of(found, "DatabaseAvailable")["message"] == "SQLite: 1 of 1 service pods reach it"
    assert says(found, "Ready")[0] == "True"
    starting = summary(*REST, deployment(availableReplicas=0), lies_around)
    assert says(starting, "ServiceAvailable") == ("False", "Starting")
    assert says(starting, "DatabaseAvailable") == ("Unknown", "NoPodRunning")


def test_a_pod_that_only_has_our_labels_counts_for_nothing() -> None:
    foreign = pod(name="foreign", creationTimestamp=NOW)
    foreign["metadata"]["ownerReferences"] = []
    assert of(summary(*HEALTHY, foreign), "DatabaseAvailable")["message"] == "SQLite: 1 of 1 service pods reach it"


def test_a_container_that_others_put_beside_ours_says_nothing_of_the_database() -> None:
    injected = pod(ready=False)
    (main,) = injected["status"]["containerStatuses"]
    injected["status"]["containerStatuses"] = [{**main, "ready": True}, {**main, "name": "proxy"}]
    found = summary(*REST, deployment(availableReplicas=0), injected)
    assert of(found, "ServiceAvailable")["reason"] == "NotReady"
    assert "container proxy" in of(found, "ServiceAvailable")["message"]
    assert says(found, "DatabaseAvailable")[0] == "Unknown"


def test_what_does_not_serve_comes_before_what_is_only_rolled_out() -> None:
    rolling = deployment("service", updatedReplicas=0)
    down = deployment("grafana", availableReplicas=0)
    others = [child for child in HEALTHY if child["kind"] == "Pod"]
    others += [deployment("prometheus"), deployment("alertmanager")]
    found = summary(rolling, down, *others)
    assert of(found, "Ready")["message"].startswith("GrafanaAvailable: 0 of 1")


def test_more_pods_than_wanted_are_not_counted() -> None:
    found = summary(*REST, deployment(availableReplicas=3, replicas=3), pod())
    assert of(found, "ServiceAvailable")["message"] == "1 of 1 pods available; pods are being replaced"


def test_peers_are_counted_together() -> None:
    """Each Alertmanager has a Deployment of its own."""
    one = summary(deployment("alertmanager"), deployment("alertmanager", availableReplicas=0))
    assert of(one, "AlertmanagerAvailable")["message"] == "1 of 2 pods available; pods are starting"
    assert says(one, "AlertmanagerAvailable") == ("False", "Starting")
    both = summary(deployment("alertmanager"), deployment("alertmanager"))
    assert says(both, "AlertmanagerAvailable") == ("True", "Available")


def test_a_pod_that_can_not_be_made_says_why() -> None:
    refused = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}
    found = summary(*REST, deployment(availableReplicas=0, updatedReplicas=0, conditions=[refused]))
    assert says(found, "ServiceAvailable") == ("False", "FailedCreate")
    assert "exceeded quota" in of(found, "Ready")["message"]


def test_a_problem_stalls_and_leaves_the_components_as_they_are() -> None:
    found = summary(*HEALTHY, blockers=[INVALID])
    assert says(found, "Ready") == ("False", "InvalidSpec")
    assert says(found, "Stalled") == ("True", "InvalidSpec")
    assert says(found, "Reconciling")[0] == "False"
    assert of(found, "Stalled")["message"] == "spec.x: no"
    assert says(found, "ServiceAvailable")[0] == "True"


def test_an_invalid_new_stack_has_no_components_and_keeps_known_addresses() -> None:
    found = summary(blockers=[INVALID], old={"endpoints": {"service": "a"}, "image": "i", "stray": 1})
    assert [c["type"] for c in found["conditions"]] == ["Ready", "Reconciling", "Stalled", "Verified"]
    assert found["endpoints"] == {"service": "a"}
    assert found["image"] == "i"
    assert "stray" not in found


def test_a_child_that_could_not_be_made_is_not_ready_but_is_tried_again() -> None:
    found = summary(*HEALTHY, blockers=[FAILURE])
    assert says(found, "GrafanaAvailable") == ("True", "ApplyFailed")
    assert says(found, "Ready") == ("False", "ApplyFailed")
    assert says(found, "Reconciling")[0] == "True"
    assert says(found, "Stalled")[0] == "False"


def test_of_many_refusals_three_are_told_and_the_rest_is_counted() -> None:
    refused = [
        Blocker(("Service", f"s{n}"), "grafana", "ApplyFailed", f"Service s{n}: no", Turn.CLUSTER) for n in range(5)
    ]
    told = "1 of 1 pods available; Service s0: no; Service s1: no; Service s2: no; and 2 more"
    assert of(summary(*HEALTHY, blockers=refused), "GrafanaAvailable")["message"] == told
    told = told.removesuffix("; and 2 more")
    assert of(summary(*HEALTHY, blockers=[*refused[:3], refused[0]]), "GrafanaAvailable")["message"] == told


def test_a_child_that_only_a_person_can_cure_stalls_wherever_it_stands() -> None:
    found = summary(*HEALTHY, blockers=[FAILURE, REFUSAL])
    assert says(found, "Stalled") == ("True", "NameTaken")
    assert of(found, "Ready")["message"] == REFUSAL.message


def test_a_failure_of_no_component_is_not_ready_either() -> None:
    stray = Blocker(("Secret", "shop-digest-key"), "stack", "ApplyFailed", "Secret: no", Turn.CLUSTER)
    assert says(summary(*HEALTHY, blockers=[stray]), "Ready") == ("False", "ApplyFailed")


def test_paused_is_said_and_the_truth_still_told() -> None:
    found = summary(*HEALTHY, spec={"paused": True})
    assert says(found, "Reconciling") == ("False", "Paused")
    assert says(found, "Ready")[0] == "True"
    assert says(summary(*REST, deployment(availableReplicas=0), spec={"paused": True}), "Ready")[0] == "False"
    stalled = summary(*HEALTHY, spec={"paused": True}, blockers=[REFUSAL])
    assert says(stalled, "Reconciling") == ("False", "Paused")
    assert says(stalled, "Stalled") == ("True", "NameTaken")


def test_the_database_is_judged_by_the_service_pods() -> None:
    assert says(summary(*REST, deployment(), pod()), "DatabaseAvailable") == ("True", "Reachable")
    assert says(summary(*REST, deployment(), pod(ready=False)), "DatabaseAvailable") == ("False", "NotReachable")
    starting = pod(ready=False)
    starting["status"]["containerStatuses"][0]["state"]["running"]["startedAt"] = NOW
    assert says(summary(*REST, deployment(), starting), "DatabaseAvailable") == ("Unknown", "Starting")
    waits = pod(ready=False, waiting="ImagePullBackOff")
    assert says(summary(*REST, deployment(), waits), "DatabaseAvailable") == ("Unknown", "NoPodRunning")
    going = pod(deletionTimestamp=NOW)
    assert says(summary(*REST, deployment(), going), "DatabaseAvailable") == ("Unknown", "NoPodRunning")


def test_the_kind_of_database_is_named() -> None:
    external = {"service": {"database": {"external": {"secretKeyRef": {"name": "pg"}}}}}
    assert "external PostgreSQL" in of(summary(*HEALTHY, spec=external), "DatabaseAvailable")["message"]
    assert "SQLite" in of(summary(*HEALTHY), "DatabaseAvailable")["message"]
    ours = {"service": {"database": {"cloudNativePG": {}}}}
    assert "CloudNativePG" in of(summary(*HEALTHY, spec=ours), "DatabaseAvailable")["message"]


@pytest.mark.parametrize("served", [True, False])
def test_a_database_that_can_not_be_made_is_not_available_whatever_the_pods_say(served: bool) -> None:
    blockers = cloudnativepg.blockers(meta.names(STACK), 'Secret "shop-database-app" not found', served=served)
    ours = {"service": {"database": {"cloudNativePG": {}}}}
    found = summary(*HEALTHY, spec=ours, blockers=blockers)
    reason = "WaitingForDatabase" if served else "CloudNativePGMissing"
    assert says(found, "DatabaseAvailable") == ("False", reason)
    assert says(found, "ServiceAvailable") == ("True", reason), "the pods of before still serve"
    assert says(found, "Ready") == ("False", reason)
    assert says(found, "Stalled")[0] == ("False" if served else "True"), "a person must install it"
    assert says(found, "PrometheusAvailable") == ("True", "Available")
    assert says(summary(spec=ours, blockers=blockers), "ServiceAvailable") == ("False", reason)


def test_a_note_is_told_with_the_good_news() -> None:
    found = summary(*HEALTHY, notes={"prometheus": "container metrics: NotPermitted"})
    assert of(found, "PrometheusAvailable")["message"] == "1 of 1 pods available; container metrics: NotPermitted"
    assert says(found, "Ready")[0] == "True"


def test_addresses_and_image_are_those_of_the_stack() -> None:
    hosts = {"hosts": {"service": "shop.example.com"}}
    found = summary(*HEALTHY, spec={"ingress": hosts})
    assert found["endpoints"]["prometheus"] == "http://shop-prometheus.ns.svc:9090"
    assert found["endpoints"]["service"] == "http://shop.example.com"
    assert found["image"] == "registry.example.com/i:1"
    secure = {**hosts, "tls": {"secretName": "cert"}}
    assert summary(*HEALTHY, spec={"ingress": secure})["endpoints"]["service"] == "https://shop.example.com"


def test_an_ingress_that_is_held_back_is_no_address() -> None:
    held = Blocker(("Ingress", "shop-inventory"), "service", "NotPermitted", "no", Turn.USER)
    found = summary(*HEALTHY, spec={"ingress": {"hosts": {"service": "a.org", "grafana": "b.org"}}}, blockers=[held])
    assert found["endpoints"]["service"] == "http://shop-inventory.ns.svc:5000"
    assert found["endpoints"]["grafana"] == "http://b.org"
    assert (says(found, "ServiceAvailable"), says(found, "Stalled")) == (("True", "NotPermitted"),) * 2


def test_same_sees_every_change_of_ours_and_none_of_others() -> None:
    new = summary(*HEALTHY)
    theirs = {"type": "SeenByAuditor", "status": "True"}
    assert conditions.same({**new, "conditions": [*new["conditions"], theirs], "theirs": 1}, new)
    assert not conditions.same({}, new)
    assert not conditions.same({**new, "conditions": new["conditions"][1:]}, new)
    assert not conditions.same({**new, "observedGeneration": 6}, new)
    assert not conditions.same({**new, "endpoints": {}}, new)
    changed = [{**new["conditions"][0], "message": "another"}, *new["conditions"][1:]]
    assert not conditions.same({**new, "conditions": changed}, new)


def test_summarizing_again_is_the_same() -> None:
    first = summary(*HEALTHY)
    assert conditions.same(first, summary(*HEALTHY, old=first))


def test_transitions_are_what_changed_and_not_how_every_stack_begins() -> None:
    made, healthy = summary(), summary(*HEALTHY)
    assert [c["type"] for c in conditions.transitions({}, made)] == ["Reconciling"]
    stalled = summary(blockers=[INVALID])
    assert [c["type"] for c in conditions.transitions({}, stalled)] == ["Stalled"]
    assert {c["type"] for c in conditions.transitions(made, healthy)} == {*conditions.CONDITIONS} - {
        "Stalled",
        "Verified",
    }
    assert conditions.transitions(healthy, healthy) == []
    assert {c["type"] for c in conditions.transitions(healthy, made)} >= {
        "Ready",
        "ServiceAvailable",
        "DatabaseAvailable",
    }
