"""Makes the live children of one stack what was rendered, with as few writes as that takes.

It decides object by object from the store and never from the clock alone; it knows neither spec nor status.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from inventory_operator.api.metadata import (
    COMPONENT_LABEL,
    CONFIG_ANNOTATION,
    FIELD_MANAGER,
    GENERATE_ANNOTATION,
    KEEPS_DATA,
    STACK_LABEL,
    UID_LABEL,
    Stack,
)
from inventory_operator.cache.store import Child, ChildId, Store, version
from inventory_operator.components.failure import Failure
from inventory_operator.controller.apply_state import Memory
from inventory_operator.kube import field_ownership
from inventory_operator.kube.client import MERGE, TRANSIENT, ApiError, Cluster
from inventory_operator.kube.kinds import SECOND_WAVE, of
from inventory_operator.manifests.render import config_digest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from inventory_operator.api.metadata import Key

log = structlog.get_logger(__name__)

Object = dict[str, Any]
#: 24 random bytes: 192 bits, beyond any search.
PASSWORD_BYTES = 24
#: How often to look whether a name that somebody else took is free; costs one GET.
LOOK_AGAIN_SECONDS = 5.0


class _BlockedError(Exception):
    def __init__(self, reason: str, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.reason = reason
        self.permanent = permanent


@dataclass(slots=True)
class Applier:
    """Writes children of stacks; one call at a time for one stack."""

    cluster: Cluster
    store: Store
    _memory: dict[Key, dict[ChildId, Memory]] = field(default_factory=dict)

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a stack that is gone."""
        self._memory.pop(key, None)

    async def create_secrets(self, stack: Stack, desired: Iterable[Object]) -> list[Failure]:
        """Create the generated Secrets that are missing; one that is there keeps its data for ever."""
        secrets_ = [manifest for manifest in desired if _generated(manifest)]
        return await self._each(stack, secrets_)

    async def apply(self, stack: Stack, desired: Iterable[Object]) -> list[Failure]:
        """Apply everything that is not as it should be: first what others need, then what needs it."""
        desired = list(desired)
        first = [manifest for manifest in desired if manifest["kind"] not in SECOND_WAVE]
        then = [manifest for manifest in desired if manifest["kind"] in SECOND_WAVE]
        return await self._each(stack, first) + await self._each(stack, then)

    async def prune(self, stack: Stack, desired: Iterable[Object]) -> None:
        """Delete what this stack owns and no longer wants; never what keeps data, never generated Secrets."""
        wanted = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in desired}
        for child_id, child in list(self.store.of((stack.namespace, stack.name)).items()):
            if child_id not in wanted and _prunable(child.obj, stack):
                await self.cluster.delete(child.obj)
                log.info("pruned", **_where(stack), child="/".join(child_id))

    async def prune_unowned(self, key: Key, uid: str | None) -> None:
        """Delete cluster-scoped children of stacks of this name that are gone: no owner reference can reach them."""
        for child_id, child in list(self.store.of(key).items()):
            if not of(child.obj).namespaced and child.obj["metadata"]["labels"].get(UID_LABEL) != uid:
                await self.cluster.delete(child.obj)
                log.info("pruned", namespace=key[0], stack_name=key[1], child="/".join(child_id))

    async def refresh_pods(self, stack: Stack, desired: Iterable[Object]) -> None:
        """Tell the kubelet at once about configuration that pods load again by themselves.

        A mounted ConfigMap reaches the pod up to 90 s late; any change of the pod makes the kubelet look now.
        """
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
            except ApiError as error:
                if error.code not in {404, 409, 422}:
                    raise

    async def _each(self, stack: Stack, manifests: Iterable[Object]) -> list[Failure]:
        outcomes = await asyncio.gather(*(self._guarded(stack, manifest) for manifest in manifests))
        return [failure for failure in outcomes if failure]

    async def _guarded(self, stack: Stack, manifest: Object) -> Failure | None:
        """Make one child so; its failure is reported and hides no other."""
        component = manifest["metadata"]["labels"][COMPONENT_LABEL]
        child = f"{manifest['kind']} {manifest['metadata']['name']}"
        try:
            await self._make_so(stack, manifest)
        except _BlockedError as blocked:
            return Failure(
                component, child, blocked.reason, f"{child} {blocked}", blocked.permanent, LOOK_AGAIN_SECONDS
            )
        except ApiError as error:
            if error.namespace_is_going:
                raise
            # What follows the first line of a refused volume is a diff of Go structs.
            first_line, _, _ = error.message.partition("\n")
            message = f"{child}: {first_line[:300]}"
            retry = self._retry_seconds(stack, manifest)
            return Failure(component, child, "ApplyFailed", message, error.permanent, retry)
        except TRANSIENT as error:
            message = f"{child}: {str(error) or type(error).__name__}"
            return Failure(component, child, "ApplyFailed", message, permanent=False)
        return None

    async def _make_so(self, stack: Stack, manifest: Object) -> None:
        key, child_id = (stack.namespace, stack.name), _id(manifest)
        values, manifest = _split_values(manifest)
        manifest = field_ownership.stamped(manifest)
        memory = self._memory.setdefault(key, {}).setdefault(child_id, Memory())
        live = self.store.of(key).get(child_id) or await self._look(manifest)
        if live is None:
            await self._create(manifest, values, memory)
            return
        if memory.verified == (live.version, field_ownership.stamp(manifest)):
            return
        _check_claim(live.obj, stack)
        unchanged = field_ownership.in_sync(live.obj, live.owned, manifest) or memory.applied == (
            field_ownership.stamp(manifest),
            live.owned,
        )
        strangers = field_ownership.foreign(live.obj, manifest)
        if unchanged and not strangers:
            memory.verified = (live.version, field_ownership.stamp(manifest))
        else:
            await self._write(live, manifest, strangers, memory, unchanged=unchanged)

    async def _look(self, manifest: Object) -> Child | None:
        """Ask for an object that the watches do not show: it may lack our labels."""
        metadata = manifest["metadata"]
        found = await self.cluster.get(of(manifest), metadata["name"], metadata.get("namespace"))
        return Child(found, field_ownership.owned_fields(found)) if found else None

    async def _create(self, manifest: Object, values: Object | None, memory: Memory) -> None:
        memory.raise_if_refused(field_ownership.stamp(manifest), b"")
        try:
            if values is None:
                answer = await self.cluster.apply(manifest)
            else:
                answer = await self.cluster.create(manifest | {"data": values})
        except ApiError as error:
            memory.failed(field_ownership.stamp(manifest), b"", error)
            raise
        self._accepted(memory, manifest, answer)

    async def _write(
        self, live: Child, manifest: Object, strangers: Object | None, memory: Memory, *, unchanged: bool
    ) -> None:
        state = _state(live)
        memory.raise_if_refused(field_ownership.stamp(manifest), state)
        answer = live.obj
        try:
            if not unchanged:
                if patch := field_ownership.blocking_default(live.obj, manifest):
                    await self.cluster.patch(manifest, patch, MERGE)
                answer = await self.cluster.apply(manifest)
            if strangers:
                answer = await self.cluster.patch(manifest, strangers)
        except ApiError as error:
            memory.failed(field_ownership.stamp(manifest), state, error)
            raise
        self._accepted(memory, manifest, answer)

    def _accepted(self, memory: Memory, manifest: Object, answer: Object) -> None:
        memory.succeeded(field_ownership.stamp(manifest), field_ownership.owned_fields(answer), version(answer))
        self.store.observe(answer)
        log.info("applied", child="/".join(_id(manifest)))

    def _retry_seconds(self, stack: Stack, manifest: Object) -> float:
        return self._memory[stack.namespace, stack.name][_id(manifest)].retry_seconds


def _state(live: Child) -> bytes:
    """Return what a refusal depends on: a volume that is not bound yet can't grow, one that is can."""
    return live.owned + str(live.obj.get("status", {}).get("phase", "")).encode()


def _id(manifest: Object) -> ChildId:
    return manifest["kind"], manifest["metadata"]["name"]


def _generated(manifest: Object) -> bool:
    return GENERATE_ANNOTATION in manifest["metadata"].get("annotations", {})


def _split_values(manifest: Object) -> tuple[Object | None, Object]:
    """Return (data to create it with, manifest without data) for a generated Secret, (None, manifest) for the rest.

    Applied without `data` it keeps whatever data it has: an edit by a person is a rotation, not drift.
    """
    if not _generated(manifest):
        return None, manifest
    values = dict(manifest.get("data", {}))
    for key in manifest["metadata"]["annotations"][GENERATE_ANNOTATION].split(","):
        values[key] = base64.b64encode(secrets.token_urlsafe(PASSWORD_BYTES).encode()).decode()
    return values, {key: value for key, value in manifest.items() if key != "data"}


def _check_claim(live: Object, stack: Stack) -> None:
    """Raise _BlockedError unless `live` is ours, or free for us to adopt."""
    metadata = live["metadata"]
    if "deletionTimestamp" in metadata:
        raise _BlockedError("WaitingForDeletion", "is being deleted; it is made again when it is gone", permanent=False)
    owners = [owner for owner in metadata.get("ownerReferences", ()) if owner.get("controller")]
    if owners and owners[0]["uid"] != stack.uid:
        if owners[0]["name"] == stack.name and metadata.get("labels", {}).get(STACK_LABEL) == stack.name:
            raise _BlockedError("WaitingForDeletion", "belongs to a deleted stack of this name", permanent=False)
        owner = f"{owners[0]['kind']} {owners[0]['name']}"
        raise _BlockedError("NameTaken", f"exists already and belongs to {owner}: it is left alone", permanent=True)
    labelled = metadata.get("labels", {}).get(STACK_LABEL)
    managed = any(entry.get("manager") == FIELD_MANAGER for entry in metadata.get("managedFields", ()))
    if labelled != stack.name and not owners and not managed:
        message = "exists already and was not made for this stack: it is left alone"
        raise _BlockedError("NameTaken", message, permanent=True)


def _prunable(obj: Object, stack: Stack) -> bool:
    metadata = obj["metadata"]
    if obj["kind"] in {"Pod", *KEEPS_DATA} or _generated(obj) or "deletionTimestamp" in metadata:
        return False
    if not of(obj).namespaced:
        return bool(metadata["labels"].get(UID_LABEL) == stack.uid)
    return any(owner["uid"] == stack.uid for owner in metadata.get("ownerReferences", ()))


def _where(stack: Stack) -> dict[str, str]:
    return {"namespace": stack.namespace, "stack_name": stack.name}
