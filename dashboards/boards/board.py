"""The frame that all dashboards have in common: variables, annotations, links, rows, and the JSON that Grafana reads.

It never knows what is shown.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableHide,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from dashboards.boards.defaults import without_defaults
from dashboards.boards.panels import RUNBOOK, SOURCE, panel_id
from dashboards.boards.promql import firing, recorded, service

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dashboards.boards.panels import Panel
    from inventory_operator.verification.excuses import Excuse

#: Dashboards with this tag are in the menu of each other; a user's own may have it, too.
TAG = "inventory-stack"
_ALL = VariableOption(selected=True, text=["All"], value=["$__all"])
#: Of these, `pod` is the finest that lasts: `instance` is an address, another one after each restart.
_PODS = "up|container_memory_working_set_bytes"


@dataclass(frozen=True)
class Row:
    """A heading and what is under it; `may_be_empty` says when its panels show nothing although all is well.

    That is for what the metrics' own excuses don't cover, and not in the JSON: the operator, which asks each query
    whether it returns series, has it in a file of its own.
    """

    title: str
    panels: Iterable[Panel]
    may_be_empty: Sequence[Excuse] = ()


@dataclass(frozen=True)
class Rendered:
    """A dashboard as it is written: its JSON, and the names of the excuses of panels by their numbers."""

    uid: str
    json: str
    may_be_empty: Mapping[int, Sequence[str]]


@dataclass(frozen=True)
class Frame:
    """What differs between the frames; `jobs` is a pattern of those whose metrics are shown, `marks` are for graphs."""

    uid: str
    title: str
    description: str
    jobs: str = ".+"
    choices: Sequence[str] = ("namespace", "stack", "job", "pod")
    more: Sequence[dashboard.CustomVariable] = ()
    time: str = "now-1h"
    marks: bool = True


def render(frame: Frame, rows: Iterable[Row]) -> Rendered:
    """Return a dashboard."""
    board = _framed(frame)
    may_be_empty: dict[int, list[str]] = {}
    for row in rows:
        board.with_row(dashboard.Row(row.title).id(panel_id(f"row {row.title}")))
        for panel in row.panels:
            number = panel_id(panel.build().title or "")
            board.with_panel(panel.id(number))
            if row.may_be_empty:
                may_be_empty[number] = [excuse.name for excuse in row.may_be_empty]
    text = _written(without_defaults(json.loads(json.dumps(board.build(), cls=JSONEncoder))))
    return Rendered(frame.uid, text, may_be_empty)


def _framed(frame: Frame) -> dashboard.Dashboard:
    board = dashboard.Dashboard(frame.title).uid(frame.uid).description(frame.description).tags([TAG])
    board.timezone("browser").refresh("30s").time(frame.time, "now").tooltip(DashboardCursorSync.CROSSHAIR).readonly()
    for variable in (*_variables(frame), *frame.more, _alertmanager()):
        board.with_variable(variable)
    return board.annotations([_deploys(), _firing()] if frame.marks else []).links(list(_links()))


def _variables(frame: Frame) -> Iterable[dashboard.DatasourceVariable | dashboard.QueryVariable]:
    source = VariableOption(selected=True, text="Prometheus", value="prometheus")
    yield dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus").current(source)
    stack = 'namespace=~"$namespace", stack=~"$stack"'
    for name, series in (
        ("namespace", "inventory:low_stock_threshold"),
        ("stack", 'inventory:low_stock_threshold{namespace=~"$namespace"}'),
        ("job", f'up{{job=~"{frame.jobs}", namespace=~"$namespace|", stack=~"$stack|"}}'),
        ("pod", f'{{__name__=~"{_PODS}", {stack}, pod!=""}}'),
    ):
        shown = VariableHide.DONT_HIDE if name in frame.choices else VariableHide.HIDE_VARIABLE
        variable = _labels(name, series, name).label(name.title()).hide(shown).multi(multi=True)
        yield variable.include_all(include_all=True).all_value(".+").current(_ALL)


def _alertmanager() -> dashboard.QueryVariable:
    """Return the address of this stack's Alertmanager, as the operator knows it: no dashboard has one of its own."""
    links = recorded("inventory:links:info")
    return _labels("alertmanager", links, "alertmanager").hide(VariableHide.HIDE_VARIABLE)


def _labels(name: str, series: str, label: str) -> dashboard.QueryVariable:
    variable = dashboard.QueryVariable(name).datasource(SOURCE).query(f"label_values({series}, {label})")
    return variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.ALPHABETICAL_ASC)


def _deploys() -> dashboard.AnnotationQuery:
    """Mark when a version of the service runs that did not run in the hour before."""
    build = service("inventory_build_info")
    by = "group by (version, schema)"
    return (
        dashboard.AnnotationQuery()
        .name("Deploys")
        .datasource(SOURCE)
        .enable(enable=True)
        .icon_color("blue")
        .expr(f"{by} ({build}) unless {by} (last_over_time({build}[1h] offset 2m))")
        .step("60s")
        .title_format("Version {{version}}")
        .text_format("The inventory service now runs version {{version}} (schema {{schema}}).")
    )


def _firing() -> dashboard.AnnotationQuery:
    """Mark how long each alert fired; Watchdog, which always does, has the severity none."""
    return (
        dashboard.AnnotationQuery()
        .name("Firing alerts")
        .datasource(SOURCE)
        .enable(enable=True)
        .icon_color("red")
        .expr(f"group by (alertname, severity, domain) ({firing()})")
        .step("60s")
        .title_format("{{alertname}}")
        .text_format("Fires: severity {{severity}}, domain {{domain}}. What to do is in the runbook.")
        .tag_keys("severity,domain")
    )


def _links() -> Iterable[dashboard.DashboardLink]:
    def kept(link: dashboard.DashboardLink) -> dashboard.DashboardLink:
        return link.include_vars(include_vars=True).keep_time(keep_time=True)

    boards = dashboard.DashboardLink("Dashboards").type(DashboardLinkType.DASHBOARDS).tags([TAG])
    yield kept(boards.as_dropdown(as_dropdown=True).tooltip("The other dashboards of this stack"))
    page = dashboard.DashboardLink("Runbook").type(DashboardLinkType.LINK).url(f"/d/{RUNBOOK}").icon("doc")
    yield kept(page.tooltip("What to do when an alert fires"))
    alertmanager = dashboard.DashboardLink("Alertmanager").type(DashboardLinkType.LINK).url("${alertmanager:raw}")
    yield alertmanager.icon("bell").target_blank(target_blank=True).tooltip("Alerts by group, and silences")


def _written(model: dict[str, Any]) -> str:
    """Return JSON with a line for each panel: an operator holds it once for each stack, and people read differences."""

    def line(value: Any) -> str:
        return json.dumps(value, separators=(",", ":"), sort_keys=True)

    panels = ",\n".join(line(panel) for panel in model["panels"])
    parts = {key: line(value) for key, value in model.items()} | {"panels": f"[\n{panels}\n]"}
    return "{\n" + ",\n".join(f'"{key}":{parts[key]}' for key in sorted(parts)) + "\n}\n"
