"""The applier under faults: every refusal at every write, and what must never be written at all."""

from __future__ import annotations

from typing import Any

import pytest
from tests.framework.faulty_cluster import (
    PASSING,
    REFUSED,
    STACK,
    UNKNOWN_FIELD,
    Object,
    live,
    manifest,
)

from inventory_operator.api import metadata as meta
from inventory_operator.components.blocker import Blocker, Turn
from inventory_operator.controller.applier import LOOK_AGAIN_SECONDS, Applier
from inventory_operator.controller.apply_state import LONGEST_PAUSE_SECONDS
from inventory_operator.kube import field_ownership
from inventory_operator.kube.client import ApiError


async def refused(applier: Applier, wanted: list[Object]) -> list[Blocker]:
    return (await applier.apply(STACK, wanted))[1]


async def test_what_is_missing_is_applied_once_with_its_digest(applier, cluster) -> None:
    assert await refused(applier, [manifest()]) == []
    assert await refused(applier, [manifest()]) == []
    assert cluster.writes == ["apply Service shop-inventory"]
    assert field_ownership.applied_hash(cluster.sent[0]) == field_ownership.digest(manifest())


@pytest.mark.parametrize("kind", ["PersistentVolumeClaim", "Cluster"])
async def test_what_keeps_data_is_never_pruned(applier, cluster, store, kind) -> None:
    store.observe(live(manifest(kind, "shop-data")))
    await applier.prune(STACK, [])
    assert cluster.writes == []


async def test_what_is_as_it_should_be_is_not_written(applier, cluster, store) -> None:
    store.observe(live(manifest()))
    assert await refused(applier, [manifest()]) == []
    assert cluster.writes == []


async def test_what_somebody_changed_is_applied_again(applier, cluster, store) -> None:
    await applier.apply(STACK, [manifest()])
    theirs = live(manifest(), version=200)
    del theirs["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]
    store.observe(theirs)
    await applier.apply(STACK, [manifest()])
    assert cluster.writes == ["apply Service shop-inventory"] * 2


async def test_a_field_that_the_api_server_drops_is_no_drift_for_ever(applier, cluster, store) -> None:
    """An API server that doesn't know a field leaves it out of what we own: the answer to our apply is the measure."""
    await applier.apply(STACK, [manifest()])
    dropped = live(manifest(), version=300)
    del dropped["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]
    store.observe(dropped)
    cluster.objects.clear()
    original = cluster._take
    cluster._take = lambda verb, obj: (
        original(verb, obj),
        {**dropped, "metadata": {**dropped["metadata"], "resourceVersion": "400"}},
    )[1]
    await applier.apply(STACK, [manifest()])
    store.observe({**dropped, "metadata": {**dropped["metadata"], "resourceVersion": "500"}})
    await applier.apply(STACK, [manifest()])
    assert len(cluster.writes) == 2


def deployment(name: str, **pod: Any) -> Object:
    return manifest("Deployment", name, spec={"template": {"spec": {"containers": [], **pod}}})


def autoscaler(name: str, target: str) -> Object:
    reference = {"kind": "Deployment", "name": target}
    return manifest("HorizontalPodAutoscaler", name, spec={"scaleTargetRef": reference})


def binding(name: str, role: str) -> Object:
    return manifest("RoleBinding", name, roleRef={"kind": "Role", "name": role})


CLAIM = {"volumes": [{"persistentVolumeClaim": {"claimName": "data"}}]}
#: In the opposite of the order that they need.
CHAIN = [
    *(autoscaler("scaled", "pods"), deployment("pods", **CLAIM), manifest("PersistentVolumeClaim", "data")),
    *(binding("bound", "rights"), manifest("Role", "rights"), deployment("other"), manifest("Service", "s")),
]


async def test_what_others_refer_to_is_applied_first(applier, cluster) -> None:
    applied, blockers = await applier.apply(STACK, CHAIN)
    assert blockers == []
    assert len(applied) == len(CHAIN)
    order = [write.split()[2] for write in cluster.writes]
    assert order.index("data") < order.index("pods") < order.index("scaled")
    assert order.index("rights") < order.index("bound")


@pytest.mark.parametrize(
    ("target", "held"),
    [
        (("PersistentVolumeClaim", "data"), {"data", "pods", "scaled"}),
        (("Deployment", "pods"), {"pods", "scaled"}),
        (("Role", "rights"), {"rights", "bound"}),
        (("Service", "s"), {"s"}),
        (("Secret", "somebody-else-s"), set()),
    ],
)
@pytest.mark.parametrize("refuses", ["the operator", "the API server"])
async def test_what_is_held_back_holds_back_what_refers_to_it_and_nothing_else(
    applier, cluster, target, held, refuses
) -> None:
    if refuses == "the operator":
        applied, blockers = await applier.apply(STACK, CHAIN, [target])
        assert blockers == []
    else:
        cluster.fault = lambda _verb, obj: REFUSED if (obj["kind"], obj["metadata"]["name"]) == target else None
        applied, blockers = await applier.apply(STACK, CHAIN)
        assert [blocker.target for blocker in blockers] == [target] * bool(held)
    assert {one["metadata"]["name"] for one in CHAIN} - {one["metadata"]["name"] for one in applied} == held
    assert {*cluster.objects} == {(one["kind"], one["metadata"]["name"]) for one in applied}


@pytest.mark.parametrize(
    ("error", "turn"),
    [
        *((error, Turn.CLUSTER) for error in PASSING.values()),
        (REFUSED, Turn.USER),
        (UNKNOWN_FIELD, Turn.USER),
    ],
    ids=[*PASSING, "422", "typed"],
)
@pytest.mark.parametrize("exists", [False, True], ids=["create", "change"])
async def test_a_fault_is_reported_and_hides_no_other_child(applier, cluster, store, error, turn, exists) -> None:
    if exists:
        store.observe(live(manifest(spec={"a": "old"})))
    cluster.fault = lambda _verb, obj: error if obj["metadata"]["name"] == "shop-inventory" else None
    others = [manifest("ConfigMap", "c"), manifest("Deployment", "d", spec={"template": {"spec": {}}})]
    (blocker,) = await refused(applier, [manifest(), *others])
    assert {write.split()[1] for write in cluster.writes} == {"Service", "ConfigMap", "Deployment"}
    assert (blocker.component, blocker.target, blocker.turn) == ("service", ("Service", "shop-inventory"), turn)
    assert blocker.reason == "ApplyFailed"
    assert 0 < blocker.retry_seconds <= LONGEST_PAUSE_SECONDS
    assert blocker.message.startswith("Service shop-inventory: ")
    assert len(blocker.message) > len("Service shop-inventory: "), "even an exception without words has a name"


@pytest.mark.parametrize("exists", [False, True], ids=["create", "change"])
async def test_a_refused_write_is_not_sent_again_until_something_changes(applier, cluster, store, exists) -> None:
    if exists:
        store.observe(live(manifest(spec={"a": "old"})))
    cluster.fault = lambda _verb, _obj: REFUSED
    first = await refused(applier, [manifest()])
    again = await refused(applier, [manifest()])
    assert cluster.writes == ["apply Service shop-inventory"]
    assert again[0].message == first[0].message
    assert 10 < again[0].retry_seconds <= 15
    cluster.fault = lambda _verb, _obj: None
    assert await refused(applier, [manifest(spec={"a": "cured"})]) == []
    assert len(cluster.writes) == 2


async def test_an_object_that_can_not_be_looked_at_is_not_asked_for_all_the_time(applier, cluster) -> None:
    async def get(*_: Any) -> None:
        raise ApiError(403, "Forbidden", "may not get services")

    cluster.get = get
    cluster.objects["Service", "shop-inventory"] = taken()
    for _ in range(10):
        (blocker,) = await refused(applier, [manifest()])
    assert blocker.message == "Service shop-inventory: may not get services"
    assert 19 < blocker.retry_seconds <= 20
    assert cluster.writes == []


async def test_nothing_is_looked_for_before_it_is_created_but_for_what_is_known_to_be_hidden(applier, cluster) -> None:
    looked: list[str] = []
    get = cluster.get

    async def counted(resource: Any, name: str, namespace: str | None) -> Object | None:
        looked.append(name)
        return await get(resource, name, namespace)

    cluster.get = counted
    assert await refused(applier, [manifest()]) == []
    assert looked == []
    cluster.objects["Service", "other"] = {**taken(), "metadata": {**taken()["metadata"], "name": "other"}}
    other, writes = manifest("Service", "other"), list(cluster.writes)
    for passes in range(1, 4):
        (blocker,) = await refused(applier, [other])
        assert blocker.reason == "NameTaken"
        assert looked == ["other"] * passes
    assert cluster.writes == writes
    del cluster.objects["Service", "other"]
    assert await refused(applier, [other]) == []
    assert cluster.writes == [*writes, "apply Service other"]


async def test_a_namespace_that_goes_ends_the_reconcile(applier, cluster) -> None:
    cluster.fault = lambda _verb, _obj: ApiError(403, "Forbidden", "unable to create: because it is being terminated")
    with pytest.raises(ApiError, match="terminated"):
        await applier.apply(STACK, [manifest()])


async def test_a_defect_is_not_taken_for_a_failure_of_the_child(applier, cluster) -> None:
    cluster.fault = lambda _verb, _obj: KeyError("a defect")
    with pytest.raises(KeyError):
        await applier.apply(STACK, [manifest()])


def taken(**metadata: Any) -> Object:
    """An object of a name that we want, which nobody made for this stack."""
    obj = live(manifest(), **metadata)
    obj["metadata"] |= {"labels": {}, "ownerReferences": [], "managedFields": [], **metadata}
    return obj


OTHERS = {"kind": "ReplicaSet", "name": "other", "uid": "u-other", "controller": True}
PREDECESSOR = {**meta.owner_reference(STACK), "uid": "u-before"}


@pytest.mark.parametrize(
    ("metadata", "reason", "turn"),
    [
        ({}, "NameTaken", Turn.USER),
        ({"ownerReferences": [OTHERS]}, "NameTaken", Turn.USER),
        ({"labels": {meta.STACK_LABEL: "other"}}, "NameTaken", Turn.USER),
        ({"labels": {meta.STACK_LABEL: "shop"}, "ownerReferences": [PREDECESSOR]}, "WaitingForDeletion", Turn.WAITING),
        ({"deletionTimestamp": "2026-01-01T00:00:00Z"}, "WaitingForDeletion", Turn.WAITING),
    ],
    ids=["no-label", "owned-by-another", "of-another-stack", "of-a-predecessor", "terminating"],
)
async def test_what_is_not_ours_is_never_touched(applier, cluster, metadata, reason, turn) -> None:
    cluster.objects["Service", "shop-inventory"] = taken(**metadata)
    (blocker,) = await refused(applier, [manifest()])
    assert (blocker.reason, blocker.turn, blocker.retry_seconds) == (reason, turn, LOOK_AGAIN_SECONDS)
    assert blocker.message.startswith("Service shop-inventory ")
    assert cluster.writes == []


async def test_what_carries_our_label_and_no_owner_is_adopted(applier, cluster) -> None:
    orphan = taken(labels={meta.STACK_LABEL: "shop", meta.UID_LABEL: "u-before"})
    cluster.objects["Service", "shop-inventory"] = orphan
    assert await refused(applier, [manifest()]) == []
    assert cluster.writes == ["apply Service shop-inventory"]


async def test_an_object_of_ours_without_its_labels_stays_ours(applier, cluster) -> None:
    without_labels = live(manifest(), labels={})
    del without_labels["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"]["f:labels"]
    cluster.objects["Service", "shop-inventory"] = without_labels
    assert await refused(applier, [manifest()]) == []
    assert cluster.writes == ["apply Service shop-inventory"]


async def test_a_blocking_default_goes_before_the_apply(applier, cluster, store) -> None:
    def deployment(strategy: Object) -> Object:
        return manifest("Deployment", "d", spec={"strategy": strategy, "template": {"spec": {}}})

    store.observe(live(deployment({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}})))
    assert await refused(applier, [deployment({"type": "Recreate"})]) == []
    assert cluster.writes == ["merge Deployment d", "apply Deployment d"]


async def test_an_extra_key_goes_without_an_apply(applier, cluster, store) -> None:
    wanted = manifest("ConfigMap", "c", data={"a": "1"})
    store.observe({**live(wanted), "data": {"a": "1", "extra": "2"}})
    assert await refused(applier, [wanted]) == []
    assert cluster.writes == ["patch ConfigMap c"]
    assert cluster.sent[0] == {"data": {"extra": None}, "metadata": {"uid": "u-child"}}


async def test_a_file_that_somebody_changed_in_our_field_manager_s_name_is_put_back(applier, cluster, store) -> None:
    wanted = manifest("ConfigMap", "c", data={"prometheus.yml": "ours", "user-rules.yml": "theirs, judged"})
    for key in ("prometheus.yml", "user-rules.yml"):
        for known in (False, True):
            version = str(next(cluster._versions))
            forged = live(wanted, version=int(version))
            forged["data"] = {**wanted["data"], key: "not judged"}
            store.observe(forged)
            sent = len(cluster.writes)
            assert await refused(applier if known else Applier(cluster, store), [wanted]) == []
            assert cluster.writes[sent:] == ["apply ConfigMap c"]
    assert await refused(applier, [wanted]) == []
    assert len(cluster.writes) == 4


@pytest.mark.parametrize("failing", ["merge", "apply", "patch"])
async def test_a_fault_at_any_step_of_a_change_is_remembered(applier, cluster, store, failing) -> None:
    old = manifest(
        "Deployment",
        "d",
        spec={"strategy": {"rollingUpdate": {}}, "template": {"spec": {"containers": [{"name": "spy"}]}}},
    )
    wanted = manifest(
        "Deployment", "d", spec={"strategy": {"type": "Recreate"}, "template": {"spec": {"containers": []}}}
    )
    store.observe(live(old))
    cluster.fault = lambda verb, _obj: REFUSED if verb == failing else None
    (blocker,) = await refused(applier, [wanted])
    assert blocker.turn is Turn.USER
    sent = len(cluster.writes)
    await applier.apply(STACK, [wanted])
    assert len(cluster.writes) == sent


async def test_a_forgotten_stack_is_judged_anew(applier, cluster) -> None:
    cluster.fault = lambda _verb, _obj: REFUSED
    await applier.apply(STACK, [manifest()])
    applier.guard.forget(("ns", "shop"))
    await applier.apply(STACK, [manifest()])
    assert len(cluster.writes) == 2
