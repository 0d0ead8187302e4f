"""When panels' queries are asked, what is made of a Prometheus' answers, and when that is told."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from tests.framework.verification import NOW, Pods, part, pod, subject
from tests.unit.checked_panels import ROUND, SHIPPED, Checked, Prometheus, board

from inventory_operator.verification import excuses
from inventory_operator.verification.answer import Outcome
from inventory_operator.verification.ask import Reply
from inventory_operator.verification.dashboards import read_dashboards
from inventory_operator.verification.dashboards_live import A_FEW, EVERY_SECONDS, TIMES, YOUNG_SECONDS, State, check

if TYPE_CHECKING:
    from collections.abc import Callable


COUNT = len(read_dashboards(SHIPPED, "30s").queries)
SLO = {"alerting": {"slo": {"availability": "99.9"}}}


@pytest.fixture
def prometheus() -> Prometheus:
    return Prometheus()


@pytest.fixture
def checked(prometheus: Prometheus) -> Checked:
    return Checked(prometheus, **SLO)


# When


async def test_all_are_asked_after_a_change_then_a_few_at_a_time(checked: Checked) -> None:
    found = await checked.round()
    assert (found.outcome, found.reason) == (Outcome.PASSED, "DashboardsLive")
    assert found.message == f"all {COUNT} queries of panels return series where there can be some"
    assert checked.asked() >= COUNT
    assert await checked.round() == found
    assert checked.asked() == 0, "nothing changed"
    checked.seconds += EVERY_SECONDS
    rounds = 0
    while not rounds or not checked.state.is_complete:
        assert await checked.round(15.0) == found
        # Each with what it takes to look behind an "or".
        assert 0 < checked.asked() <= A_FEW * 6
        rounds += 1
    assert rounds == -(-COUNT // A_FEW)
    await checked.round()
    assert checked.asked() == 0


def another_board(checked: Checked) -> None:
    checked.boards = {**SHIPPED, "user-a_b.json": board("up")}


def another_pod(checked: Checked) -> None:
    checked.names = ["shop-2"]


def another_spec(checked: Checked) -> None:
    checked.spec = {**SLO, "prometheus": {"retention": "30d"}}


@pytest.mark.parametrize("change", [another_board, another_pod, another_spec])
async def test_all_are_asked_again_when_something_changed(change: Callable[[Checked], None], checked: Checked) -> None:
    await checked.round()
    checked.asked()
    change(checked)
    await checked.round()
    assert checked.asked() >= COUNT


async def test_a_pause_changes_nothing(checked: Checked) -> None:
    await checked.round()
    checked.asked()
    checked.spec = {**SLO, "paused": True}
    assert (await checked.round()).outcome == Outcome.PASSED
    assert checked.asked() == 0


async def test_a_slow_prometheus_is_asked_on_in_the_next_round(checked: Checked) -> None:
    answer = checked.pods._answer

    def slow(name: str, path: str) -> Any:
        checked.seconds += 1.0
        return answer(name, path)

    checked.pods._answer = slow
    found = await checked.round()
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, "NotChecked")
    assert checked.asked() < COUNT / 4
    while found.reason == "NotChecked":
        found = await checked.round()
    assert found.outcome == Outcome.PASSED
    assert checked.state.is_complete


# What


@pytest.mark.parametrize(
    ("missing", "reason", "message"),
    [
        (
            r"inventory:http_requests:rate5m",
            "MetricMissing",
            (
                'panel "Requests" of "Inventory overview", query A: there are no series of the metric '
                "inventory:http_requests:rate5m: correct the query, or see why Prometheus does not have it"
            ),
        ),
        (
            r"inventory_products_low_stock(?!\{\})(?=\{.*(job!=|namespace=))",
            "LabelMissing",
            (
                'panel "Products low or out of stock" of "Inventory overview", query A: no series of '
                "inventory_products_low_stock has the label job: "
                "correct the query, or see why Prometheus does not have it"
            ),
        ),
        (
            r'inventory_products_low_stock\{job="service"',
            "QueryEmpty",
            (
                'panel "Products low or out of stock" of "Inventory overview", query A: no series of '
                'inventory_products_low_stock has job="service": '
                "correct the query, or see why Prometheus does not have it"
            ),
        ),
        (
            r"sum\(inventory:http_requests:rate5m",
            "QueryEmpty",
            (
                'panel "Requests" of "Inventory overview", query A: '
                "its metrics have series, but the query returns none: correct it"
            ),
        ),
    ],
    ids=["metric", "label", "value", "expression"],
)
async def test_what_is_missing_is_named(missing: str, reason: str, message: str, checked: Checked) -> None:
    assert (await checked.round()).outcome == Outcome.PASSED
    checked.prometheus.missing.add(missing)
    another_pod(checked)
    first = await checked.round()
    assert first.outcome == Outcome.PASSED, "one scrape may have failed"
    found = await checked.round()
    assert (found.outcome, found.reason, found.message.partition("; and ")[0]) == (Outcome.FAILED, reason, message)
    checked.prometheus.missing.clear()
    assert (await checked.round()).outcome == Outcome.PASSED, "it is asked for in each round"


async def test_what_is_missing_behind_an_or_is_found(checked: Checked) -> None:
    """A 0 instead of nothing hides it from people, too."""
    checked.prometheus.missing.add("inventory_operator_leader")
    found = await checked.settled()
    assert found.reason == "MetricMissing"
    assert found.message.startswith('panel "Leaders" of "Inventory operator", query A: there are no series of')


async def test_a_query_that_is_refused_is_told_at_once(checked: Checked) -> None:
    words = 'invalid parameter "query": 1:5: parse error: unclosed left parenthesis' + "\x1b[31m" + "x" * 500
    checked.prometheus.refused["inventory:http_requests:rate5m"] = words
    found = await checked.round()
    assert (found.outcome, found.reason) == (Outcome.FAILED, "QueryRefused")
    assert found.message.startswith(
        'panel "Requests" of "Inventory overview", query A: Prometheus refuses the query: '
        'invalid parameter "query": 1:5: parse error: unclosed left parenthesis'
    )
    assert len(found.message) < 300


async def test_a_query_that_takes_too_long_is_told_when_it_does_again_and_again(checked: Checked) -> None:
    checked.prometheus.slow = {
        query.expr for query in read_dashboards(SHIPPED, "30s").queries if query.panel == "Requests"
    }
    for _ in range(TIMES - 1):
        assert (await checked.round()).reason == "NotChecked"
    found = await checked.round()
    assert (found.outcome, found.reason) == (Outcome.FAILED, "QueryTimedOut")
    assert found.message.endswith("Prometheus takes longer than 1s for the query: make it cheaper")


async def test_the_number_of_the_others_is_told_when_all_were_asked(checked: Checked) -> None:
    checked.prometheus.missing.add("http_requests_total")
    found = await checked.settled()
    more = re.fullmatch(r".*; and (\d+) more", found.message)
    assert more
    assert int(more[1]) > 3
    assert await checked.settled() == found, "it says the same as long as nothing changes"


# While something is young


async def test_what_new_pods_do_not_have_yet_is_not_told(checked: Checked) -> None:
    checked.unix = datetime.fromisoformat(NOW).timestamp() + YOUNG_SECONDS - 1
    checked.prometheus.missing.add("http_requests_total")
    for _ in range(4):
        assert (await checked.round()).reason == "NotChecked"
    checked.unix += 1
    assert (await checked.round()).reason == "MetricMissing"


async def test_a_new_stack_is_well_as_soon_as_the_last_series_is_there(checked: Checked) -> None:
    checked.unix = datetime.fromisoformat(NOW).timestamp() + 1
    checked.prometheus.missing |= {"http_requests_total", "inventory:", "container_"}
    assert (await checked.round()).reason == "NotChecked"
    checked.prometheus.missing.clear()
    checked.unix += ROUND
    assert (await checked.round()).outcome == Outcome.PASSED
    checked.asked()
    checked.unix += YOUNG_SECONDS
    assert (await checked.round()).outcome == Outcome.PASSED
    assert checked.asked() >= COUNT, "once more, for what was excused meanwhile"


async def test_what_a_new_spec_asks_for_is_not_told_until_it_can_be_there(prometheus: Prometheus) -> None:
    checked = Checked(prometheus)
    prometheus.missing.add("inventory:slo_")
    before = await checked.settled()
    assert before.outcome == Outcome.PASSED
    checked.spec = SLO
    checked.seconds -= ROUND
    assert await checked.round() == before
    assert await checked.round(YOUNG_SECONDS - 1) == before
    found = await checked.round(1)
    assert found.reason == "MetricMissing"


@pytest.mark.parametrize("since", [None, "", "soon", "2026-02-02T00:10:00"])
async def test_a_pod_may_not_say_since_when_it_is_ready(since: Any, prometheus: Prometheus) -> None:
    ready = pod("prom-1", "prometheus")
    ready["status"]["conditions"][0]["lastTransitionTime"] = since
    found = await check(subject(*part("prometheus", ready)), Pods(prometheus), read_dashboards(SHIPPED, "30s"), State())
    assert found.outcome == Outcome.PASSED


# Excuses


async def test_what_the_spec_does_not_have_is_no_fault_and_is_named(prometheus: Prometheus) -> None:
    off = {"containerMetrics": "none", "alerting": {"enabled": False}}
    prometheus.missing |= {"inventory:slo_", "container_", "alertmanager_", "ALERTS", "prometheus_notifications_"}
    found = await Checked(prometheus, **off).settled()
    assert found.outcome == Outcome.PASSED
    assert found.message.endswith(
        "; none are expected while spec.alerting.enabled is false, there is no spec.alerting.slo, "
        "container metrics are off"
    )
    assert (await Checked(prometheus, **SLO).settled()).outcome == Outcome.FAILED


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("NoProducts", {"product_stock_level", "inventory:product_", "product_low_stock", "restock_operations_total"}),
        ("NoTraffic", {"inventory:http_requests_errors", "inventory:slo_errors:ratio"}),
        ("NoTraffic", {r"histogram_quantile\(0.95"}),
        ("NoErrors", {r'http_requests_total\{[^}]*status=~"\[45\]'}),
        ("ContainerMetricsDisabled", {"container_"}),
        ("OperatorNotScraped", {"inventory_operator_", r'process_[a-z_]+\{job="operator"'}),
        ("GrafanaNotScraped", {"grafana_http_request_duration_seconds_count"}),
        ("NoWrites", {"inventory_operator_api_writes_total"}),
    ],
)
async def test_what_has_not_happened_is_no_fault(name: str, missing: set[str], checked: Checked) -> None:
    checked.prometheus.missing = missing
    assert (await checked.settled()).outcome == Outcome.FAILED
    checked.prometheus.holding.add(name)
    another_pod(checked)
    found = await checked.settled()
    assert found.outcome == Outcome.PASSED, found
    assert {one.name for one in checked.state.excused.values()} == {name}


async def test_an_excuse_covers_no_other_metric_and_no_label(checked: Checked) -> None:
    checked.prometheus.holding |= {one.name for one in excuses.ALL}
    checked.prometheus.missing = {"http_request_duration_seconds_bucket"}
    assert (await checked.settled()).reason == "MetricMissing"
    checked.prometheus.missing = {r"http_requests_total\{[^}]*status"}
    another_pod(checked)
    assert (await checked.settled()).reason == "LabelMissing"


# Users' dashboards, and what is no Prometheus


async def test_of_users_dashboards_only_what_is_refused_is_told(prometheus: Prometheus) -> None:
    """Nobody has said that they have data."""
    checked = Checked(prometheus, SHIPPED | {"user-a_b.json": board("mine{x='y'}", "ratio(")}, **SLO)
    prometheus.missing.add("mine")
    assert (await checked.settled()).outcome == Outcome.PASSED
    prometheus.refused["ratio("] = "parse error"
    another_pod(checked)
    assert (await checked.round()).reason == "QueryRefused"


async def test_a_file_that_is_no_dashboard_is_told(prometheus: Prometheus) -> None:
    checked = Checked(prometheus, SHIPPED | {"inventory-slo.json": "{}"}, **SLO)
    found = await checked.settled()
    assert (found.outcome, found.reason) == (Outcome.FAILED, "DashboardUnreadable")
    assert "inventory-slo.json" in found.message


async def test_what_does_not_apply(prometheus: Prometheus) -> None:
    found = await Checked(prometheus, grafana={"enabled": False}).round()
    assert (found.outcome, found.reason) == (Outcome.SKIPPED, "GrafanaDisabled")
    stack = subject(*part("prometheus", pod("prom-1", "prometheus", ready=False)))
    found = await check(stack, Pods(prometheus), read_dashboards(SHIPPED, "30s"), State())
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, "PrometheusNotReady")
    assert prometheus.asked == []


@pytest.mark.parametrize(
    "broken",
    [
        "can't be connected to",
        *(Reply(status, body) for status in (200, 500) for body in (b"", b"[]", b"{}", b"[" * 500_000, b"\xff")),
        Reply(503, b'{"status": "error", "errorType": "unavailable", "error": "starting"}'),
        Reply(200, b'{"status": "success", "data": 3}'),
    ],
    ids=lambda one: str(one)[:40],
)
async def test_what_is_no_prometheus(broken: Reply | str, checked: Checked) -> None:
    before = await checked.settled()
    another_pod(checked)
    checked.prometheus.broken = broken
    found = await checked.round()
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, "PrometheusNotAnswering")
    assert found.message.startswith("pod prom-1 ")
    assert len(found.message) < 200
    checked.prometheus.broken = None
    assert await checked.round() == before
    assert checked.state.is_complete
