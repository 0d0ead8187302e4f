"""What the operator's metrics say of single stacks: what was reported last, of whom, of how many, and by whom."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.framework.faulty_cluster import BROKEN, FaultyCluster
from tests.framework.passes import NOW, raw
from tests.framework.server import free_port

from inventory_operator import metrics
from inventory_operator.api.stack import parse
from inventory_operator.cache.store import Store
from inventory_operator.components.blocker import Blocker, Turn
from inventory_operator.controller.report import Reporter
from inventory_operator.controller.scope import Scope
from inventory_operator.controller.storage_classes import StorageClasses
from inventory_operator.controller.workqueue import Queue
from inventory_operator.kube.client import ApiError
from inventory_operator.metrics import MOST_STACKS, StackConditions
from inventory_operator.runtime import health
from inventory_operator.runtime.ending import Ending
from inventory_operator.runtime.manager import App
from inventory_operator.runtime.metrics_access import RefusedError
from inventory_operator.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "inventory_operator_stack_condition"
SINCE = f"{NAME}_last_transition_timestamp_seconds"
LEFT_OUT = "inventory_operator_stacks_not_exported"
SHOP, OTHER = ("ns", "shop"), ("ns", "other")
SCOPE = Scope(raw=raw(), now=NOW, spec=parse(raw()))


def said(status: str = "True", reason: str = "Available", name: str = "Ready", since: str = NOW) -> dict[str, str]:
    return {"type": name, "status": status, "reason": reason, "message": "secret", "lastTransitionTime": since}


def samples(stacks: Any, name: str = NAME) -> dict[tuple[str, ...], float]:
    """Return the values of a metric by its labels: namespace, stack, condition and reason."""
    order = ("namespace", "stack", "condition", "check", "reason", "status")
    return {
        tuple(one.labels[label] for label in order if label in one.labels): one.value
        for family in stacks.collect()
        for one in family.samples
        if one.name == name
    }


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    yield
    metrics.STACK_CONDITIONS.clear()
    metrics.LEADER.set(0)


def test_true_is_1_and_false_0_and_unknown_is_not_there() -> None:
    stacks = StackConditions()
    unknown = said("Unknown", "NoPodRunning", "DatabaseAvailable")
    stacks.report(SHOP, [said("False", "OOMKilled"), said(name="GrafanaAvailable"), unknown])
    assert samples(stacks) == {(*SHOP, "Ready", "OOMKilled"): 0, (*SHOP, "GrafanaAvailable", "Available"): 1}
    assert samples(stacks, SINCE)[(*SHOP, "DatabaseAvailable")] == 1767225600


def test_another_report_replaces_all_that_was_said_and_what_is_gone_says_nothing() -> None:
    stacks = StackConditions()
    stacks.report(SHOP, [said("False", "Starting"), said(name="GrafanaAvailable")])
    stacks.report(OTHER, [said()])
    stacks.report(SHOP, [said()])
    assert samples(stacks) == {(*SHOP, "Ready", "Available"): 1, (*OTHER, "Ready", "Available"): 1}
    assert samples(stacks, "inventory_operator_stacks") == {("Ready", "True"): 2}
    stacks.forget(SHOP)
    stacks.forget(SHOP)
    assert samples(stacks) == {(*OTHER, "Ready", "Available"): 1}
    stacks.clear()
    assert samples(stacks) == samples(stacks, SINCE) == samples(stacks, "inventory_operator_stacks") == {}


def test_a_check_has_the_status_that_it_has() -> None:
    stacks = StackConditions()
    stacks.report(SHOP, [said()], {"MetricsExposed": "Passed", "ServiceScraped": "Failed"})
    stacks.report(OTHER, [said()])
    name = "inventory_operator_stack_check"
    failed, passed = (*SHOP, "ServiceScraped", "Failed"), (*SHOP, "MetricsExposed", "Passed")
    assert samples(stacks, name) == {failed: 1, passed: 1}
    stacks.report(SHOP, [said()], {"MetricsExposed": "Passed"})
    assert samples(stacks, name) == {passed: 1}
    assert samples(stacks.only(*OTHER), name) == {}
    stacks.forget(SHOP)
    assert samples(stacks, name) == {}


def test_a_time_that_python_cannot_read_leaves_the_rest_alone() -> None:
    """Who may write a status may write a leap second into it."""
    stacks = StackConditions()
    stacks.report(SHOP, [said(since="2026-12-31T23:59:60Z")])
    assert samples(stacks) == {(*SHOP, "Ready", "Available"): 1}
    assert samples(stacks, SINCE) == {}


def test_a_namespace_with_too_many_stacks_hides_its_own_alone() -> None:
    stacks = StackConditions()
    for n in range(MOST_STACKS + 3):
        stacks.report(("many", f"shop-{n}"), [said()])
    stacks.report(SHOP, [said()])
    shown = {key[:2] for key in samples(stacks)}
    assert shown == {SHOP, *(("many", f"shop-{n}") for n in range(MOST_STACKS))}
    assert {key[:2] for key in samples(stacks, SINCE)} == shown
    assert samples(stacks, LEFT_OUT) == {(): 3}
    assert samples(stacks, "inventory_operator_stacks") == {("Ready", "True"): MOST_STACKS + 4}
    stacks.forget(("many", "shop-0"))
    assert ("many", f"shop-{MOST_STACKS}") in {key[:2] for key in samples(stacks)}, "the next has its place"


def test_who_asks_for_one_stack_gets_it_whatever_the_others() -> None:
    stacks = StackConditions()
    for n in range(MOST_STACKS + 3):
        stacks.report(("many", f"shop-{n}"), [said()])
    stacks.report(SHOP, [said()])
    last = ("many", f"shop-{MOST_STACKS + 2}")
    assert {key[:2] for key in samples(stacks.only(*last))} == {last}
    assert samples(stacks.only(*last), LEFT_OUT) == {(): 0}
    assert {key[:2] for key in samples(stacks.only("ns", ""))} == {SHOP}
    assert {key[:2] for key in samples(stacks.only("", "shop"))} == {SHOP}
    assert samples(stacks.only("many", "shop")) == {}
    assert samples(stacks.only(*SHOP), "inventory_operator_stacks") == {("Ready", "True"): MOST_STACKS + 4}


async def page(port: int, query: str, token: str = "") -> tuple[int, str]:
    headers = {"Authorization": token} if token else {}
    url = f"http://127.0.0.1:{port}/metrics{query}"
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        return answer.status, await answer.text()


async def test_the_page_has_the_stacks_that_are_asked_for_and_may_be_read() -> None:
    """One client is a pod of one stack, and has a token for all."""

    class Access:
        def is_of(self, address: str, key: tuple[str, str]) -> bool:
            return (address, key) == ("127.0.0.1", SHOP)

        async def check_all(self, _address: str, authorization: str) -> None:
            if authorization != "Bearer good":
                raise RefusedError(403, "no")

    judge: Any = Access()
    for key in (SHOP, OTHER):
        metrics.STACK_CONDITIONS.report(key, [said()])
    port, found = free_port(), {}
    runner = await health.start(port, lambda: None, lambda: None, judge)
    queries = ("", "?namespace=ns&stack=shop", "?namespace=ns&stack=other", "?namespace=ns")
    try:
        for query, token in ((query, token) for token in ("", "Bearer good") for query in queries):
            _, text = await page(port, query, token)
            families = list(text_string_to_metric_families(text))
            assert len({family.name for family in families}) == len(families)
            assert {"inventory_operator_leader", "inventory_operator_stacks"} <= {family.name for family in families}
            assert "secret" not in text
            found[query, token] = {key[:2] for key in samples(SimpleNamespace(collect=families.copy))}
        assert await page(port, "", "Bearer bad") == (403, "no\n")
    finally:
        await runner.cleanup()
    assert list(found.values()) == [set(), {SHOP}, set(), set(), {SHOP, OTHER}, {SHOP}, {OTHER}, {SHOP, OTHER}]


def reporter(cluster: FaultyCluster, **fields: Any) -> Reporter:
    known: Any = cluster
    store = Store(lambda _: None)
    store.observe({**raw(), **fields})
    return Reporter(known, store, Settings(), StorageClasses(known, Settings()))


async def test_a_pass_tells_what_it_found_also_where_the_status_could_not_be_written() -> None:
    cluster = FaultyCluster()
    cluster.fault = lambda _verb, _obj: BROKEN
    report = reporter(cluster)
    invalid = Blocker(("InventoryStack", "shop"), "stack", "InvalidSpec", "no", Turn.USER)
    with pytest.raises(ApiError):
        await report(Scope(raw=raw(), now=NOW, blockers=(invalid,)))
    assert samples(metrics.STACK_CONDITIONS)[(*SHOP, "Ready", "InvalidSpec")] == 0
    cluster.fault = lambda _verb, _obj: None
    await report(SCOPE)
    found = samples(metrics.STACK_CONDITIONS)
    assert {key[3]: value for key, value in found.items() if key[2] == "Ready"} == {"Creating": 0}
    report.forget(SHOP)
    assert samples(metrics.STACK_CONDITIONS) == {}


async def test_what_others_write_into_a_status_is_not_told() -> None:
    planted = said("False", "Planted", "Planted")
    report = reporter(FaultyCluster(), status={"conditions": [planted]})
    await report(SCOPE)
    words = {word for key in samples(metrics.STACK_CONDITIONS) for word in key}
    assert words >= {"Ready", "Creating"}
    assert "Planted" not in words


async def test_an_operator_that_lost_its_lease_tells_of_no_stack() -> None:
    closed: Any = SimpleNamespace(close=lambda: asyncio.sleep(0))
    during: list[dict[tuple[str, ...], float]] = []

    class LostLease:
        async def hold(self, acquired: Any) -> None:
            acquired()
            metrics.STACK_CONDITIONS.report(SHOP, [said()])
            during.append(samples(metrics.STACK_CONDITIONS))

        async def release(self) -> None:
            during.append(samples(metrics.STACK_CONDITIONS))

        close = staticmethod(closed.close)

    never = asyncio.Event()
    stacks: Any = SimpleNamespace(follow=never.wait, listed=never)
    references: Any = SimpleNamespace(run=never.wait, close=closed.close)
    ending: Any = SimpleNamespace(stop=Ending().stop, begin=lambda: None)
    lease: Any = LostLease()
    unused: Any = None
    settings = Settings(http_port=free_port())
    store, queue = Store(lambda _: None), Queue(1.0, 1.0)
    verifier: Any = SimpleNamespace(run=never.wait)
    app = App(settings, closed, store, queue, stacks, [], references, unused, verifier, lease, ending)
    assert not await app.run(), "it has to be started again"
    assert during == [{(*SHOP, "Ready", "Available"): 1}, {}]
    assert metrics.LEADER._value.get() == 0
