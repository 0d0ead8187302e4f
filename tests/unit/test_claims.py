"""A claim whose volume nobody makes: once it has chosen a node the scheduler waits, and says nothing of the pod."""

from __future__ import annotations

from typing import Any

import pytest

from inventory_operator.status.conditions import next_change
from inventory_operator.status.issue import Issue
from inventory_operator.status.volumes import claims_issue

Object = dict[str, Any]
NOW = "2026-11-23T12:00:00Z"
CHOSEN = {"volume.kubernetes.io/selected-node": "n"}
LONG_AGO = "2026-11-23T11:59:00Z"


def claim(annotations: Object | None = None, **status: Any) -> Object:
    metadata = {"name": "data", "annotations": CHOSEN if annotations is None else annotations}
    spec = {"storageClassName": "slow"}
    return {
        "kind": "PersistentVolumeClaim",
        "metadata": metadata,
        "spec": spec,
        "status": {"phase": "Pending", **status},
    }


def pod(created: str = LONG_AGO, claims: tuple[str, ...] = ("data",), **scheduled: str) -> Object:
    volumes: list[Object] = [{"name": "tmp", "emptyDir": {}}]
    volumes += [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claims]
    conditions = [{"type": "PodScheduled", **scheduled}] if scheduled else []
    status = {"phase": "Pending", "conditions": conditions}
    metadata = {"name": "p", "creationTimestamp": created}
    return {"kind": "Pod", "metadata": metadata, "spec": {"volumes": volumes}, "status": status}


def issue_of(one: Object, waiting: Object) -> Issue | None:
    return claims_issue([one], [waiting], (), "spec.x.storage", NOW)


@pytest.mark.parametrize("scheduled", [{}, {"status": "False", "reason": "SchedulerError"}])
def test_a_volume_that_is_not_made_on_the_chosen_node_is_told(scheduled: dict[str, str]) -> None:
    words = 'waits for a volume of storage class "slow": kubectl describe pvc data has the cause'
    assert issue_of(claim(), pod(**scheduled)) == Issue("VolumePending", f"PersistentVolumeClaim data {words}")
    assert next_change([claim(), pod(**scheduled)], NOW) is None


def test_it_has_a_minute_and_is_looked_at_when_that_is_over() -> None:
    late = pod("2026-11-23T11:59:10Z")
    assert issue_of(claim(), late) is None
    assert next_change([claim(), late], NOW) == 10


@pytest.mark.parametrize(
    ("one", "waiting"),
    [
        (claim(phase="Bound"), pod()),
        (claim({}), pod()),
        (claim(), pod(claims=("other",))),
        (claim(), pod(status="True")),
        (claim(), pod(status="False", reason="Unschedulable")),
        (claim(), {**pod(), "status": {"phase": "Failed"}}),
    ],
    ids=["bound", "no-node-chosen", "not-of-the-pod", "scheduled", "fits-on-no-node", "finished"],
)
def test_a_claim_that_holds_nothing_up_says_nothing(one: Object, waiting: Object) -> None:
    assert issue_of(one, waiting) is None
    assert next_change([one, waiting], NOW) is None
