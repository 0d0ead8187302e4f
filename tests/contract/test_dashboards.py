"""What every shipped dashboard keeps to: what Grafana's file provisioning takes, and what a person can read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.contract import exported
from tests.framework.boards import (
    RELOAD,
    dashboards,
    interpolated,
    panels,
    queries,
    selectors,
    stray_words,
    with_queries,
)

from dashboards.__main__ import generate
from dashboards.boards.defaults import without_defaults
from dashboards.boards.panels import panel_id
from dashboards.boards.runbook import FILE as RUNBOOK

if TYPE_CHECKING:
    from pathlib import Path

    from tests.framework.tools import Tool

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
PER_PRODUCT = {
    "product_stock_level",
    "product_low_stock_threshold",
    "low_stock_alerts_total",
    "out_of_stock_alerts_total",
    "restock_operations_total",
    "product_operations_total",
}
UIDS = {f"inventory-{name}" for name in ("overview", "slo", "monitoring", "operator", "runbook")}
every = pytest.mark.parametrize("board", dashboards().values(), ids=dashboards())


def marks(board: dict[str, Any]) -> list[str]:
    """Return the queries of a dashboard's annotations."""
    return [annotation["expr"] for annotation in board["annotations"]["list"]]


def test_committed_as_generated() -> None:
    files = generate()
    assert {file for file in files if file.parent == RELOAD} == set(RELOAD.glob("*.json"))
    for file, text in files.items():
        assert file.read_text("utf-8") == text, "run: make golden"


def test_names_are_known_to_the_world() -> None:
    """Links from outside and recorded series lead to these; a second one with the same uid would replace the first."""
    uids = [board["uid"] for board in dashboards().values()]
    assert sorted(uids) == sorted(UIDS)
    assert {f"{uid}.json" for uid in uids} == dashboards().keys()


def test_all_of_them_are_lean() -> None:
    """Every stack has a copy, which costs the API server more than its other children; users' own need room, too."""
    assert sum(file.stat().st_size for file in RELOAD.iterdir()) < 125_000


@every
def test_nothing_is_written_that_grafana_takes_anyway(board: dict[str, Any]) -> None:
    """And `options`, without which some panels begin with others than their defaults, is always there."""
    assert without_defaults(board) == board
    assert all("options" in panel for panel in panels(board))


@every
def test_classic_format_that_refreshes(board: dict[str, Any]) -> None:
    assert board["schemaVersion"] == 42
    assert not {"apiVersion", "kind", "spec", "elements", "id", "version"} & board.keys()
    assert board["refresh"] == "30s"
    assert board["editable"] is False
    assert re.fullmatch(r"[a-z][a-z0-9-]{1,39}", board["uid"])


@every
def test_nothing_secret_and_nothing_from_one_installation(board: dict[str, Any]) -> None:
    text = str(board)
    assert not re.search(r"glsa_|eyJ[A-Za-z0-9]|[Aa]pi[ _-]?[Kk]ey|Bearer |://[^/\s]+:[^/\s]+@", text)
    assert "inControlsMenu" not in text


@every
def test_panels_keep_their_numbers(board: dict[str, Any]) -> None:
    """A number follows from its title alone, so a link to a panel survives the panels around it."""
    titles = [panel["title"] for panel in panels(board)]
    assert len(set(titles)) == len(titles)
    assert {panel["id"] for panel in panels(board)} == {panel_id(title) for title in titles}
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)


@every
def test_every_panel_explains_itself(board: dict[str, Any]) -> None:
    for panel in with_queries(board):
        assert len(panel["description"]) > 20, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        references = [target["refId"] for target in panel["targets"]]
        assert references
        assert len(set(references)) == len(references)
        assert panel["datasource"] == SOURCE
        assert not any("datasource" in target for target in panel["targets"]), "a query asks its panel's"


@every
def test_numbers_and_bars_are_coloured(board: dict[str, Any]) -> None:
    for panel in panels(board):
        if panel["type"] in {"stat", "bargauge"}:
            assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"], panel["title"]


@every
def test_panels_stand_in_a_grid_that_people_can_read(board: dict[str, Any]) -> None:
    """Whole, half or a third of the screen; a phone puts one below the other."""
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert at["x"] + at["w"] <= 24
        assert at["w"] in {8, 12, 24}, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells


def test_the_essentials_are_on_the_first_screen() -> None:
    """1600x1000 in kiosk mode are 26 rows of the grid, each of 30 pixels and a gap of 8."""
    first = {
        panel["title"]
        for panel in panels(dashboards()["inventory-overview.json"])
        if panel["gridPos"]["y"] + panel["gridPos"]["h"] <= 1000 // 38
    }
    assert first >= {
        *("Service pods up", "Requests", "Response time (p95)", "Error ratio", "Products low or out of stock"),
        *("Alerts firing", "Response time", "Request rate by endpoint", "Refused and failed requests"),
    }


def test_the_overview_has_its_six_groups() -> None:
    rows = [panel["title"] for panel in dashboards()["inventory-overview.json"]["panels"] if panel["type"] == "row"]
    assert rows[0] == "At a glance"
    assert rows[1:] == ["Response time", "Traffic and errors", "Stock", "Business events", "Containers"]


@every
def test_marks(board: dict[str, Any]) -> None:
    """On every dashboard with graphs: the runbook has none."""
    if not with_queries(board):
        assert marks(board) == []
        return
    deploys, firing = board["annotations"]["list"]
    assert (deploys["name"], firing["name"]) == ("Deploys", "Firing alerts")
    assert deploys["enable"]
    assert firing["enable"]
    assert "inventory_build_info" in deploys["expr"]
    assert "ALERTS{" in firing["expr"]


@every
def test_links(board: dict[str, Any]) -> None:
    others, runbook, alertmanager = board["links"]
    assert (others["type"], others["tags"]) == ("dashboards", board["tags"])
    assert runbook["url"] == "/d/inventory-runbook"
    for link in (others, runbook):
        assert link["includeVars"]
        assert link["keepTime"]
    assert alertmanager["url"] == "${alertmanager:raw}"
    (variable,) = [each for each in board["templating"]["list"] if each["name"] == "alertmanager"]
    assert "inventory:links:info{" in variable["query"]
    assert variable["hide"] == 2


def test_links_to_the_runbook_lead_to_alerts() -> None:
    pages = {f"/d/inventory-runbook?viewPanel=panel-{panel_id(name)}": name for name in exported.alert_names()}
    links = [
        link
        for board in dashboards().values()
        for panel in panels(board)
        for link in panel.get("links", [])
        if link["title"].startswith("Runbook: ")
    ]
    assert links
    for link in links:
        assert link["title"] == f"Runbook: {pages[link['url']]}"


def test_the_runbook_is_complete() -> None:
    """Each entry of RUNBOOK.md about an alert is a panel of its own."""
    shown = [panel["title"] for panel in panels(dashboards()["inventory-runbook.json"])]
    headings = re.findall(r"^#+ (\w+)$", RUNBOOK.read_text("utf-8"), re.MULTILINE)
    assert set(shown) == exported.alert_names()
    assert shown == [heading for heading in headings if heading in exported.alert_names()]
    for panel in panels(dashboards()["inventory-runbook.json"]):
        for part in ("Meaning", "Impact", "Diagnosis", "Mitigation"):
            assert part in panel["options"]["content"], panel["title"]


def test_grafana_shows_the_runbook_as_it_is_written() -> None:
    """It would put values in for names of variables, and leave out what looks like HTML outside of code."""
    board = dashboards()["inventory-runbook.json"]
    names = "|".join(variable["name"] for variable in board["templating"]["list"])
    for panel in panels(board):
        content = panel["options"]["content"]
        assert not re.search(rf"\$\{{?({names})\b|\[\[", content), panel["title"]
        prose = re.sub(r"^    .*$|`[^`]*`", "", content, flags=re.MULTILINE)
        assert "<" not in prose, panel["title"]


@every
def test_queries_are_promql(board: dict[str, Any], promtool: Tool, tmp_path: Path) -> None:
    """Those of panels and of annotations; promtool reads them as rules."""
    expressions = [query.expr for query in queries(board)]
    expressions += marks(board)
    rules = [{"record": f"panel:{n}", "expr": interpolated(expr)} for n, expr in enumerate(expressions)]
    file = tmp_path / "panels.rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", "--lint=none", file)


@every
def test_queries_select_what_is_exported(board: dict[str, Any]) -> None:
    expressions = [query.expr for query in queries(board)]
    expressions += marks(board)
    expressions += [variable["query"] for variable in board["templating"]["list"] if variable["type"] == "query"]
    used = {selector.metric for expr in expressions for selector in selectors(expr)}
    assert used - exported.everything() == set()


@every
def test_every_metric_has_a_selector(board: dict[str, Any]) -> None:
    """Nothing is shown that the variables of the dashboard can't narrow."""
    for query in queries(board):
        assert stray_words(query.expr) == set(), query
        for selector in selectors(query.expr):
            names = {name for name, _, _ in selector.matchers}
            assert names >= {"namespace", "stack"}, query


@every
def test_per_product_series_are_taken_once(board: dict[str, Any]) -> None:
    """Each replica exports the same numbers: a plain sum would multiply the stock by the number of replicas."""
    metrics = "|".join(PER_PRODUCT)
    for query in queries(board):
        plain = re.sub(rf"max without \(pod, instance\) \((increase\()?({metrics})\{{", "", query.expr)
        assert not re.search(rf"(?<![\w:])({metrics})\b", plain), query


def test_the_overview_compares_with_the_threshold_of_each_product() -> None:
    used = {
        selector.metric
        for query in queries(dashboards()["inventory-overview.json"])
        for selector in selectors(query.expr)
    }
    assert used >= {"product_low_stock_threshold", "inventory:product_low_stock_threshold"}
    assert "inventory:low_stock_threshold" not in used


def test_at_most_two_panels_need_grafana() -> None:
    """They are the only ones without data where no Grafana can run."""
    of_grafana = {
        query.panel
        for board in dashboards().values()
        for query in queries(board)
        if re.search(r"[{ ]job=\"grafana\"", query.expr)
    }
    assert len(of_grafana) <= 2


def test_the_finder_of_selectors() -> None:
    """It must see a metric wherever it stands, and a word that is none."""
    expr = (
        'sum by (a, pod) (rate(x_total{j="s", y=~"5..{2}"}[5m])) / on (b) group_left () z:w{a!="}"} > 0.5 or vector(0)'
    )
    assert [selector.metric for selector in selectors(expr)] == ["x_total", "z:w"]
    assert selectors(expr)[1].matchers == [("a", "!=", "}")]
    assert stray_words(expr) == set()
    assert stray_words("sum(up) or x_total[5m]") == {"up", "x_total"}
