"""The preview of the dashboards: what it reads, fills in, and how it shows numbers and names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.framework.rendered import ROOT
from tests.unit.preview_boards import RED, THRESHOLDS, WINDOW, dashboard, panel, scope, variable
from tests.unit.prometheus_stub import Stub, vector

from dashboards.preview import asking, board, colors, settings, units, variables
from dashboards.preview.errors import PreviewError
from inventory_operator.verification.panel_times import PanelError, Window, seconds

if TYPE_CHECKING:
    from pathlib import Path

    from dashboards.preview.client import Client


# Reading


def test_every_committed_dashboard_is_read_whole() -> None:
    for file in (ROOT / "templates/grafana/config/reload").glob("*.json"):
        raw = json.loads(file.read_text("utf-8"))
        found = board.read(file)
        assert len(found.panels) == len(raw["panels"])
        assert found.rows == max(one["gridPos"]["y"] + one["gridPos"]["h"] for one in raw["panels"])


def test_panels_of_a_collapsed_row_are_unfolded() -> None:
    folded = {
        **panel("row", title="Row", at=(0, 4, 24, 1)),
        "panels": [panel("stat", "a", title="in", at=(0, 5, 6, 3))],
    }
    found = dashboard(panel("stat", "b", at=(0, 0, 6, 4)), folded, panel("stat", "c", title="after", at=(0, 5, 6, 3)))
    assert [(one.title, one.box.y) for one in found.panels] == [("Panel", 0), ("Row", 4), ("in", 5), ("after", 8)]


def test_hidden_queries_are_left_out() -> None:
    raw = panel("stat", "a", "b")
    raw["targets"][0]["hide"] = True
    assert [target.expr for target in dashboard(raw).panels[0].targets] == ["b"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"title": "x", "panels": [{}]}', '{"title": "x", "panels": 3}'])
def test_a_file_that_is_no_dashboard_is_named(text: str, tmp_path: Path) -> None:
    file = tmp_path / "no.json"
    file.write_text(text)
    with pytest.raises(PreviewError, match="no dashboard that can be drawn"):
        board.read(file)


# Variables and steps


@pytest.mark.parametrize(("text", "expected"), [("15m", 900), ("1h30m", 5400), ("200h", 720_000), ("10s", 10)])
def test_durations(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "soon", "15", "m", "1h x"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(PanelError, match="is no duration"):
        seconds(text)


def test_steps_are_as_grafana_takes_them() -> None:
    assert WINDOW.interval(800) == 10
    assert Window(0, 720_000, 10).interval(1000) == 600
    assert Window(0, 800_000, 10).interval(1000) == 900
    assert WINDOW.interval(800, least=60) == 60
    filled = scope().fill("x[$__rate_interval] y[$__interval] z[$__range] ${__range_s} [[__interval_ms]]", 10)
    assert filled == "x[40s] y[10s] z[900s] 900 10000"
    assert scope().fill("[$__rate_interval]", 60) == "[70s]"


def test_only_variables_are_replaced() -> None:
    text = 'up{job=~"a$", pod=~"$pod", stack="${stack:regex}"} and $pod'
    assert scope(pod=".+", stack="shop").fill(text) == 'up{job=~"a$", pod=~".+", stack="shop"} and .+'
    with pytest.raises(PanelError, match=r"the variable \$nobody is not defined"):
        scope().fill("up{job='$nobody'}")


@pytest.mark.parametrize(
    ("raw", "promql"),
    [
        (
            variable(
                "query", query="label_values(up, pod)", includeAll=True, allValue=".+", current={"value": ["$__all"]}
            ),
            ".+",
        ),
        (variable("query", query="label_values(up, pod)", includeAll=True, current={"value": "$__all"}), r"(a\\.1|b)"),
        (variable("query", query={"query": "label_values(up, pod)"}, current={"value": "b"}), "b"),
        (variable("query", query="label_values(up, pod)"), "a.1"),
        (variable("query", query="label_values(up, pod)", multi=True, current={"value": ["b"]}), "b"),
        (variable("query", query="label_values(up, pod)", regex="/^(.)$/"), "b"),
        (variable("query", query="label_values(pod)"), "a.1"),
        (variable("query", query="query_result(up)", regex='/pod="([^"]+)"/'), "c"),
        (variable("query", query="label_values(none, missing)"), ""),
        (variable("custom", query="one, two : 2", current={"value": "2"}), "2"),
        (variable("custom", query="one,two"), "one"),
        (variable("constant", query="fixed"), "fixed"),
        (variable("textbox", query="typed", current={"value": "typed"}), "typed"),
        (variable("datasource", query="prometheus"), "prometheus"),
    ],
)
def test_values_of_variables(raw: dict[str, Any], promql: str, stub: Stub, client: Client) -> None:
    stub.values["pod"] = ["b", "a.1"]
    stub.answers["up"] = vector(({"__name__": "up", "pod": "c"}, "1"))
    assert variables.resolve([raw], WINDOW, client).fill("$v") == promql


def test_a_variable_may_depend_on_one_before_it(stub: Stub, client: Client) -> None:
    stub.values |= {"stack": ["shop"], "pod": ["p"]}
    raw = [
        variable("query", "stack", query="label_values(up, stack)"),
        variable("query", "pod", query='label_values(up{stack=~"$stack"}, pod)'),
    ]
    assert variables.resolve(raw, WINDOW, client).values["pod"].promql == "p"
    assert stub.asked[-1][1]["match[]"] == 'up{stack=~"shop"}'
    assert variables.resolve(raw, WINDOW, client, {"stack": "other"}).values["stack"].shown == "other"


def test_a_question_that_is_not_understood_is_an_error(client: Client) -> None:
    with pytest.raises(PreviewError, match=r"only label_values\(\) and query_result\(\)"):
        variables.resolve([variable("query", query="metrics(.*)")], WINDOW, client)


# Numbers, colours, names


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0.0, "none", "0"),
        (1234.0, "none", "1234"),
        (3.14159, "none", "3.14"),
        (0.00042, "none", "0.00042"),
        (12.34, "reqps", "12.3 req/s"),
        (0.9991, "percentunit", "99.9%"),
        (42.0, "percent", "42%"),
        (134217728.0, "bytes", "128 MiB"),
        (1500.0, "decbytes", "1.5 kB"),
        (0.0123, "s", "12.3 ms"),
        (0.0, "s", "0 s"),
        (720_000.0, "s", "1.19 weeks"),
        (250.0, "ms", "250 ms"),
        (1.0, "bool_yes_no", "Yes"),
        (1_764_156_000_000.0, "dateTimeAsIso", "2025-11-26 11:20:00"),
        (5.0, "suffix:pods", "5 pods"),
        (5.0, "prefix:v", "v5"),
        (5.0, "furlongs", "5 furlongs"),
        (float("nan"), "s", "NaN"),
        (float("inf"), "s", "∞"),
    ],
)
def test_units(value: float, unit: str, expected: str) -> None:
    assert units.text(value, unit) == expected


def test_decimals_are_kept_where_they_are_asked_for() -> None:
    assert units.text(0.5, "percentunit", 3) == "50.000%"
    assert units.text(2.0, "none", 1) == "2.0"


def test_colors() -> None:
    thresholds = THRESHOLDS
    assert [colors.by_threshold(thresholds, value) for value in (0, 1, 4.9, 5)] == [
        colors.named(name) for name in ("green", "orange", "orange", "red")
    ]
    shares = {"mode": "percentage", "steps": [{"color": "red", "value": None}, {"color": "green", "value": 50}]}
    assert colors.by_threshold(shares, 4, 0, 10) == colors.named("red")
    assert colors.by_threshold(shares, 5, 0, 10) == colors.named("green")
    assert colors.named("#12ab34") == "#12ab34"
    assert colors.named("rgb(255, 0, 16)") == "#ff0010"
    assert len({colors.named(name) for name in ("red", "light-red", "dark-red", "super-light-red", "nonsense")}) == 5


def test_mappings() -> None:
    mappings = [
        {"type": "value", "options": {"0": {"text": "down", "color": "red"}}},
        {"type": "range", "options": {"from": 1, "to": 5, "result": {"text": "some"}}},
        {"type": "regex", "options": {"pattern": "/crit/", "result": {"color": "red"}}},
        {"type": "special", "options": {"match": "nan", "result": {"text": "nothing"}}},
    ]
    assert colors.mapped(mappings, 0.0) == ("down", colors.named("red"))
    assert colors.mapped(mappings, 3.0) == ("some", None)
    assert colors.mapped(mappings, "critical") == (None, colors.named("red"))
    assert colors.mapped(mappings, float("nan")) == ("nothing", None)
    assert colors.mapped(mappings, 9.0) == (None, None)


def test_overrides() -> None:
    def override(matcher: str, options: str, **properties: Any) -> dict[str, Any]:
        changes = [{"id": name.replace("__", "."), "value": value} for name, value in properties.items()]
        return {"matcher": {"id": matcher, "options": options}, "properties": changes}

    raw = panel(
        "timeseries",
        "a",
        defaults={"unit": "s", "custom": {"lineWidth": 2}},
        overrides=[
            override("byName", "limit", custom__lineStyle={"fill": "dash", "dash": [10, 10]}, unit="bytes"),
            override("byRegexp", "/^lim/", custom__lineWidth=1),
            override("byFrameRefID", "B", color=RED),
        ],
    )
    (one,) = dashboard(raw).panels
    limit, other = settings.of(one, "limit", "A"), settings.of(one, "x", "B")
    assert (limit.unit, limit.dashes, limit.get("custom.lineWidth")) == ("bytes", (5.0, 5.0), 1)
    assert (other.unit, other.dashes, other.get("custom.lineWidth")) == ("s", None, 2)
    assert other.color(0, 0.0) == colors.named("red")


def test_names_of_series() -> None:
    labels = {"__name__": "up", "pod": "a", "job": "service"}
    assert asking.legend("{{pod}} of {{ job }}{{missing}}", labels, "up") == "a of service"
    assert asking.legend("", labels, "up") == 'up{job="service", pod="a"}'
    assert asking.legend("__auto", {}, "sum(up)") == "sum(up)"
