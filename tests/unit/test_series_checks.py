"""The checks that compare what Prometheus has with what there is: stock, containers, history; and its configuration."""

from __future__ import annotations

from typing import Any

import pytest
from tests.framework.verification import LONG_AGO, NOW, PAGE, Pods, data, obj, part, pod, subject, working

from inventory_operator.settings import Settings
from inventory_operator.verification import business_metrics, configuration_loaded, container_metrics, history_stored
from inventory_operator.verification.answer import Answer, Outcome
from inventory_operator.verification.ask import Reply
from inventory_operator.verification.business_metrics import Stock
from inventory_operator.verification.history_stored import History

Object = dict[str, Any]
#: 2026-02-02T00:10:00Z in seconds since 1970.
SECONDS = 1769991000.0
HOUR, DAY = 3_600.0, 86_400.0


def series(*found: tuple[Object, float]) -> Reply:
    return data(resultType="vector", result=[{"metric": labels, "value": [0, str(value)]} for labels, value in found])


# Stock


def levels(**stock: float) -> Reply:
    return series(*(({"product_id": name.strip("_")}, value) for name, value in stock.items()))


class Shop:
    """A stack whose service shows a page, and whose Prometheus has these levels; time goes by as a test says."""

    def __init__(self) -> None:
        self.stock = Stock()
        self.page: Reply | str = Reply(200, PAGE)
        self.has: Reply | str = levels(_1=12, _2=0)
        self.children: tuple[Any, ...] = ()

    async def said(self, now: float = 0.0) -> Answer:
        pods = Pods(lambda name, _: self.has if name.startswith("prom") else self.page)
        return await business_metrics.check(subject(*self.children), pods, self.stock, now)


async def test_the_stock_agrees() -> None:
    answer = await Shop().said()
    assert (answer.check, answer.outcome, answer.reason) == ("BusinessMetrics", Outcome.PASSED, "StockAgrees")


@pytest.mark.parametrize(("has", "reason"), [(levels(_1=12, _2=5), "StockDiffers"), (levels(_1=12), "StockMissing")])
async def test_stock_that_differs_for_longer_than_a_scrape_takes_is_named(has: Reply, reason: str) -> None:
    shop = Shop()
    shop.has = has
    assert (await shop.said(0)).outcome is Outcome.PASSED, "it may have changed a moment ago"
    assert (await shop.said(34)).outcome is Outcome.PASSED
    answer = await shop.said(35)
    assert (answer.outcome, answer.reason) == (Outcome.FAILED, reason)
    assert "product 2" in answer.message
    assert "shop-1" in answer.message


async def test_stock_that_moves_all_the_time_may_differ() -> None:
    shop = Shop()
    for n in range(20):
        shop.page = Reply(200, PAGE.replace(b'sku="NUT"} 0.0', f'sku="NUT"}} {n}.0'.encode()))
        shop.has = levels(_1=12, _2=n - 1)
        assert (await shop.said(30.0 * n)).outcome is Outcome.PASSED


@pytest.mark.parametrize("page", ["can't be connected to", Reply(500, b"")])
async def test_stock_that_nobody_showed_for_a_while_has_to_be_scraped_anew(page: Reply | str) -> None:
    shop = Shop()
    assert (await shop.said(0)).outcome is Outcome.PASSED
    shop.page, shop.has = page, levels()
    assert (await shop.said(100)).outcome is Outcome.UNKNOWN
    shop.page = Reply(200, PAGE)
    assert (await shop.said(110)).outcome is Outcome.PASSED
    assert (await shop.said(145)).reason == "StockMissing"


async def test_stock_of_a_new_pod_has_to_be_scraped_anew() -> None:
    shop = Shop()
    assert (await shop.said(0)).outcome is Outcome.PASSED
    shop.has, shop.children = (
        levels(),
        (*part("service", pod("shop-3", "service")), *part("prometheus", pod("prom-1", "prometheus"))),
    )
    assert (await shop.said(100)).outcome is Outcome.PASSED
    assert (await shop.said(135)).reason == "StockMissing"


async def test_without_products_there_is_nothing_to_compare() -> None:
    shop = Shop()
    shop.page = Reply(200, b"# TYPE product_stock_level gauge\n")
    answer = await shop.said()
    assert (answer.outcome, answer.reason) == (Outcome.SKIPPED, "NoProducts")


async def test_who_does_not_answer_is_another_checks_matter() -> None:
    shop = Shop()
    for reply in ("can't be connected to", Reply(500, b"")):
        shop.page = reply
        assert ((await shop.said()).outcome, (await shop.said()).reason) == (Outcome.UNKNOWN, "NotAnswered")
    shop.page, shop.has = Reply(200, PAGE), Reply(500, b"")
    assert ((await shop.said()).outcome, (await shop.said()).reason) == (Outcome.UNKNOWN, "PrometheusNotAnswering")


# Containers

CPU, MEMORY = container_metrics.METRICS.values()
OPEN = Settings(allow_kubelet_metrics=True)
EVERY = [
    ({"__name__": metric, "pod": name}, 1.0) for metric in (CPU, MEMORY) for name in ("shop-1", "shop-2", "prom-1")
]


async def contained(found: list[Any], *children: Object, target: Object | None = None) -> Answer:
    targets = data(activeTargets=[target] if target else [])
    pods = Pods(lambda _, path: series(*found) if "/query?" in path else targets)
    return await container_metrics.check(subject(*children), pods, OPEN, NOW)


async def test_every_pod_has_cpu_and_memory() -> None:
    answer = await contained(EVERY)
    assert (answer.check, answer.outcome, answer.reason) == ("ContainerMetrics", Outcome.PASSED, "SeriesThere")


@pytest.mark.parametrize(("metric", "what"), [(CPU, "CPU"), (MEMORY, "memory")])
async def test_a_pod_without_series_is_named(metric: str, what: str) -> None:
    answer = await contained([one for one in EVERY if one[0] != {"__name__": metric, "pod": "shop-2"}])
    assert (answer.outcome, answer.reason) == (Outcome.FAILED, "SeriesMissing")
    assert f"no {what} ({metric}) of pod shop-2:" in answer.message


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (None, "it discovers no node"),
        (
            {"health": "down", "lastError": "x509: certificate\nsigned by"},
            "can be scraped: x509: certificate signed by",
        ),
        ({"health": "up"}, "see its targets of job cadvisor"),
    ],
)
async def test_without_any_series_the_kubelets_are_looked_at(target: Object | None, words: str) -> None:
    answer = await contained([], target=target)
    assert (answer.outcome, answer.reason) == (Outcome.FAILED, "KubeletNotScraped")
    assert words in answer.message


async def test_new_pods_may_have_no_series_yet() -> None:
    new = part("service", pod("new", "service", since="2026-02-02T00:08:00Z"))
    assert (await contained(EVERY, *working()[:1], *new, *working()[4:])).outcome is Outcome.PASSED
    young = [*new, *part("prometheus", pod("prom-1", "prometheus", since=NOW))]
    assert (await contained([], *young)).reason == "TooYoung"


@pytest.mark.parametrize(
    ("spec", "settings", "reason"),
    [
        ({"containerMetrics": "none"}, OPEN, "Disabled"),
        ({}, Settings(), "NotPermitted"),
        ({}, Settings(namespace="ns", allow_kubelet_metrics=True), "NotPermitted"),
    ],
)
async def test_what_is_off_is_not_looked_for(spec: Object, settings: Settings, reason: str) -> None:
    pods = Pods(lambda *_: "never")
    answer = await container_metrics.check(subject(**spec), pods, settings, NOW)
    assert (answer.outcome, answer.reason, pods.asked) == (Outcome.SKIPPED, reason, [])


# History

OLDEST, STARTED = "prometheus_tsdb_lowest_timestamp_seconds", "process_start_time_seconds"


def stored(oldest: float, started: float, **more: float) -> Reply:
    """Return what Prometheus says of itself; the times are seconds before now."""
    found = {OLDEST: SECONDS - oldest, STARTED: SECONDS - started, "age": 5, **more}
    return series(*(({"of" if name == "age" else "__name__": name}, value) for name, value in found.items()))


def reader(claim: str = "uid", ran: int = 0) -> list[Object]:
    """Return a Prometheus with a volume, whose container ran before for so many seconds."""
    one = pod("prom-1", "prometheus")
    one["spec"] = {"volumes": [{"persistentVolumeClaim": {"claimName": "data"}}, {"name": "tmp", "emptyDir": {}}]}
    ended = {"startedAt": LONG_AGO, "finishedAt": f"2026-02-02T00:{ran // 60:02}:{ran % 60:02}Z"}
    one["status"]["containerStatuses"] = [{"name": "prometheus", "lastState": {"terminated": ended} if ran else {}}]
    volume = obj("PersistentVolumeClaim", "data", "prometheus")
    volume["metadata"]["uid"] = claim
    return [*part("prometheus", one), volume]


async def kept(reply: Reply, history: History | None = None, *children: Object) -> tuple[Outcome, str]:
    of = subject(*(children or reader()))
    answer = await history_stored.check(of, Pods(lambda *_: reply), history or History(), NOW)
    assert answer.check == "HistoryStored"
    return answer.outcome, answer.reason


async def test_samples_from_before_the_last_restart_are_there() -> None:
    assert await kept(stored(5 * HOUR, HOUR)) == (Outcome.PASSED, "HistoryThere")


async def test_a_prometheus_that_just_began_has_none() -> None:
    assert await kept(stored(60, 62)) == (Outcome.SKIPPED, "TooYoung")
    assert await kept(stored(700, 702)) == (Outcome.PASSED, "HistoryThere")


async def test_a_volume_that_lost_its_samples() -> None:
    history = History()
    assert (await kept(stored(5 * HOUR, HOUR), history))[0] is Outcome.PASSED
    assert await kept(stored(60, 62), history) == (Outcome.FAILED, "HistoryLost")
    assert await kept(stored(90, 92), history) == (Outcome.FAILED, "HistoryLost"), "it is not forgotten"


async def test_another_volume_begins_anew() -> None:
    history = History()
    await kept(stored(5 * HOUR, HOUR), history)
    assert await kept(stored(60, 62), history, *reader(claim="another")) == (Outcome.SKIPPED, "TooYoung")


async def test_a_container_that_ran_before_had_samples() -> None:
    assert await kept(stored(60, 62), None, *reader(ran=120)) == (Outcome.FAILED, "HistoryLost")
    assert await kept(stored(60, 62), None, *reader(ran=5)) == (Outcome.SKIPPED, "TooYoung")


async def test_samples_that_go_because_of_their_age_are_not_lost() -> None:
    history = History()
    await kept(stored(210 * HOUR, 300 * HOUR), history)
    assert await kept(stored(200 * HOUR, 301 * HOUR), history) == (Outcome.PASSED, "HistoryThere")


BLOCKS, WAL = "prometheus_tsdb_storage_blocks_bytes", "prometheus_tsdb_wal_storage_size_bytes"
LIMITS = {"prometheus_tsdb_retention_limit_seconds": 8 * DAY, "prometheus_tsdb_retention_limit_bytes": 8e9}


@pytest.mark.parametrize(
    ("age", "blocks", "reason"),
    [
        (4 * DAY, 4.5e9, "VolumeTooSmall"),
        (4 * DAY, 3.5e9, "HistoryThere"),
        (DAY, 4.5e9, "HistoryThere"),
        (8 * DAY, 7.9e9, "HistoryThere"),
    ],
)
async def test_the_volume_fits_the_retention(age: float, blocks: float, reason: str) -> None:
    assert (await kept(stored(age, HOUR, **{BLOCKS: blocks, WAL: 1e8}, **LIMITS)))[1] == reason


WRITES = b"prometheus_tsdb_wal_writes_failed_total "


async def written(age: float | None, page: Reply | str, interval: str = "10s") -> Answer:
    """Return the answer where the last sample is that old, and this is Prometheus' page of metrics."""
    found = series() if age is None else stored(5 * HOUR, HOUR, age=age)
    pods = Pods(lambda _, path: found if "/query?" in path else page)
    of = subject(*reader(), prometheus={"scrapeInterval": interval})
    return await history_stored.check(of, pods, History(), NOW)


@pytest.mark.parametrize("age", [20, 250, None])
@pytest.mark.parametrize("count", [b"1", b"17", b"1.5e+06"])
async def test_a_prometheus_that_can_not_write_is_told_while_samples_are_late(age: float | None, count: bytes) -> None:
    answer = await written(age, Reply(200, b"# TYPE x counter\n" + WRITES + count + b"\nother 1\n"))
    assert (answer.outcome, answer.reason) == (Outcome.FAILED, "VolumeFull")
    assert "spec.prometheus.storage.size" in answer.message


@pytest.mark.parametrize("page", [WRITES + b"0\n", b"", b"<html>", WRITES + b"NaN\n", WRITES + b"9" * 400 + b"\n"])
async def test_samples_that_are_late_for_another_reason(page: bytes) -> None:
    assert (await written(20, Reply(200, page))).reason == "HistoryThere"
    assert (await written(None, Reply(200, page))).reason == "NoOwnMetrics"


async def test_failed_writes_of_long_ago_are_over_once_samples_come() -> None:
    failed = Reply(200, WRITES + b"3\n")
    assert (await written(12, failed)).reason == "HistoryThere"
    assert (await written(70, failed, "1m")).reason == "HistoryThere"
    assert (await written(80, failed, "1m")).reason == "VolumeFull"


async def test_a_prometheus_that_does_not_show_its_page_is_unknown() -> None:
    for page in ("can't be connected to", Reply(503, b"")):
        answer = await written(20, page)
        assert (answer.outcome, answer.reason) == (Outcome.UNKNOWN, "PrometheusNotAnswering")


# Configuration


@pytest.mark.parametrize(
    ("loaded", "outcome", "reason"),
    [
        (True, Outcome.PASSED, "ConfigurationLoaded"),
        (False, Outcome.FAILED, "ConfigurationRefused"),
        (None, Outcome.UNKNOWN, "PrometheusNotAnswering"),
        ("true", Outcome.UNKNOWN, "PrometheusNotAnswering"),
        (0, Outcome.UNKNOWN, "PrometheusNotAnswering"),
    ],
)
async def test_prometheus_says_whether_it_took_its_configuration(loaded: object, outcome: Outcome, reason: str) -> None:
    pods = Pods(lambda *_: data(reloadConfigSuccess=loaded))
    answer = await configuration_loaded.check(subject(), pods)
    assert (answer.check, answer.outcome, answer.reason) == ("ConfigurationLoaded", outcome, reason)
    assert ("ConfigMap shop-prometheus" in answer.message) == (outcome is Outcome.FAILED)
    assert pods.asked == [("prom-1", 9090, "/api/v1/status/runtimeinfo?")]


async def test_a_prometheus_that_does_not_answer_has_no_known_configuration() -> None:
    answer = await configuration_loaded.check(subject(), Pods(lambda *_: "can't be connected to"))
    assert (answer.outcome, answer.reason) == (Outcome.UNKNOWN, "PrometheusNotAnswering")
    answer = await configuration_loaded.check(subject(*part("service")), Pods(lambda *_: "never"))
    assert (answer.outcome, answer.reason) == (Outcome.UNKNOWN, "PrometheusNotReady")


async def test_without_metrics_of_itself() -> None:
    assert await kept(series()) == (Outcome.FAILED, "NoOwnMetrics")
    young = part("prometheus", pod("prom-1", "prometheus", since="2026-02-02T00:09:00Z"))
    assert await kept(series(), None, *young) == (Outcome.SKIPPED, "TooYoung")
    assert await kept(Reply(500, b"")) == (Outcome.UNKNOWN, "PrometheusNotAnswering")
