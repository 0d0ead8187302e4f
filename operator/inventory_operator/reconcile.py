"""The one verb: look at one stack, make its children so, and say in its status how it stands.

Level-based: whatever the reason for the call, it does the same from what is there. It keeps no state of a stack.
"""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog

from inventory_operator import metrics, naming, status
from inventory_operator.cloudnativepg import Hold, hold
from inventory_operator.cluster import TRANSIENT, ApiError, Cluster
from inventory_operator.diagnosis import GRACE
from inventory_operator.references import Reference, ReferenceWatcher, digest, references
from inventory_operator.render import Facts, render
from inventory_operator.resources import EVENTS, NAMESPACES
from inventory_operator.spec import InvalidSpec, Spec, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inventory_operator.applier import Applier
    from inventory_operator.cloudnativepg import ClusterWatch
    from inventory_operator.failure import Failure
    from inventory_operator.naming import Key
    from inventory_operator.queue import Queue
    from inventory_operator.settings import Settings
    from inventory_operator.store import Store

log = structlog.get_logger(__name__)

Object = dict[str, Any]
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
    _namespace_uids: dict[str, str] = field(default_factory=dict)

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
            self._namespace_uids.pop(key[0], None)
            await self.watcher.want(key, ())
            self.queue.forget(key)
            return "success"
        stack = naming.Stack(*key, raw["metadata"]["uid"])
        spec, problem = _parsed(raw)
        failures: list[Failure] = []
        if spec:
            wanted = references(spec, naming.names(stack))
            await self.watcher.want(key, {reference.name for reference in wanted})
            problem = self._missing(stack, wanted)
            if not problem and not spec.paused:
                failures = await self._make_so(stack, spec, wanted)
        ready = await self._report(raw, spec, problem, failures)
        return self._settle(key, problem, failures, ready=ready)

    def _settle(self, key: Key, problem: status.Problem | None, failures: list[Failure], *, ready: bool) -> str:
        """Decide when this stack comes again without a change of anything."""
        if any(failure.retry_seconds is None for failure in failures):
            self.queue.retry(key)
            return "error"
        self.queue.forget(key)
        if failures:
            self.queue.add_later(key, min(failure.retry_seconds or 0.0 for failure in failures))
        elif not ready:
            # What is only starting now may be in trouble by then, without any event that says so.
            self.queue.add_later(key, GRACE.total_seconds())
        return "invalid" if problem else "error" if failures else "success"

    async def _make_so(self, stack: naming.Stack, spec: Spec, wanted: tuple[Reference, ...]) -> list[Failure]:
        facts = await self._facts(stack, spec, wanted)
        desired = render(stack, spec, facts)
        failures = await self.applier.create_secrets(stack, desired)
        if failures:
            return failures
        if (complete := await self._facts(stack, spec, wanted)) != facts:
            desired = render(stack, spec, complete)
        held = self._held(stack, spec, wanted)
        failures = await self.applier.apply(stack, [one for one in desired if not (held and held.holds(one))])
        await self.applier.prune(stack, desired)
        if not failures:
            await self.applier.refresh_pods(stack, desired)
        return [*failures, *([held.failure] if held else [])]

    def _held(self, stack: naming.Stack, spec: Spec, wanted: tuple[Reference, ...]) -> Hold | None:
        if not spec.service.database.cloud_native_pg:
            return None
        lacks = (one.lacks(self.watcher.data(stack.namespace, one.name)) for one in wanted if one.made_here)
        return hold(naming.names(stack), next(lacks, None), served=self.clusters.served)

    async def _facts(self, stack: naming.Stack, spec: Spec, wanted: tuple[Reference, ...]) -> Facts:
        """Gather what a render needs to know beside the spec."""
        kubelet = spec.container_metrics == "kubelet" and self.settings.clusterwide
        return Facts(
            service_image=self.settings.service_image,
            operator_namespace=self.settings.operator_namespace,
            namespace_uid=await self._namespace_uid(stack.namespace) if kubelet else None,
            kubelet_insecure_skip_verify=self.settings.kubelet_insecure_skip_verify,
            secret_digests=self._digests(stack, wanted),
        )

    async def _namespace_uid(self, namespace: str) -> str | None:
        if namespace not in self._namespace_uids:
            found = await self.cluster.get(NAMESPACES, namespace)
            if not found:
                return None
            self._namespace_uids[namespace] = found["metadata"]["uid"]
        return self._namespace_uids[namespace]

    def _digests(self, stack: naming.Stack, wanted: tuple[Reference, ...]) -> Mapping[str, str]:
        """Return a keyed digest of the secret values that each component starts with."""
        names = naming.names(stack)
        own = self._own_secret(stack, names.digest_key)
        if not own:
            return {}
        values: dict[str, dict[str, str]] = {}
        for reference in wanted:
            data = self.watcher.data(stack.namespace, reference.name) or {}
            used = {f"{reference.name}/{key}": value for key, value in reference.used(data).items()}
            values.setdefault(reference.component, {}).update(used)
        if generated := self._own_secret(stack, names.grafana):
            values.setdefault("grafana", {}).update(generated)
        key = base64.b64decode(own["key"])
        return {component: digest(key, used) for component, used in values.items()}

    def _own_secret(self, stack: naming.Stack, name: str) -> dict[str, str] | None:
        child = self.store.of((stack.namespace, stack.name)).get(("Secret", name))
        return child.obj.get("data", {}) if child else None

    def _missing(self, stack: naming.Stack, wanted: tuple[Reference, ...]) -> status.Problem | None:
        for reference in wanted:
            lack = reference.lacks(self.watcher.data(stack.namespace, reference.name))
            if lack and not reference.made_here:
                return status.Problem("MissingReference", f"{reference.path}: {lack}")
        return None

    async def _report(
        self, raw: Object, spec: Spec | None, problem: status.Problem | None, failures: list[Failure]
    ) -> bool:
        """Write the status where it changed, and an Event for each transition; return whether the stack is Ready."""
        metadata = raw["metadata"]
        key = (metadata["namespace"], metadata["name"])
        current = self.store.stacks.get(key, raw)
        children = [child.obj for child in self.store.of(key).values()]
        single = spec and spec.container_metrics == "kubelet" and not self.settings.clusterwide
        notes = {"prometheus": NOT_PERMITTED} if single else {}
        known = {**raw, "status": current.get("status", {})}
        observed = status.Observed(known, spec, problem, failures, children, notes)
        new = status.summarize(observed, _now())
        old = current.get("status", {})
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in new["conditions"])
        if status.same(old, new):
            return ready
        body = {"apiVersion": naming.API_VERSION, "kind": naming.KIND, "status": new}
        body["metadata"] = {"name": metadata["name"], "namespace": metadata["namespace"]}
        answer = await self.cluster.apply(body, manager=naming.STATUS_FIELD_MANAGER, subresource="status")
        self.store.observe(answer)
        for condition in status.transitions(old, new):
            log.info("condition changed", **{k: condition[k] for k in ("type", "status", "reason", "message")})
            await self._post_event(raw, condition)
        return ready

    async def _post_event(self, raw: Object, condition: Object) -> None:
        good = "False" if condition["type"] in {"Stalled", "Reconciling"} else "True"
        metadata, now = raw["metadata"], _now()
        event = {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {"generateName": f"{metadata['name']}-", "namespace": metadata["namespace"]},
            "involvedObject": {
                "apiVersion": naming.API_VERSION,
                "kind": naming.KIND,
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": metadata["uid"],
            },
            "type": "Normal" if condition["status"] == good or condition["type"] == "Reconciling" else "Warning",
            "reason": condition["reason"],
            "message": f"{condition['type']} is {condition['status']}: {condition['message']}"[:1024],
            "source": {"component": naming.FIELD_MANAGER},
            "reportingComponent": naming.FIELD_MANAGER,
            "reportingInstance": self.settings.identity,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            await self.cluster.request("POST", EVENTS.path(metadata["namespace"]), event)
        except (ApiError, *TRANSIENT) as error:
            # An Event is a courtesy: the status has said it already.
            log.warning("the Event was not posted", error=str(error))


def _parsed(raw: Object) -> tuple[Spec | None, status.Problem | None]:
    try:
        return parse(raw), None
    except InvalidSpec as error:
        more = len(error.problems) - 1
        return None, status.Problem("InvalidSpec", f"{error} (and {more} more)" if more else str(error))


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
