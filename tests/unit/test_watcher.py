"""When a change of an object that specs refer to concerns which stack."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from inventory_operator.cache.reference_watcher import ReferenceWatcher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Object = dict[str, Any]
SHOP, OTHER = ("ns", "shop"), ("ns", "other")
PG = ("Secret", "pg")


class FakeCluster:
    """One namespace of Secrets; events are handed to the watch that is open for the name."""

    def __init__(self) -> None:
        self.secrets: dict[str, Object] = {}
        self.lists: list[str] = []
        self.events: dict[str, asyncio.Queue[Object]] = {}

    async def list(self, resource: Any, __: str, **query: str) -> tuple[list[Object], int]:
        name = query["fieldSelector"].removeprefix("metadata.name=")
        self.lists.append(name)
        if resource.kind == "ConfigMap":
            return [{"data": {"rules.yml": "groups: []"}}], 1
        return [self.secrets[name]] if name in self.secrets else [], 1

    async def watch(self, _: Any, __: str, ___: int, **query: str) -> AsyncIterator[Object]:
        queue = self.events.setdefault(query["fieldSelector"].removeprefix("metadata.name="), asyncio.Queue())
        while True:
            yield await queue.get()

    async def tell(self, name: str, kind: str, data: dict[str, str] | None = None) -> None:
        self.events.setdefault(name, asyncio.Queue()).put_nowait({"type": kind, "object": {"data": data or {}}})
        for _ in range(20):
            await asyncio.sleep(0)


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def changed() -> list[Any]:
    return []


@pytest.fixture
async def watcher(cluster, changed) -> AsyncIterator[ReferenceWatcher]:
    watcher = ReferenceWatcher(cluster, changed.append)
    yield watcher
    await watcher.close()


async def test_what_a_wanted_secret_holds_is_known_before_want_returns(cluster, watcher, changed) -> None:
    cluster.secrets["pg"] = {"data": {"url": "x"}}
    await watcher.want(SHOP, {PG, ("Secret", "missing")})
    assert watcher.data("Secret", "ns", "pg") == {"url": "x"}
    assert watcher.data("Secret", "ns", "missing") is None
    assert changed == [], "the one who asked knows"


async def test_only_a_change_of_the_data_is_told_and_to_every_stack_that_wants_it(cluster, watcher, changed) -> None:
    cluster.secrets["pg"] = {"data": {"url": "x"}}
    await watcher.want(SHOP, {PG})
    await watcher.want(OTHER, {PG})
    assert cluster.lists == ["pg"], "one watch for both"
    await cluster.tell("pg", "MODIFIED", {"url": "x"})
    assert changed == []
    await cluster.tell("pg", "MODIFIED", {"url": "y"})
    assert sorted(changed) == [OTHER, SHOP]
    assert watcher.data("Secret", "ns", "pg") == {"url": "y"}


async def test_a_secret_that_comes_or_goes_is_told(cluster, watcher, changed) -> None:
    await watcher.want(SHOP, {PG})
    await cluster.tell("pg", "ADDED", {"url": "x"})
    await cluster.tell("pg", "DELETED", {"url": "x"})
    assert changed == [SHOP, SHOP]
    assert watcher.data("Secret", "ns", "pg") is None


async def test_what_nobody_wants_any_more_is_not_watched(cluster, watcher, changed) -> None:
    cluster.secrets["pg"] = {"data": {"url": "x"}}
    await watcher.want(SHOP, {PG})
    await watcher.want(OTHER, {PG})
    await watcher.want(SHOP, ())
    await cluster.tell("pg", "MODIFIED", {"url": "y"})
    assert changed == [OTHER]
    await watcher.want(OTHER, ())
    await cluster.tell("pg", "MODIFIED", {"url": "z"})
    assert changed == [OTHER]
    assert watcher.data("Secret", "ns", "pg") is None


async def test_a_config_map_and_a_secret_of_one_name_are_two_things(cluster, watcher) -> None:
    cluster.secrets["pg"] = {"data": {"url": "x"}}
    await watcher.want(SHOP, {PG, ("ConfigMap", "pg")})
    assert watcher.data("Secret", "ns", "pg") == {"url": "x"}
    assert watcher.data("ConfigMap", "ns", "pg") == {"rules.yml": "groups: []"}
