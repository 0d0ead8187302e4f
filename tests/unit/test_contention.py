"""How often is written what others keep undoing: at once at first, then rarely, and again when they have stopped."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest
from tests.framework.faulty_cluster import FORBIDDEN, STACK, FaultyCluster, Object, live, manifest, pods_of

from inventory_operator.api import metadata as meta
from inventory_operator.cache.store import Store
from inventory_operator.components.blocker import FIELD_CONFLICT, Blocker, Turn
from inventory_operator.controller.applier import Applier
from inventory_operator.controller.contention import (
    FORGET_SECONDS,
    LONGEST_PAUSE_SECONDS,
    QUIET_SECONDS,
    ROUNDS_AT_ONCE,
    Contention,
    Undone,
    blockers,
)
from inventory_operator.controller.write_guard import MOST_OBJECTS, WriteGuard
from inventory_operator.kube.client import ApiError

KEY = (STACK.namespace, STACK.name)
#: Seconds between two writes of somebody who writes all the time.
OFTEN = 0.5
PODS_CONFIG = manifest("ConfigMap", "c", "prometheus", data={})


class Other:
    """Somebody who undoes what the operator writes about one object, and the operator's passes over it."""

    def __init__(self) -> None:
        self.now, self.cluster, self.store = 1000.0, FaultyCluster(), Store(lambda _key: None)
        guard = WriteGuard(clock=lambda: self.now)
        self.applier = Applier(self.cluster, self.store, guard=guard)  # type: ignore[arg-type]
        self.desired = [manifest()]
        self._uids = itertools.count()

    async def run(self) -> list[Blocker]:
        """Make one pass; return what is told."""
        self.applied, blockers = await self.applier.apply(STACK, self.desired)
        blockers += await self.applier.prune(STACK, self.desired)
        blockers += await pods_of(self.applier).refresh(STACK, self.applied)
        return [*blockers, *self.applier.guard.conflicts(KEY)]

    def undo(self) -> None:
        """Take the spec of the Service, unless it is ours no more."""
        self.seen(self.taken(self.cluster.objects["Service", "shop-inventory"], {"f:spec": {"f:a": {}}}))

    def taken(self, obj: Object, tree: Object, **content: Any) -> Object:
        """Return an object as it is after somebody else wrote what is in this FieldsV1 tree."""
        ours = {"manager": meta.FIELD_MANAGER, "fieldsV1": {"f:metadata": _all_of(obj["metadata"])}}
        fields = [ours, {"manager": "keda", "time": "2026-01-01T00:00:00Z", "fieldsV1": tree}]
        metadata = {**obj["metadata"], "managedFields": fields, "resourceVersion": str(next(self.cluster._versions))}
        return {**obj, **content, "metadata": metadata}

    def seen(self, obj: Object, *, gone: bool = False) -> None:
        """Let the API server have an object, and the watch show it."""
        child_id = (obj["kind"], obj["metadata"]["name"])
        self.cluster.objects.pop(child_id, None)
        if not gone:
            self.cluster.objects[child_id] = obj
        self.store.observe(obj, gone=gone)

    def new(self, obj: Object) -> Object:
        """Return an object that was created now in our field manager's name: others are not ours to delete."""
        return live(obj, next(self.cluster._versions), uid=f"u-{next(self._uids)}")


def _all_of(metadata: Object) -> Object:
    kept = {f"f:{key}": {} for key in ("labels", "annotations") if key in metadata}
    owners = {f'k:{{"uid":"{owner["uid"]}"}}': {} for owner in metadata.get("ownerReferences", ())}
    return {**kept, "f:ownerReferences": owners} if owners else kept


class Editor(Other):
    """Writes a field of ours."""

    words = "spec.a of Service shop-inventory by keda"


class Injector(Other):
    """Adds a container to a Deployment."""

    words = "spec.template.spec.containers[agent] of Deployment d by an unknown client"

    def __init__(self) -> None:
        super().__init__()
        self.desired = [manifest("Deployment", "d", spec={"template": {"spec": {"containers": []}}})]

    def undo(self) -> None:
        wanted = self.desired[0]
        obj = self.cluster.objects["Deployment", "d"]
        containers = {"template": {"spec": {"containers": [{"name": "agent"}]}}}
        version = str(next(self.cluster._versions))
        self.seen({**obj, "spec": containers, "metadata": {**obj["metadata"], "resourceVersion": version}})
        assert wanted["spec"] != containers


class Deleter(Other):
    """Deletes an object of ours."""

    words = "Service shop-inventory, deleted by an unknown client"

    def undo(self) -> None:
        if obj := self.cluster.objects.get(("Service", "shop-inventory")):
            self.seen(obj, gone=True)


class Creator(Other):
    """Creates an object that was pruned, in our name."""

    words = "Service old, not wanted and created by an unknown client"

    def __init__(self) -> None:
        super().__init__()
        self.desired = []

    def undo(self) -> None:
        known = self.store.of(KEY).get(("Service", "old"))
        if known and self.cluster.writes and known.obj["metadata"]["uid"] == self.cluster.sent[-1]["metadata"]["uid"]:
            self.seen(known.obj, gone=True)
            known = None
        if not known:
            self.seen(self.new(manifest("Service", "old")))


class Annotator(Other):
    """Changes our annotation of a pod."""

    words = "metadata.annotations[inventorystack.dev/config] of Pod p by keda"

    def __init__(self) -> None:
        super().__init__()
        self.desired = [PODS_CONFIG]
        labels = meta.labels(STACK, "prometheus")
        metadata = {"name": "p", "namespace": "ns", "uid": "p", "resourceVersion": "5", "labels": labels}
        self.seen({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})

    def undo(self) -> None:
        obj = self.cluster.objects["Pod", "p"]
        tree = {"f:metadata": {"f:annotations": {f"f:{meta.CONFIG_ANNOTATION}": {}}}}
        changed = {**obj, "metadata": {**obj["metadata"], "annotations": {meta.CONFIG_ANNOTATION: "theirs"}}}
        taken = self.taken(changed, tree)
        taken["metadata"]["managedFields"] = taken["metadata"]["managedFields"][1:]
        self.seen(taken)


OTHERS = [Editor, Injector, Deleter, Creator, Annotator]


async def contended(other: Other) -> Blocker:
    """Let the other write until it is reported; return the Blocker."""
    for _ in range(10 * ROUNDS_AT_ONCE):
        if found := [one for one in await other.run() if one.reason == FIELD_CONFLICT]:
            return found[0]
        other.undo()
        other.now += OFTEN
    raise AssertionError("nothing was told")


@pytest.mark.parametrize("kind", OTHERS)
async def test_whoever_writes_all_the_time_costs_few_writes(kind: type[Other]) -> None:
    other, minutes, told = kind(), Counter[int](), []
    await other.run()
    before = len(other.cluster.writes)
    for step in range(int(600 / OFTEN)):
        other.undo()
        other.now += OFTEN
        told = await other.run()
        minutes[int(step * OFTEN // 60)] += len(other.cluster.writes) - before
        before = len(other.cluster.writes)
    assert minutes[0] <= 20
    assert all(1 <= minutes[minute] <= 5 for minute in range(1, 10)), minutes
    (blocker,) = told
    assert kind.words in blocker.message  # type: ignore[attr-defined]
    assert (blocker.reason, blocker.turn) == (FIELD_CONFLICT, Turn.USER)


@pytest.mark.parametrize("kind", OTHERS)
async def test_when_the_other_stops_ours_is_written_after_the_pause_and_nothing_is_told(kind: type[Other]) -> None:
    other = kind()
    for _ in range(4):
        blocker = await contended(other)
        other.now += blocker.retry_seconds or 0
        await other.run()
        other.undo()
    (blocker,) = await other.run()
    assert 0 < (blocker.retry_seconds or 0) <= LONGEST_PAUSE_SECONDS
    written = len(other.cluster.writes)
    other.now += blocker.retry_seconds or 0
    (blocker,) = await other.run()
    assert len(other.cluster.writes) in {written + 1, written + 2}, "an apply, and a patch where others added something"
    written = len(other.cluster.writes)
    if isinstance(other, Creator):
        other.seen(other.store.of(KEY)["Service", "old"].obj, gone=True)
    began = other.now
    while told := await other.run():
        other.now += told[0].retry_seconds or 0
    assert other.now - began == pytest.approx(QUIET_SECONDS)
    assert len(other.cluster.writes) == written


async def test_a_few_edits_are_put_right_at_once_and_told_to_nobody() -> None:
    other = Editor()
    await other.run()
    for _ in range(ROUNDS_AT_ONCE):
        other.undo()
        assert await other.run() == []
    assert len(other.cluster.writes) == 1 + ROUNDS_AT_ONCE


async def test_after_a_quiet_time_it_begins_anew() -> None:
    other = Editor()
    await other.run()
    for _ in range(3):
        for _ in range(ROUNDS_AT_ONCE):
            other.undo()
            assert await other.run() == []
        other.now += FORGET_SECONDS
    assert len(other.cluster.writes) == 1 + 3 * ROUNDS_AT_ONCE


async def test_who_writes_every_three_minutes_is_told_of_and_costs_no_more_writes() -> None:
    other, told = Editor(), []
    await other.run()
    for _ in range(10):
        other.undo()
        other.now += 180
        told += await other.run()
    assert len(other.cluster.writes) == 1 + 10
    assert {one.reason for one in told} == {FIELD_CONFLICT}


async def test_a_change_of_the_spec_is_applied_at_once_whatever_is_left_to_others() -> None:
    other = Editor()
    await contended(other)
    written = len(other.cluster.writes)
    for a in range(20):
        other.desired = [manifest(spec={"a": a})]
        await other.run()
    assert len(other.cluster.writes) == written + 20
    other.undo()
    (blocker,) = await other.run()
    assert blocker.reason == FIELD_CONFLICT, "who has written is still there"
    assert len(other.cluster.writes) == written + 20


async def test_changes_of_the_spec_are_no_rounds() -> None:
    other = Editor()
    for a in range(20):
        other.desired = [manifest(spec={"a": a})]
        assert await other.run() == []
        assert await other.run() == []
    assert len(other.cluster.writes) == 20


async def test_what_is_left_to_others_counts_as_not_applied_and_holds_nothing_back() -> None:
    other = Editor()
    deployment = manifest("Deployment", "d", spec={"template": {"spec": {"containers": []}}})
    other.desired = [manifest(), deployment]
    await contended(other)
    assert [one["kind"] for one in other.applied] == ["Deployment"]


@pytest.mark.parametrize("error", [FORBIDDEN, ApiError(500, "", "etcdserver: request timed out"), TimeoutError()])
async def test_a_write_that_is_refused_again_and_again_is_no_round(error: Exception) -> None:
    other = Editor()
    await other.run()
    other.undo()
    other.cluster.fault = lambda _verb, _obj: error
    for _ in range(100):
        (blocker,) = await other.run()
        assert blocker.reason == "ApplyFailed"
        other.now += blocker.retry_seconds or 0
    other.cluster.fault = lambda _verb, _obj: None
    assert await other.run() == []


async def test_an_apply_whose_patch_is_refused_is_bounded_all_the_same() -> None:
    """The other writes a field and adds a key, and a policy refuses that the key is taken out."""
    other = Editor()
    other.desired = [manifest("ConfigMap", "c", data={"a": "1"})]
    await other.run()
    other.cluster.fault = lambda verb, _obj: FORBIDDEN if verb == "patch" else None
    applied = 0
    for _ in range(120):
        taken = other.taken(other.cluster.objects["ConfigMap", "c"], {"f:data": {"f:a": {}}}, data={"a": "2", "b": "3"})
        other.seen(taken)
        other.now += OFTEN
        await other.run()
        applied = sum(one.startswith("apply") for one in other.cluster.writes)
    assert applied <= 10


async def test_what_was_undone_is_looked_for_once_for_each_round() -> None:
    other, looks = Editor(), 0
    get = other.cluster.get

    async def counted(*args: Any) -> Object | None:
        nonlocal looks
        looks += 1
        return await get(*args)

    await contended(other)
    other.cluster.get = counted  # type: ignore[method-assign]
    for _ in range(50):
        await other.run()
    assert looks == 0


async def test_a_look_that_fails_leaves_out_only_the_name() -> None:
    other = Editor()

    async def refused(*_: Any) -> None:
        raise FORBIDDEN

    await other.run()
    other.cluster.get = refused  # type: ignore[method-assign]
    blocker = await contended(other)
    assert "spec of Service shop-inventory by an unknown client" in blocker.message


async def test_many_names_do_not_fill_the_memory() -> None:
    other = Creator()
    for number in range(MOST_OBJECTS + 50):
        obj = other.new(manifest("Service", f"old-{number}"))
        other.seen(obj)
        await other.run()
        other.seen(obj, gone=True)
    assert len(other.applier.guard._states[KEY]) == MOST_OBJECTS


def test_a_message_names_a_few_and_how_many_more() -> None:
    contention = Contention(clock=lambda: 0.0)
    contention._undone = {str(number): Undone(f"field {number}", "do this") for number in range(10)}
    (blocker,) = blockers([(("Service", "s"), "service", contention)])
    assert "(field 0; field 1; field 2; field 3; field 4; field 5; 4 more)" in blocker.message
    assert blocker.message.count("do this") == 1
