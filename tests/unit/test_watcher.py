"""When a change of an object that specs refer to concerns which stack, and how much a namespace may refer to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs
from tests.framework import fakeapi
from tests.framework.fakeapi import FakeApi, until

from inventory_operator.cache.informer import Timing
from inventory_operator.cache.limits import Usage
from inventory_operator.cache.reference_watcher import ReferenceLimitError, ReferenceWatcher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ALLOWED = Usage(objects=5, bytes=5_000)
SHOP, OTHER = ("ns", "shop"), ("ns", "other")
PG = ("Secret", "pg")


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    async with fakeapi.serving() as api:
        yield api


@pytest.fixture
def changed() -> list[Any]:
    return []


@pytest.fixture
async def watcher(api, changed) -> AsyncIterator[ReferenceWatcher]:
    async with fakeapi.client(api) as cluster:
        watcher = ReferenceWatcher(cluster, changed.append, Timing(retry=0.001, retry_limit=0.01), ALLOWED)
        yield watcher
        await watcher.close()


def secret(api: FakeApi, url: str, name: str = "pg") -> None:
    api.put(name, kind="Secret", data={"url": url})


async def handled(api: FakeApi, watcher: ReferenceWatcher) -> None:
    """Wait until all that was told before has been seen: an own object comes last."""
    mark = str(api.version)
    api.put("mark", kind="Secret", data={"mark": mark})
    await watcher.want(("ns", "marker"), {("Secret", "mark")})
    await until(lambda: (watcher.data("Secret", "ns", "mark") or {}).get("mark") == mark)


async def test_what_a_wanted_secret_holds_is_known_before_want_returns(api, watcher, changed) -> None:
    secret(api, "x")
    await watcher.want(SHOP, {PG, ("Secret", "missing")})
    assert watcher.data("Secret", "ns", "pg") == {"url": "x"}
    assert watcher.data("Secret", "ns", "missing") is None
    assert changed == [], "the one who asked knows"


async def test_only_a_change_of_the_data_is_told_and_to_every_stack_that_wants_it(api, watcher, changed) -> None:
    secret(api, "x")
    await watcher.want(SHOP, {PG})
    await watcher.want(OTHER, {PG})
    assert api.read == ["pg"], "read once for both"
    api.put("pg", kind="Secret", data={"url": "x"}, metadata={"labels": {"new": "label"}})
    secret(api, "y")
    await until(lambda: changed)
    assert sorted(changed) == [OTHER, SHOP]
    assert watcher.data("Secret", "ns", "pg") == {"url": "y"}


async def test_the_names_of_a_namespace_have_one_watch_for_each_kind_and_others_are_not_read(
    api, watcher, changed
) -> None:
    names = {"a", "b", "c"}
    for name in names:
        api.put(name, data={"k": "x"})
    await watcher.want(SHOP, {("ConfigMap", name) for name in names} | {PG})
    await until(lambda: api.watching == 2)
    api.put("other", data={"k": "x"})
    api.put("a", data={"k": "y"})
    await until(lambda: changed)
    assert sorted(api.read) == ["a", "a", "b", "c", "pg"]
    assert watcher.data("ConfigMap", "ns", "other") is None
    lists = api.asked(watch=False)
    assert [query["limit"] for query in lists] == ["1", "1"], "however many there are"


async def test_what_can_not_be_read_for_a_moment_is_read_again(api, watcher, changed) -> None:
    secret(api, "x")
    await watcher.want(SHOP, {PG})
    await until(lambda: api.watching)
    api.refusals += [(500, "etcdserver: request timed out"), (429, "please try again later")]
    secret(api, "y")
    await until(lambda: changed)
    assert watcher.data("Secret", "ns", "pg") == {"url": "y"}


async def test_of_what_a_config_map_holds_in_bytes_the_keys_are_known(api, watcher, changed) -> None:
    api.put("team", kind="ConfigMap", data={"a": "b"}, binaryData={"rules.yml": "/w=="})
    await watcher.want(SHOP, {("ConfigMap", "team")})
    assert watcher.data("ConfigMap", "ns", "team") == {"a": "b"}
    assert watcher.binary_keys("ConfigMap", "ns", "team") == {"rules.yml"}
    assert watcher.binary_keys("ConfigMap", "ns", "other") == frozenset()
    api.put("team", kind="ConfigMap", data={"a": "b"})
    await until(lambda: changed == [SHOP])
    assert watcher.binary_keys("ConfigMap", "ns", "team") == frozenset()


async def test_a_secret_that_comes_or_goes_is_told(api, watcher, changed) -> None:
    await watcher.want(SHOP, {PG})
    secret(api, "x")
    await until(lambda: changed == [SHOP])
    api.delete("pg", kind="Secret")
    await until(lambda: changed == [SHOP, SHOP])
    assert watcher.data("Secret", "ns", "pg") is None


async def test_a_secret_that_went_while_the_watch_was_away_is_told(api, watcher, changed) -> None:
    secret(api, "x")
    await watcher.want(SHOP, {PG})
    api.delete("pg", kind="Secret", silently=True)
    await until(lambda: api.watching)
    api.oldest = api.version
    api.end_watches()
    await until(lambda: changed == [SHOP])
    assert watcher.data("Secret", "ns", "pg") is None


async def test_what_nobody_wants_any_more_is_not_watched(api, watcher, changed) -> None:
    secret(api, "x")
    await watcher.want(SHOP, {PG})
    await watcher.want(OTHER, {PG})
    await watcher.want(SHOP, ())
    secret(api, "y")
    await until(lambda: changed == [OTHER])
    await watcher.want(OTHER, ())
    await until(lambda: not api.watching)
    secret(api, "z")
    await handled(api, watcher)
    assert changed == [OTHER]
    assert watcher.data("Secret", "ns", "pg") is None


async def test_a_config_map_and_a_secret_of_one_name_are_two_things(api, watcher) -> None:
    secret(api, "x")
    api.put("pg", data={"rules.yml": "groups: []"})
    api.put("pg", namespace="elsewhere", data={"rules.yml": "no"})
    await watcher.want(SHOP, {PG, ("ConfigMap", "pg")})
    assert watcher.data("Secret", "ns", "pg") == {"url": "x"}
    assert watcher.data("ConfigMap", "ns", "pg") == {"rules.yml": "groups: []"}


async def test_a_namespace_can_not_make_the_operator_watch_without_end(api, watcher) -> None:
    """And no other namespace has less for it."""
    names = {("Secret", f"s-{n}") for n in range(ALLOWED.objects + 1)}
    with capture_logs() as logs, pytest.raises(ReferenceLimitError, match="in namespace ns refer to more than 5"):
        await watcher.want(SHOP, names)
    assert [entry["namespace"] for entry in logs] == ["ns"]
    await watcher.want(("other", "shop"), {PG})
    await watcher.want(SHOP, {PG})
    assert watcher.data("Secret", "ns", "pg") is None


async def test_a_namespace_can_not_fill_the_memory_with_what_it_refers_to(api, watcher, changed) -> None:
    names = {"a", "b", "c"}
    for name in names:
        api.put(name, data={"rules.yml": "x" * 2_000})
    wanted = {("ConfigMap", name) for name in names}
    with pytest.raises(ReferenceLimitError, match="more than 5,000 bytes"):
        await watcher.want(SHOP, wanted)
    held = [name for name in names if watcher.data("ConfigMap", "ns", name)]
    assert len(held) == 2, "what fits is kept"
    api.put(held[0], data={"rules.yml": "small"})
    await until(lambda: changed)
    await watcher.want(SHOP, wanted)
    assert all(watcher.data("ConfigMap", "ns", name) for name in names)
    api.put(held[0], data={"rules.yml": "x" * 2_000})
    await until(lambda: watcher.data("ConfigMap", "ns", held[0]) is None)
    with pytest.raises(ReferenceLimitError):
        await watcher.want(SHOP, wanted)


async def test_a_watch_that_ends_by_a_defect_is_told(api) -> None:
    def defect(_: Any) -> None:
        raise LookupError("a defect")

    async with fakeapi.client(api) as cluster:
        watcher = ReferenceWatcher(cluster, defect)
        await watcher.want(SHOP, {PG})
        secret(api, "x")
        with pytest.raises(LookupError, match="a defect"):
            async with asyncio.timeout(fakeapi.PATIENCE):
                await watcher.run()
        await watcher.close()


async def test_what_the_api_server_refuses_to_show_is_named_before_it_answers(api, watcher) -> None:
    api.credentials = set()
    waiting = asyncio.create_task(watcher.want(SHOP, {PG}))
    await until(lambda: watcher._namespaces and watcher._namespaces["Secret", "ns"].state.error)
    watcher._namespaces["Secret", "ns"].state.broken_at -= 60
    with pytest.raises(TimeoutError, match="Secret pg can't be read: 401 : Unauthorized"):
        await waiting
    secret(api, "x")
    api.credentials = None
    await until(lambda: watcher.data("Secret", "ns", "pg"))
    await watcher.want(SHOP, {PG})
