"""A kind that may be missing: it is looked for quietly, watched once it is there, and only the service waits for it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from tests.framework import fakeapi
from tests.framework.fakeapi import FakeApi, following, until

from inventory_operator.api import metadata as meta
from inventory_operator.cache.informer import Informer, Timing
from inventory_operator.cache.store import Store
from inventory_operator.components.blocker import Turn
from inventory_operator.components.cloudnativepg import blockers
from inventory_operator.controller.workqueue import Queue
from inventory_operator.kube.kinds import CLUSTERS
from inventory_operator.runtime.manager import App
from inventory_operator.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

STACK = meta.Stack("ns", "shop", "u")
NAMES = meta.names(STACK)
SHOP = ("ns", "shop")
QUICK = Timing(retry=0.001, retry_limit=0.01, look_again=0.01)
MISSING = (404, "404 page not found")


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    """An API server without the kind."""
    async with fakeapi.serving() as api:
        api.refusals = [MISSING] * 1_000_000
        yield api


@pytest.fixture
def store() -> Store:
    return Store(lambda _key: None)


@pytest.fixture
def changes() -> list[bool]:
    return []


def informer(cluster: Any, store: Store, changed: Callable[[], None]) -> Informer:
    selector = {"labelSelector": meta.STACK_LABEL}
    return Informer(cluster, CLUSTERS, None, store, selector, timing=QUICK, served_changed=changed)


@pytest.fixture
async def watch(api, store, changes) -> AsyncIterator[Informer]:
    async with fakeapi.client(api) as cluster:
        watch = informer(cluster, store, lambda: changes.append(watch.served))
        async with following(watch):
            yield watch


def make_database(api: FakeApi) -> None:
    api.put(NAMES.database, kind="Cluster", metadata={"labels": meta.labels(STACK, "service")}, spec={})


async def test_that_the_kind_is_missing_is_known_and_no_news(watch, api, changes) -> None:
    async with asyncio.timeout(fakeapi.PATIENCE):
        await watch.synced.wait()
    assert not watch.served
    assert changes == []


async def test_it_is_found_when_it_comes_and_missed_when_it_goes(watch, api, store, changes) -> None:
    make_database(api)
    api.refusals = []
    await until(lambda: api.watching)
    assert ("Cluster", "shop-database") in store.of(SHOP)
    api.refusals = [MISSING] * 1_000_000
    api.cut_watches()
    await until(lambda: not watch.served)
    assert store.of(SHOP) == {}, "its objects went with it"
    assert changes == [True, False]


async def test_another_fault_takes_nothing_away(watch, api, store, changes) -> None:
    make_database(api)
    api.refusals = []
    await until(lambda: api.watching)
    api.refusals = [(500, "etcdserver: request timed out")] * 3
    api.cut_watches()
    await until(lambda: not api.refusals)
    assert watch.served
    assert store.of(SHOP)
    assert changes == [True]


async def test_a_kind_that_can_not_be_read_is_not_called_missing(watch, api) -> None:
    api.refusals = [(403, "clusters is forbidden")] * 1_000_000
    await until(lambda: len(api.requests) > 3)
    assert not watch.synced.is_set()


async def test_nothing_is_written_before_it_is_known_whether_the_kind_is_served(store) -> None:
    """After a restart a stack that runs on a Cluster must not hear that CloudNativePG is missing."""
    unknown = informer(None, store, lambda: None)
    stacks: Any = SimpleNamespace(listed=asyncio.Event())
    unused: Any = None
    queue = Queue(1.0, 1.0)
    app = App(Settings(), unused, store, queue, stacks, [unknown], unused, unused, unused, unused, unused)
    task = asyncio.create_task(app._resync())
    stacks.listed.set()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not app.synced.is_set()
    unknown.synced.set()
    await until(app.synced.is_set)
    task.cancel()


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
