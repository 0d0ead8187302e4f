"""Tells running pods of new configuration that they load by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from inventory_operator.api.metadata import COMPONENT_LABEL, CONFIG_ANNOTATION
from inventory_operator.controller import interference
from inventory_operator.controller.write_guard import Write, WriteGuard, together, unless_gone
from inventory_operator.kube.object_references import object_id
from inventory_operator.kube.pods import is_working
from inventory_operator.manifests.render import config_digest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from inventory_operator.api.metadata import Key, Stack
    from inventory_operator.cache.store import Child, Store
    from inventory_operator.components.blocker import Blocker
    from inventory_operator.controller.apply_state import ApplyState
    from inventory_operator.kube.client import Cluster

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PodAnnotations:
    """What the annotations of pods are written with."""

    cluster: Cluster
    store: Store
    guard: WriteGuard

    async def refresh(self, stack: Stack, applied: Iterable[Object]) -> list[Blocker]:
        """Annotate each working pod with the digest of its component's ConfigMap in `applied`, where it has another.

        A mounted ConfigMap reaches the pod up to 90 s late; any change of the pod makes the kubelet look now. Return a
        Blocker for each pod that can't be told.
        """
        key = (stack.namespace, stack.name)
        pods = [child for (kind, _), child in self.store.of(key).items() if kind == "Pod" and is_working(child.obj)]
        self.guard.retain(key, "Pod", {pod.obj["metadata"]["name"] for pod in pods})
        if not pods:
            return []
        maps = [manifest for manifest in applied if manifest["kind"] == "ConfigMap"]
        digests = {manifest["metadata"]["labels"][COMPONENT_LABEL]: config_digest(manifest) for manifest in maps}
        wanted = [(pod, digests.get(pod.obj["metadata"]["labels"].get(COMPONENT_LABEL, ""))) for pod in pods]
        late = [(pod, digest) for pod, digest in wanted if digest and _config_of(pod.obj) != digest]
        return await together(self._tell(key, pod, digest) for pod, digest in late)

    async def _tell(self, key: Key, live: Child, digest: str) -> Blocker | None:
        pod = live.obj
        # The uid keeps the apply from making a pod where this one just went.
        identity = {field: pod["metadata"][field] for field in ("name", "namespace", "uid")}
        metadata = identity | {"annotations": {CONFIG_ANNOTATION: digest}}
        manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}

        async def send(state: ApplyState) -> None:
            await state.begin_round(digest, partial(interference.changed, self.cluster, live, manifest))
            if answer := await unless_gone(self.cluster, pod, self.cluster.apply(manifest)):
                self.store.observe(answer)

        component = pod["metadata"]["labels"][COMPONENT_LABEL]
        words = f"Pod {identity['name']}: new configuration is read late"
        write = Write(object_id(pod), component, "ApplyFailed", lambda text: f"{words}: {text}")
        return await self.guard(key, write, send)


def _config_of(pod: Object) -> str | None:
    digest: str | None = pod["metadata"].get("annotations", {}).get(CONFIG_ANNOTATION)
    return digest
