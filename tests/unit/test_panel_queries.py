"""The queries of panels as they are sent, whatever is in a dashboard; and the series that they select."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from tests.framework.boards import RELOAD
from tests.framework.boards import queries as raw_queries

from inventory_operator.verification.dashboards import MOST_OF_USERS, Dashboards, read_dashboards
from inventory_operator.verification.panel_queries import LONGEST_QUERY, MOST_QUERIES, PanelQuery, read
from inventory_operator.verification.panel_times import PanelError
from inventory_operator.verification.selectors import has_alternative, selectors

SHIPPED = {file.name: file.read_text("utf-8") for file in RELOAD.glob("*.json")}


def panel(*exprs: str, **more: Any) -> dict[str, Any]:
    targets = [{"refId": letter, "expr": expr} for letter, expr in zip("ABCD", exprs, strict=False)]
    at = {"x": 0, "y": 0, "w": 12, "h": 8}
    return {"id": 7, "type": "timeseries", "title": "Panel", "gridPos": at, "targets": targets, **more}


def board(*panels: dict[str, Any], variables: list[dict[str, Any]] | None = None, **more: Any) -> str:
    raw = {"uid": "mine", "title": "Mine", "panels": list(panels), "templating": {"list": variables or []}, **more}
    return json.dumps(raw)


def queries(text: str, scrape: str = "10s") -> list[PanelQuery]:
    return list(read(text, scrape, shipped=False).queries)


def exprs(text: str) -> list[str]:
    return [query.expr for query in queries(text)]


# Ours


def shipped() -> Dashboards:
    return read_dashboards({**SHIPPED, "grafana.ini": "", "datasource.yaml": ""}, "10s")


def test_every_query_of_ours_is_read() -> None:
    found = shipped()
    raw = [json.loads(text) for _, text in sorted(SHIPPED.items())]
    assert [one.uid for one in found.shipped] == [one["uid"] for one in raw]
    assert len(found.queries) == sum(len(p.get("targets", ())) for one in raw for p in one["panels"]) > 90
    assert all(query.shipped and query.panel for query in found.queries)
    assert found.unreadable == ()


def test_nothing_is_left_to_fill_in() -> None:
    for query in shipped().queries:
        assert not re.search(r"\$(?!1\b)", query.expr), query
        assert "$" not in query.panel, query
        assert query.rate_interval in {"40s", "70s"}
        assert len(query.expr) < LONGEST_QUERY / 4
    assert "CPU of service, against request and limit" in {query.panel for query in shipped().queries}


def test_the_same_text_is_read_once() -> None:
    """A hundred stacks have the same dashboards: their queries are in memory once."""
    first, second = shipped(), shipped()
    assert all(one is other for one, other in zip(first.queries, second.queries, strict=True))


def test_the_series_of_ours_are_found() -> None:
    """Every metric and label that a selector names, so that it can be said which is missing."""
    for query in shipped().queries:
        found = selectors(query.expr)
        assert found, query
        assert all(one.labels for one in found if "|" not in str(one)), query
    assert len({one.metric for query in raw_queries_of_all() for one in selectors(query)}) > 50


def raw_queries_of_all() -> list[str]:
    return [query.expr for text in SHIPPED.values() for query in raw_queries(json.loads(text))]


# Those of users


def variable(kind: str, name: str = "v", **rest: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **rest}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (variable("query", query="label_values(up, pod)", includeAll=True, allValue=".*"), ['up{pod=~".*"}']),
        (variable("query", query="label_values(up, pod)", includeAll=True), ['up{pod=~".+"}']),
        (variable("query", query="label_values(up, pod)", current={"value": "a"}), ['up{pod=~"a"}']),
        (variable("query", current={"value": ["a", "b"]}, multi=True), ['up{pod=~"(a|b)"}']),
        (variable("query", query="label_values(up, pod)", regex="(a+)+$", current={"value": "a" * 40}), None),
        (variable("query", query="label_values(up, pod)"), []),
        (variable("custom", query="one,two"), ['up{pod=~"one"}']),
        (variable("textbox", query="x" * 2_000), []),
        (variable("adhoc"), ['up{pod=~"${v}"}']),
        (variable("custom", "other", query="one"), ['up{pod=~"${v}"}']),
    ],
    ids=["all", "all-unsaid", "saved", "several", "regex", "unsaid", "custom", "long", "adhoc", "undefined"],
)
def test_values_are_those_that_a_dashboard_was_saved_with(raw: dict[str, Any], expected: list[str] | None) -> None:
    """Nobody is asked for them; what only Prometheus knows, leaves the query out; no expression of a user is run."""
    found = exprs(board(panel('up{pod=~"$v"}'), variables=[raw]))
    assert found == (expected if expected is not None else [f'up{{pod=~"{"a" * 40}"}}'])


def test_intervals_are_those_of_the_panel() -> None:
    text = 'x[$__rate_interval] $__interval $__range ${__range_s} label_replace(a, "b", "$1", "c", "(.*)") ${x}'
    filled = 'x[40s] 10s 3600s 3600 label_replace(a, "b", "$1", "c", "(.*)") ${x}'
    assert exprs(board(panel(text), time={"from": "now-1h"})) == [filled]
    (query,) = queries(board(panel("x[$__rate_interval]", interval="1m")), "30s")
    assert (query.expr, query.rate_interval) == ("x[120s]", "120s")
    assert exprs(board(panel("$__range"), time={"from": "now/d"})) == ["21600s"]
    assert exprs(board(panel("up{user='${__user.login}'}"))) == [], "only who looks knows"


@pytest.mark.parametrize(
    ("source", "asked"),
    [
        (None, True),
        ({"type": "prometheus", "uid": "${datasource}"}, True),
        ({"type": "prometheus", "uid": "prometheus"}, True),
        ({"uid": "prometheus"}, True),
        ({"type": "prometheus", "uid": "another"}, False),
        ({"type": "loki", "uid": "prometheus"}, False),
        ({"type": "datasource", "uid": "-- Mixed --"}, False),
        ("Prometheus", True),
        ("$source", True),
        ("Loki", False),
    ],
)
def test_other_data_sources_are_not_asked(source: Any, asked: bool) -> None:
    assert exprs(board(panel("up", datasource=source))) == (["up"] if asked else [])
    own = panel("up", datasource={"type": "loki", "uid": "x"})
    own["targets"][0]["datasource"] = source or {"type": "prometheus", "uid": "prometheus"}
    assert exprs(board(own)) == (["up"] if asked else [])


def test_panels_in_rows_hidden_queries_and_what_has_none() -> None:
    row = {"id": 1, "type": "row", "title": "Row", "panels": [panel("inner"), {"type": "text"}]}
    hidden = panel("a", "b")
    hidden["targets"][0]["hide"] = True
    math = panel("c")
    math["targets"].append({"refId": "B", "type": "math", "expression": "$A * 2"})
    assert exprs(board(row, {"type": "text"}, hidden, math)) == ["inner", "b", "c"]


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", "null", "[" * 100_000, "\ud800", '{"title": "x", "uid": "x"}'),
        '{"title": "x", "uid": "x", "panels": 3}',
        '{"title": "x", "uid": "x", "panels": [{}]}',
        board(panel("x", gridPos=None)),
        board(panel("x", id={})),
        board(panel("x"), variables=[{"name": "v"}]),
        board({**panel("x"), "targets": 3}),
    ],
)
def test_what_is_no_dashboard_is_named(text: str) -> None:
    with pytest.raises(PanelError, match="is not a dashboard that can be read"):
        read(text, "10s", shipped=False)
    assert read_dashboards({"inventory-slo.json": text}, "10s").unreadable == ("inventory-slo.json",)
    assert read_dashboards({"user-mine_x.json": text}, "10s") == Dashboards((), ())


def test_what_users_ask_is_bounded() -> None:
    many = board(*[panel("up", "up", "up", "up")] * 1_000)
    assert len(queries(many)) == MOST_QUERIES
    found = read_dashboards({f"user-{name}_x.json": many for name in "abc"} | SHIPPED, "10s")
    assert sum(not query.shipped for query in found.queries) == MOST_OF_USERS
    assert found.queries[0].shipped, "ours come first"
    assert exprs(board(panel("x" * (LONGEST_QUERY + 1)), panel("up"))) == ["up"]
    value = variable("constant", query="y" * 1_000)
    assert exprs(board(panel("$v " * 2_000), panel("up"), variables=[value])) == ["up"]
    variables = [variable("custom", f"v{number}", query="one") for number in range(20_000)]
    assert exprs(board(*[panel("$v1", "$v19999")] * 1_000, variables=variables))[:2] == ["one", "${v19999}"]
    titles = queries(board(panel("up", title="t" * 10_000), title="T" * 10_000))
    assert (len(titles[0].panel), len(titles[0].dashboard)) == (200, 200)


@pytest.mark.parametrize("filler", ["$", " ", "${", "[[", "a, ", " : "])
def test_a_file_full_of_what_is_slow_to_read_is_read(filler: str) -> None:
    """With a square of its length in it, this would take hours."""
    text = filler * (700_000 // len(filler))
    assert exprs(board(panel(text), panel("up"), variables=[variable("custom", "w", query=text)])) == ["up"]


# Selectors


def test_selectors_and_their_labels() -> None:
    found = selectors('sum by (a) (rate(x_total{j="s", y=~"5..{2}", z=~"a|", n!="q"}[5m] offset 1m)) / y:z{} > 1')
    assert [one.metric for one in found] == ["x_total", "y:z"]
    assert found[0].labels == ("j", "y")
    assert str(found[0]) == 'x_total{j="s",y=~"5..{2}",z=~"a|",n!="q"}'
    assert [str(one) for one in selectors('a{b="\\"}"} or a{b="\\"}"}')] == ['a{b="\\"}"}']
    assert selectors("up + vector(1)") == []


@pytest.mark.parametrize(
    ("expr", "found"), [("a or b", True), ('a{x="b or c"}', False), ("floor(a)", False), ("a\nor on () b", True)]
)
def test_alternatives(expr: str, found: bool) -> None:
    assert has_alternative(expr) == found
