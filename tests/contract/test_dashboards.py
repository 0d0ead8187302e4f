"""What every shipped dashboard keeps to: what Grafana's file provisioning takes, and what a person can read."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.contract.test_metrics_used import RELOAD, dashboards, panels

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
every = pytest.mark.parametrize("board", dashboards().values(), ids=dashboards())


@pytest.mark.filterwarnings("ignore:Prefer using dashboardv2")  # file provisioning refuses that format
def test_committed_as_generated() -> None:
    from dashboards.__main__ import DASHBOARDS

    assert {file.name for file in RELOAD.glob("*.json")} == DASHBOARDS.keys()
    for name, make in DASHBOARDS.items():
        assert (RELOAD / name).read_text("utf-8") == make(), "run: make dashboards"


def test_uids_are_unique() -> None:
    uids = [board["uid"] for board in dashboards().values()]
    assert len(set(uids)) == len(uids)


@every
def test_classic_format_that_refreshes(board: dict[str, Any]) -> None:
    assert board["schemaVersion"] == 42
    assert not {"apiVersion", "kind", "spec", "elements"} & board.keys()
    assert board["refresh"] == "30s"
    assert re.fullmatch(r"[a-z][a-z0-9-]{1,39}", board["uid"])
    assert "id" not in board


@every
def test_the_data_source_is_chosen_in_a_variable(board: dict[str, Any]) -> None:
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    for panel in panels(board):
        assert panel["datasource"] == SOURCE
        assert [target["datasource"] for target in panel["targets"]] == [SOURCE] * len(panel["targets"])


@every
def test_every_panel_explains_itself(board: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in panels(board):
        assert len(panel["description"]) > 30, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        references = [target["refId"] for target in panel["targets"]]
        assert references
        assert len(set(references)) == len(references)


@every
def test_rates_follow_the_scrape_interval(board: dict[str, Any]) -> None:
    for panel in panels(board):
        for target in panel["targets"]:
            assert set(re.findall(r"\[([^\]]+)\]", target["expr"])) <= {"$__rate_interval"}, panel["title"]


@every
def test_per_product_series_are_taken_once(board: dict[str, Any]) -> None:
    """Each replica exports the same numbers: a plain sum would multiply the stock by the number of replicas."""
    metrics = "product_stock_level|low_stock_alerts_total|restock_operations_total|product_operations_total"
    for panel in panels(board):
        for target in panel["targets"]:
            plain = re.sub(rf"max without \(pod, instance\) \((increase\()?({metrics})", "", target["expr"])
            assert not re.search(metrics, plain), panel["title"]


@every
def test_panels_do_not_overlap(board: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
