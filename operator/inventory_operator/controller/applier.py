"""Makes the live children of one stack what was rendered, with as few writes as that takes.

It decides object by object from the store and never from the clock alone; it knows neither spec nor status.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from inventory_operator.api.metadata import COMPONENT_LABEL, CONFIG_ANNOTATION, UID_LABEL, Stack
from inventory_operator.cache.store import Child, ChildId, Store, version
from inventory_operator.components.blocker import Blocker, ObjectId, Turn
from inventory_operator.controller.apply_state import ApplyState
from inventory_operator.controller.generated_secrets import is_generated, split_values
from inventory_operator.controller.ownership import NotOursError, check_claim, is_prunable
from inventory_operator.kube import field_ownership
from inventory_operator.kube.client import MERGE, TRANSIENT, ApiError, Cluster
from inventory_operator.kube.kinds import CLUSTERS, of
from inventory_operator.kube.object_references import object_references
from inventory_operator.manifests.render import config_digest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from inventory_operator.api.metadata import Key

log = structlog.get_logger(__name__)

Object = dict[str, Any]
#: How often to look whether a name that somebody else took is free; costs one GET.
LOOK_AGAIN_SECONDS = 5.0
#: How often a pod is annotated again that could not be: the kubelet finds the configuration by itself after 90 s.
TELL_AGAIN_SECONDS = 20.0


@dataclass(slots=True)
class Applier:
    """Writes children of stacks; one call at a time for one stack."""

    cluster: Cluster
    store: Store
    _states: dict[Key, dict[ChildId, ApplyState]] = field(default_factory=dict)

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a stack that is gone."""
        self._states.pop(key, None)

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
        pending = {object_id(manifest): (manifest, object_references(manifest)) for manifest in desired}
        held, applied, refused = set(blocked) & pending.keys(), [], []
        while pending:
            wave = {one: it for one, it in pending.items() if not it[1] & pending.keys()}
            assert wave, "no two templates refer to each other"
            held |= {one for one, (_, references) in wave.items() if references & held}
            free = [manifest for one, (manifest, _) in wave.items() if one not in held]
            blockers = await self._each(stack, free)
            refused += blockers
            held |= {blocker.target for blocker in blockers}
            applied += [manifest for manifest in free if object_id(manifest) not in held]
            pending = {one: it for one, it in pending.items() if one not in wave}
        return applied, refused

    async def prune(self, stack: Stack, desired: Iterable[Object]) -> None:
        """Delete what this stack owns and no longer wants; never what keeps data, never generated Secrets."""
        wanted = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in desired}
        for child_id, child in list(self.store.of((stack.namespace, stack.name)).items()):
            if child_id not in wanted and is_prunable(child.obj, stack):
                await self.cluster.delete(child.obj)
                log.info("pruned", **_where(stack), child="/".join(child_id))

    async def prune_unowned(self, key: Key, uid: str | None) -> None:
        """Delete cluster-scoped children of stacks of this name that are gone: no owner reference can reach them."""
        for child_id, child in list(self.store.of(key).items()):
            if not of(child.obj).namespaced and child.obj["metadata"]["labels"].get(UID_LABEL) != uid:
                await self.cluster.delete(child.obj)
                log.info("pruned", namespace=key[0], stack_name=key[1], child="/".join(child_id))

    async def refresh_pods(self, stack: Stack, desired: Iterable[Object]) -> list[Blocker]:
        """Tell the kubelet at once about configuration that pods load again by themselves.

        A mounted ConfigMap reaches the pod up to 90 s late; any change of the pod makes the kubelet look now. Return a
        Blocker for each pod that can't be told.
        """
        refused: list[Blocker] = []
        maps = [manifest for manifest in desired if manifest["kind"] == "ConfigMap"]
        digests = {manifest["metadata"]["labels"][COMPONENT_LABEL]: config_digest(manifest) for manifest in maps}
        for (kind, name), child in list(self.store.of((stack.namespace, stack.name)).items()):
            metadata = child.obj["metadata"]
            wanted = digests.get(metadata["labels"].get(COMPONENT_LABEL, ""))
            if kind != "Pod" or wanted is None or "deletionTimestamp" in metadata:
                continue
            if metadata.get("annotations", {}).get(CONFIG_ANNOTATION) == wanted:
                continue
            # The uid keeps the apply from making a pod where this one just went.
            identity = {"name": name, "namespace": stack.namespace, "uid": metadata["uid"]}
            annotated = identity | {"annotations": {CONFIG_ANNOTATION: wanted}}
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": annotated}
            try:
                self.store.observe(await self.cluster.apply(pod))
            except (ApiError, *TRANSIENT) as error:
                if isinstance(error, ApiError) and error.namespace_is_going:
                    raise
                if not isinstance(error, ApiError) or error.code not in {404, 409, 422}:
                    message = f"Pod {name}: new configuration is read late: {_first_line(error)}"
                    component = metadata["labels"][COMPONENT_LABEL]
                    refused.append(
                        Blocker((kind, name), component, "ApplyFailed", message, Turn.CLUSTER, TELL_AGAIN_SECONDS)
                    )
        return refused

    async def _each(self, stack: Stack, manifests: Iterable[Object]) -> list[Blocker]:
        outcomes = await asyncio.gather(*(self._guarded(stack, manifest) for manifest in manifests))
        return [blocker for blocker in outcomes if blocker]

    async def _guarded(self, stack: Stack, manifest: Object) -> Blocker | None:
        """Apply one child; what refuses it is reported and hides no other."""
        component = manifest["metadata"]["labels"][COMPONENT_LABEL]
        if manifest["kind"] == CLUSTERS.kind:
            component = "database"
        target = object_id(manifest)
        child = " ".join(target)
        try:
            await self._apply_object(stack, manifest)
        except NotOursError as error:
            return Blocker(target, component, error.reason, f"{child} {error}", error.turn, LOOK_AGAIN_SECONDS)
        except ApiError as error:
            if error.namespace_is_going:
                raise
            message = f"{child}: {_first_line(error)}"
            turn = Turn.USER if error.permanent else Turn.CLUSTER
            return Blocker(target, component, "ApplyFailed", message, turn, self._retry_seconds(stack, manifest))
        except TRANSIENT as error:
            message = f"{child}: {_first_line(error)}"
            return Blocker(target, component, "ApplyFailed", message, Turn.CLUSTER)
        return None

    async def _apply_object(self, stack: Stack, manifest: Object) -> None:
        key, child_id = (stack.namespace, stack.name), object_id(manifest)
        values, manifest = split_values(manifest)
        manifest = field_ownership.with_applied_hash(manifest)
        apply_state = self._states.setdefault(key, {}).setdefault(child_id, ApplyState())
        live = self.store.of(key).get(child_id) or await self._look(manifest)
        if live is None:
            await self._create(manifest, values, apply_state)
            return
        if apply_state.verified == (live.version, field_ownership.applied_hash(manifest)):
            return
        check_claim(live.obj, stack)
        unchanged = field_ownership.in_sync(live.obj, live.owned, manifest) or apply_state.applied == (
            field_ownership.applied_hash(manifest),
            live.owned,
        )
        unmanaged = field_ownership.unmanaged_fields_patch(live.obj, manifest)
        if unchanged and not unmanaged:
            apply_state.verified = (live.version, field_ownership.applied_hash(manifest))
        else:
            await self._write(live, manifest, unmanaged, apply_state, unchanged=unchanged)

    async def _look(self, manifest: Object) -> Child | None:
        """Ask for an object that the watches do not show: it may lack our labels."""
        metadata = manifest["metadata"]
        found = await self.cluster.get(of(manifest), metadata["name"], metadata.get("namespace"))
        return Child(found, field_ownership.owned_fields(found)) if found else None

    async def _create(self, manifest: Object, values: Object | None, apply_state: ApplyState) -> None:
        apply_state.raise_if_backing_off(field_ownership.applied_hash(manifest), b"")
        try:
            if values is None:
                answer = await self.cluster.apply(manifest)
            else:
                answer = await self.cluster.create(manifest | {"data": values})
        except ApiError as error:
            apply_state.failed(field_ownership.applied_hash(manifest), b"", error)
            raise
        self._accepted(apply_state, manifest, answer)

    async def _write(
        self, live: Child, manifest: Object, unmanaged: Object | None, apply_state: ApplyState, *, unchanged: bool
    ) -> None:
        state = _state(live)
        apply_state.raise_if_backing_off(field_ownership.applied_hash(manifest), state)
        answer = live.obj
        try:
            if not unchanged:
                if patch := field_ownership.blocking_default(live.obj, manifest):
                    await self.cluster.patch(manifest, patch, MERGE)
                answer = await self.cluster.apply(manifest)
            if unmanaged:
                answer = await self.cluster.patch(manifest, unmanaged)
        except ApiError as error:
            apply_state.failed(field_ownership.applied_hash(manifest), state, error)
            raise
        self._accepted(apply_state, manifest, answer)

    def _accepted(self, apply_state: ApplyState, manifest: Object, answer: Object) -> None:
        apply_state.succeeded(
            field_ownership.applied_hash(manifest), field_ownership.owned_fields(answer), version(answer)
        )
        self.store.observe(answer)
        log.info("applied", child="/".join(object_id(manifest)))

    def _retry_seconds(self, stack: Stack, manifest: Object) -> float:
        return self._states[stack.namespace, stack.name][object_id(manifest)].retry_seconds


def _first_line(error: Exception) -> str:
    # What follows the first line of a refused volume is a diff of Go structs.
    text = error.message if isinstance(error, ApiError) else str(error) or type(error).__name__
    return text.partition("\n")[0][:300]


def _state(live: Child) -> bytes:
    """Return what a refusal depends on: a volume that is not bound yet can't grow, one that is can."""
    return live.owned + str(live.obj.get("status", {}).get("phase", "")).encode()


def object_id(manifest: Object) -> ChildId:
    """Return what the store knows a child by: its kind and name."""
    return manifest["kind"], manifest["metadata"]["name"]


def _where(stack: Stack) -> dict[str, str]:
    return {"namespace": stack.namespace, "stack_name": stack.name}
