"""What keeps pods from working, in words that a person can act on and that don't change from try to try."""

from __future__ import annotations

from typing import Any

import pytest

from inventory_operator.status import pods
from inventory_operator.status.deployments import conditions_issue
from inventory_operator.status.issue import Issue
from inventory_operator.status.pods import fails_readiness, next_issue

Object = dict[str, Any]


NOW = "2026-11-23T12:00:00Z"


def trouble_of(one: Object) -> Issue | None:
    return pods.pod_issue(one, NOW)


def first_issue(several: list[Object]) -> Issue | None:
    return pods.pods_issue(several, NOW)


def pod(*containers: Object, name: str = "p", created: str = "2026-01-01T00:00:00Z", **status: Any) -> Object:
    metadata = {"name": name, "creationTimestamp": created}
    return {"kind": "Pod", "metadata": metadata, "status": {"containerStatuses": list(containers), **status}}


def container(name: str = "main", **more: Any) -> Object:
    return {"name": name, "image": "registry.example.com/i:1", "ready": False, "restartCount": 0, **more}


def waiting(reason: str, message: str = "", **more: Any) -> Object:
    return container(state={"waiting": {"reason": reason, "message": message}}, **more)


def ended(code: int = 3, reason: str = "Error") -> Object:
    return {"terminated": {"exitCode": code, "reason": reason}}


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "RegistryUnavailable"])
def test_every_phase_of_a_failing_pull_reads_the_same(reason: str) -> None:
    words = "correct its name, or see that the nodes reach its registry and may pull from it"
    pulled = "pod p: container main: image registry.example.com/i:1 can't be pulled"
    expected = Issue("ImagePullBackOff", f"{pulled}: {words}")
    assert trouble_of(pod(waiting(reason, "Back-off 5m0s pulling image"))) == expected


def test_an_image_that_may_not_be_pulled_has_to_be_brought() -> None:
    words = "is not on its node, and its imagePullPolicy is Never: correct its name, or bring it there"
    expected = Issue("ImagePullBackOff", f"pod p: container main: image registry.example.com/i:1 {words}")
    assert trouble_of(pod(waiting("ErrImageNeverPull", "Container image is not present with pull policy"))) == expected


CRASH = Issue("CrashLoopBackOff", "pod p: container main ended with exit code 3: read its log")


@pytest.mark.parametrize(
    "phase",
    [
        container(state=ended()),
        container(state={"waiting": {"reason": "CrashLoopBackOff"}}, lastState=ended(), restartCount=4),
        container(state={"running": {}}, lastState=ended(), restartCount=5, started=False),
        container(state={"running": {}}, lastState=ended(), restartCount=5, started=True),
        container(state=ended(), lastState=ended(), restartCount=6),
    ],
    ids=["first-end", "waiting", "starting-again", "running-again", "ended-again"],
)
def test_every_phase_of_a_crash_loop_reads_the_same(phase: Object) -> None:
    assert trouble_of(pod(phase)) == CRASH


STOPPED = "read its log, and what kubectl describe pod says: a failed liveness check ends it like that"


@pytest.mark.parametrize("code", [137, 143])
def test_what_ends_a_container_from_outside_is_looked_for_in_its_events(code: int) -> None:
    """Only they tell of a failed liveness or startup check. A container that initializes has none."""
    issue = Issue("CrashLoopBackOff", f"pod p: container main ended with exit code {code}: {STOPPED}")
    assert trouble_of(pod(container(state=ended(code)))) == issue
    initial = trouble_of(pod(waiting("PodInitializing"), initContainerStatuses=[container("init", state=ended(code))]))
    assert initial == Issue("CrashLoopBackOff", f"pod p: container init ended with exit code {code}: read its log")


@pytest.mark.parametrize(
    "phase",
    [
        container(state=ended(137, "OOMKilled")),
        waiting("CrashLoopBackOff", lastState=ended(137, "OOMKilled"), restartCount=2),
    ],
)
def test_out_of_memory_is_named(phase: Object) -> None:
    assert trouble_of(pod(phase)) == Issue(
        "OOMKilled", "pod p: container main was killed: out of memory: raise its memory limit"
    )


@pytest.mark.parametrize("reason", ["InvalidImageName", "ImageInspectError"])
def test_an_unusable_image_is_named(reason: str) -> None:
    issue = trouble_of(pod(waiting(reason)))
    assert issue == Issue(
        reason, "pod p: container main: image registry.example.com/i:1 can't be used: correct its name, or the image"
    )


@pytest.mark.parametrize("reason", ["CreateContainerConfigError", "CreateContainerError", "RunContainerError"])
def test_a_container_that_can_not_start_says_why(reason: str) -> None:
    issue = trouble_of(pod(waiting(reason, 'secret "x" not found' + "." * 500)))
    assert issue is not None
    assert issue.reason == reason
    assert 'secret "x" not found' in issue.message
    assert len(issue.message) < 300


def test_of_a_long_message_the_cause_is_told() -> None:
    """As runc says it, after all that was tried."""
    tried = (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed"
    )
    cause = 'error during container init: exec: "none": executable file not found in $PATH'
    message = f"{tried}: unable to start container process: {cause}"
    issue = trouble_of(
        pod(container(state={"terminated": {**ended(128, "StartError")["terminated"], "message": message}}))
    )
    assert issue is not None
    assert issue.reason == "RunContainerError"
    assert issue.message.startswith("pod p: container main can't be started: failed to create containerd task: ")
    assert issue.message.endswith(f" {cause}")
    assert len(issue.message) < 300


def test_a_pod_that_fits_nowhere_says_why() -> None:
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes: cpu"}
    assert trouble_of(pod(conditions=[scheduled])) == Issue(
        "Unschedulable", "pod p fits on no node: add room, or change its resources or placement: 0/1 nodes: cpu"
    )


def test_a_pod_that_waits_for_its_gates_says_so() -> None:
    gated = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "Scheduling is blocked"}
    words = "pod p waits for its scheduling gates, which whoever set them has to remove: Scheduling is blocked"
    assert trouble_of(pod(conditions=[gated])) == Issue("SchedulingGated", words)


def starting(at: str, **more: Any) -> Object:
    return container(**{"state": {"running": {"startedAt": at}}, "started": True, **more})


def test_a_container_that_starts_is_looked_at_again_when_its_time_is_over() -> None:
    pods = [pod(starting("2026-11-23T11:59:50Z")), pod(starting("2026-11-23T11:59:47Z"))]
    assert next_issue(pods, NOW) == 2
    assert fails_readiness(starting("2026-11-23T11:59:47Z"), "2026-11-23T12:00:02Z"), "it is, by then"
    assert next_issue([pod(starting("2026-11-23T12:30:00Z"))], NOW) == 15, "its clock is ahead"


def test_a_container_that_initializes_for_long_has_no_readiness_check_to_fail() -> None:
    def initial(at: str) -> Object:
        return pod(waiting("PodInitializing"), initContainerStatuses=[starting(at, name="set-up")])

    words = "pod p: container set-up is still at work, and the others wait for it: read its log"
    assert trouble_of(initial("2026-11-23T11:59:45Z")) == Issue("Initializing", words)
    assert trouble_of(initial("2026-11-23T11:59:50Z")) is None
    assert next_issue([initial("2026-11-23T11:59:50Z")], NOW) == 5


def test_no_retry_for_what_only_an_event_can_change() -> None:
    at = "2026-11-23T11:59:50Z"
    pods = [
        pod(starting(at, ready=True), waiting("ImagePullBackOff"), container(state={"running": {}}, started=True)),
        pod(starting("2026-11-23T11:59:45Z"), container(state={"running": {"startedAt": at}}, started=False)),
        pod(),
    ]
    going = pod(starting(at))
    going["metadata"]["deletionTimestamp"] = NOW
    assert next_issue([*pods, pod(starting(at), phase="Failed")], NOW) is None
    assert next_issue([going], NOW) == 30, "when it should have ended"


def test_a_running_container_that_is_not_ready_differs_from_a_starting_one() -> None:
    running = container(state={"running": {}}, started=True)
    assert trouble_of(pod(running)) == Issue(
        "NotReady", "pod p: container main runs, but its readiness check fails: read its log"
    )
    just_now, a_while_ago = "2026-11-23T11:59:50Z", "2026-11-23T11:59:45Z"
    assert trouble_of(pod(container(state={"running": {"startedAt": just_now}}, started=True))) is None
    assert trouble_of(pod(container(state={"running": {"startedAt": a_while_ago}}, started=True))) is not None
    assert trouble_of(pod(container(state={"running": {}}, started=False))) is None
    assert trouble_of(pod(waiting("ContainerCreating"))) is None
    assert trouble_of({"metadata": {"name": "p"}}) is None


def test_a_ready_container_is_no_issue_whatever_its_history() -> None:
    assert trouble_of(pod(container(ready=True, state={"running": {}}, lastState=ended(), restartCount=9))) is None


def test_an_init_container_is_an_issue_only_when_it_failed() -> None:
    done, failed = container("init", state=ended(0, "Completed")), container("init", state=ended(1))
    assert trouble_of(pod(initContainerStatuses=[done])) is None
    issue = trouble_of(pod(waiting("PodInitializing"), initContainerStatuses=[failed]))
    assert issue == Issue("CrashLoopBackOff", "pod p: container init ended with exit code 1: read its log")


def sidecar(*main: Object, **state: Any) -> Object:
    """A pod with a container that starts before the main ones and stays."""
    one = pod(*main, initContainerStatuses=[container("proxy", **state)])
    return {**one, "spec": {"initContainers": [{"name": "proxy", "restartPolicy": "Always"}]}}


def test_an_init_container_that_ran_again_did_not_crash() -> None:
    """As after a restart of the node: its sandbox was made anew."""
    again = container("init", state={"running": {}}, lastState=ended(0, "Completed"), restartCount=1, started=False)
    assert trouble_of(pod(waiting("PodInitializing"), initContainerStatuses=[again])) is None


@pytest.mark.parametrize(
    "phase",
    [
        {"state": ended(0, "Completed")},
        {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ended(0, "Completed"), "restartCount": 2},
    ],
)
def test_what_is_to_stay_has_no_good_end(phase: Object) -> None:
    words = f"ended with exit code 0: {STOPPED}"
    assert trouble_of(pod(container(**phase))) == Issue("CrashLoopBackOff", f"pod p: container main {words}")
    issue = trouble_of(sidecar(waiting("PodInitializing"), **phase))
    assert issue == Issue("CrashLoopBackOff", f"pod p: container proxy {words}")
    assert trouble_of(pod(waiting("PodInitializing"), initContainerStatuses=[container("init", **phase)])) is None


def test_a_sidecar_is_at_work_as_long_as_its_pod() -> None:
    running = {"state": {"running": {"startedAt": "2026-11-23T11:00:00Z"}}, "started": True}
    assert trouble_of(sidecar(container(ready=True), ready=True, **running)) is None
    words = "pod p: container proxy runs, but its readiness check fails: read its log"
    assert trouble_of(sidecar(container(ready=True), **running)) == Issue("NotReady", words)
    assert trouble_of(sidecar(container(state=ended()), **running)) == CRASH, "worse, and maybe the cause"


@pytest.mark.parametrize("state", [ended(), {"waiting": {"reason": "ErrImagePull"}}, {"running": {}}])
def test_a_container_of_who_debugs_says_nothing_of_the_pod(state: Object) -> None:
    debugger = container("debugger", state=state)
    ready = container(ready=True, state={"running": {}})
    assert trouble_of(pod(ready, ephemeralContainerStatuses=[debugger])) is None
    assert next_issue([pod(ready, ephemeralContainerStatuses=[starting("2026-11-23T11:59:50Z")])], NOW) is None


def test_the_message_is_that_of_the_newest_pod_with_an_issue() -> None:
    old = pod(container(state=ended()), name="old", created="2026-01-01T00:00:00Z")
    new = pod(waiting("ErrImagePull"), name="new", created="2026-01-02T00:00:00Z")
    fine = pod(name="fine", created="2026-01-03T00:00:00Z")
    issue = first_issue([old, fine, new])
    assert issue is not None
    assert "pod new:" in issue.message
    assert first_issue([fine]) is None
    assert first_issue([]) is None


@pytest.mark.parametrize(
    ("kind", "status", "said", "reason"),
    [
        ("ReplicaFailure", "True", "FailedDelete", "FailedDelete"),
        ("ReplicaFailure", "True", "Planted", "FailedCreate"),
        ("Progressing", "False", "ReplicaSetCreateError", "ReplicaSetCreateError"),
        ("Progressing", "False", "Planted", "ProgressDeadlineExceeded"),
    ],
)
def test_reasons_of_a_deployment_are_a_closed_list(kind: str, status: str, said: str, reason: str) -> None:
    """They are labels of metrics: whoever writes the status of a Deployment must not make new ones."""
    condition = {"type": kind, "status": status, "reason": said, "message": "no"}
    issue = conditions_issue([{"metadata": {"name": "shop-grafana"}, "status": {"conditions": [condition]}}])
    assert issue
    assert issue.reason == reason
