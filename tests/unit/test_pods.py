"""Which pods are a Deployment's own, newest first: told from owner references, which anybody may have written."""

from __future__ import annotations

from typing import Any

import pytest

from inventory_operator.kube.pods import REVISION_ANNOTATION, working_pods

Object = dict[str, Any]
DEPLOYMENT = {"kind": "Deployment", "metadata": {"name": "d", "uid": "d"}}


def obj(kind: str, name: str, owner: str = "", **metadata: Any) -> Object:
    owners = [{"uid": owner, "controller": True}] if owner else []
    return {"kind": kind, "metadata": {"name": name, "uid": name, "ownerReferences": owners, **metadata}}


def replica_set(name: str, revision: str, owner: str = "d") -> Object:
    return obj("ReplicaSet", name, owner, annotations={REVISION_ANNOTATION: revision})


def pod(name: str, owner: str = "r", created: str = "2026-01-01T00:00:00Z", **status: Any) -> Object:
    return {**obj("Pod", name, owner, creationTimestamp=created), "status": status}


def names(*objects: Object) -> list[list[str]]:
    return [[one["metadata"]["name"] for one in of_set] for of_set in working_pods(DEPLOYMENT, objects)]


def test_the_newest_replica_set_comes_first_and_in_it_the_newest_pod() -> None:
    sets = replica_set("r", "9"), replica_set("back", "11"), replica_set("empty", "10")
    old, new = pod("old", "back"), pod("new", "back", "2026-01-02T00:00:00Z")
    late = pod("late", "r", "2026-01-03T00:00:00Z")
    assert names(late, old, new, *sets) == [["new", "old"], [], ["late"]]


@pytest.mark.parametrize("revision", ["", "x", "-1", "9" * 5_000, "²"])
def test_what_is_no_revision_is_the_oldest(revision: str) -> None:
    assert names(pod("p", "b"), replica_set("a", revision), replica_set("b", "1")) == [["p"], []]


@pytest.mark.parametrize("phase", ["Pending", "Running", "Unknown"])
def test_a_pod_that_has_not_finished_counts(phase: str) -> None:
    assert names(replica_set("r", "1"), pod("p", phase=phase)) == [["p"]]


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_has_finished_counts_for_nothing(phase: str) -> None:
    assert names(replica_set("r", "1"), pod("p", phase=phase, reason="Evicted")) == [[]]


def test_what_it_does_not_control_is_left_out() -> None:
    shares = {**pod("shares"), "metadata": {"name": "s", "uid": "s", "ownerReferences": [{"uid": "r"}]}}
    ends = pod("ends")
    ends["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    others = pod("bare", ""), pod("direct", "d"), pod("other", "o"), obj("Job", "j", "r"), shares, ends
    assert names(replica_set("r", "1"), replica_set("o", "2", owner="another"), *others) == [[]]
