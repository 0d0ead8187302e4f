"""The last step of a pass: says in the status of a stack how it stands, and in an Event what became another.

The status is written only where it changed; nothing else of the resource is written at all.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import structlog

from inventory_operator import metrics
from inventory_operator.api import metadata as meta
from inventory_operator.components import enabled
from inventory_operator.components.blocker import FIELD_CONFLICT
from inventory_operator.controller.apply_state import ApplyState
from inventory_operator.controller.contention import LeftToOthersError
from inventory_operator.kube import events
from inventory_operator.kube.client import ApiError
from inventory_operator.kube.field_ownership import digest
from inventory_operator.status import conditions
from inventory_operator.status.parts import Observed
from inventory_operator.verification.result import UNPROBED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from inventory_operator.api.metadata import Key
    from inventory_operator.cache.store import Store
    from inventory_operator.controller.scope import Scope
    from inventory_operator.controller.storage_classes import StorageClasses
    from inventory_operator.kube.client import Cluster
    from inventory_operator.settings import Settings
    from inventory_operator.verification.result import Result

log = structlog.get_logger(__name__)
#: How often the status is written at most while others keep undoing what the operator writes.
STATUS_PAUSE_SECONDS = 30.0


@dataclass(slots=True)
class Reporter:
    """Everything that a report is written with."""

    cluster: Cluster
    store: Store
    settings: Settings
    storage_classes: StorageClasses
    clock: Callable[[], float] = time.monotonic
    #: Return what the checks of a stack answered.
    verified: Callable[[Key], Result] = lambda _: UNPROBED
    _states: dict[Key, ApplyState] = field(default_factory=dict)
    #: When the status was written last, of stacks with conflicts.
    _written: dict[Key, float] = field(default_factory=dict)

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a stack that is gone."""
        self._states.pop(key, None)
        self._written.pop(key, None)
        metrics.STACK_CONDITIONS.forget(key)

    async def __call__(self, scope: Scope) -> Scope:
        """Write the status where it changed, and an Event for each transition; return when to look again."""
        old = self.store.stacks.get(scope.key, scope.raw).get("status", {})
        children = [child.obj for child in self.store.of(scope.key).values()]
        notes = {one.name: one.note(scope.spec, self.settings) for one in enabled(scope.spec)} if scope.spec else {}
        missing = await self.storage_classes.missing(children)
        stack = {**scope.raw, "status": old}
        verified = self.verified(scope.key)
        observed = Observed(stack, scope.spec, scope.blockers, children, notes, missing, verified)
        new = conditions.summarize(observed, scope.now)
        checks = {one.check: one.outcome.value for one in verified.answers}
        metrics.STACK_CONDITIONS.report(scope.key, new["conditions"], checks)
        if conditions.same(old, new):
            return scope
        state = self._states.setdefault(scope.key, ApplyState(clock=self.clock))
        if pause := self._early(scope, old, new):
            return _again(scope, pause)
        try:
            await state.begin_round(digest(_untimed(new)), _nothing)
        except LeftToOthersError:
            assert state.contention
            log.warning("somebody else keeps writing the status", retry_seconds=round(state.contention.retry_seconds))
            return _again(scope, state.contention.retry_seconds)
        await self._write(scope, old, new)
        state.succeeded()
        return scope

    def _early(self, scope: Scope, old: Mapping[str, Any], new: Mapping[str, Any]) -> float:
        """Return how long the status is left as it is.

        What others write to children changes the number of pods in it as often as they like. Which conflicts there
        are, and that a change of the spec was seen, is written at once.
        """
        conflicts = _conflicts(scope)
        if not conflicts:
            self._written.pop(scope.key, None)
            return 0.0
        now, same_spec = self.clock(), old.get("observedGeneration") == new["observedGeneration"]
        if same_spec and _told(new, conflicts) <= _told(old, conflicts) and scope.key in self._written:
            pause = self._written[scope.key] + STATUS_PAUSE_SECONDS - now
            if pause > 0:
                return pause
        self._written[scope.key] = now
        return 0.0

    async def _write(self, scope: Scope, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        body = {"apiVersion": meta.API_VERSION, "kind": meta.KIND, "status": new}
        body["metadata"] = {"name": scope.stack.name, "namespace": scope.stack.namespace}
        with self.store.expecting(body):
            try:
                answer = await self.cluster.apply(body, manager=meta.STATUS_FIELD_MANAGER, subresource="status")
            except ApiError as error:
                if error.not_found:
                    # The stack was deleted meanwhile; its watch shows that, too.
                    return
                raise
            self.store.observe(answer)
        for condition in conditions.transitions(old, new, _conflicts(scope)):
            log.info("condition changed", **{k: condition[k] for k in ("type", "status", "reason", "message")})
            await events.post(self.cluster, self.settings.identity, scope.raw, condition, scope.now)


def _conflicts(scope: Scope) -> set[str]:
    return {blocker.message for blocker in scope.blockers if blocker.reason == FIELD_CONFLICT}


def _told(status: Mapping[str, Any], texts: set[str]) -> set[str]:
    messages = [one["message"] for one in status.get("conditions", ())]
    return {text for text in texts if any(text in message for message in messages)}


def _untimed(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a status without the times of its transitions, which are other ones each time."""
    return {**status, "conditions": [{**one, "lastTransitionTime": ""} for one in status["conditions"]]}


async def _nothing() -> tuple[()]:
    return ()


def _again(scope: Scope, pause: float) -> Scope:
    return replace(scope, again=pause if scope.again is None else min(scope.again, pause))
