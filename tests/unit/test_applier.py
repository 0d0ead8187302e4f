"""The applier under faults: every refusal at every write, and what must never be written at all."""

from __future__ import annotations

import base64
import itertools
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from inventory_operator.api import metadata as meta
from inventory_operator.cache.store import Store
from inventory_operator.components.blocker import Blocker, Turn
from inventory_operator.controller.applier import LOOK_AGAIN_SECONDS, Applier
from inventory_operator.kube import field_ownership
from inventory_operator.kube.client import MERGE, ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

Object = dict[str, Any]
STACK = meta.Stack("ns", "shop", "u-shop")
REFUSED = ApiError(422, "Invalid", "spec.x: field is immutable")
FORBIDDEN = ApiError(403, "Forbidden", "exceeded quota")
CONFLICT = ApiError(409, "Conflict", "the object has been modified")
BROKEN = ApiError(500, "InternalError", "etcdserver: request timed out")


class FaultyCluster:
    """Takes every write as an API server does, but for the faults that a test puts in its way."""

    def __init__(self) -> None:
        self.writes: list[str] = []
        self.sent: list[Object] = []
        self.objects: dict[tuple[str, str], Object] = {}
        self.fault: Callable[[str, Object], Exception | None] = lambda _verb, _obj: None
        self._versions = itertools.count(100)

    def _take(self, verb: str, obj: Object) -> Object:
        self.writes.append(f"{verb} {obj['kind']} {obj['metadata']['name']}")
        self.sent.append(obj)
        if error := self.fault(verb, obj):
            raise error
        known = self.objects.get((obj["kind"], obj["metadata"]["name"]), {})
        metadata = {"uid": "u-child", **known.get("metadata", {}), **obj["metadata"]}
        metadata |= {"resourceVersion": str(next(self._versions)), "managedFields": [_ours(obj)]}
        taken = {**known, **obj, "metadata": metadata}
        self.objects[obj["kind"], obj["metadata"]["name"]] = taken
        return taken

    async def apply(self, obj: Object) -> Object:
        return self._take("apply", obj)

    async def create(self, obj: Object) -> Object:
        return self._take("create", obj)

    async def patch(self, obj: Object, patch: Object, content_type: str = "strategic") -> Object:
        self.sent.append(patch)
        return self._take("merge" if content_type == MERGE else "patch", obj)

    async def delete(self, obj: Object) -> None:
        self._take("delete", obj)

    async def get(self, _: Any, name: str, __: str | None) -> Object | None:
        return next((obj for (_kind, known), obj in self.objects.items() if known == name), None)


def _ours(obj: Object) -> Object:
    """An entry of managedFields that covers every field of `obj`."""

    def tree(value: Any) -> Object:
        return {f"f:{key}": tree(item) for key, item in value.items()} if isinstance(value, dict) else {}

    metadata = {
        key: value for key, value in obj["metadata"].items() if key in {"labels", "annotations", "ownerReferences"}
    }
    body = {key: value for key, value in obj.items() if key not in {"apiVersion", "kind", "metadata"}}
    return {"manager": meta.FIELD_MANAGER, "fieldsV1": tree({**body, "metadata": metadata})}


@pytest.fixture
def cluster() -> FaultyCluster:
    return FaultyCluster()


@pytest.fixture
def store() -> Store:
    return Store(lambda _key: None)


@pytest.fixture
def applier(cluster, store) -> Applier:
    return Applier(cluster, store)


def manifest(kind: str = "Service", name: str = "shop-inventory", component: str = "service", **body: Any) -> Object:
    labels, owners = meta.labels(STACK, component), [meta.owner_reference(STACK)]
    metadata = {"name": name, "namespace": "ns", "labels": labels, "ownerReferences": owners}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **(body or {"spec": {"a": 1}})}


def live(wanted: Object, version: int = 5, **metadata: Any) -> Object:
    """`wanted` as the API server shows it once it was applied."""
    stamped = field_ownership.with_applied_hash(wanted)
    seen = {"resourceVersion": str(version), "uid": "u-child", "managedFields": [_ours(stamped)], **metadata}
    return {**stamped, "metadata": {**stamped["metadata"], **seen}}


def secret(**data: str) -> Object:
    made = manifest("Secret", "shop-grafana", "grafana", type="Opaque", **({"data": data} if data else {}))
    made["metadata"]["annotations"] = {meta.GENERATE_ANNOTATION: "admin-password,token"}
    del made["metadata"]["ownerReferences"]
    return made


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
    ("error", "turn", "retries"),
    [
        (aiohttp.ClientConnectionError("reset"), Turn.CLUSTER, False),
        (TimeoutError(), Turn.CLUSTER, False),
        (BROKEN, Turn.CLUSTER, True),
        (CONFLICT, Turn.CLUSTER, True),
        (FORBIDDEN, Turn.CLUSTER, True),
        (REFUSED, Turn.USER, True),
    ],
    ids=["connection", "timeout", "500", "409", "403", "422"],
)
@pytest.mark.parametrize("exists", [False, True], ids=["create", "change"])
async def test_a_fault_is_reported_and_hides_no_other_child(
    applier, cluster, store, error, turn, retries, exists
) -> None:
    if exists:
        store.observe(live(manifest(spec={"a": "old"})))
    cluster.fault = lambda _verb, obj: error if obj["metadata"]["name"] == "shop-inventory" else None
    others = [manifest("ConfigMap", "c"), manifest("Deployment", "d", spec={"template": {"spec": {}}})]
    (blocker,) = await refused(applier, [manifest(), *others])
    assert {write.split()[1] for write in cluster.writes} == {"Service", "ConfigMap", "Deployment"}
    assert (blocker.component, blocker.target, blocker.turn) == ("service", ("Service", "shop-inventory"), turn)
    assert blocker.reason == "ApplyFailed"
    assert (blocker.retry_seconds is not None) is retries
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


async def test_a_transient_fault_is_tried_again_at_once_when_asked(applier, cluster) -> None:
    cluster.fault = lambda _verb, _obj: aiohttp.ClientConnectionError("reset")
    await applier.apply(STACK, [manifest()])
    cluster.fault = lambda _verb, _obj: None
    assert await refused(applier, [manifest()]) == []


async def test_a_namespace_that_goes_ends_the_reconcile(applier, cluster) -> None:
    cluster.fault = lambda _verb, _obj: ApiError(403, "Forbidden", "unable to create: because it is being terminated")
    with pytest.raises(ApiError, match="terminated"):
        await applier.apply(STACK, [manifest()])


async def test_a_defect_is_not_taken_for_a_failure_of_the_child(applier, cluster) -> None:
    cluster.fault = lambda _verb, _obj: KeyError("a defect")
    with pytest.raises(KeyError):
        await applier.apply(STACK, [manifest()])


async def test_generated_secrets_are_created_once_with_long_random_values(applier, cluster, store) -> None:
    await applier.create_secrets(STACK, [secret(user="YWRtaW4="), manifest()])
    assert cluster.writes == ["create Secret shop-grafana"]
    data = cluster.sent[0]["data"]
    assert data.keys() == {"user", "admin-password", "token"}
    assert data["user"] == "YWRtaW4="
    assert data["admin-password"] != data["token"]
    assert all(len(base64.b64decode(data[key])) >= 32 for key in ("admin-password", "token"))
    await applier.create_secrets(STACK, [secret(user="YWRtaW4=")])
    assert len(cluster.writes) == 1


async def test_a_generated_secret_that_a_person_rotated_is_left_alone(applier, cluster, store) -> None:
    without_data = {key: value for key, value in secret().items() if key != "data"}
    store.observe({**live(without_data), "data": {"admin-password": "cm90YXRlZA=="}})
    assert await applier.create_secrets(STACK, [secret()]) == []
    assert await refused(applier, [secret()]) == []
    assert cluster.writes == []


async def test_new_labels_reach_a_generated_secret_without_its_data(applier, cluster, store) -> None:
    store.observe({**live(secret()), "data": {"admin-password": "cm90YXRlZA=="}})
    changed = secret(user="YWRtaW4=")
    changed["metadata"]["labels"]["new"] = "label"
    await applier.create_secrets(STACK, [changed])
    assert cluster.writes == ["apply Secret shop-grafana"]
    assert "data" not in cluster.sent[0]


async def test_a_generated_secret_that_the_watches_do_not_show_yet_is_not_overwritten(applier, cluster) -> None:
    cluster.fault = lambda verb, _obj: ApiError(409, "AlreadyExists", "exists") if verb == "create" else None
    (blocker,) = await applier.create_secrets(STACK, [secret()])
    assert blocker.turn is Turn.CLUSTER
    assert cluster.writes == ["create Secret shop-grafana"]


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


async def test_a_label_that_somebody_removed_makes_our_own_object_no_stranger(applier, cluster) -> None:
    without_labels = live(manifest(), labels={}, ownerReferences=[])
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
    assert cluster.sent[0] == {"data": {"extra": None}}


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


async def test_prune_takes_what_is_owned_and_not_wanted_and_nothing_else(applier, cluster, store) -> None:
    volume, password, foreign = manifest("PersistentVolumeClaim", "v"), secret(), manifest("Service", "foreign")
    password["metadata"]["ownerReferences"] = [meta.owner_reference(STACK)]
    foreign["metadata"]["ownerReferences"] = [{**meta.owner_reference(STACK), "uid": "u-other"}]
    going = live(manifest("Service", "going"), deletionTimestamp="2026-01-01T00:00:00Z")
    for obj in (volume, password, foreign, manifest("Pod", "p"), manifest("Service", "old"), manifest()):
        store.observe(live(obj))
    store.observe(going)
    await applier.prune(STACK, [manifest()])
    assert cluster.writes == ["delete Service old"]


async def test_cluster_scoped_children_of_a_gone_stack_are_pruned(applier, cluster, store) -> None:
    def binding(name: str, uid: str) -> Object:
        labels = {meta.STACK_LABEL: "shop", meta.STACK_NAMESPACE_LABEL: "ns", meta.UID_LABEL: uid}
        metadata = {"name": name, "uid": name, "resourceVersion": "5", "labels": labels}
        return {"kind": "ClusterRoleBinding", "metadata": metadata}

    store.observe(binding("before", "u-before"))
    store.observe(binding("now", STACK.uid))
    await applier.prune_unowned(("ns", "shop"), STACK.uid)
    assert cluster.writes == ["delete ClusterRoleBinding before"]
    await applier.prune_unowned(("ns", "shop"), None)
    assert cluster.writes[1:] == ["delete ClusterRoleBinding before", "delete ClusterRoleBinding now"]


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
    await applier.refresh_pods(STACK, [config])
    await applier.refresh_pods(STACK, [config])
    assert cluster.writes == ["apply Pod stale"]
    assert cluster.sent[0]["metadata"]["uid"] == "stale", "never makes a pod anew"


TOLD = [manifest("ConfigMap", "c", "prometheus", data={})]


@pytest.mark.parametrize("code", [404, 409, 422])
async def test_a_pod_that_just_went_holds_nothing_back(applier, cluster, store, code) -> None:
    store.observe(pod("a"))
    cluster.fault = lambda _verb, _obj: ApiError(code, "", "gone")
    assert await applier.refresh_pods(STACK, TOLD) == []


@pytest.mark.parametrize("error", [BROKEN, FORBIDDEN, TimeoutError()], ids=["500", "403", "timeout"])
async def test_a_pod_that_can_not_be_told_is_reported_and_hides_no_other(applier, cluster, store, error) -> None:
    for name in ("a", "b"):
        store.observe(pod(name))
    cluster.fault = lambda _verb, obj: error if obj["metadata"]["name"] == "a" else None
    (blocker,) = await applier.refresh_pods(STACK, TOLD)
    assert (blocker.target, blocker.component, blocker.turn) == (("Pod", "a"), "prometheus", Turn.CLUSTER)
    assert blocker.retry_seconds == 20
    assert cluster.writes == ["apply Pod a", "apply Pod b"]


async def test_pods_of_a_namespace_that_goes_end_the_reconcile(applier, cluster, store) -> None:
    store.observe(pod("a"))
    cluster.fault = lambda _verb, _obj: ApiError(403, "Forbidden", "unable to create: because it is being terminated")
    with pytest.raises(ApiError, match="terminated"):
        await applier.refresh_pods(STACK, TOLD)


async def test_a_forgotten_stack_is_judged_anew(applier, cluster) -> None:
    cluster.fault = lambda _verb, _obj: REFUSED
    await applier.apply(STACK, [manifest()])
    applier.forget(("ns", "shop"))
    await applier.apply(STACK, [manifest()])
    assert len(cluster.writes) == 2
