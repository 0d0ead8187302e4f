"""The one verb: observe one stack, plan its objects, execute the plan, and report in its status how it stands.

Level-based: whatever the reason for the call, it does the same from what is there. It keeps no state of a stack.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from inventory_operator import metrics
from inventory_operator.api import metadata as meta
from inventory_operator.components.blocker import WHOLE_STACK, Blocker, Turn
from inventory_operator.controller.apply_state import LONGEST_PAUSE_SECONDS
from inventory_operator.controller.scope import Scope
from inventory_operator.controller.write_guard import sentence
from inventory_operator.kube.client import TRANSIENT, ApiError
from inventory_operator.kube.timestamps import timestamp
from inventory_operator.status.conditions import next_change

if TYPE_CHECKING:
    from collections.abc import Iterable

    from inventory_operator.api.metadata import Key
    from inventory_operator.cache.reference_watcher import ReferenceWatcher
    from inventory_operator.cache.store import Store
    from inventory_operator.controller.execute import Executor
    from inventory_operator.controller.inputs import InputCollector
    from inventory_operator.controller.observe import Observer
    from inventory_operator.controller.plan import Planner
    from inventory_operator.controller.report import Reporter
    from inventory_operator.controller.workqueue import Queue

log = structlog.get_logger(__name__)

DEFECT = "reconcile failed: a defect of the operator"


@dataclass(slots=True)
class Reconciler:
    """The steps of a pass, and what outlives one."""

    store: Store
    queue: Queue
    watcher: ReferenceWatcher
    collector: InputCollector
    observe: Observer
    plan: Planner
    execute: Executor
    report: Reporter

    async def __call__(self, key: Key) -> None:
        """Reconcile one stack and settle when it is reconciled again; errors end here, sorted by whose turn it is."""
        began = time.monotonic()
        with structlog.contextvars.bound_contextvars(namespace=key[0], stack_name=key[1]):
            try:
                result = await self._reconcile(key)
            except (ApiError, *TRANSIENT) as error:
                if isinstance(error, ApiError) and error.namespace_is_going:
                    log.info("the namespace is going: nothing is made in it any more")
                    result = "success"
                else:
                    result = self._failed(key, error)
            except Exception:
                log.exception(DEFECT)
                self.queue.retry(key)
                result = "error"
        metrics.RECONCILES.labels(result).inc()
        metrics.RECONCILE_SECONDS.observe(time.monotonic() - began)

    def _failed(self, key: Key, error: Exception) -> str:
        pause = self.queue.retry(key)
        log.warning("reconcile failed", error=str(error) or type(error).__name__, retry_seconds=round(pause, 2))
        return "error"

    async def _reconcile(self, key: Key) -> str:
        raw = self.store.stacks.get(key)
        left = await self.execute.applier.prune_unowned(key, raw["metadata"]["uid"] if raw else None)
        if raw is None or "deletionTimestamp" in raw["metadata"]:
            await self._forget(key)
            for blocker in left:
                # There is no status left to say it in.
                log.warning("not pruned", error=blocker.message)
                self.queue.add_later(key, LONGEST_PAUSE_SECONDS)
            return _result(left)
        scope = await self._pass(Scope(raw=raw, now=timestamp(), blockers=tuple(left)))
        return self._settle(await self.report(scope))

    async def _pass(self, scope: Scope) -> Scope:
        """Take the steps; where one fails as a whole, what is known by then is reported all the same."""
        try:
            for step in (self.observe, self.plan, self.execute):
                scope = await step(scope)
        except (ApiError, *TRANSIENT) as error:
            if isinstance(error, ApiError) and error.namespace_is_going:
                raise
            log.warning("reconcile failed", error=str(error) or type(error).__name__)
            return _broken_off(scope, f"can't be reconciled for now: {sentence(error)}")
        except Exception as error:
            log.exception(DEFECT)
            name = type(error).__name__
            return _broken_off(scope, f"can't be reconciled: {name}, a defect of the operator, whose log has more")
        return scope

    async def _forget(self, key: Key) -> None:
        """Drop what is remembered of a stack: owner references and garbage collection do the rest, without a finalizer.

        Nothing lives longer than its stacks: a namespace of this name may come back as another.
        """
        self.execute.forget(key)
        self.report.forget(key)
        self.collector.forget(key[0])
        await self.watcher.want(key, ())
        self.queue.forget(key)

    def _settle(self, scope: Scope) -> str:
        """Decide when to reconcile this stack again if nothing changes, and return what the metric calls it."""
        if any(blocker.turn is Turn.CLUSTER and blocker.retry_seconds is None for blocker in scope.blockers):
            self.queue.retry(scope.key)
            return "error"
        self.queue.forget(scope.key)
        children = [child.obj for child in self.store.of(scope.key).values()]
        pauses = [
            *(scope.again, next_change(children, scope.now)),
            *(blocker.retry_seconds for blocker in scope.blockers),
        ]
        if known := [pause for pause in pauses if pause is not None]:
            self.queue.add_later(scope.key, min(known))
        return _result(scope.blockers)


def _broken_off(scope: Scope, words: str) -> Scope:
    target = (meta.KIND, scope.stack.name)
    blocker = Blocker(target, WHOLE_STACK, "ReconcileFailed", f"{' '.join(target)} {words}", Turn.CLUSTER)
    return replace(scope, blockers=(*scope.blockers, blocker))


def _result(blockers: Iterable[Blocker]) -> str:
    """Return whose turn it is, for the metric: the cluster's or ours before a user's, and that before nobody's."""
    turns = {blocker.turn for blocker in blockers}
    if Turn.CLUSTER in turns:
        return "error"
    if Turn.USER in turns:
        return "invalid"
    return "waiting" if turns else "success"
