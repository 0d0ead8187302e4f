"""A crash counts for some minutes, and a loop of them also while its container is ready: the status changes once."""

from __future__ import annotations

from typing import Any

import pytest
from tests.framework import pod_states
from tests.framework.pod_states import ago, condition_of, container, ended, pod_status, running, waiting

from inventory_operator.status import pods
from inventory_operator.status.conditions import next_change
from inventory_operator.status.pods import is_crashing, pod_issue

Object = dict[str, Any]
READY = {"ContainersReady": "True", "Ready": "True"}


def pod(*containers: Object, **more: Any) -> Object:
    return {"kind": "Pod", "metadata": {"name": "p"}, "status": pod_status(*containers, **more)}


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> str:
    """The time, which stands still: all times of a test are told from the same moment."""
    moment = pod_states.clock()
    monkeypatch.setattr(pod_states, "clock", lambda: moment)
    return ago(0)


@pytest.mark.parametrize(
    ("restarts", "runs", "ran", "loops"),
    [
        *[(1, 60, 30, False), (2, 60, 30, True), (9, 170, 30, True), (9, 185, 30, False)],
        *[(9, 390, 200, True), (9, 410, 200, False), (9, 590, 400, True), (9, 605, 400, False), (9, 60, 605, False)],
    ],
)
def test_a_ready_container_crashes_again_and_again(now: str, restarts: int, runs: int, ran: int, loops: bool) -> None:
    """It has healed when it ran for three minutes, or twice as long as before, ten minutes at most."""
    last = ended(at=runs + 10, lasted=ran)
    one = pod(running(runs, ready=True, lastState=last, restartCount=restarts), **READY)
    assert is_crashing(one, now) is loops
    assert (pod_issue(one, now) is not None) is loops


def test_when_a_crash_is_forgotten_the_stack_is_looked_at_again(now: str) -> None:
    one = pod(running(100, ready=True, lastState=ended(at=101), restartCount=4), **READY)
    pause = next_change([one], now)
    assert pause is not None
    assert 70 < pause <= 81
    steady = pod(running(100, ready=True, lastState=ended(at=101), restartCount=1), **READY)
    assert next_change([steady], now) is None


def test_a_container_that_never_started_reads_the_same_in_each_phase(now: str) -> None:
    """The ids of its tries are not told."""
    message = "failed to start container {}: exec: not found"
    texts = [message.format(digit * 64) for digit in "abc"]
    phases = [
        waiting("RunContainerError", texts[0]),
        waiting("CrashLoopBackOff", lastState=ended(128, "StartError", message=texts[1]), restartCount=3),
        container(state=ended(128, "StartError", message=texts[2], at=0), restartCount=3),
    ]
    issues = {pod_issue(pod(phase), now) for phase in phases}
    assert len(issues) == 1
    assert "RunContainerError" in repr(issues)


def test_a_sidecar_that_crashes_is_not_forgotten_while_it_is_ready(now: str) -> None:
    loop = running(20, ready=True, name="proxy", lastState=ended(), restartCount=3)
    one = {**pod(running(ready=True), init=loop, **READY), "spec": {"initContainers": [{"name": "proxy"}]}}
    one["spec"]["initContainers"][0]["restartPolicy"] = "Always"
    issue = pods.pod_issue(one, now)
    assert issue is not None
    assert "container proxy ended with exit code 3" in issue.message


def test_what_is_prepared_or_should_end_is_looked_at_when_its_time_is_over(now: str) -> None:
    late = pod(waiting("ContainerCreating"), PodScheduled=condition_of("PodScheduled", "True", since=50))
    assert pod_issue(late, now) is None
    pause = next_change([late], now)
    assert pause is not None
    assert 5 < pause <= 11
    ending = pod(running(ready=True), **READY)
    ending["metadata"]["deletionTimestamp"] = ago(10)
    assert pods.ending_issue([ending], now) is None
    pause = next_change([ending], now)
    assert pause is not None
    assert 15 < pause <= 21
    ending["metadata"]["deletionTimestamp"] = ago(31)
    assert pods.ending_issue([ending], now) is not None


def test_an_autoscaler_is_told_of_when_its_time_is_over(now: str) -> None:
    fails = condition_of("ScalingActive", "False", "FailedGetResourceMetric", since=170)
    autoscaler = {"kind": "HorizontalPodAutoscaler", "metadata": {"name": "a"}, "status": {"conditions": [fails]}}
    pause = next_change([autoscaler], now)
    assert pause is not None
    assert 5 < pause <= 11
