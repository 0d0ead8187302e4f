"""What the applier does beside applying: prunes, and tells pods of new configuration."""

from __future__ import annotations

from typing import Any

import pytest
from tests.framework.faulty_cluster import PASSING, REFUSED, STACK, Object, live, manifest, ours, pods_of, secret

from inventory_operator.api import metadata as meta
from inventory_operator.kube.client import ApiError


async def test_prune_takes_what_is_owned_and_not_wanted_and_nothing_else(applier, cluster, store) -> None:
    volume, password, foreign = manifest("PersistentVolumeClaim", "v"), secret(), manifest("Service", "foreign")
    password["metadata"]["ownerReferences"] = [meta.owner_reference(STACK)]
    foreign["metadata"]["ownerReferences"] = [{**meta.owner_reference(STACK), "uid": "u-other"}]
    forged = live(manifest("Role", "forged"), managedFields=[])
    going = live(manifest("Service", "going"), deletionTimestamp="2026-01-01T00:00:00Z")
    for obj in (volume, password, foreign, manifest("Pod", "p"), manifest("Service", "old"), manifest()):
        store.observe(live(obj))
    store.observe(going)
    store.observe(forged)
    await applier.prune(STACK, [manifest()])
    assert cluster.writes == ["delete Service old"]


@pytest.mark.parametrize("error", [*PASSING.values(), REFUSED], ids=[*PASSING, "422"])
async def test_what_can_not_be_deleted_is_reported_and_hides_no_other(applier, cluster, store, error) -> None:
    for name in ("a", "b"):
        cluster.objects["Service", name] = live(manifest("Service", name))
        store.observe(cluster.objects["Service", name])
    cluster.fault = lambda _verb, obj: error if obj["metadata"]["name"] == "a" else None
    (blocker,) = await applier.prune(STACK, [])
    assert (blocker.target, blocker.component, blocker.reason) == (("Service", "a"), "service", "DeleteFailed")
    assert blocker.message.startswith("Service a is no longer wanted and can't be deleted: ")
    assert 0 < blocker.retry_seconds <= 20
    assert cluster.writes == ["delete Service a", "delete Service b"]
    assert [one.target for one in await applier.prune(STACK, [])] == [("Service", "a")]
    assert cluster.writes.count("delete Service a") == 1, "its pause is not over"


@pytest.mark.parametrize("metadata", [None, {"uid": "u-next"}, {"deletionTimestamp": "2026-01-01T00:00:00Z"}])
async def test_what_went_by_itself_needs_no_deletion(applier, cluster, store, metadata) -> None:
    store.observe(live(manifest()))
    if metadata is not None:
        cluster.objects["Service", "shop-inventory"] = live(manifest(), **metadata)
    cluster.fault = lambda _verb, _obj: ApiError(409, "Conflict", "Precondition failed: UID in precondition")
    assert await applier.prune(STACK, []) == []


async def test_cluster_scoped_children_of_a_gone_stack_are_pruned(applier, cluster, store) -> None:
    def binding(name: str, uid: str) -> Object:
        labels = {meta.STACK_LABEL: "shop", meta.STACK_NAMESPACE_LABEL: "ns", meta.UID_LABEL: uid}
        metadata = {"name": name, "uid": name, "resourceVersion": "5", "labels": labels}
        metadata["managedFields"] = [ours({"metadata": {"labels": labels}})]
        return {"kind": "ClusterRoleBinding", "metadata": metadata}

    unsigned = binding("not-ours", "u-before")
    del unsigned["metadata"]["managedFields"]
    store.observe(unsigned)
    store.observe(binding("before", "u-before"))
    store.observe(binding("now", STACK.uid))
    await applier.prune_unowned(("ns", "shop"), STACK.uid)
    assert cluster.writes == ["delete ClusterRoleBinding before"]
    await applier.prune_unowned(("ns", "shop"), None)
    assert cluster.writes[1:] == ["delete ClusterRoleBinding before", "delete ClusterRoleBinding now"]
    cluster.fault = lambda _verb, _obj: PASSING["403"]
    (before, _) = await applier.prune_unowned(("ns", "shop"), None)
    assert (before.component, before.reason) == ("stack", "DeleteFailed")
    words = "ClusterRoleBinding before belongs to a deleted stack of this name and can't be deleted: exceeded quota"
    assert before.message == words


def pod(name: str, config: str | None = None, **metadata: Any) -> Object:
    annotations = {meta.CONFIG_ANNOTATION: config} if config else {}
    labels = meta.labels(STACK, "prometheus")
    metadata = {"name": name, "namespace": "ns", "uid": name, "resourceVersion": "5", "labels": labels, **metadata}
    return {"kind": "Pod", "metadata": {**metadata, "annotations": annotations}}


async def test_pods_are_told_of_new_configuration_once(applier, cluster, store) -> None:
    config = manifest("ConfigMap", "c", "prometheus", data={"a": "1"})
    cluster.objects["Pod", "stale"] = pod("stale", config="old")
    store.observe(cluster.objects["Pod", "stale"])
    store.observe(pod("going", deletionTimestamp="2026-01-01T00:00:00Z"))
    await pods_of(applier).refresh(STACK, [config])
    await pods_of(applier).refresh(STACK, [config])
    assert cluster.writes == ["apply Pod stale"]
    assert cluster.sent[0]["metadata"]["uid"] == "stale", "never makes a pod anew"


TOLD = [manifest("ConfigMap", "c", "prometheus", data={})]


@pytest.mark.parametrize("code", [404, 409, 422])
async def test_a_pod_that_just_went_holds_nothing_back(applier, cluster, store, code) -> None:
    store.observe(pod("a"))
    cluster.fault = lambda _verb, _obj: ApiError(code, "", "gone")
    assert await pods_of(applier).refresh(STACK, TOLD) == []


@pytest.mark.parametrize("error", [*PASSING.values(), REFUSED], ids=[*PASSING, "422"])
async def test_a_pod_that_can_not_be_told_is_reported_and_hides_no_other(applier, cluster, store, error) -> None:
    for name in ("a", "b"):
        cluster.objects["Pod", name] = pod(name)
        store.observe(pod(name))
    cluster.fault = lambda _verb, obj: error if obj["metadata"]["name"] == "a" else None
    (blocker,) = await pods_of(applier).refresh(STACK, TOLD)
    assert (blocker.target, blocker.component, blocker.reason) == (("Pod", "a"), "prometheus", "ApplyFailed")
    assert blocker.message.startswith("Pod a: new configuration is read late: ")
    assert 0 < blocker.retry_seconds <= 20
    assert cluster.writes == ["apply Pod a", "apply Pod b"]
    assert [one.target for one in await pods_of(applier).refresh(STACK, TOLD)] == [("Pod", "a")]
    assert cluster.writes.count("apply Pod a") == 1, "its pause is not over"


async def test_of_pods_that_are_gone_nothing_is_remembered(applier, cluster, store) -> None:
    store.observe(pod("a"))
    await pods_of(applier).refresh(STACK, TOLD)
    store.observe({**pod("a"), "metadata": pod("a", resourceVersion="900")["metadata"]}, gone=True)
    store.observe(pod("b"))
    await pods_of(applier).refresh(STACK, TOLD)
    assert applier.guard._states[STACK.namespace, STACK.name].keys() == {("Pod", "b")}


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
async def test_a_pod_that_has_finished_is_told_nothing(applier, cluster, store, phase) -> None:
    store.observe({**pod("a"), "status": {"phase": phase}})
    assert await pods_of(applier).refresh(STACK, TOLD) == []
    assert cluster.writes == []


async def test_pods_of_a_namespace_that_goes_end_the_reconcile(applier, cluster, store) -> None:
    store.observe(pod("a"))
    cluster.fault = lambda _verb, _obj: ApiError(403, "Forbidden", "unable to create: because it is being terminated")
    with pytest.raises(ApiError, match="terminated"):
        await pods_of(applier).refresh(STACK, TOLD)
