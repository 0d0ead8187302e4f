"""How often the status is written while others undo what the operator writes, or the status itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.framework.faulty_cluster import FaultyCluster, Object
from tests.framework.passes import NOW, child, raw

from inventory_operator.api.metadata import KIND
from inventory_operator.api.stack import parse
from inventory_operator.cache.store import Store
from inventory_operator.components.blocker import FIELD_CONFLICT, Blocker, Turn
from inventory_operator.controller.report import STATUS_PAUSE_SECONDS, Reporter
from inventory_operator.controller.scope import Scope
from inventory_operator.controller.storage_classes import StorageClasses
from inventory_operator.settings import Settings


class Reports:
    """A reporter with a clock, and the Deployment that it counts the pods of."""

    def __init__(self) -> None:
        self.now, self.cluster, self.store, self.events = 100.0, FaultyCluster(), Store(lambda _: None), list[str]()
        self.store.observe(raw())
        cluster: Any = self.cluster
        classes = StorageClasses(cluster, Settings())
        self.report = Reporter(cluster, self.store, Settings(), classes, lambda: self.now)
        self.scope = Scope(raw=raw(), now=NOW, spec=parse(raw()))
        self.scaled, self.generation = 0, 1
        self.cluster.request = self._event  # type: ignore[method-assign]

    async def _event(self, _method: str, _path: str, body: Object) -> Object:
        self.events.append(body["message"])
        return body

    async def __call__(self, *conflicts: str) -> tuple[int, float | None]:
        """Report a pass after somebody scaled; return how often the status was written, and when to look again."""
        self.scaled += 1
        deployment = child("Deployment", "shop-inventory", "service", spec=_spec(self.scaled), status={})
        deployment["metadata"] |= {"resourceVersion": str(1000 + self.scaled), "generation": self.scaled}
        self.store.observe(deployment)
        blockers = tuple(Blocker(("Deployment", "d"), "service", FIELD_CONFLICT, it, Turn.USER) for it in conflicts)
        self.scope.raw["metadata"]["generation"] = self.generation
        before = len(self.cluster.writes)
        done = await self.report(replace(self.scope, blockers=blockers))
        return len(self.cluster.writes) - before, done.again


def _spec(replicas: int) -> Object:
    return {"replicas": replicas, "template": {"spec": {"containers": [{"name": "service", "image": "i"}]}}}


async def test_what_changes_without_a_conflict_is_written_at_once() -> None:
    report = Reports()
    assert [await report() for _ in range(5)] == [(1, None)] * 5


async def test_during_a_conflict_the_number_of_pods_is_written_now_and_then() -> None:
    report = Reports()
    assert await report("a by keda") == (1, None)
    report.now += 1
    assert await report("a by keda") == (0, STATUS_PAUSE_SECONDS - 1)
    report.now += STATUS_PAUSE_SECONDS - 1
    assert await report("a by keda") == (1, None)
    writes = 0
    for _ in range(600):
        report.now += 0.1
        writes += (await report("a by keda"))[0]
    assert writes <= 2
    assert await report() == (1, None), "at the end of it at once"


async def test_a_new_conflict_and_a_new_spec_are_written_at_once() -> None:
    report = Reports()
    assert await report("a by keda") == (1, None)
    assert await report("a by keda; b by keda") == (1, None)
    report.generation = 2
    assert await report("a by keda; b by keda") == (1, None)
    assert (await report("a by keda; b by keda"))[0] == 0


async def test_each_conflict_of_a_part_is_an_event_once() -> None:
    report = Reports()
    for _ in range(10):
        await report("a by keda")
        report.now += STATUS_PAUSE_SECONDS
    await report("b by keda")
    told = [one for one in report.events if one.startswith("ServiceAvailable is ")]
    assert [one.rpartition("; ")[2] for one in told] == ["a by keda", "b by keda"]


async def test_who_keeps_writing_the_status_costs_few_writes() -> None:
    report = Reports()
    scope, writes = report.scope, 0
    await report.report(scope)
    for _ in range(120):
        written = report.cluster.objects[KIND, "shop"]
        version = str(next(report.cluster._versions))
        theirs = [{**one, "status": "Unknown"} for one in written["status"]["conditions"]]
        report.store.observe(
            {
                **raw(),
                "metadata": {**written["metadata"], "resourceVersion": version},
                "status": {"conditions": theirs},
            }
        )
        report.now += 0.5
        again: Any = (await report.report(scope)).again
        writes = len(report.cluster.writes)
    assert 5 <= writes <= 8
    assert 0 < again <= 50
    report.now += again
    await report.report(scope)
    assert len(report.cluster.writes) == writes + 1
    report.report.forget(scope.key)
    assert report.report._states == {}
