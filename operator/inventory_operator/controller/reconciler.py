"""The one verb: look at one stack, make its children so, and say in its status how it stands.

Level-based: whatever the reason for the call, it does the same from what is there. It keeps no state of a stack.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog

from inventory_operator import metrics
from inventory_operator.api import metadata as meta
from inventory_operator.api.stack import InvalidSpec, Spec, parse
from inventory_operator.components import cloudnativepg
from inventory_operator.components.blocker import Blocker, ObjectId, Turn
from inventory_operator.components.config_validation import validate_rendered_config
from inventory_operator.components.references import Reference, references
from inventory_operator.components.user_files import user_files
from inventory_operator.controller.applier import object_id
from inventory_operator.kube import events
from inventory_operator.kube.client import TRANSIENT, ApiError, Cluster
from inventory_operator.manifests.render import render
from inventory_operator.status import conditions
from inventory_operator.status.pods import next_issue

if TYPE_CHECKING:
    from inventory_operator.api.metadata import Key
    from inventory_operator.cache.reference_watcher import ReferenceWatcher
    from inventory_operator.cache.store import Store
    from inventory_operator.components.alertmanager_reload import Reloader
    from inventory_operator.components.cloudnativepg import ClusterWatch
    from inventory_operator.controller.applier import Applier
    from inventory_operator.controller.inputs import InputCollector
    from inventory_operator.controller.workqueue import Queue
    from inventory_operator.settings import Settings

log = structlog.get_logger(__name__)

Object = dict[str, Any]
#: A Secret that is missing comes as an event; this is for what a watch missed.
MISSING_SECONDS = 300.0
NOT_PERMITTED = "container metrics: NotPermitted (a single-namespace install may not read the kubelet)"


@dataclass(slots=True)
class Reconciler:
    """Everything a reconcile works with."""

    cluster: Cluster
    store: Store
    queue: Queue
    watcher: ReferenceWatcher
    settings: Settings
    applier: Applier
    clusters: ClusterWatch
    collector: InputCollector
    reloader: Reloader

    async def __call__(self, key: Key) -> None:
        """Reconcile one stack and settle when it comes again; errors end here, sorted by whose turn it is."""
        began = time.monotonic()
        with structlog.contextvars.bound_contextvars(namespace=key[0], stack_name=key[1]):
            try:
                result = await self._reconcile(key)
            except ApiError as error:
                if error.namespace_is_going:
                    log.info("the namespace is going: nothing is made in it any more")
                    result = "success"
                else:
                    result = self._failed(key, error)
            except TRANSIENT as error:
                result = self._failed(key, error)
            except Exception:
                log.exception("reconcile failed: a defect of the operator")
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
        await self.applier.prune_unowned(key, raw["metadata"]["uid"] if raw else None)
        if raw is None or "deletionTimestamp" in raw["metadata"]:
            # Owner references and garbage collection do the rest: a stack has no finalizer.
            self.applier.forget(key)
            # Nothing else lives longer than its stacks: a namespace of this name may come back as another.
            self.collector.forget(key[0])
            self.reloader.forget(key)
            await self.watcher.want(key, ())
            self.queue.forget(key)
            return "success"
        stack = meta.Stack(*key, raw["metadata"]["uid"])
        spec, blockers = _parsed(raw)
        again = None
        if spec:
            wanted = references(spec, meta.names(stack))
            files = {one.wanted for one in user_files(spec)}
            await self.watcher.want(key, {one.wanted for one in wanted} | files)
            blockers = self._missing_references(stack, spec, wanted)
            if not spec.paused:
                more, again = await self._apply_children(stack, spec, wanted, blockers)
                blockers += more
        now = _now()
        await self._report(raw, spec, blockers, now)
        pods = [child.obj for (kind, _), child in self.store.of(key).items() if kind == "Pod"]
        return self._settle(key, blockers, again, next_issue(pods, now))

    def _settle(self, key: Key, blockers: list[Blocker], *looks: float | None) -> str:
        """Decide when this stack comes again without a change of anything: the soonest of `looks`, in seconds."""
        if any(blocker.turn is Turn.CLUSTER and blocker.retry_seconds is None for blocker in blockers):
            self.queue.retry(key)
            return "error"
        self.queue.forget(key)
        pauses = [pause for pause in (*looks, *(blocker.retry_seconds for blocker in blockers)) if pause is not None]
        if pauses:
            self.queue.add_later(key, min(pauses))
        return _result(blockers)

    async def _apply_children(
        self, stack: meta.Stack, spec: Spec, wanted: tuple[Reference, ...], missing: list[Blocker]
    ) -> tuple[list[Blocker], float | None]:
        """Apply the children but what is held back; return what else is, and in how many seconds to look again."""
        files, blockers = await self.collector.files(stack, spec)
        facts = await self.collector.facts(stack, spec, wanted, files)
        desired = render(stack, spec, facts)
        blockers += await self.applier.create_secrets(stack, desired)
        if (complete := await self.collector.facts(stack, spec, wanted, files)) != facts:
            desired = render(stack, spec, complete)
        blockers += await validate_rendered_config(self.collector.checker, spec, desired)
        blocked = {blocker.target for blocker in (*missing, *blockers)}
        applied, refused = await self.applier.apply(stack, desired, blocked | _without_digests(stack, blocked, desired))
        await self.applier.prune(stack, desired)
        refused += await self.applier.refresh_pods(stack, applied)
        return [*blockers, *refused], await self._reload(stack, applied)

    async def _reload(self, stack: meta.Stack, applied: list[Object]) -> float | None:
        key, config_map = (stack.namespace, stack.name), ("ConfigMap", meta.names(stack).alertmanager)
        text = next((one["data"]["alertmanager.yml"] for one in applied if object_id(one) == config_map), None)
        children = [child.obj for child in self.store.of(key).values()]
        return await self.reloader.reload(key, text, children)

    def _missing_references(self, stack: meta.Stack, spec: Spec, wanted: tuple[Reference, ...]) -> list[Blocker]:
        """Return a Blocker for each Secret that is not there: of the pods that need it, or of nothing but itself."""
        names, found = meta.names(stack), []
        for one in wanted:
            missing = self._missing_reason(stack, one)
            if missing and not one.created_by_stack:
                target = one.wanted if one.mounted else ("Deployment", getattr(names, one.component))
                message = f"{one.path}: {missing}"
                found.append(Blocker(target, one.component, "MissingReference", message, Turn.USER, MISSING_SECONDS))
        if spec.service.database.cloud_native_pg:
            reasons = (self._missing_reason(stack, one) for one in wanted if one.created_by_stack)
            found += cloudnativepg.blockers(names, next(reasons, None), served=self.clusters.served)
        return found

    def _missing_reason(self, stack: meta.Stack, reference: Reference) -> str | None:
        return reference.missing_reason(self.watcher.data("Secret", stack.namespace, reference.name))

    async def _report(self, raw: Object, spec: Spec | None, blockers: list[Blocker], now: str) -> None:
        """Write the status where it changed, and an Event for each transition."""
        metadata = raw["metadata"]
        key = (metadata["namespace"], metadata["name"])
        current = self.store.stacks.get(key, raw)
        children = [child.obj for child in self.store.of(key).values()]
        single = spec and spec.container_metrics == "kubelet" and not self.settings.clusterwide
        notes = {"prometheus": NOT_PERMITTED} if single else {}
        known = {**raw, "status": current.get("status", {})}
        observed = conditions.Observed(known, spec, blockers, children, notes)
        new = conditions.summarize(observed, now)
        old = current.get("status", {})
        if conditions.same(old, new):
            return
        body = {"apiVersion": meta.API_VERSION, "kind": meta.KIND, "status": new}
        body["metadata"] = {"name": metadata["name"], "namespace": metadata["namespace"]}
        answer = await self.cluster.apply(body, manager=meta.STATUS_FIELD_MANAGER, subresource="status")
        self.store.observe(answer)
        for condition in conditions.transitions(old, new):
            log.info("condition changed", **{k: condition[k] for k in ("type", "status", "reason", "message")})
            await events.post(self.cluster, self.settings.identity, raw, condition, now)


def _without_digests(stack: meta.Stack, blocked: set[ObjectId], desired: list[Object]) -> set[ObjectId]:
    """Return the Deployments, when the key of the digests in their annotations is missing: else all pods would roll."""
    if ("Secret", meta.names(stack).digest_key) not in blocked:
        return set()
    return {object_id(one) for one in desired if one["kind"] == "Deployment"}


def _result(blockers: list[Blocker]) -> str:
    """Return whose turn it is, for the metric: the cluster's or ours before a user's, and that before nobody's."""
    turns = {blocker.turn for blocker in blockers}
    if Turn.CLUSTER in turns:
        return "error"
    if Turn.USER in turns:
        return "invalid"
    return "waiting" if turns else "success"


def _parsed(raw: Object) -> tuple[Spec | None, list[Blocker]]:
    """Return the spec; or what is wrong with it, which holds the stack itself back."""
    try:
        return parse(raw), []
    except InvalidSpec as error:
        more = len(error.problems) - 1
        message = f"{error} (and {more} more)" if more else str(error)
        return None, [Blocker((meta.KIND, raw["metadata"]["name"]), "stack", "InvalidSpec", message, Turn.USER)]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
