"""Every panel's query, asked of a real Prometheus: it returns series or says why not; a wrong one is named."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest
from tests.contract import checked_prometheus
from tests.framework.api import eventually
from tests.framework.http_ask import asking
from tests.framework.verification import STACK, part, pod

from devcluster import traffic
from inventory_operator.verification import excuses
from inventory_operator.verification.answer import Outcome
from inventory_operator.verification.dashboards_live import State, check
from inventory_operator.verification.excuses import Excuse
from inventory_operator.verification.panel_judge import EMPTY, LABEL_MISSING, METRIC_MISSING, REFUSED, Problem
from inventory_operator.verification.selectors import selectors
from inventory_operator.verification.subject import Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.checked_prometheus import Checked
    from tests.framework.server import Server

    from inventory_operator.verification.panel_queries import PanelQuery

SLO = {"availability": "99.9", "latency": {"threshold": "300ms", "objective": "99"}}
OFF = {"containerMetrics": "none", "alerting": {"enabled": False}}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with checked_prometheus.running_service(tmp_path_factory.mktemp("service")) as server:
        yield server


@dataclass
class Stacks:
    """A stack in which everything is on, one with as little as can be; and which excuses held before they were used."""

    whole: Checked
    alone: Checked
    whole_before: set[str] = field(default_factory=set)
    alone_before: set[str] = field(default_factory=set)


@pytest.fixture(scope="module")
def stacks(service: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stacks]:
    folder = tmp_path_factory.mktemp("prometheus")
    with (
        checked_prometheus.running(folder / "whole", service, alone=False, alerting={"slo": SLO}) as whole,
        checked_prometheus.running(folder / "alone", service, alone=True, **OFF) as alone,
    ):
        for one in (whole, alone):
            eventually(lambda one=one: not problems(one), "no query to have a problem")
        yield Stacks(whole, alone, whole.holding(), alone.holding())


@pytest.fixture(scope="module")
def unused(stacks: Stacks) -> Checked:
    return stacks.whole


@pytest.fixture(scope="module")
def used(unused: Checked, service: Server) -> Checked:
    """The same with products and traffic."""

    def live() -> bool:
        traffic.send(service.url, 2)
        return not any(unused.verdicts(unused.dashboards.queries).values())

    eventually(live, "every query to return series")
    return unused


def problems(checked: Checked) -> dict[PanelQuery, Problem]:
    found = checked.verdicts(checked.dashboards.queries)
    return {query: one for query, one in found.items() if isinstance(one, Problem)}


def names(checked: Checked) -> set[str]:
    found = checked.verdicts(checked.dashboards.queries).values()
    return {one.name for one in found if isinstance(one, Excuse)}


def test_where_nothing_has_happened_each_query_has_series_or_says_why_not(unused: Checked) -> None:
    assert problems(unused) == {}
    assert names(unused) <= {"NoProducts", "NoTraffic", "NoErrors"}


def test_excuses_hold_where_they_are_true(stacks: Stacks, used: Checked) -> None:
    # A service that was asked whether it is ready before it was has answered 503.
    assert stacks.whole_before - {"NoErrors"} == {"NoProducts", "NoTraffic"}
    off = {"ContainerMetricsDisabled", "OperatorNotScraped"}
    assert stacks.alone_before - {"NoErrors"} == {"NoProducts", "NoTraffic"} | off
    # Traffic has not lasted for long.
    assert used.holding() <= {"NoTraffic"}


def test_where_parts_are_off_each_query_has_series_or_says_why_not(stacks: Stacks) -> None:
    assert problems(stacks.alone) == {}
    assert names(stacks.alone) >= {"AlertingDisabled", "NoObjectives", "ContainerMetricsDisabled", "OperatorNotScraped"}


async def test_where_all_is_used_every_query_returns_series(used: Checked) -> None:
    """And the check says so: `used` has seen to it that there are neither problems nor excuses."""
    ready = pod("prom-1", "prometheus")
    subject = Subject(STACK, used.spec, tuple(part("prometheus", ready)))
    async with asking(used.url) as ask:
        found = await check(subject, ask, used.dashboards, State())
    assert found.outcome == Outcome.PASSED, found


def wrong(query: PanelQuery, kind: str) -> tuple[PanelQuery, str]:
    """Return a query with its last selector made wrong, and the word that must be told."""
    selector = selectors(query.expr)[-1]
    if kind == METRIC_MISSING:
        old, new = f"{selector.metric}{{", f"{selector.metric}_renamed{{"
    else:
        matcher = next(one for one in reversed(selector.matchers) if one.needs_label)
        old, new = str(matcher), f"{matcher.label}_renamed{str(matcher).removeprefix(matcher.label)}"
    head, _, tail = query.expr.rpartition(old)
    assert head or tail
    return replace(query, expr=f"{head}{new}{tail}"), new.partition("{" if kind == METRIC_MISSING else "=")[0]


@pytest.mark.parametrize("kind", [METRIC_MISSING, LABEL_MISSING])
def test_a_metric_and_a_label_that_do_not_exist_are_named(kind: str, used: Checked) -> None:
    """In every query, whatever hides it from people: `or vector(0)` above all."""
    queries = [one for one in used.dashboards.queries if kind == METRIC_MISSING or selectors(one.expr)[-1].labels]
    assert len(queries) > 90
    broken = dict(wrong(query, kind) for query in queries)
    found = used.verdicts(broken)
    assert len(found) > 90
    for query, problem in found.items():
        assert isinstance(problem, Problem), query
        assert problem.reason == kind, (query, problem)
        assert broken[query] in problem.words, (query, problem)


def test_a_query_that_is_no_promql_is_refused(used: Checked) -> None:
    for query, problem in used.verdicts(replace(one, expr=f"{one.expr})") for one in used.dashboards.queries).items():
        assert isinstance(problem, Problem), query
        assert problem.reason == REFUSED
        assert "parse error" in problem.words


def test_a_condition_that_nothing_meets_is_named(used: Checked) -> None:
    queries = [one for one in used.dashboards.queries if not excuses.of_panel(one.uid, one.panel_id)]
    tried = 0
    for query in queries:
        expr = query.expr.replace('job="prometheus"', 'job="nothing"')
        if expr == query.expr or " or " in expr:
            continue
        (problem,) = used.verdicts([replace(query, expr=expr)]).values()
        assert isinstance(problem, Problem), query
        assert (problem.reason, 'has job="nothing"' in problem.words) == (EMPTY, True), problem
        tried += 1
    assert tried > 10
