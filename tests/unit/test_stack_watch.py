"""kopf's watch of the stacks, and its life: whatever ends it, it is started again, and no stack is missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs
from tests.framework import fakeapi
from tests.framework.fakeapi import FakeApi, following, until

from inventory_operator.api.metadata import API_VERSION, KIND, Key
from inventory_operator.cache.store import Store
from inventory_operator.runtime.ending import Ending
from inventory_operator.runtime.stack_watch import StackWatch
from inventory_operator.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def put(api: FakeApi, name: str) -> None:
    api.put(name, kind=KIND, apiVersion=API_VERSION, spec={})


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    async with fakeapi.serving() as api:
        yield api


@pytest.fixture
async def watch(api) -> AsyncIterator[StackWatch]:
    async with fakeapi.client(api) as cluster:
        parts = (fakeapi.connection_to(api), cluster, Store(lambda _key: None), Settings(), Ending())
        yield StackWatch(*parts, retry_seconds=0.02)


def stacks(watch: StackWatch) -> set[Key]:
    return set(watch.store.stacks)


async def test_stacks_that_are_there_come_and_go(api, watch) -> None:
    put(api, "first")
    async with following(watch) as task:
        await until(lambda: api.watching)
        assert stacks(watch) == {("ns", "first")}
        put(api, "second")
        await until(lambda: len(stacks(watch)) == 2)
        api.delete("first", kind=KIND)
        await until(lambda: stacks(watch) == {("ns", "second")})
        assert watch.state.problem() is None
        assert not task.done()
    await until(lambda: not api.watching)


async def test_a_crd_that_goes_and_comes_again(api, watch) -> None:
    async with following(watch) as task:
        for round_ in range(2):
            put(api, f"shop-{round_}")
            await until(lambda round_=round_: ("ns", f"shop-{round_}") in stacks(watch) and api.watching)
            api.remove_crd()
            await until(lambda: "is not installed" in str(watch.state.error))
            assert stacks(watch) == set()
            await until(lambda: not api.watching)
            api.install_crd()
            await until(lambda: api.watching and watch.state.error is None)
        put(api, "last")
        await until(lambda: ("ns", "last") in stacks(watch))
        assert not task.done()


async def test_a_crd_that_is_missing_at_the_start_is_waited_for(api, watch) -> None:
    api.remove_crd()
    with capture_logs() as logs:
        async with following(watch):
            await until(lambda: len(api.requests) > 5)
            assert not watch.listed.is_set()
            assert "kubectl apply --server-side -k crds" in str(watch.state.problem())
            assert [entry["event"] for entry in logs] == ["watch broke"], "one line"
            put(api, "shop")
            api.install_crd()
            await until(lambda: ("ns", "shop") in stacks(watch) and watch.state.error is None)


async def test_a_stack_that_went_before_kopf_listed_anew_is_gone(api, watch) -> None:
    """kopf itself tells of no such deletion."""
    put(api, "stays")
    put(api, "goes")
    async with following(watch):
        await until(lambda: api.watching and watch.state.error is None and len(stacks(watch)) == 2)
        api.delete("goes", kind=KIND, silently=True)
        api.oldest = api.version
        api.end_watches()
        await until(lambda: stacks(watch) == {("ns", "stays")})


async def test_a_watch_that_is_refused_is_begun_again(api, watch) -> None:
    async with following(watch):
        await until(lambda: api.watching)
        api.refusals = [(403, "forbidden")] * 3
        api.end_watches()
        await until(lambda: not api.refusals and api.watching and watch.state.error is None)
        put(api, "shop")
        await until(lambda: ("ns", "shop") in stacks(watch))


async def test_what_kopf_did_not_find_when_it_started_is_found_by_the_next(api, watch) -> None:
    """A CRD is served a moment before the discovery of kinds says so."""
    api.discovered = False
    watch.start_seconds = 0.5
    async with following(watch):
        await until(lambda: "kopf's list of stacks" in str(watch.state.error))
        api.discovered = True
        watch.start_seconds = 60.0
        put(api, "shop")
        await until(lambda: ("ns", "shop") in stacks(watch) and api.watching)
