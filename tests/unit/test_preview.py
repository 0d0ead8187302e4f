"""The preview of the dashboards: what it reads, asks, draws, and says where it can't."""

from __future__ import annotations

import base64
import io
import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from tests.framework.rendered import ROOT
from tests.unit.prometheus_stub import NOW, REFUSED, Stub, answering, matrix, vector

from preview import asking, board, colors, demo, pictures, settings, tables, units, variables
from preview.__main__ import main
from preview.client import Client
from preview.errors import PreviewError
from preview.times import Window, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WINDOW = Window(NOW - 900, NOW, 10)
STEPS = [{"color": "green", "value": None}, {"color": "orange", "value": 1}, {"color": "red", "value": 5}]
THRESHOLDS = {"mode": "absolute", "steps": STEPS}
RED = {"mode": "fixed", "fixedColor": "red"}


def panel(
    kind: str, *exprs: str, title: str = "Panel", at: tuple[int, int, int, int] = (0, 0, 12, 8), **rest: Any
) -> dict:
    x, y, w, h = at
    form = {
        "instant": kind not in {"timeseries", "state-timeline"},
        "format": "table" if kind == "table" else "time_series",
    }
    targets = [
        {"refId": letter, "expr": expr, "legendFormat": rest.pop("legend", "{{pod}}"), **form}
        for letter, expr in zip("ABC", exprs, strict=False)
    ]
    defaults = rest.pop("defaults", {"unit": "none", "thresholds": THRESHOLDS})
    return {
        "id": abs(hash((kind, title))) % 10_000,
        "type": kind,
        "title": title,
        "description": "What it shows.",
        "gridPos": {"x": x, "y": y, "w": w, "h": h},
        "targets": targets,
        "fieldConfig": {"defaults": defaults, "overrides": rest.pop("overrides", [])},
        **rest,
    }


def dashboard(*panels: dict, **rest: Any) -> board.Board:
    return board.parse("test", {"title": "Test", "panels": list(panels), **rest})


@pytest.fixture
def stub() -> Stub:
    return Stub()


@pytest.fixture
def address(stub: Stub) -> Iterator[str]:
    with answering(stub) as address:
        yield address


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    client = Client(address)
    yield client
    client.close()


def scope(**values: str) -> variables.Scope:
    result = variables.Scope(WINDOW)
    result.values = {name: variables.Value(text, text) for name, text in values.items()}
    return result


def answer_of(raw: dict, client: Client) -> asking.Answer:
    (answer,) = asking.ask(dashboard(raw), scope(), client)
    return answer


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
    with pytest.raises(PreviewError, match="is no duration"):
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
    with pytest.raises(PreviewError, match=r"the variable \$nobody is not defined"):
        scope().fill("up{job='$nobody'}")


def variable(kind: str, name: str = "v", **rest: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **rest}


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


# Asking


def test_a_graph_asks_for_whole_steps(stub: Stub, client: Client) -> None:
    answer_of(panel("timeseries", "rate(x[$__rate_interval])"), client)
    ((path, form),) = stub.asked
    assert (path, form["query"], form["step"]) == ("query_range", "rate(x[40s])", "10")
    assert float(form["end"]) % 10 == 0
    assert float(form["end"]) - float(form["start"]) == 900


def test_a_query_with_a_least_step_keeps_to_it(stub: Stub, client: Client) -> None:
    raw = panel("timeseries", "x")
    raw["targets"][0]["interval"] = "1m"
    answer_of(raw, client)
    assert stub.asked[-1][1]["step"] == "60"


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ({"a": vector(({}, "1")), "b": vector(({}, "0"))}, "data"),
        ({"a": vector(({}, "1"))}, "partial"),
        ({"a": vector(({}, "1")), "b": vector(({}, "NaN"))}, "partial"),
        ({"a": vector(({}, "NaN"))}, "no data"),
        ({}, "no data"),
        ({"a": vector(({}, "1")), "b": REFUSED}, "error"),
    ],
)
def test_status(answers: dict[str, Any], status: str, stub: Stub, client: Client) -> None:
    stub.answers = answers
    assert answer_of(panel("stat", "a", "b"), client).status == status


def test_an_undefined_variable_is_an_error_of_its_panel_only(stub: Stub, client: Client) -> None:
    stub.answers = {"a": vector(({}, "1"))}
    answers = asking.ask(
        dashboard(panel("stat", "up{a='$b'}", title="$b"), panel("stat", "a", at=(0, 8, 6, 4))), scope(), client
    )
    assert [answer.status for answer in answers] == ["error", "data"]
    assert answers[0].title == "$b"
    assert "$b is not defined" in answers[0].asked[0].error


@pytest.mark.parametrize(("broken", "said"), [(b"<html>", "no JSON"), (b"[1", "no JSON")])
def test_what_is_no_prometheus(broken: bytes, said: str, stub: Stub, client: Client) -> None:
    stub.broken = broken
    with pytest.raises(PreviewError, match=said):
        client.now()


# Tables


def table(
    stub: Stub, client: Client, *transformations: dict[str, Any], **options: Any
) -> tuple[list[str], list[tables.Row]]:
    stub.answers = {
        "a": vector(({"pod": "x", "job": "j"}, "2"), ({"pod": "y", "job": "j"}, "1")),
        "b": vector(({"pod": "y", "job": "j"}, "7")),
    }
    return tables.rows_of(
        answer_of(panel("table", "a", "b", transformations=list(transformations), options=options), client)
    )


def test_queries_of_a_table_are_merged_by_their_labels(stub: Stub, client: Client) -> None:
    columns, rows = table(stub, client, {"id": "merge"})
    assert columns == ["Time", "job", "pod", "Value #A", "Value #B"]
    assert [(row["pod"], row["Value #A"], row.get("Value #B")) for row in rows] == [("x", 2, None), ("y", 1, 7)]


def test_columns_of_a_table_are_organized_and_sorted(stub: Stub, client: Client) -> None:
    organize = {
        "excludeByName": {"Time": True, "job": True},
        "indexByName": {"Value #B": 0, "pod": 1},
        "renameByName": {"pod": "Pod", "Value #B": "Seven"},
    }
    columns, rows = table(stub, client, {"id": "organize", "options": organize}, sortBy=[{"displayName": "Value #A"}])
    assert columns == ["Seven", "Pod", "Value #A"]
    assert [row["Pod"] for row in rows] == ["y", "x"]
    assert all("Time" not in row for row in rows)


ALL = ["Time", "job", "pod", "Value #A", "Value #B"]


def step(name: str, **options: Any) -> dict[str, Any]:
    return {"id": name, "options": options}


@pytest.mark.parametrize(
    ("transformation", "columns", "rows"),
    [
        (step("joinByField", byField="job"), ALL, 1),
        (step("filterFieldsByName", include={"names": ["pod"]}), ["pod"], 2),
        (step("filterFieldsByName", include={"pattern": "^Value"}), ALL[3:], 2),
        (step("renameByRegex", regex="Value #(.)", renamePattern="$1"), [*ALL[:3], "A", "B"], 2),
        (step("sortBy", sort=[{"field": "pod", "desc": True}]), ALL, 2),
        (step("limit", limitField=1), ALL, 1),
        (step("something"), ALL, 2),
    ],
)
def test_transformations(
    transformation: dict[str, Any], columns: list[str], rows: int, stub: Stub, client: Client
) -> None:
    found = table(stub, client, transformation)
    assert found[0] == columns
    assert len(found[1]) == rows


# Drawing

LINES = matrix(({"pod": "a"}, ["1", "2", "NaN", "4", "3"]), ({"pod": "ü$x^2$ 商品"}, ["5", "5", "5", "5", "+Inf"]))
OPTIONS = {
    "legend": {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull", "max"]}
}
KINDS = {
    "lines": panel("timeseries", "lines", options=OPTIONS),
    "a list as legend": panel("timeseries", "lines", options={"legend": {"displayMode": "list", "showLegend": True}}),
    "a legend beside": panel("timeseries", "lines", options={"legend": {**OPTIONS["legend"], "placement": "right"}}),
    "no legend": panel("timeseries", "lines", options={"legend": {"showLegend": False}}),
    "bars": panel("timeseries", "lines", defaults={"custom": {"drawStyle": "bars", "stacking": {"mode": "normal"}}}),
    "plain bars": panel("timeseries", "lines", defaults={"custom": {"drawStyle": "bars"}}),
    "stacked": panel("timeseries", "lines", defaults={"custom": {"fillOpacity": 30, "stacking": {"mode": "normal"}}}),
    "points": panel("timeseries", "lines", defaults={"unit": "bytes", "custom": {"drawStyle": "points"}}),
    "dashed": panel("timeseries", "lines", defaults={"custom": {"lineStyle": {"fill": "dash"}, "fillOpacity": 10}}),
    "limits": panel(
        "timeseries",
        "lines",
        defaults={"thresholds": THRESHOLDS, "custom": {"thresholdsStyle": {"mode": "dashed+area"}}},
    ),
    "a second axis": panel("timeseries", "lines", defaults={"min": 0, "max": 0, "custom": {"axisPlacement": "right"}}),
    "stat": panel("stat", "numbers", options={"colorMode": "background"}),
    "stat with a line": panel("stat", "numbers", options={"graphMode": "area"}),
    "bargauge": panel("bargauge", "numbers"),
    "gauge": panel("gauge", "numbers", defaults={"unit": "percentunit", "min": 0, "thresholds": THRESHOLDS}),
    "table": panel("table", "numbers", defaults={"custom": {"cellOptions": {"type": "color-background"}}}),
    "states": panel("state-timeline", "lines"),
    "text": panel("text", options={"content": "# Title\n\n- **one** [two](x)\n\n" + "many words " * 500}),
    "unknown": panel("piechart", "numbers"),
    "no data": panel("timeseries", "nothing{a='$'}"),
    "an error": panel("table", "refused"),
    "row": panel("row", at=(0, 0, 24, 1)),
    "very small": panel("timeseries", "lines", at=(0, 0, 2, 2), options=OPTIONS),
    "very small table": panel("table", "numbers", at=(0, 0, 2, 2)),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn_at_its_size(kind: str, stub: Stub, client: Client) -> None:
    numbers = vector(*[({"pod": f"pod {number}"}, str(number)) for number in range(12)], ({"pod": "none"}, "NaN"))
    stub.answers = {"lines": LINES, "numbers": numbers, "refused": REFUSED}
    answer = answer_of(KINDS[kind], client)
    picture = pictures.panel(answer, WINDOW)
    box = answer.panel.box
    assert picture.shape == (box.h * 38 - 8, round(box.w * 1600 / 24) - 8, 4)
    # Each pixel as one number: to compare rows of four takes five times as long as to draw.
    assert len(np.unique(picture.view(np.uint32))) > 5, "something is drawn"


def test_what_is_drawn_is_what_was_measured(stub: Stub, client: Client) -> None:
    """A bar of twice the number is twice as long, and has the colour of its threshold."""
    stub.answers = {"x": vector(({"pod": "a"}, "4"), ({"pod": "b"}, "8"))}
    picture = pictures.panel(answer_of(panel("bargauge", "x"), client), WINDOW)
    lengths = []
    for name in ("orange", "red"):
        rgb = [int(colors.named(name)[at : at + 2], 16) for at in (1, 3, 5)]
        lengths.append((picture[:, :, :3] == rgb).all(axis=2).sum(axis=1).max())
    assert lengths[1] == pytest.approx(2 * lengths[0], rel=0.02)


def test_panels_lie_in_the_picture_of_the_dashboard_as_in_the_grid(stub: Stub, client: Client) -> None:
    found = dashboard(panel("stat", "a", at=(0, 0, 6, 4)), panel("stat", "b", at=(18, 4, 6, 4)))
    answers = asking.ask(found, scope(), client)
    drawn = [pictures.panel(answer, WINDOW) for answer in answers]
    whole = pictures.board(found, answers, drawn)
    assert whole.shape[1] == 1600
    for answer, picture in zip(answers, drawn, strict=True):
        y, x = 46 + answer.panel.box.y * 38, answer.panel.box.x * 1600 // 24 + 4
        assert (whole[y : y + picture.shape[0], x : x + picture.shape[1]] == picture).all()


# The whole


@pytest.fixture
def boards(tmp_path: Path) -> Path:
    folder = tmp_path / "boards"
    folder.mkdir()
    raw = {
        "title": "Shop <1>",
        "templating": {"list": [variable("custom", "container", query="service,grafana")]},
        "panels": [
            panel("row", title="Row", at=(0, 0, 24, 1)),
            panel("timeseries", "lines", title="Lines of $container", at=(0, 1, 12, 8)),
            panel("stat", "x < 1", title="None", at=(12, 1, 12, 8)),
        ],
    }
    (folder / "one.json").write_text(json.dumps(raw))
    (folder / "two.json").write_text(json.dumps({"title": "Two", "panels": [panel("stat", "refused")]}))
    return folder


def words(boards: Path, address: str, *more: str) -> list[str]:
    return ["--prometheus", address, "--boards", str(boards), "--out", str(boards.parent / "out"), *more]


def test_one_run(boards: Path, stub: Stub, address: str, capsys: pytest.CaptureFixture[str]) -> None:
    stub.answers = {"lines": LINES}
    assert main(words(boards, address, "--dashboard", "one", "-o", "json")) == 0
    captured = capsys.readouterr()
    assert "[1/1] Shop <1>: 3 panels" in captured.err
    summary = json.loads(captured.out)
    assert [(one["title"], one["status"], one["series"]) for one in summary["panels"]] == [
        ("Lines of service", "data", 2),
        ("None", "no data", 0),
    ]
    assert (summary["lacking"], summary["allowed"], summary["enough"]) == (1, 5, True)
    out = boards.parent / "out"
    names = ["one.png", "one/01-lines-of-service.png", "one/02-none.png"]
    assert {file.relative_to(out).as_posix() for file in out.rglob("*.png")} == set(names)
    page = (out / "index.html").read_text("utf-8")
    images = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert [base64.b64decode(image) for image in images] == [(out / name).read_bytes() for name in names[1:]]
    assert Image.open(io.BytesIO((out / "one.png").read_bytes())).size == (1600, 46 + 9 * 38)
    assert "Shop &lt;1&gt;" in page
    assert "x &lt; 1" in page
    assert not re.search(r"<script|https?://|src=\"(?!data:)", page)


def test_a_second_run_leaves_no_picture_of_a_panel_that_is_gone(boards: Path, address: str) -> None:
    old = boards.parent / "out/one/99-old.png"
    old.parent.mkdir(parents=True)
    old.touch()
    assert main(words(boards, address, "--dashboard", "one")) == 0
    assert not old.exists()


def test_too_many_panels_without_data(boards: Path, address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(boards, address, "--dashboard", "one", "--allowed", "1")) == 1
    said = capsys.readouterr().out
    assert "2 panels lack data, 1 may: too many" in said
    assert "no data: one: None: x < 1" in said


def test_a_refused_query_is_never_allowed(
    boards: Path, stub: Stub, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.answers = {"refused": REFUSED}
    assert main(words(boards, address, "--allowed", "99")) == 1
    assert "error: two: Panel: invalid parameter" in capsys.readouterr().out


def test_a_chosen_variable(boards: Path, address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(boards, address, "--dashboard", "one", "--variable", "container=grafana", "-o", "json")) == 0
    assert json.loads(capsys.readouterr().out)["panels"][0]["title"] == "Lines of grafana"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--dashboard", "three"], "has no three: there is one, two"),
        (["--range", "soon"], "'soon' is no duration"),
        (["--prometheus", "http://127.0.0.1:9"], "does not answer"),
    ],
)
def test_what_can_not_be_drawn(
    more: list[str], said: str, boards: Path, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(boards, address, *more)) == 3
    assert said in capsys.readouterr().err


def test_prometheus_that_breaks_off_ends_the_run(
    boards: Path, stub: Stub, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.broken = b""
    assert main(words(boards, address)) == 3
    assert "answered 502 and no JSON: is it a Prometheus?" in capsys.readouterr().err


# The demo


def test_traffic_is_sent_until_there_are_rates(stub: Stub, client: Client) -> None:
    said: list[str] = []

    def send() -> dict[int, int]:
        rounds = len(said)
        stub.answers[demo.BUSY] = vector(({}, str(4 * rounds)))
        return {200: 10, 404: 1}

    demo.await_traffic(client, send, said.append)
    assert said == [f"sending traffic: {seconds} of 110 s have some" for seconds in (0, 40, 80)]


def test_a_service_that_answers_nothing_ends_the_waiting(client: Client) -> None:
    with pytest.raises(PreviewError, match=r"answered no request with 200: \{503: 9\}"):
        demo.await_traffic(client, lambda: {503: 9}, lambda _: None)


def test_a_prometheus_that_sees_no_traffic_ends_the_waiting(client: Client) -> None:
    with pytest.raises(PreviewError, match="saw no two minutes of traffic, although 300 s were sent"):
        demo.await_traffic(client, lambda: {200: 9}, lambda _: None)
