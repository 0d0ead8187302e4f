"""Faults of Grafana, whose image can't be had: where it would run, recordings of a real one are answered."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.faults.planted import recordedgrafana
from tests.faults.planted.fault import Group, Planted

from inventory_operator.verification.dashboards_live import YOUNG_SECONDS

if TYPE_CHECKING:
    from tests.faults.planted.fixture import PlantedFixture

_BOARD = "inventory-overview.json"
_METRIC = "no_such_metric"
_RESOURCES = {"requests": {"cpu": "10m", "memory": "32Mi"}}


def _write(fixture: PlantedFixture, file: Any, text: str) -> None:
    fixture.write("grafana", str(file), text)


def _restart(fixture: PlantedFixture) -> None:
    """Do what the message says."""
    fixture.replace_pod("grafana")


def _lose(fixture: PlantedFixture) -> None:
    """Let Grafana not read a dashboard when it starts."""
    _write(fixture, recordedgrafana.LOST, "inventory-overview")
    fixture.replace_pod("grafana")


def _find(fixture: PlantedFixture) -> None:
    _write(fixture, recordedgrafana.LOST, "")


def _source(fixture: PlantedFixture, address: str) -> None:
    _write(fixture, recordedgrafana.SOURCE, address)


def _board(fixture: PlantedFixture, query: str) -> None:
    """Change the query of a panel in the ConfigMap of the dashboards."""

    def changed(text: str) -> str:
        board = json.loads(text)
        panel = next(one for one in board["panels"] if one["title"] == "Requests")
        panel["targets"][0]["expr"] = query
        return json.dumps(board)

    fixture.change_file("grafana", _BOARD, changed)


GRAFANA = Group(
    name="grafana",
    spec={"alerting": {"enabled": False}, "grafana": {"enabled": True, "resources": _RESOURCES}},
    recorded=True,
    # So long after a start a panel fails only where its query is refused.
    settles=YOUNG_SECONDS + 5,
    faults=(
        Planted(
            name="dashboard-wrong-metric",
            what="a panel's query in the ConfigMap asks for a metric that there is not",
            about="DashboardsLive",
            reason="MetricMissing",
            words=('panel "Requests" of "Inventory overview", query A', _METRIC),
            explained=("the query has a wrong name",),
            plant=partial(_board, query=f'sum({_METRIC}{{namespace=~"$namespace"}})'),
            paused=True,
        ),
        Planted(
            name="dashboard-wrong-query",
            what="a panel's query in the ConfigMap is not PromQL",
            about="DashboardsLive",
            reason="QueryRefused",
            words=('panel "Requests" of "Inventory overview", query A',),
            explained=("the query is not valid: correct the dashboard",),
            plant=partial(_board, query="sum("),
            paused=True,
        ),
        Planted(
            name="datasource-edited",
            what="the data source in Grafana leads to another address",
            about="GrafanaConnected",
            reason="DatasourceChanged",
            words=(
                "the data source prometheus of Grafana has the url http://elsewhere:9090",
                "delete pod shop-grafana-",
            ),
            explained=("the data source prometheus leads elsewhere", "delete the pod"),
            plant=partial(_source, address="http://elsewhere:9090"),
            repair=_restart,
            recorded=True,
        ),
        Planted(
            name="datasource-deleted",
            what="the data source in Grafana is deleted",
            about="GrafanaConnected",
            reason="DatasourceMissing",
            words=("Grafana does not have the data source prometheus", "delete pod shop-grafana-"),
            explained=("somebody deleted the data source prometheus: delete the pod",),
            plant=partial(_source, address="none"),
            repair=_restart,
            recorded=True,
        ),
        Planted(
            name="grafana-password-changed",
            what="the administrator's password is changed in Grafana",
            about="GrafanaConnected",
            reason="WrongPassword",
            words=("does not take the user and the password of Secret shop-grafana", "delete pod shop-grafana-"),
            explained=("somebody changed the password in Grafana", "Delete the pod"),
            plant=partial(_write, file=recordedgrafana.PASSWORD, text="changed-by-hand"),
            repair=_restart,
            recorded=True,
        ),
        Planted(
            name="dashboard-missing",
            what="Grafana does not read one of its dashboards when it starts",
            about="GrafanaConnected",
            reason="DashboardMissing",
            words=('Grafana does not have the dashboard "Inventory overview"', "read the log of pod shop-grafana-"),
            explained=("Grafana's log says why it did not read the dashboard",),
            plant=_lose,
            repair=_find,
            limit=90.0,
            slower="Grafana is started, and has half a minute to read its dashboards",
            recorded=True,
        ),
    ),
)
