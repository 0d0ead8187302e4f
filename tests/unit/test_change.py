"""How a live object is changed: what is handed over before the apply, and what follows where that is refused."""

from __future__ import annotations

from typing import Any

import pytest
from tests.framework.faulty_cluster import REFUSED, FaultyCluster, Object, live, manifest

from inventory_operator.api.metadata import HANDOVER_FIELD_MANAGER
from inventory_operator.cache.store import Child
from inventory_operator.controller.adoption import Claimed
from inventory_operator.controller.change import change
from inventory_operator.kube.client import ApiError
from inventory_operator.kube.field_ownership import with_applied_hash


def deployment(**spec: Any) -> Object:
    return manifest("Deployment", "d", spec={"template": {"spec": {"containers": []}}, **spec})


async def changed(cluster: FaultyCluster, obj: Object, wanted: Object) -> None:
    cluster.objects[obj["kind"], obj["metadata"]["name"]] = obj
    claimed = Claimed(Child.seen(obj), {"uid": obj["metadata"]["uid"]})
    await change(cluster, claimed, with_applied_hash(wanted))  # type: ignore[arg-type]


async def test_what_leaves_the_apply_is_handed_over_before_at_its_live_value(cluster) -> None:
    await changed(cluster, live(deployment(replicas=5)), deployment())
    assert cluster.writes == ["apply Deployment d"] * 2
    handed_over, applied = cluster.sent
    assert handed_over["spec"] == {"replicas": 5}
    assert handed_over["metadata"] == {"name": "d", "namespace": "ns", "uid": "u-child"}
    assert "replicas" not in applied["spec"]


async def test_what_stays_or_is_not_ours_is_not_handed_over(cluster) -> None:
    theirs = live(deployment())
    theirs["spec"] = {**theirs["spec"], "replicas": 5}
    await changed(cluster, theirs, deployment())
    await changed(cluster, live(deployment(replicas=5)), deployment(replicas=6))
    await changed(cluster, live(manifest()), manifest(spec={"a": 2}))
    assert len(cluster.writes) == 3


async def test_a_class_of_a_volume_is_handed_over(cluster) -> None:
    def claim(**spec: str) -> Object:
        return manifest("PersistentVolumeClaim", "v", spec={"accessModes": [], **spec})

    await changed(cluster, live(claim(storageClassName="fast")), claim())
    assert cluster.sent[0]["spec"] == {"storageClassName": "fast"}


@pytest.mark.parametrize(("code", "goes_on"), [(409, True), (403, False)])
async def test_what_somebody_else_has_set_meanwhile_is_theirs(cluster, code: int, goes_on: bool) -> None:
    managers: list[str] = []
    apply = cluster.apply

    async def counted(obj: Object, *, manager: str = "", force: bool = True) -> Object:
        managers.append(manager)
        if manager == HANDOVER_FIELD_MANAGER:
            assert not force
            raise ApiError(code, "", "no")
        return await apply(obj)

    cluster.apply = counted
    if goes_on:
        await changed(cluster, live(deployment(replicas=5)), deployment())
        assert managers == [HANDOVER_FIELD_MANAGER, ""]
    else:
        with pytest.raises(ApiError):
            await changed(cluster, live(deployment(replicas=5)), deployment())


def budget() -> tuple[Object, Object]:
    """A budget as somebody else has made it, and as it is wanted."""
    wanted = manifest("PodDisruptionBudget", "b", spec={"maxUnavailable": 1})
    theirs = live(wanted)
    ours = theirs["metadata"]["managedFields"][0]
    del ours["fieldsV1"]["f:spec"]
    entry = {"manager": "keda", "fieldsV1": {"f:spec": {"f:minAvailable": {}, "f:maxUnavailable": {}}}}
    theirs["metadata"]["managedFields"] = [ours, entry]
    return {**theirs, "spec": {"minAvailable": 1}}, wanted


async def test_what_excludes_ours_is_taken_out_where_the_apply_is_refused(cluster) -> None:
    refusals = [REFUSED]
    cluster.fault = lambda verb, _obj: refusals.pop() if verb == "apply" and refusals else None
    await changed(cluster, *budget())
    assert cluster.writes == [f"{verb} PodDisruptionBudget b" for verb in ("apply", "patch", "apply")]


async def test_who_has_changed_what_can_not_be_put_back_is_named(cluster) -> None:
    cluster.fault = lambda verb, _obj: REFUSED if verb == "apply" else None
    obj, wanted = budget()
    obj["spec"] = {"maxUnavailable": 2}
    with pytest.raises(ApiError) as raised:
        await changed(cluster, obj, wanted)
    assert cluster.writes == ["apply PodDisruptionBudget b"]
    words = "was changed (spec.maxUnavailable by keda) and can't be put back: spec.x: field is immutable"
    assert (raised.value.message, raised.value.permanent) == (words, True)


async def test_what_the_spec_newly_says_is_refused_for_itself(cluster) -> None:
    cluster.fault = lambda _verb, _obj: REFUSED
    obj, wanted = budget()
    wanted = {**wanted, "spec": {"maxUnavailable": 3}}
    with pytest.raises(ApiError) as raised:
        await changed(cluster, obj, wanted)
    assert raised.value is REFUSED
    assert cluster.writes == ["apply PodDisruptionBudget b"]
