"""A kind that may be missing: it is looked for quietly, watched once it is there, and only the service waits for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from inventory_operator.api import metadata as meta
from inventory_operator.cache.store import Store
from inventory_operator.components.blocker import Turn
from inventory_operator.components.cloudnativepg import ClusterWatch, blockers
from inventory_operator.controller.workqueue import Queue
from inventory_operator.kube.client import ApiError
from inventory_operator.kube.kinds import CLUSTERS, watched
from inventory_operator.runtime.manager import App
from inventory_operator.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Object = dict[str, Any]
STACK = meta.Stack("ns", "shop", "u")
NAMES = meta.names(STACK)
SHOP = ("ns", "shop")
IMPATIENT = {"retry_seconds": 0.01, "look_again_seconds": 0.01}


class FakeCluster:
    """An API server with or without the kind; a test puts watch events into `events`."""

    def __init__(self) -> None:
        self.answer: ApiError | list[Object] = ApiError(404, "", "404 page not found")
        self.lists = 0
        self.events: asyncio.Queue[Object | ApiError] = asyncio.Queue()

    async def list(self, resource: Any, _: str | None, **__: str) -> tuple[list[Object], int]:
        assert resource is CLUSTERS
        self.lists += 1
        if isinstance(self.answer, ApiError):
            raise self.answer
        return self.answer, 10

    async def watch(self, *_: Any, **__: str) -> AsyncIterator[Object]:
        while True:
            event = await self.events.get()
            if isinstance(event, ApiError):
                raise event
            yield event


def database(version: int = 5) -> Object:
    metadata = {"name": NAMES.database, "namespace": "ns", "uid": "c", "resourceVersion": str(version)}
    metadata["labels"] = meta.labels(STACK, "service")
    return {"apiVersion": CLUSTERS.api_version, "kind": "Cluster", "metadata": metadata, "spec": {}}


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def store() -> Store:
    return Store(lambda _key: None)


@pytest.fixture
def changes() -> list[bool]:
    return []


@pytest.fixture
async def watch(cluster, store, changes) -> AsyncIterator[ClusterWatch]:
    watch = ClusterWatch(cluster, store, None, lambda: changes.append(watch.served), **IMPATIENT)
    task = asyncio.create_task(watch.follow())
    async with asyncio.timeout(60):
        await watch.known.wait()
    yield watch
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until(check: Any) -> None:
    async with asyncio.timeout(60):
        while not check():  # noqa: ASYNC110 - what is waited for is the other task's, and it sets no Event
            await asyncio.sleep(0.001)


async def test_that_the_kind_is_missing_is_known_and_no_news(watch, changes) -> None:
    assert not watch.served
    assert changes == []


async def test_it_is_found_when_it_comes_and_missed_when_it_goes(watch, cluster, store, changes) -> None:
    cluster.answer = [database()]
    await until(lambda: watch.served)
    assert ("Cluster", "shop-database") in store.of(SHOP)
    cluster.answer = ApiError(404, "", "404 page not found")
    cluster.events.put_nowait(ApiError(404, "", "404 page not found"))
    await until(lambda: not watch.served)
    assert store.of(SHOP) == {}, "its objects went with it"
    assert changes == [True, False]


async def test_what_is_watched_is_in_the_store(watch, cluster, store) -> None:
    cluster.answer = []
    await until(lambda: watch.served)
    cluster.events.put_nowait({"type": "ADDED", "object": database(11)})
    await until(lambda: store.of(SHOP))
    cluster.events.put_nowait({"type": "DELETED", "object": database(12)})
    await until(lambda: not store.of(SHOP))


async def test_another_fault_takes_nothing_away(watch, cluster, store, changes) -> None:
    cluster.answer = [database()]
    await until(lambda: watch.served)
    cluster.answer = ApiError(500, "InternalError", "etcdserver: request timed out")
    cluster.events.put_nowait(ApiError(410, "", "too old resource version"))
    seen = cluster.lists
    await until(lambda: cluster.lists > seen + 2)
    assert watch.served
    assert store.of(SHOP)
    assert changes == [True]


async def test_a_kind_that_can_not_be_read_is_not_called_missing(cluster, store) -> None:
    cluster.answer = ApiError(403, "Forbidden", "clusters is forbidden")
    watch = ClusterWatch(cluster, store, None, lambda: None, **IMPATIENT)
    task = asyncio.create_task(watch.follow())
    await until(lambda: cluster.lists > 2)
    assert not watch.known.is_set()
    task.cancel()


class Lists:
    """An API server without objects."""

    async def list(self, *_: Any, **__: str) -> tuple[list[Object], int]:
        return [], 1


async def test_nothing_is_written_before_it_is_known_whether_the_kind_is_served(cluster, store) -> None:
    """After a restart a stack that runs on a Cluster must not hear that CloudNativePG is missing."""
    watch = ClusterWatch(cluster, store, None, lambda: None)
    app = App(None, Settings(), Lists(), store, Queue(1.0, 1.0), None, None, None, watch)
    task = asyncio.create_task(app._resync())
    await until(lambda: app.listed_at)
    for _ in range(10):
        await asyncio.sleep(0)
    assert not app.synced.is_set()
    watch.known.set()
    await until(app.synced.is_set)
    task.cancel()


def test_kopf_is_not_asked_to_watch_it() -> None:
    assert CLUSTERS not in watched(clusterwide=True)
    assert CLUSTERS not in watched(clusterwide=False)


CLUSTER, PODS = ("Cluster", "shop-database"), ("Deployment", "shop-inventory")


def test_without_the_kind_neither_cluster_nor_pods_are_touched() -> None:
    held = blockers(NAMES, "Secret not found", served=False)
    assert [(one.target, one.reason, one.turn) for one in held] == [
        (CLUSTER, "CloudNativePGMissing", Turn.USER),
        (PODS, "CloudNativePGMissing", Turn.USER),
    ]
    assert "install CloudNativePG (https://cloudnative-pg.io)" in held[0].message


def test_without_the_secret_the_cluster_is_made_and_the_pods_wait() -> None:
    (held,) = blockers(NAMES, 'Secret "shop-database-app" not found', served=True)
    assert (held.target, held.reason, held.turn) == (PODS, "WaitingForDatabase", Turn.WAITING)
    assert 'Secret "shop-database-app" not found' in held.message


def test_with_both_nothing_waits() -> None:
    assert blockers(NAMES, None, served=True) == []


def test_the_longest_name_fits_what_cloudnativepg_takes() -> None:
    assert len(meta.names(meta.Stack("ns", "a" * 40, "u")).database) <= 50
