"""The third step of a pass: makes the cluster what was planned, as far as nothing holds it back.

It decides what is held back and in which order things are done; the writes are the Applier's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from inventory_operator.controller.pod_annotations import PodAnnotations
from inventory_operator.kube.object_references import object_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inventory_operator.api.metadata import Key
    from inventory_operator.cache.store import Store
    from inventory_operator.components.blocker import ObjectId
    from inventory_operator.components.component import AfterApply
    from inventory_operator.controller.applier import Applier
    from inventory_operator.controller.scope import Scope


@dataclass(slots=True)
class Executor:
    """Everything that a plan is executed with."""

    store: Store
    applier: Applier
    #: What components do after their children were applied.
    after_apply: tuple[AfterApply, ...]

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a stack that is gone."""
        self.applier.guard.forget(key)
        for hook in self.after_apply:
            hook.forget(key)

    async def __call__(self, scope: Scope) -> Scope:
        """Apply, prune and tell pods of new configuration; return the pass with what refused that."""
        if not scope.desired:
            return scope
        refused = await self.applier.create_secrets(scope.stack, scope.desired)
        blocked = {blocker.target for blocker in (*scope.blockers, *refused)} | self._unsaved(scope)
        if ("Secret", scope.names.digest_key) in blocked:
            # Its digests would be others the next time, and all pods roll.
            blocked |= {object_id(one) for one in scope.desired if one["kind"] == "Deployment"}
        refused += await self.applier.prune(scope.stack, scope.desired, autoscalers=True)
        applied, more = await self.applier.apply(scope.stack, scope.desired, blocked)
        refused += more
        refused += await self.applier.prune(scope.stack, scope.desired)
        refused += await self._pods().refresh(scope.stack, applied)
        live = [child.obj for child in self.store.of(scope.key).values()]
        again = None
        for hook in self.after_apply:
            more, pause = await hook(scope.stack, applied, live)
            refused += more
            again = min((one for one in (again, pause) if one is not None), default=None)
        refused += self.applier.guard.conflicts(scope.key)
        return replace(scope, blockers=(*scope.blockers, *refused), again=again)

    def _pods(self) -> PodAnnotations:
        return PodAnnotations(self.applier.cluster, self.store, self.applier.guard)

    def _unsaved(self, scope: Scope) -> set[ObjectId]:
        """Return the generated Secrets that hold something else than what was planned with."""
        return {("Secret", name) for name, data in scope.generated.items() if not self._saved(scope, name, data)}

    def _saved(self, scope: Scope, name: str, data: Mapping[str, str]) -> bool:
        child = self.store.of(scope.key).get(("Secret", name))
        return child is not None and data.items() <= child.obj.get("data", {}).items()
