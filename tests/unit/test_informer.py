"""The informer against an API server that injects faults: whatever breaks, the sink ends with what is there."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs
from tests.framework import fakeapi
from tests.framework.fakeapi import FakeApi, following, until

from inventory_operator.cache.informer import Informer, Timing
from inventory_operator.kube.client import LONGEST_EVENT
from inventory_operator.kube.kinds import CHILDREN, CLUSTERS, CONFIG_MAPS, Resource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from collections.abc import Set as AbstractSet

    from inventory_operator.kube.client import Cluster

Object = dict[str, Any]
QUICK = Timing(retry=0.001, retry_limit=0.01, look_again=0.01)
SERVICES = next(resource for resource in CHILDREN if resource.kind == "Service")
MANY = 2 * CONFIG_MAPS.page_size + 3


class Recorder:
    """A sink that keeps the last of each object, and each event in its order."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.events: list[tuple[str, str]] = []
        self.lists = 0
        self.wanted = False

    def observe(self, obj: Object, *, gone: bool = False) -> None:
        name = obj["metadata"]["name"]
        self.events.append((name, "gone" if gone else str(obj.get("data", {}).get("n", ""))))
        if gone:
            self.objects.pop(name, None)
        else:
            self.objects[name] = obj

    def listed(self, _: Resource, uids: AbstractSet[str], __: int) -> None:
        self.lists += 1
        self.objects = {name: obj for name, obj in self.objects.items() if obj["metadata"]["uid"] in uids}

    def wants_list(self, _: Resource) -> bool:
        wanted, self.wanted = self.wanted, False
        return wanted


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    async with fakeapi.serving() as api:
        yield api


@pytest.fixture
async def cluster(api) -> AsyncIterator[Cluster]:
    async with fakeapi.client(api) as cluster:
        yield cluster


@pytest.fixture
def sink() -> Recorder:
    return Recorder()


@pytest.fixture
async def informer(api, cluster, sink) -> AsyncIterator[Informer]:
    """An informer that has listed two objects and watches."""
    api.put("a", data={"n": "1"})
    api.put("b", data={"n": "1"})
    informer = Informer(cluster, CONFIG_MAPS, None, sink, {"labelSelector": "stack"}, timing=QUICK)
    async with following(informer):
        await until(lambda: api.watching)
        yield informer


def names(sink: Recorder) -> set[str]:
    return set(sink.objects)


async def test_it_lists_and_goes_on_from_the_version_of_the_list(informer, api, sink) -> None:
    assert names(sink) == {"a", "b"}
    assert sink.objects["a"]["kind"] == "ConfigMap"
    (watch,) = api.asked(watch=True)
    assert watch["resourceVersion"] == str(api.version)
    assert watch["allowWatchBookmarks"] == "true"
    assert {query["labelSelector"] for query in api.requests} == {"stack"}
    assert informer.state.problem() is None
    api.put("c")
    api.delete("a")
    await until(lambda: names(sink) == {"b", "c"})
    assert sink.lists == 1


async def test_events_of_an_object_come_in_their_order(informer, api, sink) -> None:
    for n in range(200):
        api.put("a", data={"n": str(n)})
    api.delete("a")
    await until(lambda: "a" not in names(sink))
    assert [what for name, what in sink.events if name == "a"][1:] == [*map(str, range(200)), "gone"]


async def test_a_list_comes_in_pages_and_without_a_version(api, cluster, sink) -> None:
    """With resourceVersion=0 the API server would ignore the limit."""
    for n in range(MANY):
        api.put(f"map-{n}")
    async with following(Informer(cluster, CONFIG_MAPS, None, sink, {}, timing=QUICK)):
        await until(lambda: api.watching)
    lists = api.asked(watch=False)
    assert len(lists) == 3
    assert not any("resourceVersion" in query for query in lists)
    assert len(sink.objects) == MANY


async def test_what_changes_while_pages_are_read_is_not_missed(api, cluster, sink) -> None:
    for n in range(MANY):
        api.put(f"map-{n}", data={"n": "old"})

    def change(rest: str) -> None:
        if rest:
            api.before_page = lambda _: None
            api.put("map-0", data={"n": "new"})
            api.delete(f"map-{MANY - 1}")
            api.put("late")

    api.before_page = change
    async with following(Informer(cluster, CONFIG_MAPS, None, sink, {}, timing=QUICK)):
        await until(lambda: "late" in sink.objects)
    assert sink.objects["map-0"]["data"]["n"] == "new"
    assert f"map-{MANY - 1}" not in sink.objects
    assert len(sink.objects) == MANY
    assert sink.lists == 1


async def test_a_list_whose_rest_is_too_old_is_read_anew(api, cluster, sink) -> None:
    for n in range(MANY):
        api.put(f"map-{n}")

    def expire(rest: str) -> None:
        if rest:
            api.before_page = lambda _: None
            api.delete("map-0")
            api.oldest = api.version

    api.before_page = expire
    async with following(Informer(cluster, CONFIG_MAPS, None, sink, {}, timing=QUICK)):
        await until(lambda: api.watching)
    assert "map-0" not in sink.objects
    assert len(sink.objects) == MANY - 1


async def test_a_watch_that_ends_in_time_goes_on_where_it_was(informer, api, sink) -> None:
    api.bookmark()
    api.end_watches()
    await until(lambda: len(api.asked(watch=True)) > 1)
    api.put("c")
    await until(lambda: "c" in sink.objects)
    assert sink.lists == 1
    assert informer.state.error is None


async def test_a_bookmark_moves_the_version(informer, api, sink) -> None:
    """What other selections changed is not read again."""
    seen = api.version
    api.version += 1000
    api.bookmark()
    api.end_watches()
    await until(lambda: api.asked(watch=True)[-1]["resourceVersion"] == str(seen + 1000))
    assert sink.events == [("a", "1"), ("b", "1")]


@pytest.mark.parametrize(
    "fault",
    [
        FakeApi.cut_watches,
        lambda api: api.send(b'{"type": "ADDED", "object": {"metadata": {"na') or api.cut_watches(),
        lambda api: api.send(b'{"type": "ADDED", "object": {"meta') or api.end_watches(),
        lambda api: api.send(b"garbage\n"),
        lambda api: api.send(b'{"type": "ADDED"}\n'),
        lambda api: api.send(b'["ADDED"]\n'),
        lambda api: api.send(b'{"type": "ADDED", "object": {"metadata": {"name": "ghost"}}}\n'),
        lambda api: api.send(b'{"type": "ERROR", "object": {"code": 500, "message": "etcdserver: no leader"}}\n'),
    ],
    ids=["cut", "half-and-cut", "half-and-end", "garbage", "no-object", "no-event", "no-version", "error"],
)
async def test_a_broken_watch_goes_on_where_it_was(informer, api, sink, fault) -> None:
    api.put("c")
    await until(lambda: "c" in sink.objects)
    fault(api)
    api.put("d")
    await until(lambda: "d" in sink.objects)
    assert sink.lists == 1
    assert [name for name, _ in sink.events] == ["a", "b", "c", "d"], "nothing twice, nothing of what was broken"
    assert informer.state.error is None


async def test_a_line_that_breaks_again_is_passed_by_with_a_list(informer, api, sink) -> None:
    broken = b'{"type": "MODIFIED", "object": {}}\n'
    api.send(broken)
    await until(lambda: len(api.asked(watch=True)) > 1 and api.watching)
    api.send(broken)
    await until(lambda: sink.lists > 1)
    api.put("c")
    await until(lambda: "c" in sink.objects)


async def test_the_longest_event_is_read(informer, api, sink) -> None:
    """A control character takes six bytes in JSON."""
    api.put("large", data={"n": "\1" * 1_000_000})
    await until(lambda: "large" in sink.objects)
    assert sink.lists == 1
    assert api.watching == 1


async def test_what_is_longer_than_any_event_is_not_read(informer, api, sink) -> None:
    api.send(b"x" * (LONGEST_EVENT + 1) + b"\n")
    await until(lambda: len(api.asked(watch=True)) == 2)
    api.put("c")
    await until(lambda: "c" in sink.objects)


@pytest.mark.parametrize("how", ["event", "answer"])
async def test_a_version_that_is_too_old_is_followed_by_a_list(informer, api, sink, how) -> None:
    api.delete("a", silently=True)
    if how == "event":
        api.version += 1
        api.oldest = api.version
    else:
        api.refusals = [(410, "too old resource version")]
    with capture_logs() as logs:
        api.end_watches()
        await until(lambda: names(sink) == {"b"} and api.watching)
    assert sink.lists == 2
    assert [entry["log_level"] for entry in logs] == ["info"], "it is no fault"


async def test_silence_is_a_fault_and_a_bookmark_is_none(api, cluster, sink) -> None:
    timing = Timing(retry=0.001, retry_limit=0.01, silence=0.2)
    informer = Informer(cluster, CONFIG_MAPS, None, sink, {}, timing=timing)
    async with following(informer):
        await until(lambda: len(api.asked(watch=True)) > 2)
        assert sink.lists == 1
        assert not informer.state.stuck()
        api.put("a")
        await until(lambda: "a" in sink.objects)


async def test_every_refusal_ends_and_the_pause_grows(api, cluster, sink) -> None:
    api.refusals = [(429, "storage is (re)initializing"), (500, "etcd"), (403, "forbidden"), (504, "too large")] * 3
    api.put("a")
    informer = Informer(cluster, CONFIG_MAPS, None, sink, {}, timing=QUICK)
    with capture_logs() as logs:
        async with following(informer):
            await until(lambda: len(api.refusals) == 1)
            assert "not listed yet: " in str(informer.state.problem())
            await until(lambda: informer.synced.is_set() and informer.state.error is None)
    assert names(sink) == {"a"}
    assert [entry["event"] for entry in logs][-1] == "watch is back"
    assert informer.state.problem() is None


def test_the_pause_between_tries_has_an_end() -> None:
    informer = Informer(None, CONFIG_MAPS, None, Recorder(), {})
    pauses = []
    for informer._failures in (1, 2, 3, 6, 100, 10_000):
        pauses.append(informer._pause())
    assert pauses[0] <= Timing().retry
    assert 0.6 * Timing().retry_limit <= pauses[-1] <= Timing().retry_limit


async def test_the_same_reason_is_logged_once(informer, api) -> None:
    api.refusals = [(503, "unavailable")] * 5
    with capture_logs() as logs:
        api.send(b'{"type": "ERROR", "object": {"code": 503, "message": "unavailable"}}\n')
        await until(lambda: not api.refusals and informer.state.error is None)
    assert [entry["event"] for entry in logs] == ["watch broke", "watch is back"]


async def test_an_api_server_that_is_away_is_waited_for(cluster, sink) -> None:
    """And no try is given up: the connection is refused at once."""
    async with fakeapi.serving() as gone:
        pass
    async with fakeapi.client(gone) as nobody:
        informer = Informer(nobody, CONFIG_MAPS, None, sink, {}, timing=QUICK)
        async with following(informer) as task:
            await until(lambda: informer._failures > 20)
            assert not task.done()
            assert "Cannot connect" in str(informer.state.problem())
            assert informer.state.stuck() is None


async def test_only_metadata_is_asked_for_where_content_is_not_needed(api, cluster, sink) -> None:
    async with following(Informer(cluster, SERVICES, None, sink, {}, timing=QUICK)):
        await until(lambda: api.watching)
    accepted = [query["accept"] for query in api.requests]
    assert "as=PartialObjectMetadataList;" in accepted[0]
    assert "as=PartialObjectMetadata;" in accepted[1]


async def test_a_kind_that_may_be_missing_is_looked_for(api, cluster, sink) -> None:
    api.refusals = [(404, "404 page not found")] * 5
    changes: list[bool] = []
    informer = Informer(
        cluster, CLUSTERS, None, sink, {}, timing=QUICK, served_changed=lambda: changes.append(informer.served)
    )
    async with following(informer):
        async with asyncio.timeout(fakeapi.PATIENCE):
            await informer.synced.wait()
        assert not informer.served
        assert informer.state.problem() is None
        await until(lambda: informer.served)
        api.put("db", kind="Cluster")
        await until(lambda: "db" in sink.objects)
        api.refusals = [(404, "404 page not found")] * 2
        api.cut_watches()
        await until(lambda: len(changes) == 3)
    assert changes == [True, False, True]
    assert sink.lists > 3, "without the kind there are no objects"


async def test_the_sink_can_ask_for_a_list(informer, api, sink) -> None:
    sink.wanted = True
    api.bookmark()
    api.end_watches()
    await until(lambda: sink.lists == 2)


async def test_lists_of_several_informers_take_turns(api, cluster) -> None:
    """Pages are what takes memory at the start."""
    sinks = [Recorder() for _ in range(4)]
    lists, most = asyncio.Semaphore(1), 0
    for n in range(MANY):
        api.put(f"map-{n}")

    def count(_: str) -> None:
        nonlocal most
        most = max(most, sum(len(sink.objects) > 0 and not sink.lists for sink in sinks))

    api.before_page = count
    async with contextlib.AsyncExitStack() as stack:
        for sink in sinks:
            informer = Informer(cluster, CONFIG_MAPS, None, sink, {}, timing=QUICK, lists=lists)
            await stack.enter_async_context(following(informer))
        await until(lambda: all(sink.lists for sink in sinks))
    assert most == 1


async def test_a_defect_of_the_sink_ends_it(informer, api, sink) -> None:
    """It must not look healthy and do nothing."""
    broken = Recorder()
    broken.observe = None  # type: ignore[assignment,method-assign]
    async with following(Informer(informer.cluster, CONFIG_MAPS, None, broken, {}, timing=QUICK)) as task:
        await until(task.done)
        assert isinstance(task.exception(), TypeError)
