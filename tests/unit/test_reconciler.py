"""A pass ends with a status, whatever was refused or broke on the way, and is queued again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.framework.faulty_cluster import BROKEN, PASSING, REFUSED, FaultyCluster, live, ours
from tests.framework.passes import NAMES, Pass, raw

from inventory_operator.api import metadata as meta
from inventory_operator.controller.applier import Applier
from inventory_operator.controller.execute import Executor
from inventory_operator.controller.reconciler import Reconciler
from inventory_operator.controller.report import Reporter
from inventory_operator.controller.storage_classes import StorageClasses
from inventory_operator.controller.workqueue import Queue
from inventory_operator.kube.client import ApiError
from inventory_operator.settings import Settings

if TYPE_CHECKING:
    from inventory_operator.components.blocker import Blocker

Object = dict[str, Any]
KEY = ("ns", "shop")
STACK = meta.Stack(*KEY, "uid")


class Queued(Queue):
    """Notes when a stack is reconciled again, instead of waiting."""

    def __init__(self) -> None:
        super().__init__(0.05, 20.0)
        self.later: list[float] = []

    def add_later(self, key: tuple[str, str], seconds: float) -> None:
        assert key == KEY
        self.later.append(seconds)


class Run:
    """A reconciler before a FaultyCluster, with what is in its cache."""

    def __init__(self, *children: Object, hook: Exception | None = None, **faults: Exception | None) -> None:
        async def after_apply(*_: Any) -> tuple[list[Blocker], None]:
            if hook:
                raise hook
            return [], None

        after_apply.forget = lambda _key: None  # type: ignore[attr-defined]
        self.steps = Pass(None, *children, refusal=faults.get("observe"))
        self.cluster, self.queue, store = FaultyCluster(), Queued(), self.steps.store
        self.cluster.objects = {(one["kind"], one["metadata"]["name"]): one for one in children}
        cluster: Any = self.cluster
        executor = Executor(store, Applier(cluster, store), (after_apply,))  # type: ignore[arg-type]
        report = Reporter(cluster, store, Settings(), StorageClasses(cluster, Settings()))
        watcher = self.steps.collector.watcher
        steps = (self.steps.observe, self.steps.plan, executor, report)
        self.reconcile = Reconciler(store, self.queue, watcher, self.steps.collector, *steps)
        if faults.get("plan"):
            self.steps.collector.cluster.get = self._broken(faults["plan"])

    @staticmethod
    def _broken(error: Exception | None) -> Any:
        async def get(*_: Any) -> None:
            assert error
            raise error

        return get

    async def status(self, **spec: Any) -> Object:
        """Reconcile once, and return the status that was written."""
        self.steps.store.observe(raw(**spec))
        await self.reconcile(KEY)
        written: Object = self.cluster.objects.get((meta.KIND, "shop"), {}).get("status", {})
        return written


def ready(status: Object) -> Object:
    assert status["observedGeneration"] == 1
    found: Object = next(one for one in status["conditions"] if one["type"] == "Ready")
    return found


def child(kind: str, name: str, component: str = "prometheus", **body: Any) -> Object:
    metadata = {"name": name, "namespace": "ns", "labels": meta.labels(STACK, component)}
    metadata["ownerReferences"] = [meta.owner_reference(STACK)]
    return live({"apiVersion": "v1", "kind": kind, "metadata": metadata, **body})


UNWANTED, POD = child("Service", "unwanted"), child("Pod", "pod")
CONFIG = child("ConfigMap", NAMES.prometheus, data={"not-ours": "x"})
DEPLOYMENT = child(
    "Deployment",
    NAMES.prometheus,
    spec={"strategy": {"rollingUpdate": {}}, "template": {"spec": {"containers": [{"name": "a", "image": "b"}]}}},
)
#: Every kind of write: its verb, and the object that it is about.
WRITES = {
    "create": ("create", ("Secret", NAMES.grafana)),
    "apply": ("apply", ("Service", NAMES.service)),
    "merge": ("merge", ("Deployment", NAMES.prometheus)),
    "patch": ("patch", ("ConfigMap", NAMES.prometheus)),
    "delete": ("delete", ("Service", "unwanted")),
    "annotation": ("apply", ("Pod", "pod")),
}


@pytest.mark.parametrize("error", [*PASSING.values(), REFUSED], ids=[*PASSING, "422"])
@pytest.mark.parametrize("write", WRITES)
async def test_a_refused_write_is_in_the_status_and_comes_again_soon(write: str, error: Exception) -> None:
    verb, target = WRITES[write]
    run = Run(UNWANTED, POD, CONFIG, DEPLOYMENT)
    run.cluster.fault = lambda sent, obj: (
        error if (sent, (obj["kind"], obj["metadata"]["name"])) == (verb, target) else None
    )
    status = await run.status()
    assert f"{verb} {' '.join(target)}" in run.cluster.writes
    told = [one for one in status["conditions"] if " ".join(target) in one["message"]]
    assert {one["reason"] for one in told} == {"DeleteFailed" if verb == "delete" else "ApplyFailed"}
    assert ready(status)["status"] == "False"
    assert run.queue.later
    assert max(run.queue.later) <= 20
    assert f"apply Deployment {NAMES.service}" in run.cluster.writes, "everything else goes on"


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ({"observe": TimeoutError("Secret db can't be read")}, "for now: Secret db can't be read"),
        ({"observe": KeyError("secret")}, "KeyError, a defect of the operator"),
        ({"plan": BROKEN}, "for now: etcdserver: request timed out"),
        ({"plan": RecursionError("secret")}, "RecursionError, a defect of the operator"),
        ({"hook": ValueError("secret")}, "ValueError, a defect of the operator"),
    ],
)
async def test_a_step_that_fails_as_a_whole_is_in_the_status(faults: dict[str, Exception], words: str) -> None:
    run = Run(**faults)
    found = ready(await run.status(containerMetrics="kubelet"))
    assert (found["status"], found["reason"]) == ("False", "ReconcileFailed")
    assert words in found["message"]
    assert "secret" not in found["message"], "an exception may hold anything"
    assert run.queue.later
    assert max(run.queue.later) <= 20


async def test_a_refused_status_is_written_later() -> None:
    run = Run()
    run.cluster.fault = lambda _verb, obj: BROKEN if obj["kind"] == meta.KIND else None
    assert await run.status() == {}
    assert run.queue.later
    run.cluster.fault = lambda _verb, _obj: None
    assert ready(await run.status())["reason"] == "RollingOut"


async def test_nothing_is_said_in_a_namespace_that_is_going() -> None:
    run = Run()
    run.cluster.fault = lambda _verb, _obj: ApiError(403, "Forbidden", "no: because it is being terminated")
    assert await run.status() == {}
    assert run.queue.later == []


def binding() -> Object:
    labels = {meta.STACK_LABEL: "shop", meta.STACK_NAMESPACE_LABEL: "ns", meta.UID_LABEL: "u-before"}
    metadata = {"name": "left", "uid": "left", "resourceVersion": "5", "labels": labels}
    metadata["managedFields"] = [ours({"metadata": {"labels": labels}})]
    return {"kind": "ClusterRoleBinding", "metadata": metadata}


async def test_what_is_left_of_a_predecessor_is_in_the_status_of_its_successor() -> None:
    run = Run(binding())
    run.cluster.fault = lambda verb, _obj: PASSING["403"] if verb == "delete" else None
    found = ready(await run.status())
    assert (found["status"], found["reason"]) == ("False", "DeleteFailed")
    assert f"apply Deployment {NAMES.service}" in run.cluster.writes


async def test_what_is_left_of_a_stack_that_is_gone_is_deleted_later() -> None:
    run = Run(binding())
    run.cluster.fault = lambda verb, _obj: PASSING["403"] if verb == "delete" else None
    await run.reconcile(KEY)
    assert run.queue.later == [20.0]
    run.cluster.fault = lambda _verb, _obj: None
    await run.reconcile(KEY)
    assert run.cluster.writes == ["delete ClusterRoleBinding left"] * 2
    assert run.queue.later == [20.0]
