"""Pods as a kubelet really reports them, of every phase and kind of container: what is said of each.

`recorded_pods.json` has what the one-node cluster showed of pods, without fields that nothing here reads. Beside
each name is what was planted: "sidecar-ends" is a container that ends again and again before the main one, and so on.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inventory_operator.kube.pods import is_ready, is_working
from inventory_operator.status.pods import next_issue, pod_issue
from inventory_operator.status.volumes import claims_issue

RECORDED = json.loads((Path(__file__).parent / "recorded_pods.json").read_text("utf-8"))
PODS = RECORDED["pods"]
#: What keeps them from working; None where nothing does, or nothing that the pod could tell.
ISSUES = {
    "completed": None,
    "config-fails": ("CreateContainerConfigError", 'container main can\'t be started: secret "none" not found'),
    "ephemeral-fails": None,
    "evicted": None,
    "failed": None,
    "gated": ("SchedulingGated", "waits for its scheduling gates"),
    "init-fails": ("CrashLoopBackOff", "container init ended with exit code 3"),
    "init-runs": ("Initializing", "container init is still at work"),
    "liveness-fails": (
        "CrashLoopBackOff",
        "container main ended with exit code 137: read its log, and what kubectl describe pod says",
    ),
    "main-crashes": ("CrashLoopBackOff", "container main ended with exit code 3"),
    "main-ends": ("CrashLoopBackOff", "container main ended with exit code 0"),
    "main-unready": ("NotReady", "container main runs, but its readiness check fails"),
    "never-pulled": (
        "ImagePullBackOff",
        "image localhost:1/never:1 is not on its node, and its imagePullPolicy is Never",
    ),
    "out-of-memory": ("OOMKilled", "container main was killed: out of memory"),
    "profile-missing": ("CreateContainerError", "/seccomp/none.json: no such file or directory"),
    "program-missing": ("RunContainerError", 'exec: "none": executable file not found in $PATH'),
    "pull-fails": ("ImagePullBackOff", "image registry.example.com/none:1 can't be pulled"),
    "sidecar-ends": ("CrashLoopBackOff", "container proxy ended with exit code 0"),
    "sidecar-ready": None,
    "sidecar-starts": None,
    "sidecar-unready": ("NotReady", "container proxy runs, but its readiness check fails"),
    "terminating": None,
    "volume-waits": None,
    "unschedulable": ("Unschedulable", "fits on no node"),
}
FINISHED, ENDING = {"completed", "evicted", "failed"}, {"terminating"}


def test_each_recorded_pod_is_judged() -> None:
    assert PODS.keys() == ISSUES.keys()


@pytest.mark.parametrize("name", sorted(ISSUES.keys() - FINISHED - ENDING))
def test_what_keeps_a_pod_from_working(name: str) -> None:
    issue, expected = pod_issue(PODS[name], RECORDED["now"]), ISSUES[name]
    assert (issue is None) is (expected is None)
    if issue and expected:
        assert issue.reason == expected[0]
        assert issue.message.startswith(f"pod {name}")
        assert expected[1] in issue.message


def test_only_what_runs_on_counts() -> None:
    assert {name for name, pod in PODS.items() if not is_working(pod)} == FINISHED | ENDING
    assert {name for name, pod in PODS.items() if is_ready(pod)} == {"ephemeral-fails", "sidecar-ready", "terminating"}


def test_of_a_pod_whose_volume_is_not_made_its_claim_tells() -> None:
    """The scheduler has chosen a node, and says nothing more for ten minutes."""
    claim, pod, later = RECORDED["claims"]["volume-waits"], PODS["volume-waits"], "2026-12-01T00:00:00Z"
    issue = claims_issue([claim], [pod], (), "spec.service.database.sqlite.storage", later)
    assert issue is not None
    assert issue.reason == "VolumePending"
    assert claims_issue([claim], [pod], (), "spec.x", pod["metadata"]["creationTimestamp"]) is None


def test_nothing_of_a_finished_pod_is_waited_for() -> None:
    assert next_issue([PODS[name] for name in FINISHED], RECORDED["now"]) is None
