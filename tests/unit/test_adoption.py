"""What an adoption costs, and what a write carries so that it meets the object that was looked at and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.framework.faulty_cluster import CONFLICT, REFUSED, STACK, FaultyCluster, Object, live, manifest

from inventory_operator.api import metadata as meta
from inventory_operator.controller.adoption import ABSENT
from inventory_operator.controller.applier import Applier
from inventory_operator.kube.client import ApiError

if TYPE_CHECKING:
    from inventory_operator.cache.store import Store
    from inventory_operator.components.blocker import Blocker

KEY = ("Service", "shop-inventory")
NO_DRY_RUN = ApiError(400, "BadRequest", 'admission webhook "x" does not support dry run')
SWAPPED = ApiError(422, "Invalid", 'Service "x" is invalid: metadata.uid: Invalid value: "u": field is immutable')


class Counting(FaultyCluster):
    """Counts what is only asked, and refuses dry runs as a test says."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.preview_fault: Exception | None = None

    async def get(self, *args: Any) -> Object | None:
        self.asked.append("get")
        return await super().get(*args)

    async def preview(self, *args: Any) -> Object:
        self.asked.append("preview")
        if self.preview_fault:
            raise self.preview_fault
        return await super().preview(*args)


@pytest.fixture
def cluster() -> Counting:
    return Counting()


def orphan(**content: Any) -> Object:
    """What a stack before this one left; nobody's fields."""
    labels = {**meta.labels(STACK, "service"), meta.UID_LABEL: "u-before"}
    obj = live(manifest(), labels=labels, ownerReferences=[], managedFields=[{"manager": "somebody"}])
    return {**obj, **content}


async def refused(applier: Applier) -> list[Blocker]:
    return (await applier.apply(STACK, [manifest()]))[1]


def seen(store: Store, cluster: Counting, obj: Object) -> None:
    cluster.objects[KEY] = obj
    store.observe(obj)


async def test_what_is_ours_costs_no_request_after_a_restart(cluster, store) -> None:
    seen(store, cluster, live(manifest()))
    for applier in (Applier(cluster, store), Applier(cluster, store)):
        assert await refused(applier) == []
        assert await refused(applier) == []
    assert (cluster.asked, cluster.writes) == ([], [])


async def test_what_is_ours_and_changed_costs_one_write_with_its_uid(applier, cluster, store) -> None:
    theirs = live(manifest(), uid="u-seen")
    theirs["metadata"]["annotations"] = {}
    seen(store, cluster, theirs)
    assert await refused(applier) == []
    assert (cluster.asked, cluster.writes) == ([], ["apply Service shop-inventory"])
    assert cluster.sent[0]["metadata"]["uid"] == "u-seen"
    assert "resourceVersion" not in cluster.sent[0]["metadata"]


async def test_what_is_missing_is_only_created(applier, cluster) -> None:
    assert await refused(applier) == []
    assert cluster.sent[0]["metadata"]["resourceVersion"] == ABSENT["resourceVersion"]


async def test_an_adoption_costs_a_look_two_dry_runs_and_a_write_of_exactly_that_version(
    applier, cluster, store
) -> None:
    seen(store, cluster, orphan())
    assert await refused(applier) == []
    assert cluster.asked == ["get", "get", "preview", "preview"]
    metadata = cluster.sent[0]["metadata"]
    assert (metadata["uid"], metadata["resourceVersion"]) == ("u-child", "5")
    assert await refused(applier) == []
    assert (len(cluster.asked), len(cluster.writes)) == (4, 1)


@pytest.mark.parametrize("labelled", [meta.UID_LABEL, "another"])
@pytest.mark.parametrize("stack", [None, {"uid": "u-next"}, {"uid": STACK.uid, "deletionTimestamp": "now"}])
async def test_an_orphan_of_a_stack_that_is_being_deleted_stays_one(applier, cluster, store, stack, labelled) -> None:
    left = live(manifest(), ownerReferences=[])
    left["metadata"]["labels"][labelled] = left["metadata"]["labels"].pop(meta.UID_LABEL, STACK.uid)
    seen(store, cluster, left)
    cluster.objects[meta.KIND, STACK.name] = stack and {"metadata": {"name": STACK.name, **stack}}
    (blocker,) = await refused(applier)
    assert blocker.message == "Service shop-inventory: InventoryStack shop is being deleted"
    assert cluster.writes == []


async def test_what_can_not_be_adopted_is_looked_at_again_only_when_it_or_the_stack_changes(
    applier, cluster, store
) -> None:
    seen(store, cluster, orphan(imagePullSecrets=[{"name": "theirs"}]))
    for _ in range(3):
        (blocker,) = await refused(applier)
    assert cluster.writes == []
    assert cluster.asked == ["get", "get", "preview", "preview"]
    assert blocker.message == (
        "Service shop-inventory is labelled as this stack's, but has what the stack did not put there: "
        "imagePullSecrets; it was written by the field manager somebody: it is left alone, and what refers to it "
        "waits: take that out, delete the object, or rename the stack"
    )
    cured = orphan()
    cured["metadata"]["resourceVersion"] = "6"
    seen(store, cluster, cured)
    assert await refused(applier) == []


async def test_many_fields_are_counted(applier, cluster, store) -> None:
    seen(store, cluster, orphan(**{f"field{n}": n for n in range(5)}))
    (blocker,) = await refused(applier)
    assert "field0, field1, field2 and 2 more" in blocker.message


@pytest.mark.parametrize(
    ("error", "reason"), [(NO_DRY_RUN, "ApplyFailed"), (REFUSED, "NameTaken"), (CONFLICT, "ApplyFailed")]
)
async def test_an_adoption_that_can_not_be_judged_is_none(applier, cluster, store, error, reason) -> None:
    seen(store, cluster, orphan())
    cluster.preview_fault = error
    (blocker,) = await refused(applier)
    asked = len(cluster.asked)
    assert blocker.reason == reason
    assert error.message in blocker.message
    assert (await refused(applier))[0].message == blocker.message
    assert cluster.asked[asked:].count("preview") == 0, "its pause is not over"
    assert cluster.writes == []


@pytest.mark.parametrize("error", [CONFLICT, SWAPPED], ids=["version", "uid"])
async def test_what_took_the_place_of_ours_is_judged_at_once(applier, cluster, store, error) -> None:
    changed = live(manifest(spec={"a": "old"}))
    seen(store, cluster, changed)
    theirs = {**changed, "metadata": {"name": KEY[1], "uid": "u-theirs", "resourceVersion": "9"}}

    def swap(_verb: str, _obj: Object) -> Exception | None:
        cluster.objects[KEY] = theirs
        return error

    cluster.fault = swap
    (blocker,) = await refused(applier)
    assert blocker.reason == "NameTaken"
    assert len(cluster.writes) == 1
    assert cluster.objects[KEY] == theirs


def pods(name: str, **labels: str) -> Object:
    return manifest("Deployment", name, spec={"template": {"metadata": {"labels": labels}, "spec": {"containers": []}}})


TIMEOUT = ApiError(504, "Timeout", "the API server is slow")
WITHOUT_LABELS = {"kind": "Deployment", "metadata": {"name": "d", "resourceVersion": "1"}}
ORPHAN = live(pods("d", app="a"), labels={**meta.labels(STACK, "service"), meta.UID_LABEL: "u-before"})
ORPHAN["metadata"]["ownerReferences"] = []


@pytest.mark.parametrize(
    ("there", "watched", "fault", "unjudged", "sent"),
    [
        pytest.param(WITHOUT_LABELS, False, None, None, False, id="of another"),
        pytest.param(ORPHAN, True, None, CONFLICT, False, id="not judged: it changes"),
        pytest.param(ORPHAN, False, None, TIMEOUT, False, id="not judged and not watched"),
        pytest.param(None, False, TIMEOUT, None, False, id="perhaps there: no answer"),
        pytest.param(None, False, REFUSED, None, True, id="not there and refused"),
        pytest.param(live(pods("d", app="old")), True, REFUSED, None, True, id="ours and refused"),
        pytest.param(live(pods("d", app="old")), True, TIMEOUT, None, True, id="ours and no answer"),
    ],
)
async def test_a_service_sends_nothing_to_pods_that_may_be_of_a_foreign_deployment(
    applier, cluster, store, there, watched, fault, unjudged, sent
) -> None:
    if there:
        cluster.objects["Deployment", "d"] = there
    if watched:
        store.observe(there)
    cluster.preview_fault = unjudged
    cluster.fault = lambda _verb, obj: fault if obj["metadata"]["name"] == "d" else None
    wanted = [manifest(spec={"selector": {"app": "a"}}), pods("d", app="a"), pods("other", app="b")]
    for _ in range(2):
        applied, (blocker,) = await applier.apply(STACK, wanted)
        assert blocker.target == ("Deployment", "d")
        assert ({one["metadata"]["name"] for one in applied} == {"shop-inventory", "other"}) is sent
        assert (("Service", "shop-inventory") in cluster.objects) is sent
