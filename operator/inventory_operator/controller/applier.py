"""Makes the live children of one stack what was rendered, with as few writes as that takes.

It decides object by object, from what the store has of each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from inventory_operator.api.metadata import COMPONENT_LABEL, Stack
from inventory_operator.cache.store import Child, Store
from inventory_operator.components import section_of, storage_of
from inventory_operator.components.blocker import WHOLE_STACK, Blocker, ObjectId, Turn
from inventory_operator.components.placement import with_spec_paths
from inventory_operator.components.volumes import with_way_out
from inventory_operator.controller import interference
from inventory_operator.controller.adoption import ABSENT, Claimed, claim, pinned
from inventory_operator.controller.apply_state import state_of
from inventory_operator.controller.change import change
from inventory_operator.controller.generated_secrets import is_generated, split_values
from inventory_operator.controller.ownership import NotOursError, is_own, is_prunable, signed_uid
from inventory_operator.controller.write_guard import Write, WriteGuard, together, unless_gone
from inventory_operator.kube import field_ownership
from inventory_operator.kube.client import ApiError, Cluster
from inventory_operator.kube.kinds import of
from inventory_operator.kube.object_references import object_id, object_references, used_objects

if TYPE_CHECKING:
    from collections.abc import Iterable

    from inventory_operator.api.metadata import Key
    from inventory_operator.controller.apply_state import ApplyState

log = structlog.get_logger(__name__)

Object = dict[str, Any]
#: How often to look whether a name that somebody else took is free; costs one GET.
LOOK_AGAIN_SECONDS = 5.0


@dataclass(slots=True)
class Applier:
    """Writes children of stacks; one call at a time for one stack."""

    cluster: Cluster
    store: Store
    #: Whether stacks may have what is cluster-scoped.
    cluster_scoped: bool = True
    guard: WriteGuard = field(default_factory=WriteGuard)

    async def create_secrets(self, stack: Stack, desired: Iterable[Object]) -> list[Blocker]:
        """Create the generated Secrets that are missing; one that is there keeps its data for ever."""
        secrets_ = [manifest for manifest in desired if is_generated(manifest)]
        return await self._each(stack, secrets_)

    async def apply(
        self, stack: Stack, desired: Iterable[Object], blocked: Iterable[ObjectId] = ()
    ) -> tuple[list[Object], list[Blocker]]:
        """Apply everything that is not as it should be: first what others refer to, then what refers to it.

        What is `blocked`, refused, or refers to such an object is left as it is. Return what is in the cluster as
        desired, and a Blocker for each object that was refused.
        """
        self.guard.begin_pass((stack.namespace, stack.name))
        all_ = list(desired)
        pending = {object_id(one): (one, object_references(one), used_objects(one, all_)) for one in all_}
        held, applied = set(blocked) & pending.keys(), []
        refused: list[Blocker] = []
        while pending:
            wave = {one: it for one, it in pending.items() if not (it[1] | it[2]) & pending.keys()}
            assert wave, "no two templates refer to each other"
            not_ours = {blocker.target for blocker in refused if self._may_be_anothers(stack, blocker)}
            held |= {one for one, (_, references, used) in wave.items() if references & held or used & not_ours}
            free = [manifest for one, (manifest, _, _) in wave.items() if one not in held]
            blockers = await self._each(stack, free)
            refused += blockers
            held |= {blocker.target for blocker in blockers}
            skipped = held | self.guard.left_to_others((stack.namespace, stack.name))
            applied += [manifest for manifest in free if object_id(manifest) not in skipped]
            pending = {one: it for one, it in pending.items() if one not in wave}
        return applied, refused

    def _may_be_anothers(self, stack: Stack, refused: Blocker) -> bool:
        """Tell whether what was refused may have an object of somebody else in its name: what uses it has to wait.

        It is not only what was judged to be another's: the judgement itself may have failed, and be made again soon.
        """
        key = (stack.namespace, stack.name)
        if self.guard.is_hidden(key, refused.target):
            return True
        live = self.store.of(key).get(refused.target)
        return not is_own(live.obj, live.owned, stack) if live else refused.turn is Turn.CLUSTER

    async def prune(self, stack: Stack, desired: Iterable[Object], *, autoscalers: bool = False) -> list[Blocker]:
        """Delete what this stack owns and no longer wants; never what keeps data, never generated Secrets.

        With `autoscalers` these alone, else all but them: one that goes must not set replicas that were applied just
        now. Return a Blocker for each object that can't be deleted.
        """
        wanted = {object_id(manifest) for manifest in desired}
        key = (stack.namespace, stack.name)
        unwanted = [
            child.obj
            for child_id, child in self.store.of(key).items()
            if child_id not in wanted
            and is_prunable(child.obj, child.owned, stack)
            and (child_id[0] == "HorizontalPodAutoscaler") == autoscalers
        ]
        return await together(self._delete(key, obj, "is no longer wanted") for obj in unwanted)

    async def prune_unowned(self, key: Key, uid: str | None) -> list[Blocker]:
        """Delete cluster-scoped children of stacks of this name that are gone: no owner reference can reach them.

        Where no stack may have such children all of them go, whatever the stack's spec says: it may be paused.
        """
        children = [child for child in self.store.of(key).values() if not of(child.obj).namespaced]
        ours = [(child.obj, of_) for child in children if (of_ := signed_uid(child.obj, child.owned))]
        if not self.cluster_scoped:
            return await together(self._delete(key, obj, "is no longer permitted") for obj, _ in ours)
        left = [obj for obj, of_ in ours if of_ != uid]
        return await together(self._delete(key, obj, "belongs to a deleted stack of this name") for obj in left)

    async def _delete(self, key: Key, obj: Object, why: str) -> Blocker | None:
        target = object_id(obj)
        component = obj["metadata"]["labels"].get(COMPONENT_LABEL, WHOLE_STACK)
        words = f"{' '.join(target)} {why} and can't be deleted"

        async def send(state: ApplyState) -> None:
            again = partial(interference.created, self.cluster, obj)
            await state.begin_round("delete", again, obj["metadata"]["uid"].encode())
            await unless_gone(self.cluster, obj, self.cluster.delete(obj))
            log.info("pruned", child="/".join(target))

        return await self.guard(key, Write(target, component, "DeleteFailed", lambda text: f"{words}: {text}"), send)

    async def _each(self, stack: Stack, manifests: Iterable[Object]) -> list[Blocker]:
        written: list[str] = []
        blockers = await together(self._guarded(stack, manifest, written) for manifest in manifests)
        if written:
            # A line for each would cost as much as a third of the requests.
            log.info("applied", children=written)
        return blockers

    async def _guarded(self, stack: Stack, manifest: Object, written: list[str]) -> Blocker | None:
        """Apply one child, and note it if that took a write; what refuses it is reported and hides no other."""
        component = manifest["metadata"]["labels"][COMPONENT_LABEL]
        target = object_id(manifest)
        child = " ".join(target)

        def describe(text: str) -> str:
            live = self.store.of((stack.namespace, stack.name)).get(target)
            if live and manifest["kind"] == "PersistentVolumeClaim":
                text = with_way_out(text, manifest, live.obj, storage_of(component))
            return f"{child}: {with_spec_paths(text, section_of(component))}"

        async def send(state: ApplyState) -> None:
            if await self._apply_object(stack, manifest, state):
                written.append("/".join(target))

        try:
            return await self.guard(
                (stack.namespace, stack.name), Write(target, component, "ApplyFailed", describe), send
            )
        except NotOursError as error:
            return Blocker(target, component, error.reason, f"{child} {error}", error.turn, LOOK_AGAIN_SECONDS)

    async def _apply_object(self, stack: Stack, manifest: Object, apply_state: ApplyState) -> bool:
        """Make one child what it should be; return whether that took a write."""
        known = self.store.of((stack.namespace, stack.name)).get(object_id(manifest))
        values, manifest = split_values(manifest)
        manifest = field_ownership.with_applied_hash(manifest)
        try:
            if known or apply_state.hidden:
                return await self._apply_to(known, stack, manifest, values, apply_state)
            return await self._create(manifest, values, apply_state)
        except ApiError as error:
            if not error.of_another:
                raise
            # It came, went or changed between what was seen and the write, or the watches don't show it.
            apply_state.hidden = True
            return await self._apply_to(None, stack, manifest, values, apply_state)

    async def _apply_to(
        self, known: Child | None, stack: Stack, manifest: Object, values: Object | None, apply_state: ApplyState
    ) -> bool:
        live = known or await self._look(manifest)
        if live is None:
            return await self._create(manifest, values, apply_state)
        if apply_state.verified == (live.version, field_ownership.applied_hash(manifest)):
            return False
        claimed = await claim(self.cluster, live, manifest, values, stack, apply_state=apply_state)
        if known:
            apply_state.hidden = False
        live = claimed.child
        unchanged = (
            field_ownership.in_sync(live.obj, live.owned, manifest)
            and field_ownership.file_digests(manifest).items() <= live.files.items()
        ) or apply_state.applied == (field_ownership.applied_hash(manifest), live.owned, live.files)
        unmanaged = field_ownership.unmanaged_fields_patch(live.obj, manifest)
        if unchanged and not unmanaged:
            apply_state.verified = (live.version, field_ownership.applied_hash(manifest))
            return False
        return await self._write(claimed, manifest, unmanaged, apply_state, unchanged=unchanged)

    async def _look(self, manifest: Object) -> Child | None:
        """Ask for an object that the watches do not show: it may lack our labels."""
        metadata = manifest["metadata"]
        found = await self.cluster.get(of(manifest), metadata["name"], metadata.get("namespace"))
        return Child.seen(found) if found else None

    async def _create(self, manifest: Object, values: Object | None, apply_state: ApplyState) -> bool:
        await apply_state.begin_round(field_ownership.applied_hash(manifest), partial(interference.deleted, manifest))
        with self.store.expecting(manifest):
            if values is None:
                answer = await self.cluster.apply(pinned(manifest, ABSENT))
            else:
                answer = await self.cluster.create(manifest | {"data": values})
            return self._accepted(apply_state, manifest, answer)

    async def _write(
        self, claimed: Claimed, manifest: Object, unmanaged: Object | None, apply_state: ApplyState, *, unchanged: bool
    ) -> bool:
        applied_hash = field_ownership.applied_hash(manifest)
        look = partial(interference.changed, self.cluster, claimed.child, manifest)
        await apply_state.begin_round(applied_hash, look, state_of(claimed.child))
        answer = claimed.child.obj
        if not unchanged:
            answer = await change(self.cluster, claimed, manifest)
            # What follows may be refused, and who undoes this is bounded all the same.
            apply_state.written = applied_hash
        if unmanaged:
            answer = await self.cluster.patch(manifest, pinned(unmanaged, {"uid": claimed.same["uid"]}))
        return self._accepted(apply_state, manifest, answer)

    def _accepted(self, apply_state: ApplyState, manifest: Object, answer: Object) -> bool:
        written, applied_hash = self.store.answered(answer), field_ownership.applied_hash(manifest)
        apply_state.applied = (applied_hash, written.owned, written.files)
        apply_state.verified = (written.version, applied_hash)
        apply_state.hidden = False
        return True
